package history

import (
	"context"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"

	"github.com/seed-3826ef92/whodunit/gormaudit/history/internal/tagged"
)

// keyOf is the SQL of a row's key: the text of its only key column, or the
// texts of all joined by commas, with ~0 for ~ and ~1 for a comma in them.
func keyOf(t table, text func(c column) string) string {
	if len(t.keys) == 1 {
		return text(t.keys[0])
	}
	return mapColumns(t.keys, " || ',' || ", func(c column) string {
		return "replace(replace(" + text(c) + ", '~', '~0'), ',', '~1')"
	})
}

var (
	keyEscaper   = strings.NewReplacer("~", "~0", ",", "~1")
	keyUnescaper = strings.NewReplacer("~0", "~", "~1", ",")
)

func joinKey(parts []string) string {
	if len(parts) == 1 {
		return parts[0]
	}
	escaped := make([]string, len(parts))
	for i, part := range parts {
		escaped[i] = keyEscaper.Replace(part)
	}
	return strings.Join(escaped, ",")
}

func splitKey(key string, composite bool) []string {
	if !composite {
		return []string{key}
	}
	parts := strings.Split(key, ",")
	for i, part := range parts {
		parts[i] = keyUnescaper.Replace(part)
	}
	return parts
}

// valuesOf are the values of a row's key. Zero is that of a row only if it is set.
func (t table) valuesOf(ctx context.Context, row reflect.Value, isSet bool) ([]any, error) {
	if row.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%w: a value of kind %s is not one row", gorm.ErrPrimaryKeyRequired, row.Kind())
	}
	values, zero := t.valuesIn(ctx, row)
	if zero && !isSet && len(t.keys) == 1 {
		return nil, gorm.ErrPrimaryKeyRequired
	}
	return values, nil
}

// valuesIn are the values of the key in a row, whether it is set or zero.
func (t table) valuesIn(ctx context.Context, row reflect.Value) (values []any, zero bool) {
	if ctx == nil {
		ctx = context.Background()
	}
	values, zero = make([]any, len(t.keys)), true
	for i, c := range t.keys {
		value, unset := t.schema.FieldsByDBName[c.name].ValueOf(ctx, row)
		values[i], zero = value, zero && unset
	}
	return values, zero
}

// keyIn is the key of a row that was read, as it is recorded.
func (t table) keyIn(ctx context.Context, row reflect.Value) (string, error) {
	values, _ := t.valuesIn(ctx, row)
	key, err := t.key(values)
	return storedKey(key, t.native), err
}

// withKey is a row that has a recorded key and nothing else.
func (t table) withKey(ctx context.Context, key string) (reflect.Value, error) {
	row := reflect.New(t.schema.ModelType)
	values, err := keyValues(t.schema, splitKey(key, len(t.keys) > 1))
	for i, value := range values {
		if err == nil {
			err = t.schema.FieldsByDBName[keyNames(t.schema)[i]].Set(ctx, row.Elem(), value)
		}
	}
	return row, err
}

// key returns the recorded form of a key's values, if the database spells them
// as they are given.
func (t table) key(values []any) (any, error) {
	parts := make([]string, len(values))
	for i, value := range values {
		raw, err := t.driverValue(t.keys[i], value)
		if err != nil {
			return nil, fmt.Errorf("key column %q: %w", t.keys[i].name, err)
		}
		if parts[i], err = keyText(t.keys[i], raw); err != nil {
			return nil, fmt.Errorf("key column %q: %w", t.keys[i].name, err)
		}
		if len(values) == 1 && t.native {
			return raw, nil
		}
	}
	return joinKey(parts), nil
}

// driverValue is a key's value as a driver gets it, and an integer's as one: "07" is
// 7 to the database.
func (t table) driverValue(c column, value any) (driver.Value, error) {
	raw, err := driver.DefaultParameterConverter.ConvertValue(argument(value))
	if err != nil || c.kind != kindInteger {
		return raw, err
	}
	text, ok := raw.(string)
	if !ok {
		return raw, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return strconv.FormatUint(n, 10), nil
	}
	if !t.native { // SQLite keeps what it can't convert
		return nil, errors.New("the key is not an integer")
	}
	return raw, nil
}

