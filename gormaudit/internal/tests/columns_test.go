package tests

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// Stamp is by-columns to be embedded.
type Stamp struct {
	CreatedBy string
	UpdatedBy string
}

// Models that have their by-columns in all places where GORM finds a field.
type (
	embeddedRow struct {
		ID    uint
		Title string
		Stamp
	}
	taggedEmbedRow struct {
		ID    uint
		Title string
		By    Stamp `gorm:"embedded"`
	}
	prefixedRow struct {
		ID     uint
		Title  string
		Stamp  `gorm:"embedded"`
		Review Stamp  `gorm:"embedded;embeddedPrefix:review_"`
		Legal  *Stamp `gorm:"embedded;embeddedPrefix:legal_"`
	}
	pointerEmbedRow struct {
		ID    uint
		Title string
		*Stamp
	}
	// Layer puts by-columns two structs deep.
	Layer struct {
		Note  string
		Inner *Stamp `gorm:"embedded;embeddedPrefix:inner_"`
	}
	nestedRow struct {
		ID    uint
		Title string
		Outer *Layer `gorm:"embedded;embeddedPrefix:outer_"`
	}
	idNamedRow struct {
		ID          uint
		Title       string
		CreatedByID uint
		UpdatedByID *uint
	}
	person       struct{ ID uint }
	relationsRow struct {
		ID          uint
		Title       string
		CreatedBy   person
		CreatedByID uint
		UpdatedBy   *person
		UpdatedByID *uint
	}
	taggedRow struct {
		ID     uint
		Title  string
		Author string `gorm:"autoCreateBy"`
		Editor string `gorm:"autoUpdateBy;column:last_editor"`
		Opener string `gorm:"autoCreateBy:true"`
	}
	offRow struct {
		ID        uint
		Title     string
		CreatedBy string `gorm:"autoCreateBy:false"`
		UpdatedBy string
	}
	renamedRow struct {
		ID        uint
		Title     string
		CreatedBy string `gorm:"column:maker"`
		UpdatedBy string `gorm:"column:Changer"`
	}
	hiddenRow struct {
		ID        uint
		Title     string
		CreatedBy string `gorm:"->"`
		UpdatedBy string `gorm:"<-:create"`
	}
	defaultRow struct {
		ID        uint
		Title     string
		CreatedBy string `gorm:"default:nobody"`
		UpdatedBy string `gorm:"default:(upper('nobody'))"`
	}
	ignoredRow struct {
		ID        uint
		Title     string
		CreatedBy string `gorm:"-"`
		UpdatedBy string
	}
	keyRow struct {
		ID     string `gorm:"-"`
		Person string `gorm:"primaryKey;autoCreateBy"`
		Title  string `gorm:"primaryKey"`
		Last   string `gorm:"autoUpdateBy"`
	}
)

