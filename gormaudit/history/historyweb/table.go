package historyweb

import (
	"context"
	"encoding/hex"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
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
	// Columns are labels of columns, by the columns' names in the database. By
	// default a label is made of the name: "delivered_at" is "Delivered at".
	Columns map[string]string
	// Title is a column by whose value people know a row, such as "title" or "name":
	// the row is called "Order 17 “Ms Miller”". The page shows the current value, or
	// the last one if the row is gone. By default a row is called by its key.
	Title string
	// Link returns the address of a row in the application, from its key in text
	// form, as in [history.Change]. By default, and where it returns "", there is
	// none.
	Link func(key []string) string

	model   any // a *T
	at      func(db *gorm.DB, row any, at time.Time) (any, error)
	restore func(db *gorm.DB, row any, at time.Time) error
	schema  *schema.Schema
	keyCols []*schema.Field // in the order of a change's key
	title   *schema.Field   // nil without Title
	columns bycolumn.Columns
	stamped map[*schema.Field]bool // updated_at, updated_by
	by      map[*schema.Field]bool // columns that hold ids of people
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
		return fmt.Errorf("historyweb: table %q was not made by For (historyweb.For[T]?)", t.Label)
	}
	stmt := &gorm.Statement{DB: db}
	if err := stmt.Parse(t.model); err != nil {
		return fmt.Errorf("historyweb: %w", err)
	}
	t.schema = stmt.Schema
	if t.Label == "" {
		t.Label = t.schema.Name
	}
	var err error
	if t.columns, err = bycolumn.Find(t.schema); err != nil {
		return fmt.Errorf("historyweb: %w", err)
	}
	t.stamped = map[*schema.Field]bool{}
	for _, f := range t.schema.Fields {
		t.stamped[f] = f.AutoUpdateTime > 0 || slices.Contains(t.columns.Updated, f)
	}
	t.by = map[*schema.Field]bool{}
	for _, f := range t.columns.All() {
		t.by[f] = true
	}
	if t.title, err = t.titleField(); err != nil {
		return err
	}
	t.keyCols = slices.Clone(t.schema.PrimaryFields)
	slices.SortFunc(t.keyCols, func(a, b *schema.Field) int { return strings.Compare(a.DBName, b.DBName) })
	return nil
}

// row returns a new model with a key, and false for what can't be one. A number must
// be as the key has it: GORM reads "010" as 8, and cuts off what does not fit.
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
		if is := reflect.Indirect(f.ReflectValueOf(ctx, row.Elem())); (is.CanInt() || is.CanUint()) && fmt.Sprint(is.Interface()) != key[i] {
			return nil, false
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
		if n := reflect.Indirect(reflect.ValueOf(value)); n.CanUint() && n.Uint() > math.MaxInt64 {
			value = strconv.FormatUint(n.Uint(), 10) // database/sql takes no number beyond int64
		}
		where.Exprs = append(where.Exprs, clause.Eq{Column: clause.Column{Table: clause.CurrentTable, Name: f.DBName}, Value: value})
	}
	return where
}

// isKey reports whether a column is in the name of a row already. t may be nil.
func (t *Table) isKey(column string) bool {
	return t != nil && slices.ContainsFunc(t.keyCols, func(f *schema.Field) bool { return f.DBName == column })
}

// isBy reports whether a column holds ids of people. t may be nil.
func (t *Table) isBy(column string) bool {
	return t != nil && t.by[t.schema.FieldsByDBName[column]]
}

// role is what a by- or at-column says.
type role struct{ created, updated, deleted, by bool }

// roleOf is the role of a by- or at-column. Where the model is not known, its name
// tells, and an unknown name has none. t may be nil.
func (t *Table) roleOf(column string) role {
	if t != nil && t.schema.FieldsByDBName[column] != nil {
		f := t.schema.FieldsByDBName[column]
		return role{
			created: slices.Contains(t.columns.Created, f) || f.AutoCreateTime > 0 && f.AutoUpdateTime == 0,
			updated: t.stamped[f], deleted: slices.Contains(t.columns.Deleted, f), by: t.by[f],
		}
	}
	name := strings.ToLower(strings.ReplaceAll(column, "_", ""))
	r := role{created: strings.HasPrefix(name, "created"), updated: strings.HasPrefix(name, "updated"), deleted: strings.HasPrefix(name, "deleted")}
	r.by = r != role{} && !strings.HasSuffix(name, "at")
	return r
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
