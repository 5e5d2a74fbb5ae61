package history

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
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
	alive   *column  // the soft-delete column, nil if there is none
	leftOut []string // columns that are never recorded
	native  bool     // a key of one column is recorded as it is, not as text
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
	if err := stmt.ParseWithSpecialTableName(model, tableNameOf(db)); err != nil {
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
		if f.IgnoreMigration {
			continue
		}
		if !isRecorded(f) {
			t.leftOut = append(t.leftOut, name)
			continue
		}
		c := newColumn(db, d, f)
		c.bookkeeping = bookkeeping[f]
		if bycolumn.IsSoftDelete(f) {
			c.zero = zeroOf(f, c.kind)
			t.alive = &c
		}
		t.columns = append(t.columns, c)
	}
	t.arrange()
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

func newColumn(db *gorm.DB, d columnReader, f *schema.Field) column {
	dbType := strings.ToLower(dataTypeOf(db, f))
	c := column{
		name:   f.DBName,
		dbType: dbType,
		kind:   d.kindOf(dbType),
		key:    f.PrimaryKey,
		redact: strings.EqualFold(f.TagSettings["HISTORY"], "redact"),
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

// covering adds to t what its triggers record already and t does not know: the
// columns that the table has. What they redact or leave out stays so. They keep
// their order.
func (t table) covering(m mark, has map[string]bool) table {
	merged := table{name: t.name, schema: t.schema, native: t.native, alive: t.alive}
	known := map[string]column{}
	for _, c := range t.columns {
		known[c.name] = c
	}
	for _, name := range append(slices.Clone(t.leftOut), m.LeftOut...) {
		if _, here := known[name]; (here || has[name]) && !slices.Contains(merged.leftOut, name) {
			merged.leftOut = append(merged.leftOut, name)
			delete(known, name)
		}
	}
	slices.Sort(merged.leftOut)
	add := func(c column) {
		if !slices.Contains(merged.leftOut, c.name) {
			merged.columns = append(merged.columns, c)
		}
	}
	for _, kept := range m.Columns {
		c, alive := kept.column()
		if now, ok := known[c.name]; ok {
			now.redact = now.redact || c.redact && !now.key
			add(now)
			delete(known, c.name)
		} else if has[c.name] {
			c.key = false
			add(c)
			if alive && merged.alive == nil {
				merged.alive = &c
			}
		}
	}
	for _, c := range t.columns {
		if _, isNew := known[c.name]; isNew {
			add(c)
		}
	}
	merged.arrange()
	return merged
}

// like is t with the columns as a mark has them where they are recorded in one
// form: a text that has become longer makes no trigger outdated.
func (t table) like(m mark) table {
	t.columns = slices.Clone(t.columns)
	for i, c := range t.columns {
		for _, kept := range m.Columns {
			if was, _ := kept.column(); was.name == c.name && was.kind == c.kind && (was.dbType == intervalType) == (c.dbType == intervalType) {
				t.columns[i].dbType, t.columns[i].small = was.dbType, was.small
			}
		}
	}
	return t
}

// intervalType is a type that PostgreSQL writes down in a form of its own.
const intervalType = "interval"

// arrange numbers the columns and finds the keys. These are in the order of their
// names, so that a reordered model changes no recorded key.
func (t *table) arrange() {
	t.keys = nil
	for i := range t.columns {
		t.columns[i].ordinal = i
		if t.columns[i].key {
			t.keys = append(t.keys, t.columns[i])
		}
	}
	slices.SortFunc(t.keys, func(a, b column) int { return strings.Compare(a.name, b.name) })
}

// tableNameOf is the name that [gorm.DB.Table] gave, "" if it was not called.
func tableNameOf(db *gorm.DB) string {
	if expr := db.Statement.TableExpr; expr != nil {
		return strings.NewReplacer("\"", "", "`", "").Replace(expr.SQL)
	}
	return db.Statement.Table
}

// objectName is the name of a trigger or function for a table. Where two tables
// could have one name, a hash tells them apart: a name with a schema's, one that
// is too long for the databases and is cut, and one that looks like either.
func objectName(table, suffix string) string {
	name := "whodunit_record_" + strings.ReplaceAll(table, ".", "_") + suffix
	if len(name) <= 60 && !strings.Contains(table, ".") && !hashedName.MatchString(table) {
		return name
	}
	return strings.ToValidUTF8(name[:min(len(name), 43)], "") + "_" + fingerprint(table+suffix)
}

// hashedName is what objectName makes of a name.
var hashedName = regexp.MustCompile(`_[0-9a-f]{16}$`)

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
	if name := tableNameOf(db); name != "" && (len(models) > 1 || strings.Contains(name, " ")) {
		errs = append(errs, fmt.Errorf("history: db.Table(%q) names one table, for one model", name))
	}
	return tables, errors.Join(errs...)
}
