package history

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/migrator"
	"gorm.io/gorm/schema"

	"github.com/seed-3826ef92/whodunit/gormaudit/internal/bycolumn"
)

// table is what a generator knows of an audited table.
type table struct {
	name    string
	schema  *schema.Schema
	columns []column
	keys    []column
	alive   *column // the soft-delete column, nil if there is none
	native  bool    // a key of one column is recorded as it is, not as text
}

// column is one recorded column.
type column struct {
	name        string
	dbType      string // as the dialect spells it, in lower case
	kind        kind
	ordinal     int
	key         bool
	small       bool // its values take little room
	bookkeeping bool // a by- or at-column: recorded with a change, but not one itself
	redact      bool
	zero        string // of a soft-delete column: the SQL literal of a row that is alive, "" for NULL
}

// columnReader says how a kind of database writes columns down.
type columnReader interface {
	// kindOf says how a column of a type is written down.
	kindOf(dbType string) kind
	// nativeKeys is true if a key of one column is recorded as it is, not as text.
	nativeKeys() bool
}

// describe reads a model's schema. dialect says how a column type is written
// down.
func describe(db *gorm.DB, d columnReader, model any) (table, error) {
	stmt := &gorm.Statement{DB: db}
	if err := stmt.Parse(model); err != nil {
		return table{}, fmt.Errorf("history: %w", err)
	}
	return describeSchema(db, d, stmt.Schema)
}

func describeSchema(db *gorm.DB, d columnReader, s *schema.Schema) (table, error) {
	bookkeeping, err := bookkeepingOf(s)
	if err != nil {
		return table{}, fmt.Errorf("history: %w", err)
	}
	t := table{name: s.Table, schema: s, native: d.nativeKeys()}
	for _, name := range s.DBNames {
		f := s.FieldsByDBName[name]
		if !isRecorded(f) {
			continue
		}
		c := newColumn(db, d, f, len(t.columns))
		c.bookkeeping = bookkeeping[f]
		if f.PrimaryKey {
			t.keys = append(t.keys, c)
		}
		if bycolumn.IsSoftDelete(f) {
			c.zero = zeroOf(f, c.kind)
			t.alive = &c
		}
		t.columns = append(t.columns, c)
	}
	if len(t.keys) == 0 {
		return table{}, fmt.Errorf("history: table %q: no primary key to tell its rows apart", t.name)
	}
	return t, checkKeys(t)
}

// isRecorded reports whether triggers know the column at all.
func isRecorded(f *schema.Field) bool {
	return !f.IgnoreMigration && (f.TagSettings["HISTORY"] != "-" || f.PrimaryKey)
}

// smallSize is the size up to which a text is small.
const smallSize = 255

func newColumn(db *gorm.DB, d columnReader, f *schema.Field, ordinal int) column {
	dbType := strings.ToLower(dataTypeOf(db, f))
	c := column{
		name:    f.DBName,
		dbType:  dbType,
		kind:    d.kindOf(dbType),
		ordinal: ordinal,
		key:     f.PrimaryKey,
		redact:  strings.EqualFold(f.TagSettings["HISTORY"], "redact"),
	}
	if f.GORMDataType == schema.Bool && c.kind == kindInteger || f.DataType == schema.Bool {
		c.kind = kindBool
	}
	c.small = c.kind != kindText && c.kind != kindBytes || 0 < f.Size && f.Size <= smallSize
	return c
}

// dataTypeOf asks as GORM's migrator does.
func dataTypeOf(db *gorm.DB, f *schema.Field) string {
	if typer, ok := reflect.New(f.IndirectFieldType).Interface().(migrator.GormDataTypeInterface); ok {
		if dbType := typer.GormDBDataType(db, f); dbType != "" {
			return dbType
		}
	}
	return db.DataTypeOf(f)
}

// bookkeepingOf returns the by- and at-columns, found as GORM and gormaudit find
// them.
func bookkeepingOf(s *schema.Schema) (map[*schema.Field]bool, error) {
	columns, err := bycolumn.Find(s)
	if err != nil {
		return nil, err
	}
	bookkeeping := map[*schema.Field]bool{}
	for _, f := range columns.All() {
		bookkeeping[f] = true
	}
	for _, f := range s.Fields {
		if f.AutoCreateTime > 0 || f.AutoUpdateTime > 0 {
			bookkeeping[f] = true
		}
	}
	return bookkeeping, nil
}

// zeroOf is what a row that was not deleted holds. gorm.DeletedAt has NULL, or
// what its zeroValue tag says; flags and unix seconds have 0.
func zeroOf(f *schema.Field, k kind) string {
	if zero, ok := f.TagSettings["ZEROVALUE"]; ok {
		return quoteLiteral(zero)
	}
	switch k {
	case kindInteger, kindDecimal:
		return "0"
	case kindBool:
		return "false"
	}
	return ""
}

// letter is the kind as it is stored: upper case for bookkeeping.
func (c column) letter() string {
	k := c.kind
	if c.redact {
		k = kindRedact
	}
	if c.bookkeeping {
		k -= 'a' - 'A'
	}
	return string(k)
}

// watched are the columns whose change makes a change.
func (t table) watched() []column {
	var columns []column
	for _, c := range t.columns {
		if !c.bookkeeping {
			columns = append(columns, c)
		}
	}
	return columns
}

// fingerprint identifies what a generator made of t. Triggers carry it in a
// comment.
func fingerprint(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

// objectName is the name of a trigger or function for a table. Names that are
// too long for the databases are cut, and told apart by a hash.
func objectName(table, suffix string) string {
	name := "whodunit_" + strings.ReplaceAll(table, ".", "_") + suffix
	if len(name) > 60 {
		return strings.ToValidUTF8(name[:43], "") + "_" + fingerprint(table+suffix)
	}
	return name
}

// parseModels describes models, each table once.
func parseModels(db *gorm.DB, d columnReader, models []any) ([]table, error) {
	var tables []table
	var errs []error
	seen := map[string]bool{}
	for _, model := range models {
		t, err := describe(db, d, model)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if !seen[t.name] {
			seen[t.name] = true
			tables = append(tables, t)
		}
	}
	return tables, errors.Join(errs...)
}
