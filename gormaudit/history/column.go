package history

import (
	"reflect"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/migrator"
	"gorm.io/gorm/schema"

	"github.com/seed-3826ef92/whodunit/gormaudit/history/internal/tagged"
)

// column is one recorded column.
type column struct {
	name        string
	dbType      string // as the dialect spells it, in lower case
	kind        kind
	ordinal     int
	key         bool
	small       bool // its values take little room
	bookkeeping bool // a by- or at-column
	updated     bool // an updated_* column: recorded with a change, but not one itself
	redact      bool
	was         []string // the names that it had, the first first
	zero        string   // of a soft-delete column: the SQL literal of a row that is alive, "" for NULL
}

// columnReader says how a kind of database writes columns down.
type columnReader interface {
	// kindOf says how a column of a type is written down.
	kindOf(dbType string) kind
	// settings are those of a session that the text of a type's values depends on.
	settings(dbType string) string
	// nativeKeys is true if a key of one column is recorded as it is, not as text.
	nativeKeys() bool
}

func newColumn(db *gorm.DB, d columnReader, f *schema.Field) column {
	dbType := strings.ToLower(dataTypeOf(db, f))
	c := column{
		name:   f.DBName,
		dbType: dbType,
		kind:   d.kindOf(dbType),
		key:    f.PrimaryKey,
		redact: tagged.Of(f).Redact,
		was:    tagged.Of(f).Was,
	}
	if f.GORMDataType == schema.Bool && c.kind == kindInteger || f.DataType == schema.Bool {
		c.kind = kindBool
	}
	c.small = c.kind != kindText && c.kind != kindBytes || 0 < f.Size && f.Size <= smallSize
	return c
}

// smallSize is the size up to which a text is small.
const smallSize = 255

// dataTypeOf asks as GORM's migrator does.
func dataTypeOf(db *gorm.DB, f *schema.Field) string {
	if typer, ok := reflect.New(f.IndirectFieldType).Interface().(migrator.GormDataTypeInterface); ok {
		if dbType := typer.GormDBDataType(db, f); dbType != "" {
			return dbType
		}
	}
	return db.DataTypeOf(f)
}

// isRecorded reports whether triggers know the column at all.
func isRecorded(f *schema.Field) bool {
	return !f.IgnoreMigration && (!tagged.Of(f).LeftOut || f.PrimaryKey)
}

// notRenamed stands for a name where a column is new.
const notRenamed = "-"

// firstName is the name that a column of a key is sorted by.
func firstName(name string, was []string) string {
	if len(was) == 0 || was[0] == notRenamed {
		return name
	}
	return was[0]
}

// zeroOf is what a row that was not deleted holds. gorm.DeletedAt has NULL, or
// what GORM makes of its zeroValue tag; flags and unix seconds have 0.
func zeroOf(f *schema.Field, k kind) string {
	if asker, ok := reflect.New(f.IndirectFieldType).Interface().(schema.QueryClausesInterface); ok {
		for _, c := range asker.QueryClauses(f) {
			if c, ok := c.(gorm.SoftDeleteQueryClause); ok && c.ZeroValue.Valid {
				return quoteLiteral(c.ZeroValue.String)
			}
		}
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

// columnOf is what a mark kept of a column, and whether it says that a row is
// deleted.
func columnOf(m markColumn) (c column, alive bool) {
	has := func(flag string) bool { return strings.Contains(m.Flags, flag) }
	c = column{
		name: m.Name, dbType: m.Type, kind: kindText, zero: m.Zero,
		key: has("k"), small: has("s"), bookkeeping: has("b"), updated: has("u"), redact: has("r"),
	}
	if m.Kind != "" {
		c.kind = kind(m.Kind[0])
	}
	return c, has("a")
}

// uncompared is true of a column that MariaDB's triggers write down whether it differs
// or not: to compare it would take longer.
func (c column) uncompared() bool { return c.small && !c.redact }

// mapColumns joins what f makes of each column.
func mapColumns(columns []column, separator string, f func(c column) string) string {
	parts := make([]string, len(columns))
	for i, c := range columns {
		parts[i] = f(c)
	}
	return strings.Join(parts, separator)
}

// isCharacter is true of types whose cast to text drops blanks at the end.
func isCharacter(dbType string) bool {
	word := typeWord(dbType)
	return word == "char" || word == "character" || word == "bpchar"
}

// typeWord is a type's name as far as it has no space, size or brackets.
func typeWord(dbType string) string {
	if end := strings.IndexAny(dbType, " (["); end >= 0 {
		return dbType[:end]
	}
	return dbType
}