func TestColumnsAreFoundAsGORMFindsTimestamps(t *testing.T) {
	tests := []struct {
		name      string
		model     any
		forged    func() any
		created   string // columns, separated by spaces
		updated   string
		untouched string
	}{
		{"embedded", embeddedRow{}, func() any { return &embeddedRow{Stamp: Stamp{"66", "66"}} }, "created_by", "updated_by", ""},
		{"embedded by tag", taggedEmbedRow{}, func() any { return &taggedEmbedRow{By: Stamp{"66", "66"}} }, "created_by", "updated_by", ""},
		{
			"several with prefixes",
			prefixedRow{},
			func() any { return &prefixedRow{Stamp: Stamp{"66", "66"}, Review: Stamp{"66", "66"}} },
			"created_by review_created_by legal_created_by", "updated_by review_updated_by legal_updated_by", "",
		},
		{"embedded by nil pointer", pointerEmbedRow{}, func() any { return &pointerEmbedRow{} }, "created_by", "updated_by", ""},
		{"embedded by pointer", pointerEmbedRow{}, func() any { return &pointerEmbedRow{Stamp: &Stamp{"66", "66"}} }, "created_by", "updated_by", ""},
		{"nested under nil pointers", nestedRow{}, func() any { return &nestedRow{} }, "outer_inner_created_by", "outer_inner_updated_by", ""},
		{"nested", nestedRow{}, func() any { return &nestedRow{Outer: &Layer{Inner: &Stamp{"66", "66"}}} }, "outer_inner_created_by", "outer_inner_updated_by", ""},
		{"names with ID", idNamedRow{}, func() any { return &idNamedRow{CreatedByID: 66, UpdatedByID: ptr(uint(66))} }, "created_by_id", "updated_by_id", ""},
		{"beside a relation", relationsRow{}, func() any { return &relationsRow{CreatedByID: 66} }, "created_by_id", "updated_by_id", ""},
		{"tags", taggedRow{}, func() any { return &taggedRow{Author: "66", Editor: "66", Opener: "66"} }, "author opener", "last_editor", ""},
		{"tag false", offRow{}, func() any { return &offRow{CreatedBy: "66", UpdatedBy: "66"} }, "", "updated_by", "created_by"},
		{"columns of other names", renamedRow{}, func() any { return &renamedRow{CreatedBy: "66", UpdatedBy: "66"} }, "maker", "Changer", ""},
		{"without write permission", hiddenRow{}, func() any { return &hiddenRow{CreatedBy: "66", UpdatedBy: "66"} }, "created_by", "updated_by", ""},
		{"with database defaults", defaultRow{}, func() any { return &defaultRow{CreatedBy: "66", UpdatedBy: "66"} }, "created_by", "updated_by", ""},
		{"with database defaults, zero", defaultRow{}, func() any { return &defaultRow{} }, "created_by", "updated_by", ""},
		{"ignored field", ignoredRow{}, func() any { return &ignoredRow{CreatedBy: "66", UpdatedBy: "66"} }, "", "updated_by", ""},
	}
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		s := newStage(t, d, gormaudit.Config{})
		if err := s.plain.AutoMigrate(&person{}); err != nil {
			t.Fatal(err)
		}
		ok(t, s.plain.Create([]person{{ID: 5}, {ID: 7}}))
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				table := tableOf(t, s.plain, test.forged())
				_ = s.plain.Migrator().DropTable(table)
				if err := s.plain.Migrator().CreateTable(test.forged()); err != nil {
					t.Fatal(err)
				}
				holds := func(what, columns, want string) {
					t.Helper()
					for _, column := range strings.Fields(columns) {
						if got := s.cell(t, table, column, 1); got != want {
							t.Errorf("%s: %s = %q, want %q", what, column, got, want)
						}
					}
				}
				row := test.forged()
				ok(t, s.user(5).Create(row))
				holds("Create by 5", test.created, "5")
				holds("Create by 5", test.updated, "5")
				holds("Create by 5", test.untouched, "66")
				ok(t, s.user(7).Model(row).Update("title", "x"))
				holds("Update by 7", test.created, "5")
				holds("Update by 7", test.updated, "7")
				holds("Update by 7", test.untouched, "66")
			})
		}
	})
}

func TestByColumnInAPrimaryKey(t *testing.T) {
	s := newSQLiteStage(t, gormaudit.Config{}, &keyRow{})
	ok(t, s.user(5).Create(&keyRow{Person: "66", Title: "a"}))
	ok(t, s.user(7).Where("title = ?", "a").Updates(&keyRow{Person: "5", Last: "66"}))
	if got, want := s.rows(t, "key_rows"), "[map[last:7 person:5 title:a]]"; fmt.Sprint(got) != want {
		t.Errorf("rows = %v, want %s", got, want)
	}
}

func TestEmbeddedStructStaysNilWhereNothingIsWritten(t *testing.T) {
	s := newSQLiteStage(t, gormaudit.Config{}, &pointerEmbedRow{})
	row := &pointerEmbedRow{ID: 1}
	ok(t, s.user(5).Create(row))
	if row.Stamp == nil || row.CreatedBy != "5" {
		t.Errorf("Create: Stamp = %+v, want created_by 5", row.Stamp)
	}
	row.Stamp = nil
	ok(t, s.user(7).Model(row).UpdateColumn("title", "x"))
	if row.Stamp != nil {
		t.Errorf("UpdateColumn: Stamp = %+v, want nil", row.Stamp)
	}
	ok(t, s.user(7).Model(row).Update("title", "y"))
	if row.Stamp == nil || row.UpdatedBy != "7" {
		t.Errorf("Update: Stamp = %+v, want updated_by 7", row.Stamp)
	}
}

