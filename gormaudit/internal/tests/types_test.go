package tests

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/schema"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// holder is a model whose by-columns are of type T.
type holder[T any] struct {
	ID        uint
	Title     string
	CreatedBy T
	UpdatedBy T
}

func (holder[T]) TableName() string {
	return "holder_" + strings.Map(func(r rune) rune {
		switch r {
		case '*':
			return 'p'
		case '[', ']', '.', '/', '-':
			return '_'
		}
		return r
	}, reflect.TypeFor[T]().String())
}

// Types of applications, to be held.
type (
	userID  string
	userNum uint32
	seatNum int16
	rawID   []byte
)

// handle is a string that writes itself differently in the database.
type handle string

func (h handle) Value() (driver.Value, error) { return "@" + string(h), nil }

func (h *handle) Scan(src any) error {
	switch v := src.(type) {
	case string:
		*h = handle(strings.TrimPrefix(v, "@"))
	case []byte:
		*h = handle(strings.TrimPrefix(string(v), "@"))
	default:
		return fmt.Errorf("handle: %T", src)
	}
	return nil
}

// badge is a struct that reads and writes itself.
type badge struct{ text string }

func (badge) GormDataType() string { return "string" }

func (b badge) Value() (driver.Value, error) { return b.text, nil }

func (b *badge) Scan(src any) error {
	switch v := src.(type) {
	case string:
		b.text = v
	case []byte:
		b.text = string(v)
	default:
		return fmt.Errorf("badge: %T", src)
	}
	return nil
}

// binUUID keeps a UUID as 16 bytes in the database, too.
type binUUID [16]byte

func (binUUID) GormDBDataType(db *gorm.DB, _ *schema.Field) string {
	return map[string]string{"postgres": "bytea", "mysql": "binary(16)", "sqlite": "blob"}[db.Name()]
}

func (b binUUID) String() string { return uuid.UUID(b).String() }

func (b binUUID) Value() (driver.Value, error) { return b[:], nil }

func (b *binUUID) Scan(src any) error {
	held, ok := src.([]byte)
	if !ok || len(held) != 16 {
		return fmt.Errorf("binUUID: %v", src)
	}
	copy(b[:], held)
	return nil
}

// wrappedUUID has the methods of what it holds.
type wrappedUUID struct{ uuid.UUID }

// sortableID is 16 bytes that are written in an alphabet of their own, as a
// ULID is.
type sortableID [16]byte

func (sortableID) GormDataType() string { return "string" }

func (s sortableID) String() string { return "01" + strings.ToUpper(hex.EncodeToString(s[:])) }

func (s sortableID) Value() (driver.Value, error) { return s.String(), nil }

func (s *sortableID) Scan(src any) error {
	text, ok := src.(string)
	if held, bytes := src.([]byte); bytes {
		text, ok = string(held), true
	}
	if !ok || len(text) != 34 || text[:2] != "01" {
		return fmt.Errorf("sortableID: %v", src)
	}
	_, err := hex.Decode(s[:], []byte(text[2:]))
	return err
}

// reversed is a serializer that writes text backwards.
type reversed struct{}

func (reversed) Scan(ctx context.Context, field *schema.Field, dst reflect.Value, held any) error {
	return field.Set(ctx, dst, backwards(asText(held)))
}

func (reversed) Value(_ context.Context, _ *schema.Field, _ reflect.Value, held any) (any, error) {
	return backwards(held.(string)), nil
}

func backwards(text string) string {
	var b strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeLastRuneInString(text)
		b.WriteRune(r)
		text = text[:len(text)-n]
	}
	return b.String()
}

// Models whose columns depend on a tag.
type (
	jsonHolder struct {
		ID                   uint
		Title                string
		CreatedBy, UpdatedBy string `gorm:"serializer:json"`
	}
	jsonPointerHolder struct {
		ID                   uint
		Title                string
		CreatedBy, UpdatedBy *string `gorm:"serializer:json"`
	}
	jsonNumberHolder struct {
		ID                   uint
		Title                string
		CreatedBy, UpdatedBy uint64 `gorm:"serializer:json;type:text"`
	}
	gobHolder struct {
		ID                   uint
		Title                string
		CreatedBy, UpdatedBy string `gorm:"serializer:gob;type:bytes"`
	}
	reversedHolder struct {
		ID                   uint
		Title                string
		CreatedBy, UpdatedBy string `gorm:"serializer:reversed"`
	}
	sizedHolder struct {
		ID                   uint
		Title                string
		CreatedBy, UpdatedBy string `gorm:"size:16"`
	}
	sizedPointerHolder struct {
		ID                   uint
		Title                string
		CreatedBy, UpdatedBy *string `gorm:"size:16"`
	}
)

