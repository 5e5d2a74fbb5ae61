package historyweb

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/bycolumn"
)

// Table says how one table is shown. It is made by [For].
type Table struct {
	// Label is what a row is called, such as "Order". By default the name of the
	// model's type.
	Label string
	// Columns are labels of columns, by their names in the database. By default
	// made of these names: "delivered_at" is "Delivered at".
	Columns map[string]string
	// Link returns the address of a row in the application, from its key in text
	// form, as in [history.Change]. By default, and where it returns "", there is
	// none.
	Link func(key []string) string

	model   any // a *T
	at      func(db *gorm.DB, row any, at time.Time) (any, error)
	restore func(db *gorm.DB, row any, at time.Time) error
	schema  *schema.Schema
	keyCols []*schema.Field        // in the order of a change's key
	stamped map[*schema.Field]bool // updated_at, updated_by
}

// For returns a table of the model T.
func For[T any](t Table) Table {
	t.model = new(T)
	t.at = func(db *gorm.DB, row any, at time.Time) (any, error) {
		then, err := history.At[T](db, row, at)
		return &then, err
	}
	t.restore = func(db *gorm.DB, row any, at time.Time) error {
		_, err := history.Restore[T](db, row, at)
		return err
	}
	return t
}

// parse completes a table with what db knows of its model.
func (t *Table) parse(db *gorm.DB) error {
	if t.model == nil {
		return fmt.Errorf("historyweb: table %q: made without For", t.Label)
	}
	stmt := &gorm.Statement{DB: db}
	if err := stmt.Parse(t.model); err != nil {
		return fmt.Errorf("historyweb: %w", err)
	}
	t.schema = stmt.Schema
	if t.Label == "" {
		t.Label = t.schema.Name
	}
	columns, err := bycolumn.Find(t.schema)
	if err != nil {
		return fmt.Errorf("historyweb: %w", err)
	}
	t.stamped = map[*schema.Field]bool{}
	for _, f := range t.schema.Fields {
		t.stamped[f] = f.AutoUpdateTime > 0 || slices.Contains(columns.Updated, f)
	}
	t.keyCols = slices.Clone(t.schema.PrimaryFields)
	slices.SortFunc(t.keyCols, func(a, b *schema.Field) int { return strings.Compare(a.DBName, b.DBName) })
	return nil
}

// row returns a new model with a key, and false for what can't be one.
func (t *Table) row(ctx context.Context, key []string) (any, bool) {
	if len(key) != len(t.keyCols) {
		return nil, false
	}
	row := reflect.New(t.schema.ModelType)
	for i, f := range t.keyCols {
		var part any = key[i]
		if f.DataType == schema.Bytes {
			raw, err := hex.DecodeString(key[i])
			if err != nil {
				return nil, false
			}
			part = raw
		}
		if err := f.Set(ctx, row.Elem(), part); err != nil {
			return nil, false
		}
		if _, zero := f.ValueOf(ctx, row.Elem()); zero && len(key) == 1 {
			return nil, false // no saved row has this one
		}
	}
	return row.Interface(), true
}

// only is the condition for a row, by all of its key: GORM's own leaves out the
// parts that are zero.
func (t *Table) only(ctx context.Context, row any) clause.Where {
	var where clause.Where
	for _, f := range t.keyCols {
		value, _ := f.ValueOf(ctx, reflect.ValueOf(row).Elem())
		where.Exprs = append(where.Exprs, clause.Eq{Column: clause.Column{Table: clause.CurrentTable, Name: f.DBName}, Value: value})
	}
	return where
}

// isKey reports whether a column is in the name of a row already. t may be nil.
func (t *Table) isKey(column string) bool {
	return t != nil && slices.ContainsFunc(t.keyCols, func(f *schema.Field) bool { return f.DBName == column })
}

func (t *Table) columnLabel(column string) string {
	if label, ok := t.Columns[column]; ok {
		return label
	}
	return humanize(column)
}

// humanize makes "delivered_at" "Delivered at".
func humanize(name string) string {
	name = strings.ReplaceAll(name, "_", " ")
	first, size := utf8.DecodeRuneInString(name)
	return string(unicode.ToUpper(first)) + name[size:]
}

// rowRef is a row, to lead to.
type rowRef struct {
	Label string
	Page  string // of its story, empty if it has none
	App   string // in the application, empty if it is not there
}

// refer leads to a row. table is nil for one that is not configured.
func refer(table *Table, name string, key []string) rowRef {
	if table == nil {
		return rowRef{Label: strings.TrimSpace(humanize(name) + " " + strings.Join(key, ", "))}
	}
	ref := rowRef{Label: strings.TrimSpace(table.Label + " " + strings.Join(key, ", "))}
	if len(key) == 0 { // truncated
		return ref
	}
	ref.Page = "row?" + url.Values{"table": {name}, "key": key}.Encode()
	if table.Link != nil {
		ref.App = table.Link(key)
	}
	return ref
}