func TestColumnsUnderANamingStrategy(t *testing.T) {
	type Piece struct {
		ID        uint
		Title     string
		CreatedBy string
		UpdatedBy string
	}
	tests := []struct {
		name             string
		namer            schema.NamingStrategy
		table            string
		created, updated string
	}{
		{"own prefix, singular", schema.NamingStrategy{TablePrefix: "app_", SingularTable: true}, "app_piece", "created_by", "updated_by"},
		{"no lower case", schema.NamingStrategy{NoLowerCase: true}, "Pieces", "CreatedBy", "UpdatedBy"},
		{"replacer", schema.NamingStrategy{NameReplacer: strings.NewReplacer("By", "Von")}, "pieces", "created_von", "updated_von"},
		{"short identifiers", schema.NamingStrategy{IdentifierMaxLength: 8}, "pieces", "", ""},
	}
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				if test.created == "" {
					test.created, test.updated = test.namer.ColumnName("", "CreatedBy"), test.namer.ColumnName("", "UpdatedBy")
				}
				s := &stage{DB: d.Open(t, &gorm.Config{NamingStrategy: test.namer}), plain: d.Open(t), kind: d.Kind}
				if err := s.Use(gormaudit.New()); err != nil {
					t.Fatal(err)
				}
				if err := s.Migrator().CreateTable(&Piece{}); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = s.Migrator().DropTable(&Piece{}) })
				piece := &Piece{ID: 1, CreatedBy: "66"}
				ok(t, s.user(5).Create(piece))
				for _, key := range []string{"CreatedBy", test.created, strings.ToUpper(test.created)} {
					ok(t, s.user(7).Model(piece).Updates(map[string]any{"ID": 1, key: "66"}))
				}
				want := fmt.Sprintf("map[%s:5 %s:7]", test.created, test.updated)
				columns := []string{s.plain.Statement.Quote(test.created), s.plain.Statement.Quote(test.updated)}
				var row map[string]any
				ok(t, s.plain.Table(test.table).Select(columns).Take(&row))
				if got := fmt.Sprint(row); got != want {
					t.Errorf("row holds %s, want %s", got, want)
				}
			})
		}
	})
}

type opaque struct{ A, B int }

// GORM itself refuses to parse a struct, a map or a slice without a serializer.
func TestTypesThatNoIDFits(t *testing.T) {
	models := []any{
		holder[bool]{},
		holder[*bool]{},
		holder[float32]{},
		holder[float64]{},
		holder[time.Time]{},
		holder[*time.Time]{},
		holder[[16]byte]{},
		holder[*[16]byte]{},
		holder[sql.NullBool]{},
		holder[sql.NullTime]{},
		holder[sql.NullFloat64]{},
		holder[sql.Null[bool]]{},
		holder[sql.Null[time.Time]]{},
		holder[sql.Null[float64]]{},
		holder[gorm.DeletedAt]{},
		struct {
			ID                   uint
			Title                string
			CreatedBy, UpdatedBy bool `gorm:"serializer:json"`
		}{},
		struct {
			ID                   uint
			Title                string
			CreatedBy, UpdatedBy opaque `gorm:"serializer:json"`
		}{},
		struct {
			ID                   uint
			Title                string
			CreatedBy, UpdatedBy map[string]string `gorm:"serializer:json"`
		}{},
	}
	for _, model := range models {
		t.Run(fmt.Sprintf("%T", model), func(t *testing.T) {
			d := dbtest.New(t, dbtest.SQLite)
			db := d.Open(t)
			err := db.Use(gormaudit.NewWithConfig(gormaudit.Config{Models: []any{model}}))
			isNever(t, "Use", err)

			s := newStage(t, d, gormaudit.Config{})
			table := "t"
			ok(t, s.plain.Exec("CREATE TABLE t (id integer PRIMARY KEY, title text, created_by text, updated_by text)"))
			same := s.unchanged(t, table)
			for name, tx := range map[string]*gorm.DB{
				"Create":        s.user(7).Table(table).Create(newOf(model)),
				"Create of map": s.user(7).Model(newOf(model)).Table(table).Create(map[string]any{"title": "x"}),
				"Update":        s.user(7).Model(newOf(model)).Table(table).Where("1 = 1").Update("title", "x"),
				"no actor":      s.Table(table).Create(newOf(model)),
			} {
				isNever(t, name, tx.Error)
				same(name)
			}
		})
	}
}

func newOf(model any) any {
	row, _ := (&holding{model: reflectType(model)}).row()
	return row
}

func isNever(t *testing.T, what string, err error) {
	t.Helper()
	var wrong *gormaudit.ColumnError
	if !errors.As(err, &wrong) {
		t.Errorf("%s = %v, want a ColumnError", what, err)
		return
	}
	if wrong.ID != "" || wrong.Actor != "" || wrong.Column != "created_by" || wrong.Type == nil {
		t.Errorf("%s: ColumnError{%q, %q, %v, %q, %q}, want created_by, its type, no id and no actor",
			what, wrong.Table, wrong.Column, wrong.Type, wrong.ID, wrong.Actor)
	}
}