const (
	ownUUID  = "0190f6a5-7c3e-7b1a-9f00-2a4b6c8d0e1f"
	upperID  = "0190F6A5-7C3E-7B1A-9F00-2A4B6C8D0E1F"
	sortable = "010190F6A57C3E7B1A9F002A4B6C8D0E1F"
)

// userIDs are ids as they come in: some fit everywhere, some nowhere.
var userIDs = []string{
	"42", "0", "7", "010", "0x1f", "1_000", "1e3", "1.5", "+5", "-0", "-1", " 42", "42 ", "abc", "٤٢",
	"127", "128", "255", "256", "300", "32767", "32768", "-32768", "65536", "2147483648", "4294967295", "4294967296",
	"9007199254740993", "9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616",
	ownUUID, upperID, "{" + ownUUID + "}", strings.ReplaceAll(ownUUID, "-", ""), ownUUID[:35] + "g", "00000000-0000-0000-0000-000000000000",
	sortable, "Zoë-用户-🙂", "a\x00b", "exactly 16 bytes", "seventeen letters", strings.Repeat("9", 10240), strings.Repeat("x", 10240),
}

// serverIDs are those that a database may see differently. The plugin takes or
// refuses the others before any database is asked.
var serverIDs = []string{
	"42", "-1", "255", "abc", "4294967295", "9007199254740993", "18446744073709551615", ownUUID, upperID, sortable,
	"Zoë-用户-🙂", "a\x00b", strings.Repeat("x", 10240),
}

// fit says what a column holds for an id, and whether the id fits at all.
type fit func(id string) (held string, fits bool)

func fitsText(id string) (string, bool) { return id, true }

func fitsSize(most int) fit {
	return func(id string) (string, bool) { return id, utf8.RuneCountInString(id) <= most }
}

func fitsInt(bits int) fit {
	return func(id string) (string, bool) {
		n, err := strconv.ParseInt(id, 10, bits)
		return id, err == nil && strconv.FormatInt(n, 10) == id
	}
}

func fitsUint(bits int) fit {
	return func(id string) (string, bool) {
		n, err := strconv.ParseUint(id, 10, bits)
		return id, err == nil && strconv.FormatUint(n, 10) == id
	}
}

// noZero is for columns without NULL, in which 0 is nobody.
func noZero(f fit) fit {
	return func(id string) (string, bool) {
		held, fits := f(id)
		return held, fits && id != "0"
	}
}

// fitsUUID takes a UUID as the column shows it: another spelling would be another
// actor in the history, and the same one here.
func fitsUUID(id string) (string, bool) {
	u, err := uuid.Parse(id)
	return id, err == nil && u.String() == id
}

func fitsBinUUID(id string) (string, bool) {
	held, fits := fitsUUID(id)
	u, _ := uuid.Parse(held)
	return string(u[:]), fits
}

func fitsSortable(id string) (string, bool) { return id, id == sortable }

func as(f fit, write func(string) string) fit {
	return func(id string) (string, bool) {
		held, fits := f(id)
		return write(held), fits
	}
}

func quoteJSON(id string) string {
	held, err := json.Marshal(id)
	if err != nil {
		panic(err)
	}
	return string(held)
}

func gobbed(id string) string {
	var held bytes.Buffer
	if err := gob.NewEncoder(&held).Encode(id); err != nil {
		panic(err)
	}
	return held.String()
}