func keyText(c column, raw driver.Value) (string, error) {
	switch raw := raw.(type) {
	case int64:
		return strconv.FormatInt(raw, 10), nil
	case bool:
		return strconv.FormatBool(raw), nil
	case []byte:
		if c.kind == kindBytes {
			return hex.EncodeToString(raw), nil
		}
		return string(raw), nil
	case string:
		if c.kind == kindBytes {
			return hex.EncodeToString([]byte(raw)), nil
		}
		if c.dbType == "uuid" {
			return strings.ToLower(raw), nil
		}
		return raw, nil
	}
	return "", fmt.Errorf("a %T has more than one spelling", raw)
}

// storedKey is the text of a key. SQLite keeps it as it is in the row.
func storedKey(key any, native bool) string {
	raw, ok := key.([]byte)
	switch {
	case ok && native:
		return hex.EncodeToString(raw)
	case ok:
		return string(raw)
	}
	return fmt.Sprint(key)
}

// spelled reports whether the database may spell a key otherwise than it is given.
func (t table) spelled() bool {
	return slices.ContainsFunc(t.keys, func(c column) bool {
		return c.kind != kindInteger && c.kind != kindBool && c.kind != kindBytes
	})
}

// argument is a value of a key as database/sql takes it: no number beyond int64.
func argument(value any) any {
	if n := reflect.Indirect(reflect.ValueOf(value)); n.IsValid() && n.CanUint() && n.Uint() > math.MaxInt64 {
		return strconv.FormatUint(n.Uint(), 10)
	}
	return value
}

func whereKey(s *schema.Schema, values []any) clause.Expression {
	conditions := make([]clause.Expression, len(values))
	for i, name := range keyNames(s) {
		conditions[i] = clause.Eq{Column: clause.Column{Table: clause.CurrentTable, Name: name}, Value: argument(values[i])}
	}
	return clause.And(conditions...)
}

// keyNames are the key columns in the order of a recorded key, see
// [table.arrange].
func keyNames(s *schema.Schema) (names []string) {
	for _, name := range s.DBNames {
		if s.FieldsByDBName[name].PrimaryKey {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		return strings.Compare(firstName(a, tagged.Of(s.FieldsByDBName[a]).Was), firstName(b, tagged.Of(s.FieldsByDBName[b]).Was))
	})
	return names
}

// where is the condition on the change's row, by the key it is recorded under.
func (c Change) where(s *schema.Schema) (clause.Expression, error) {
	values, err := c.keyValues(s)
	if err != nil {
		return nil, err
	}
	return whereKey(s, values), nil
}

// whereNow is where for the row as the change left it: its key may have moved.
func (c Change) whereNow(s *schema.Schema) (clause.Expression, error) {
	values, err := c.keyValues(s)
	if err != nil {
		return nil, err
	}
	for i, name := range keyNames(s) {
		if f, moved := c.Field(name); moved {
			values[i] = f.After
		}
	}
	return whereKey(s, values), nil
}

func (c Change) keyValues(s *schema.Schema) ([]any, error) {
	values, err := keyValues(s, c.Key)
	if err != nil {
		return nil, fmt.Errorf("history: table %q: %w", c.Table, err)
	}
	return values, nil
}

// keyValues are the values of a recorded key, for a query.
func keyValues(s *schema.Schema, key []string) ([]any, error) {
	names := keyNames(s)
	if len(names) != len(key) {
		return nil, fmt.Errorf("the key had %d columns and has %d", len(key), len(names))
	}
	values := make([]any, len(names))
	for i, name := range names {
		values[i] = key[i]
		if s.FieldsByDBName[name].DataType == schema.Bytes {
			raw, err := hex.DecodeString(key[i])
			if err != nil {
				return nil, fmt.Errorf("key column %q: %w", name, err)
			}
			values[i] = raw
		}
	}
	return values, nil
}