// GORM leaves a field out that is tagged so, although it has a column's name.
func TestIgnoredFieldsAreNoByColumns(t *testing.T) {
	type ignoring struct {
		ID        uint
		CreatedBy string `gorm:"-;column:created_by"`
	}
	db := dbtest.New(t, dbtest.SQLite).Open(t)
	must(t, db.Exec("CREATE TABLE ignorings (id integer PRIMARY KEY)").Error)
	must(t, db.Use(gormaudit.New()))
	row := ignoring{CreatedBy: "mine"}
	if err := db.WithContext(acting(7)).Create(&row).Error; err != nil || row.CreatedBy != "mine" {
		t.Errorf("Create = %v, and CreatedBy %q, want nil and mine", err, row.CreatedBy)
	}
}

func TestWrongIDLeavesNothingBehind(t *testing.T) {
	type seat struct {
		ID        uint
		Title     string
		CreatedBy uint8
		UpdatedBy uint8
		DeletedBy uint8
		DeletedAt gorm.DeletedAt
	}
	bad := actor.User(300)
	writes := map[string]func(db *gorm.DB) error{
		"Create":          func(db *gorm.DB) error { return db.Create(&seat{Title: "x"}).Error },
		"Create of many":  func(db *gorm.DB) error { return db.Create([]*seat{{Title: "x"}, {Title: "y"}}).Error },
		"CreateInBatches": func(db *gorm.DB) error { return db.CreateInBatches([]seat{{Title: "x"}, {Title: "y"}}, 1).Error },
		"Create of map": func(db *gorm.DB) error {
			return db.Model(&seat{}).Create(map[string]any{"title": "x"}).Error
		},
		"Save":           func(db *gorm.DB) error { return db.Save(&seat{ID: 1, Title: "x"}).Error },
		"Save of no row": func(db *gorm.DB) error { return db.Save(&seat{ID: 99, Title: "x"}).Error },
		"Update":         func(db *gorm.DB) error { return db.Model(&seat{ID: 1}).Update("title", "x").Error },
		"Updates by value": func(db *gorm.DB) error {
			return db.Model(seat{ID: 1}).Updates(seat{Title: "x"}).Error
		},
		"Delete":         func(db *gorm.DB) error { return db.Delete(&seat{ID: 1}).Error },
		"delete by hand": func(db *gorm.DB) error { return db.Model(&seat{ID: 1}).Update("deleted_at", time.Now()).Error },
		"Transaction": func(db *gorm.DB) error {
			return db.Transaction(func(tx *gorm.DB) error {
				if err := tx.Exec("UPDATE seats SET title = 'x'").Error; err != nil {
					return err
				}
				return tx.Create(&seat{Title: "x"}).Error
			})
		},
	}
	eachStage(t, gormaudit.Config{}, []any{&seat{}}, func(t *testing.T, s *stage) {
		ok(t, s.user(5).Create(&seat{ID: 1}))
		same := s.unchanged(t, "seats")
		for name, write := range writes {
			for _, skip := range []bool{false, true} {
				err := write(s.as(bad).Session(&gorm.Session{SkipDefaultTransaction: skip}))
				var wrong *gormaudit.ColumnError
				if !errors.As(err, &wrong) || wrong.ID != "300" || !errors.Is(err, strconv.ErrRange) {
					t.Errorf("%s = %v, want a ColumnError about 300 that is ErrRange", name, err)
				}
				same(name)
			}
		}
	})
}

func TestColumnErrorMessage(t *testing.T) {
	s := newSQLiteStage(t, gormaudit.Config{}, &idNamedRow{})
	err := s.as(actor.Service("abc")).Create(&idNamedRow{}).Error
	if err != nil {
		t.Errorf("Create by a service = %v, want nil", err)
	}
	tests := []struct{ id, want string }{
		{"abc", `gormaudit: id_named_rows.created_by_id is of type uint and can't hold the id "abc" of the actor "user:abc": invalid syntax`},
		{"010", `gormaudit: id_named_rows.created_by_id is of type uint and can't hold the id "010" of the actor "user:010": not a decimal number in its shortest form`},
		{"a\n\x1b[31m\xff", `gormaudit: id_named_rows.created_by_id is of type uint and can't hold the id "a\n\x1b[31m\xff" of the actor "user:a\n\x1b[31m\xff": invalid syntax`},
		{
			strings.Repeat("9", 10240), `gormaudit: id_named_rows.created_by_id is of type uint and can't hold the id "` + strings.Repeat("9", 64) +
				`"… of the actor "user:` + strings.Repeat("9", 59) + `"…: value out of range`,
		},
	}
	for _, test := range tests {
		if got := s.as(actor.User(test.id)).Create(&idNamedRow{}).Error; got == nil || got.Error() != test.want {
			t.Errorf("Create(id %.20q) = %v, want %s", test.id, got, test.want)
		}
	}
}