// columnTypes are all types that can hold an id.
var columnTypes = []struct {
	name  string
	model any
	fit   fit
}{
	{"string", holder[string]{}, fitsText},
	{"*string", holder[*string]{}, fitsText},
	{"**string", holder[**string]{}, fitsText},
	{"named string", holder[userID]{}, fitsText},
	{"*named string", holder[*userID]{}, fitsText},
	{"string with Value and Scan", holder[handle]{}, as(fitsText, func(id string) string { return "@" + strings.TrimPrefix(id, "@") })},
	{"*string with Value and Scan", holder[*handle]{}, as(fitsText, func(id string) string { return "@" + strings.TrimPrefix(id, "@") })},
	{"int", holder[int]{}, noZero(fitsInt(64))},
	{"int8", holder[int8]{}, noZero(fitsInt(8))},
	{"int16", holder[int16]{}, noZero(fitsInt(16))},
	{"int32", holder[int32]{}, noZero(fitsInt(32))},
	{"int64", holder[int64]{}, noZero(fitsInt(64))},
	{"*int64", holder[*int64]{}, fitsInt(64)},
	{"**int32", holder[**int32]{}, fitsInt(32)},
	{"named int16", holder[seatNum]{}, noZero(fitsInt(16))},
	{"uint", holder[uint]{}, noZero(fitsUint(64))},
	{"uint8", holder[uint8]{}, noZero(fitsUint(8))},
	{"*uint8", holder[*uint8]{}, fitsUint(8)},
	{"uint16", holder[uint16]{}, noZero(fitsUint(16))},
	{"uint32", holder[uint32]{}, noZero(fitsUint(32))},
	{"uint64", holder[uint64]{}, noZero(fitsUint(64))},
	{"*uint64", holder[*uint64]{}, fitsUint(64)},
	{"named uint32", holder[userNum]{}, noZero(fitsUint(32))},
	{"*named uint32", holder[*userNum]{}, fitsUint(32)},
	{"[]byte", holder[[]byte]{}, fitsText},
	{"named []byte", holder[rawID]{}, fitsText},
	{"uuid.UUID", holder[uuid.UUID]{}, fitsUUID},
	{"*uuid.UUID", holder[*uuid.UUID]{}, fitsUUID},
	{"uuid.NullUUID", holder[uuid.NullUUID]{}, fitsUUID},
	{"struct around a uuid.UUID", holder[wrappedUUID]{}, fitsUUID},
	{"*struct around a uuid.UUID", holder[*wrappedUUID]{}, fitsUUID},
	{"binary UUID", holder[binUUID]{}, fitsBinUUID},
	{"*binary UUID", holder[*binUUID]{}, fitsBinUUID},
	{"16 bytes that are no UUID", holder[sortableID]{}, fitsSortable},
	{"*16 bytes that are no UUID", holder[*sortableID]{}, fitsSortable},
	{"sql.NullString", holder[sql.NullString]{}, fitsText},
	{"sql.NullByte", holder[sql.NullByte]{}, fitsUint(8)},
	{"sql.NullInt16", holder[sql.NullInt16]{}, fitsInt(16)},
	{"sql.NullInt32", holder[sql.NullInt32]{}, fitsInt(32)},
	{"sql.NullInt64", holder[sql.NullInt64]{}, fitsInt(64)},
	{"sql.Null[string]", holder[sql.Null[string]]{}, fitsText},
	{"sql.Null[uint8]", holder[sql.Null[uint8]]{}, fitsUint(8)},
	{"sql.Null[uint64]", holder[sql.Null[uint64]]{}, fitsUint(63)}, // more its own Value refuses
	{"sql.Null[int32]", holder[sql.Null[int32]]{}, fitsInt(32)},
	{"sql.Null[uuid.UUID]", holder[sql.Null[uuid.UUID]]{}, fitsUUID},
	{"*sql.NullInt64", holder[*sql.NullInt64]{}, fitsInt(64)},
	{"struct with Value and Scan", holder[badge]{}, fitsText},
	{"*struct with Value and Scan", holder[*badge]{}, fitsText},
	{"json string", jsonHolder{}, as(fitsText, quoteJSON)},
	{"json *string", jsonPointerHolder{}, as(fitsText, quoteJSON)},
	{"json uint64", jsonNumberHolder{}, noZero(fitsUint(64))},
	{"gob string", gobHolder{}, as(fitsText, gobbed)},
	{"string of a serializer", reversedHolder{}, as(fitsText, backwards)},
	{"string of 16", sizedHolder{}, fitsSize(16)},
	{"*string of 16", sizedPointerHolder{}, fitsSize(16)},
}

func TestColumnTypes(t *testing.T) {
	schema.RegisterSerializer("reversed", reversed{})
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		s := newStage(t, d, gormaudit.Config{})
		for _, c := range columnTypes {
			t.Run(c.name, func(t *testing.T) {
				h := &holding{stage: s, model: reflect.TypeOf(c.model)}
				row, _ := h.row()
				if err := h.plain.Migrator().CreateTable(row); err != nil {
					t.Fatal(err)
				}
				h.table = tableOf(t, h.plain, row)
				ids := serverIDs
				if d.Kind == dbtest.SQLite {
					ids = userIDs
				}
				for _, id := range ids {
					if held, fits := c.fit(id); fits {
						h.takes(t, id, held)
					} else {
						h.refuses(t, id)
					}
				}
				h.nobody(t)
				h.idle(t, "after all")
			})
		}
	})
}

func tableOf(t *testing.T, db *gorm.DB, model any) string {
	t.Helper()
	stmt := &gorm.Statement{DB: db}
	if err := stmt.Parse(model); err != nil {
		t.Fatal(err)
	}
	return stmt.Table
}

// holding tries ids on a model.
type holding struct {
	*stage
	model reflect.Type
	table string
	rows  uint
}

// row returns a new row of the model, a pointer, and its next id.
func (h *holding) row() (row any, id uint) {
	h.rows++
	v := reflect.New(h.model)
	v.Elem().FieldByName("ID").SetUint(uint64(h.rows))
	return v.Interface(), h.rows
}

