package history

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
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
	name    string
	dbType  string // as the dialect spells it, in lower case
	kind    kind
	ordinal int
	key     bool
	small   bool // its values take little room
	stamp   bool // a by- or at-column: recorded with a change, but not one itself
	redact  bool
	zero    string // of a soft-delete column: the SQL literal of a row that is alive, "" for NULL
}

// describe reads a model's schema. dialect says how a column type is written
// down.
func describe(db *gorm.DB, dialect engine, model any) (table, error) {
	stmt := &gorm.Statement{DB: db}
	if err := stmt.Parse(model); err != nil {
		return table{}, fmt.Errorf("history: %w", err)
	}
	return describeSchema(db, dialect, stmt.Schema)
}

func describeSchema(db *gorm.DB, dialect engine, s *schema.Schema) (table, error) {
	stamps, err := stampsOf(s)
	if err != nil {
		return table{}, fmt.Errorf("history: %w", err)
	}
	_, native := dialect.(sqliteEngine)
	t := table{name: s.Table, schema: s, native: native}
	for _, name := range s.DBNames {
		f := s.FieldsByDBName[name]
		if !isRecorded(f) {
			continue
		}
		c := newColumn(db, dialect, f, len(t.columns))
		c.stamp = stamps[f]
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

func checkKeys(t table) error {
	for _, c := range t.keys {
		switch {
		case c.redact:
			return fmt.Errorf("history: table %q: primary key column %q can't be redacted", t.name, c.name)
		case c.kind == kindFloat, c.kind == kindTime, c.kind == kindInstant:
			return fmt.Errorf("history: table %q: primary key column %q is a %s, which has more than one spelling", t.name, c.name, c.dbType)
		}
	}
	return nil
}

// smallSize is the size up to which a text is small.
const smallSize = 255

func newColumn(db *gorm.DB, dialect engine, f *schema.Field, ordinal int) column {
	dbType := strings.ToLower(dataTypeOf(db, f))
	c := column{
		name:    f.DBName,
		dbType:  dbType,
		kind:    dialect.kindOf(dbType),
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

// stampsOf returns the by- and at-columns, found as GORM and gormaudit find
// them.
func stampsOf(s *schema.Schema) (map[*schema.Field]bool, error) {
	columns, err := bycolumn.Find(s)
	if err != nil {
		return nil, err
	}
	stamps := map[*schema.Field]bool{}
	for _, f := range columns.All() {
		stamps[f] = true
	}
	for _, f := range s.Fields {
		if f.AutoCreateTime > 0 || f.AutoUpdateTime > 0 {
			stamps[f] = true
		}
	}
	return stamps, nil
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

// letter is the kind as it is stored: upper case for a stamp.
func (c column) letter() string {
	k := c.kind
	if c.redact {
		k = kindRedact
	}
	if c.stamp {
		k -= 'a' - 'A'
	}
	return string(k)
}

// watched are the columns whose change makes a change.
func (t table) watched() []column {
	var columns []column
	for _, c := range t.columns {
		if !c.stamp {
			columns = append(columns, c)
		}
	}
	return columns
}

func whereKey(s *schema.Schema, values []any) clause.Expression {
	conditions := make([]clause.Expression, len(values))
	for i, name := range keyNames(s) {
		conditions[i] = clause.Eq{Column: clause.Column{Table: clause.CurrentTable, Name: name}, Value: values[i]}
	}
	return clause.And(conditions...)
}

// keyNames are the key columns in the order of a recorded key.
func keyNames(s *schema.Schema) (names []string) {
	for _, name := range s.DBNames {
		if s.FieldsByDBName[name].PrimaryKey {
			names = append(names, name)
		}
	}
	return names
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
func parseModels(db *gorm.DB, dialect engine, models []any) ([]table, error) {
	var tables []table
	var errs []error
	seen := map[string]bool{}
	for _, model := range models {
		t, err := describe(db, dialect, model)
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
