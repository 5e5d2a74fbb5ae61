package gormaudit

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"
)

// role is what a by-column says.
type role uint8

const (
	created role = iota
	updated
	deleted
)

// tag is the tag that gives a field the role.
func (r role) tag() string { return [...]string{"autoCreateBy", "autoUpdateBy", "autoDeleteBy"}[r] }

// column is one by-column.
type column struct {
	role  role
	name  string
	field *schema.Field
	// declared is false for a column of the table that the statement's declared type
	// does not have.
	declared bool
	// part is set in an UPDATE of several tables.
	part *part
	// assignment is the quoted name and "=".
	assignment string
	// flat says that no pointer leads to the field.
	flat bool
	// direct is the field's index in the model where it is a string right
	// there, or -1.
	direct int
	// position is the column's index in an INSERT of the whole model.
	position int

	// base is the field's type less its pointers, and pair two of them.
	base, pair reflect.Type
	depth      int // how many pointers
	convert    converter
}

func newColumn(field *schema.Field, r role) (*column, error) {
	c := &column{
		role: r, name: field.DBName, field: field, declared: true,
		base: field.FieldType,
	}
	for c.base.Kind() == reflect.Pointer {
		c.base = c.base.Elem()
		c.depth++
	}
	index := field.StructField.Index
	c.flat, c.direct = slices.Min(index) >= 0, -1
	if len(index) == 1 && c.depth == 0 && c.base.Kind() == reflect.String {
		c.direct = index[0]
	}
	c.pair = reflect.ArrayOf(2, c.base)
	var err error
	if c.convert, err = newConverter(field, c.base); err != nil {
		return c, &ColumnError{Table: field.Schema.Table, Column: c.name, Type: field.FieldType, cause: err}
	}
	return c, nil
}

// spelled reports whether name addresses the column in a spelling that a
// database or GORM accepts: with quotes, with a table before it, in any case.
// MySQL folds case by Unicode, so İ is i and the Kelvin sign is k. PostgreSQL
// cuts names off.
func (c *column) spelled(name string) bool {
	name = bare(name)
	return sameFold(name, c.name) || sameFold(name, c.field.Name) ||
		len(name) > maxName && len(c.name) >= maxName && sameFold(name[:maxName], c.name[:maxName])
}

// target is the column as an assignment names it.
func (c *column) target() clause.Column {
	if c.part != nil {
		return clause.Column{Table: c.part.qualifier, Name: c.name}
	}
	return clause.Column{Name: c.name}
}

// maxName is how many bytes of a name PostgreSQL looks at.
const maxName = 63

// bare returns a column's name without its table and quotes.
func bare(name string) string {
	name = name[strings.LastIndexByte(name, '.')+1:]
	return strings.Trim(name, "`\"'[] \t\r\n\v\f\x00")
}

func sameFold(a, b string) bool {
	return strings.EqualFold(a, b) || strings.ContainsRune(a, 'İ') && strings.EqualFold(strings.ReplaceAll(a, "İ", "i"), b)
}

// alike reports whether a value for c is one for other too.
func (c *column) alike(other *column) bool {
	return c.base == other.base && c.depth == other.depth && c.field.Serializer == nil && other.field.Serializer == nil &&
		c.field.Size == other.field.Size && c.field.TagSettings["TYPE"] == other.field.TagSettings["TYPE"]
}

// in returns the column's field in row, a struct. A nil pointer to an embedded
// struct on the way is set, as GORM does for its timestamps.
func (c *column) in(ctx context.Context, row reflect.Value) reflect.Value {
	if !c.flat {
		return c.field.ReflectValueOf(ctx, row)
	}
	for _, index := range c.field.StructField.Index {
		row = row.Field(index)
	}
	return row
}

// peek returns the column's field in row without setting anything on the way,
// an invalid Value behind a nil pointer. GORM counts an embedded pointer's
// index from -1 down.
func (c *column) peek(row reflect.Value) reflect.Value {
	for _, index := range c.field.StructField.Index {
		if row = reflect.Indirect(row); !row.IsValid() {
			return row
		}
		row = row.Field(max(index, -index-1))
	}
	return row
}

// nobody returns what the column is sent for nobody, for people to read, and
// whether that is NULL.
func (c *column) nobody() (zero string, hasNull bool) {
	held := c.convert.zero
	if c.field.Serializer != nil {
		held, _ = c.field.ValueOf(context.Background(), reflect.New(c.field.Schema.ModelType).Elem())
	}
	held = driverValue(held)
	if b, ok := held.([]byte); ok {
		return fmt.Sprintf("%q", b), b == nil
	}
	if text, ok := held.(string); ok {
		return fmt.Sprintf("%q", text), false
	}
	return fmt.Sprint(held), held == nil
}

// pointers hands out new variables for fields that are pointers, so that no
// two fields share one: a change to one row must not change another. It
// allocates many at a time.
type pointers struct {
	rows int
	slab reflect.Value
	base reflect.Type
	next int
}

func (p *pointers) take(c *column) reflect.Value {
	if p.base != c.base || p.next == p.slab.Len() {
		p.base, p.next = c.base, 0
		if p.rows <= 1 {
			p.slab = reflect.New(c.pair).Elem()
		} else {
			p.slab = reflect.MakeSlice(reflect.SliceOf(c.base), p.rows, p.rows)
		}
	}
	p.next++
	return p.slab.Index(p.next - 1)
}

// preferNativeUUID gives a uuid column the database's own type, unless the
// model asks for one. GORM would make it text, or bytes for a struct such as
// uuid.NullUUID, although that writes text.
func (c *column) preferNativeUUID(dialect string) {
	if !c.convert.uuid || c.field.TagSettings["TYPE"] != "" {
		return
	}
	_, chosen := reflect.New(c.base).Interface().(schema.GormDataTypeInterface)
	if c.field.DataType == schema.Bytes && c.base.Kind() == reflect.Struct && !chosen {
		c.field.DataType = schema.String
	}
	if dialect == "postgres" && c.field.DataType == schema.String {
		c.field.DataType = "uuid"
	}
}