func TestByMarshalsLikeItsColumns(t *testing.T) {
	type note struct {
		ID uint `json:"id"`
		gormaudit.SoftBy[string]
	}
	got, err := json.Marshal([]any{note{ID: 1, SoftBy: gormaudit.SoftBy[string]{CreatedBy: ptr("5")}}, gormaudit.By[uint]{UpdatedBy: ptr(uint(7))}})
	if want := `[{"id":1,"created_by":"5","updated_by":null,"deleted_by":null},{"created_by":null,"updated_by":7}]`; err != nil || string(got) != want {
		t.Errorf("Marshal = %s, %v, want %s", got, err, want)
	}
}

// A UUID field of one's own has no size: PostgreSQL's uuid only by Config.Models.
func TestOwnUUIDFieldsInTheDatabase(t *testing.T) {
	type ownNote struct {
		ID        uint
		CreatedBy *uuid.UUID
	}
	for name, test := range map[string]struct {
		kind   string
		models []any
		want   string
	}{
		"PostgreSQL, with Config.Models": {dbtest.Postgres, []any{&ownNote{}}, "uuid"},
		"PostgreSQL, without":            {dbtest.Postgres, nil, "text"},
		"MariaDB, with Config.Models":    {dbtest.MariaDB, []any{&ownNote{}}, "longtext"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, dbtest.New(t, test.kind), gormaudit.Config{Models: test.models}, &ownNote{})
			types, err := s.plain.Migrator().ColumnTypes(tableOf(t, s.plain, &ownNote{}))
			if err != nil || len(types) != 2 {
				t.Fatalf("ColumnTypes = %d, %v, want 2 columns", len(types), err)
			}
			if got, _ := types[1].ColumnType(); got != test.want {
				t.Errorf("created_by is a %s, want %s", got, test.want)
			}
		})
	}
}

// Without Config.Models GORM makes bytes of the first two, and texts of the others.
func TestUUIDsOfEveryTypeAreNative(t *testing.T) {
	d := dbtest.New(t, dbtest.Postgres)
	for _, model := range []any{&holder[uuid.NullUUID]{}, &holder[sql.Null[uuid.UUID]]{}, &holder[wrappedUUID]{}, &holder[*wrappedUUID]{}, &holder[uuid.UUID]{}} {
		s := newStage(t, d, gormaudit.Config{Models: []any{model}}, model)
		row := newOf(indirect(model))
		ok(t, s.as(actor.User(ownUUID)).Create(row))
		table := tableOf(t, s.plain, model)
		var held string
		err := s.plain.Raw("SELECT pg_typeof(created_by) || ' ' || created_by FROM ?", clause.Table{Name: table}).Scan(&held).Error
		if want := "uuid " + ownUUID; err != nil || held != want {
			t.Errorf("%T: created_by is %q, %v, want %q", model, held, err, want)
		}
		must(t, gormaudit.Verify(s.DB, model))
	}
}

// A column of the type uuid changes another spelling, whatever the field.
func TestTextForAUUIDColumnHasItsSpelling(t *testing.T) {
	type textTicket struct {
		ID        uint
		CreatedBy *string `gorm:"type:uuid"`
	}
	s := newStage(t, dbtest.New(t, dbtest.Postgres), gormaudit.Config{}, &textTicket{})
	ok(t, s.as(actor.User(ownUUID)).Create(&textTicket{}))
	for _, id := range []string{upperID, "{" + ownUUID + "}", strings.ReplaceAll(ownUUID, "-", "")} {
		var wrong *gormaudit.ColumnError
		if err := s.as(actor.User(id)).Create(&textTicket{}).Error; !errors.As(err, &wrong) {
			t.Errorf("Create(id %s) = %v, want a ColumnError", id, err)
		}
	}
}