// takes tries an id that fits: the row holds it, as does the struct.
func (h *holding) takes(t *testing.T, id, held string) {
	t.Helper()
	row, n := h.row()
	if err := h.as(actor.User(id)).Create(row).Error; err != nil {
		var wrong *gormaudit.ColumnError
		if errors.As(err, &wrong) {
			t.Errorf("Create(id %.40q) = %v, want nil", id, err)
		} else if h.plain.Create(row).Error == nil && h.cell(t, h.table, "created_by", n) == held {
			t.Errorf("Create(id %.40q) = %v, where GORM alone has no error", id, err)
		}
		return
	}
	if got, want := h.by(t, h.table, n), held+" "+held; got != want {
		t.Errorf("Create(id %.40q): row holds %.100q, want %.100q", id, got, want)
	}
	h.sameInMemory(t, row, "Create", id)
	if err := h.as(actor.User(7)).Model(row).Update("title", "x").Error; err == nil {
		if got := h.cell(t, h.table, "created_by", n); got != held {
			t.Errorf("Update: created_by is %.40q, want %.40q", got, held)
		}
	}
	ok(t, h.as(actor.User(id)).Model(row).Update("title", "y"))
	if got := h.cell(t, h.table, "updated_by", n); got != held {
		t.Errorf("Update(id %.40q): row holds %.40q, want %.40q", id, got, held)
	}
	h.sameInMemory(t, row, "Update", id)
}

// sameInMemory compares a row with what GORM alone reads. GORM writes pointers
// to pointers, but panics when it reads them.
func (h *holding) sameInMemory(t *testing.T, row any, what, id string) {
	t.Helper()
	if field, _ := h.model.FieldByName("CreatedBy"); strings.HasPrefix(field.Type.String(), "**") {
		return
	}
	read := reflect.New(h.model)
	ok(t, h.plain.First(read.Interface(), reflect.ValueOf(row).Elem().FieldByName("ID").Interface()))
	for _, name := range []string{"CreatedBy", "UpdatedBy"} {
		got, want := reflect.ValueOf(row).Elem().FieldByName(name).Interface(), read.Elem().FieldByName(name).Interface()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s(id %.40q): struct's %s is %.60v, want %.60v as in the row", what, id, name, got, want)
		}
	}
}

// refuses tries an id that doesn't fit: an error that says why, and nothing
// is written.
func (h *holding) refuses(t *testing.T, id string) {
	t.Helper()
	row, n := h.row()
	h.isColumnError(t, "Create", id, "created_by", h.as(actor.User(id)).Create(row).Error)
	if got := h.cell(t, h.table, "id", n); got != "no row" {
		t.Errorf("Create(id %.40q) wrote a row", id)
	}
	if got := reflect.ValueOf(row).Elem(); !got.FieldByName("CreatedBy").IsZero() || !got.FieldByName("UpdatedBy").IsZero() {
		t.Errorf("Create(id %.40q) stamped the struct of a row that was not written: %.100v", id, row)
	}
	row, n = h.row()
	ok(t, h.plain.Create(row))
	h.isColumnError(t, "Update", id, "updated_by", h.as(actor.User(id)).Model(row).Update("title", "x").Error)
	if got := h.cell(t, h.table, "title", n); got != "" {
		t.Errorf("Update(id %.40q) wrote %q", id, got)
	}
}

func (h *holding) isColumnError(t *testing.T, what, id, column string, err error) {
	t.Helper()
	var wrong *gormaudit.ColumnError
	if !errors.As(err, &wrong) {
		t.Errorf("%s(id %.40q) = %v, want a ColumnError", what, id, err)
		return
	}
	field, _ := h.model.FieldByName("CreatedBy")
	got := []any{wrong.Table, wrong.Column, wrong.Type, wrong.ID, wrong.Actor}
	want := []any{h.table, column, field.Type, id, "user:" + id}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s(id %.40q): ColumnError of %.100v, want %.100v", what, id, got, want)
	}
	if errors.Unwrap(wrong) == nil {
		t.Errorf("%s(id %.40q): ColumnError has no cause", what, id)
	}
	if len(err.Error()) > 600 || !utf8.ValidString(err.Error()) {
		t.Errorf("%s(id %.40q): message is %q, want it short and readable", what, id, err)
	}
}

// nobody compares an anonymous write with a zero field in GORM alone.
func (h *holding) nobody(t *testing.T) {
	t.Helper()
	row, n := h.row()
	ok(t, h.as(actor.Actor{}).Create(row))
	zero, m := h.row()
	ok(t, h.plain.Create(zero))
	if got, want := h.by(t, h.table, n), h.by(t, h.table, m); got != want {
		t.Errorf("Create(anonymous): row holds %q, want %q", got, want)
	}
	ok(t, h.as(actor.User("")).Model(row).Update("title", "x"))
	if got, want := h.by(t, h.table, n), h.by(t, h.table, m); got != want {
		t.Errorf("Update(anonymous): row holds %q, want %q", got, want)
	}
}