func TestByColumnTypesInTheDatabase(t *testing.T) {
	type textNote struct {
		ID uint
		gormaudit.SoftBy[string]
		DeletedAt gorm.DeletedAt
	}
	type numberNote struct {
		ID uint
		gormaudit.SoftBy[uint]
		DeletedAt gorm.DeletedAt
	}
	type uuidNote struct {
		ID uint
		gormaudit.SoftBy[uuid.UUID]
		DeletedAt gorm.DeletedAt
	}
	type plainNote struct {
		ID uint
		gormaudit.By[string]
		DeletedBy *string `gorm:"size:191"`
		DeletedAt gorm.DeletedAt
	}
	// The models' column types, by kind of database.
	want := map[string][4]string{
		dbtest.SQLite:   {"text", "integer", "text", "text"},
		dbtest.Postgres: {"character varying(191)", "bigint", "uuid", "character varying(191)"},
		dbtest.MariaDB:  {"varchar(191)", "bigint(20) unsigned", "varchar(191)", "varchar(191)"},
	}
	want[dbtest.MySQL], want["sqlite-cgo"] = want[dbtest.MariaDB], want[dbtest.SQLite]
	models := []any{&textNote{}, &numberNote{}, &uuidNote{}, &plainNote{}}
	ids := []string{"zoë", "42", ownUUID, "zoë"}
	eachStage(t, gormaudit.Config{Models: models}, models, func(t *testing.T, s *stage) {
		for i, model := range models {
			table := tableOf(t, s.plain, model)
			types, err := s.plain.Migrator().ColumnTypes(table)
			if err != nil {
				t.Fatal(err)
			}
			for _, column := range types {
				if got, _ := column.ColumnType(); strings.HasSuffix(column.Name(), "_by") && strings.ToLower(got) != want[s.kind][i] {
					t.Errorf("%s.%s is a %s, want %s", table, column.Name(), got, want[s.kind][i])
				}
			}
			for _, column := range []string{"created_by", "updated_by", "deleted_by"} {
				ok(t, s.plain.Exec("CREATE INDEX idx_"+table+"_"+column+" ON "+table+" ("+column+")"))
			}
			db := s.as(actor.User(ids[i]))
			row := newOf(indirect(model))
			ok(t, db.Create(row))
			ok(t, db.Delete(row))
			if got, want := s.cells(t, table, 1, "created_by", "updated_by", "deleted_by"), ids[i]+" "+ids[i]+" "+ids[i]; got != want {
				t.Errorf("%s holds %s, want %s", table, got, want)
			}
		}
		tooLong := s.as(actor.User(strings.Repeat("é", 192))).Create(&textNote{}).Error
		if wrong := new(gormaudit.ColumnError); !errors.As(tooLong, &wrong) {
			t.Errorf("Create by an id of 192 characters = %v, want a ColumnError", tooLong)
		}
		longest := strings.Repeat("é", 191)
		ok(t, s.as(actor.User(longest)).Create(&textNote{ID: 9}))
		if got := s.cell(t, "text_notes", "created_by", 9); got != longest {
			t.Errorf("created_by = %q, want 191 characters", got)
		}
	})
}

// A database that isn't strict cuts an id to the size of its column, and so
// makes it somebody else's.
func TestBytesLongerThanTheirColumnAreAnError(t *testing.T) {
	type sized struct {
		ID        uint
		CreatedBy []byte `gorm:"size:4"`
	}
	eachStage(t, gormaudit.Config{}, []any{&sized{}}, func(t *testing.T, s *stage) {
		ok(t, s.as(actor.User("1234")).Create(&sized{ID: 1}))
		if got := s.cell(t, "sizeds", "created_by", 1); got != "1234" {
			t.Errorf("created_by = %q, want an id as long as its column", got)
		}
		err := s.as(actor.User("12345")).Create(&sized{ID: 2}).Error
		if wrong := new(gormaudit.ColumnError); !errors.As(err, &wrong) {
			t.Errorf("Create by an id of 5 bytes = %v, want a ColumnError", err)
		}
	})
}

func TestUUIDColumnKeepsAnExplicitType(t *testing.T) {
	type tagged struct {
		ID        uint
		CreatedBy uuid.UUID `gorm:"type:char(36)"`
	}
	d := dbtest.New(t, dbtest.Postgres)
	s := newStage(t, d, gormaudit.Config{Models: []any{&tagged{}}}, &tagged{})
	types, err := s.plain.Migrator().ColumnTypes("taggeds")
	if err != nil {
		t.Fatal(err)
	}
	for _, column := range types {
		if got, _ := column.ColumnType(); column.Name() == "created_by" && got != "character(36)" {
			t.Errorf("created_by is a %s, want character(36)", got)
		}
	}
}
