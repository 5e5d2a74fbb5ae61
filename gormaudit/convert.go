package gormaudit

import (
	"bytes"
	"database/sql"
	"database/sql/driver"
	"encoding"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"gorm.io/gorm"
	"gorm.io/gorm/schema"
)

// value is an id as one column takes it.
type value struct {
	// bind is what the statement binds.
	bind any
	// What the model's field gets, by kind: zero for nobody, a string, an
	// integer's bits, or the field's own type.
	kind  valueKind
	text  string
	bits  uint64
	typed reflect.Value
}

type valueKind uint8

const (
	zeroValue valueKind = iota
	textValue
	intValue
	uintValue
	typedValue
	bytesValue
)

func (v *value) assign(dst reflect.Value) {
	switch v.kind {
	case zeroValue:
		dst.SetZero()
	case textValue:
		dst.SetString(v.text)
	case intValue:
		dst.SetInt(int64(v.bits))
	case uintValue:
		dst.SetUint(v.bits)
	case typedValue:
		dst.Set(v.typed)
	case bytesValue:
		dst.SetBytes(bytes.Clone(v.typed.Bytes())) // no two fields share an array either
	}
}

// converter turns ids into values of one column. It is chosen once, when the
// schema is first seen.
type converter struct {
	// text says that the column holds any text, not just users' ids.
	text bool
	// uuid says that the column holds UUIDs, and that GORM writes them as text unless
	// the field's type is an array.
	uuid bool
	// id converts a non-empty id.
	id func(id string) (value, error)
	// zero is what the column holds for nobody.
	zero any
}

var (
	errNever    = errors.New("no id fits this type")
	errDecimal  = errors.New("not a decimal number in its shortest form")
	errChanged  = errors.New("the column's type changes it")
	errTooLong  = errors.New("longer than the column's size")
	errZero     = errors.New("in this column it means nobody")
	errProgram  = errors.New("it would be read as another kind of actor (Config.ID?)")
	errNotAUUID = errors.New("not a UUID in its own spelling, which has 36 characters and no capitals")
)

func newConverter(field *schema.Field, base reflect.Type) (converter, error) {
	c := converter{}
	switch field.GORMDataType {
	case schema.Bool, schema.Float, schema.Time:
		return c, errNever
	}
	pointer, typed := reflect.PointerTo(base), base.Implements(valuerType) || base.Implements(gormValuerType)
	switch kind := base.Kind(); {
	case isUUID(base):
		c.uuid, c.id = true, uuidConverter(base)
	case pointer.Implements(scannerType):
		c.id = scanConverter(base)
		_, err := c.id("system:probe")
		c.text = err == nil
		own := inOwnSpelling(c.id)
		if _, err := own(aUUID); err == nil && !c.text {
			c.uuid, c.id = true, own
		}
		typed = base.Implements(gormValuerType)
	case kind == reflect.String:
		c.text, c.id = true, textConverter(field.Size)
	case kind >= reflect.Int && kind <= reflect.Int64:
		c.id = intConverter(base)
	case kind >= reflect.Uint && kind <= reflect.Uint64:
		c.id = uintConverter(base)
	case kind == reflect.Slice && base.Elem().Kind() == reflect.Uint8:
		c.text, c.id = true, bytesConverter(base, field.Size)
	default:
		return c, errNever
	}
	if c.text && strings.EqualFold(field.TagSettings["TYPE"], "uuid") {
		c.id = unlessRespelled(c.id)
	}
	if typed && field.Serializer == nil {
		c.id = bindTyped(base, c.id)
	}
	if field.FieldType.Kind() != reflect.Pointer {
		c.zero = reflect.Zero(base).Interface()
	}
	return c, nil
}

var (
	scannerType    = reflect.TypeFor[sql.Scanner]()
	valuerType     = reflect.TypeFor[driver.Valuer]()
	gormValuerType = reflect.TypeFor[gorm.Valuer]()
)

func textConverter(size int) func(string) (value, error) {
	return func(id string) (value, error) {
		if size > 0 && len(id) > size && utf8.RuneCountInString(id) > size {
			return value{}, errTooLong
		}
		return value{bind: id, kind: textValue, text: id}, nil
	}
}

func bytesConverter(base reflect.Type, size int) func(string) (value, error) {
	return func(id string) (value, error) {
		if size > 0 && len(id) > size {
			return value{}, errTooLong
		}
		b := []byte(id)
		return value{bind: b, kind: bytesValue, typed: reflect.ValueOf(b).Convert(base)}, nil
	}
}

// intConverter takes decimal numbers only. Others that strconv or GORM would
// take, such as 010 and 0x1f, are another id once they are read back.
func intConverter(base reflect.Type) func(string) (value, error) {
	return func(id string) (value, error) {
		n, err := strconv.ParseInt(id, 10, base.Bits())
		if err != nil {
			return value{}, cause(err)
		}
		if strconv.FormatInt(n, 10) != id {
			return value{}, errDecimal
		}
		return value{bind: n, kind: intValue, bits: uint64(n)}, nil
	}
}

func uintConverter(base reflect.Type) func(string) (value, error) {
	return func(id string) (value, error) {
		n, err := strconv.ParseUint(id, 10, base.Bits())
		if err != nil {
			return value{}, cause(err)
		}
		if strconv.FormatUint(n, 10) != id {
			return value{}, errDecimal
		}
		return value{bind: n, kind: uintValue, bits: n}, nil
	}
}

// cause is ErrRange or ErrSyntax, without the id that strconv's message
// repeats.
func cause(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}

// isUUID reports whether a type is 16 bytes that a database can take, such as
// uuid.UUID and the UUID types of gorm.io/datatypes.
func isUUID(base reflect.Type) bool {
	return base.Kind() == reflect.Array && base.Len() == 16 && base.Elem().Kind() == reflect.Uint8 && base.Implements(valuerType)
}

// aUUID is one as uuid.UUID writes it.
const aUUID = "0190f6a5-7c3e-7b1a-9f00-2a4b6c8d0e1f"

// inOwnSpelling refuses an id that the column would hold in another spelling. The
// history has it as it came, where it would be somebody else.
func inOwnSpelling(convert func(string) (value, error)) func(string) (value, error) {
	return func(id string) (value, error) {
		v, err := convert(id)
		if err == nil && fmt.Sprint(driverValue(v.bind)) != id {
			return value{}, errNotAUUID
		}
		return v, err
	}
}

// unlessRespelled refuses a UUID that a column of that type would spell anew. The
// databases take braces, capitals, and hyphens elsewhere or not at all.
func unlessRespelled(convert func(string) (value, error)) func(string) (value, error) {
	return func(id string) (value, error) {
		b, err := hex.DecodeString(strings.Trim(strings.ReplaceAll(id, "-", ""), "{}"))
		if err == nil && len(b) == 16 && id != fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]) {
			return value{}, errNotAUUID
		}
		return convert(id)
	}
}

// uuidConverter takes a UUID as its type writes it. A type of another alphabet, such as a
// ULID's, takes its own text instead, through its Scan: the bytes of a UUID
// would be read back as an id that nobody has.
func uuidConverter(base reflect.Type) func(string) (value, error) {
	scan := func(string) (value, error) { return value{}, errNotAUUID }
	if reflect.PointerTo(base).Implements(scannerType) {
		scan = scanConverter(base)
	}
	return func(id string) (value, error) {
		v, ok := parseUUID(base, id)
		lower := id == strings.ToLower(id)
		if ok && spells(v, id, lower) {
			return value{kind: typedValue, typed: v}, nil
		}
		scanned, err := scan(id)
		if err == nil && (ok && lower && scanned.typed.Equal(v) || spells(scanned.typed, id, false)) {
			return scanned, nil
		}
		return value{}, errNotAUUID
	}
}

func parseUUID(base reflect.Type, id string) (v reflect.Value, ok bool) {
	b, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
	if err != nil || len(b) != 16 || len(id) != 36 || id[8] != '-' || id[13] != '-' || id[18] != '-' || id[23] != '-' {
		return v, false
	}
	v = reflect.New(base).Elem()
	reflect.Copy(v, reflect.ValueOf(b))
	return v, true
}

// spells reports whether v's own text is the id. mute is the answer for a type
// that has none.
func spells(v reflect.Value, id string, mute bool) bool {
	switch v := v.Addr().Interface().(type) {
	case encoding.TextMarshaler:
		text, err := v.MarshalText()
		return err == nil && string(text) == id
	case fmt.Stringer:
		return v.String() == id
	}
	return mute
}

// scanConverter lets the type's own Scan decide, as it would on an id read from
// a database: as an integer where the id is one, else as text.
func scanConverter(base reflect.Type) func(string) (value, error) {
	return func(id string) (value, error) {
		if n, err := strconv.ParseInt(id, 10, 64); err == nil && strconv.FormatInt(n, 10) == id {
			if v, err := scan(base, n, id); err == nil {
				return v, nil
			}
		}
		return scan(base, id, id)
	}
}

func scan(base reflect.Type, src any, id string) (_ value, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = scanError{fmt.Errorf("panic: %v", r)}
		}
	}()
	ptr := reflect.New(base)
	if err := ptr.Interface().(sql.Scanner).Scan(src); err != nil {
		return value{}, scanError{err}
	}
	held := ptr.Elem().Interface()
	if valuer, ok := held.(driver.Valuer); ok {
		var err error
		if held, err = valuer.Value(); err != nil {
			return value{}, scanError{err}
		}
	}
	if !holds(reflect.ValueOf(held), id, src) {
		return value{}, errChanged
	}
	return value{bind: held, kind: typedValue, typed: ptr.Elem()}, nil
}

// holds reports whether what a type made of an id is still that id. A number
// must be the same number; text scanned from text may be the type's own
// spelling.
func holds(held reflect.Value, id string, src any) bool {
	switch {
	case held.Kind() == reflect.String:
		_, fromText := src.(string)
		return held.String() == id || fromText && held.Len() > 0
	case held.Kind() == reflect.Slice && held.Type().Elem().Kind() == reflect.Uint8:
		_, fromText := src.(string)
		return string(held.Bytes()) == id || fromText && held.Len() > 0
	case held.IsValid() && held.CanInt():
		return strconv.FormatInt(held.Int(), 10) == id
	case held.IsValid() && held.CanUint():
		return strconv.FormatUint(held.Uint(), 10) == id
	}
	return false
}

// bindTyped binds the value as GORM binds the field: typed, so that the type's
// own Value says what the column holds.
func bindTyped(base reflect.Type, convert func(string) (value, error)) func(string) (value, error) {
	return func(id string) (value, error) {
		v, err := convert(id)
		if err != nil {
			return v, err
		}
		if !v.typed.IsValid() {
			typed := reflect.New(base).Elem()
			v.assign(typed)
			v.kind, v.typed = typedValue, typed
		}
		v.bind = v.typed.Interface()
		return v, nil
	}
}

// driverValue returns what a database is sent for v.
func driverValue(v any) any {
	for {
		if rv := reflect.ValueOf(v); !rv.IsValid() || rv.Kind() == reflect.Pointer && rv.IsNil() {
			return nil
		}
		if valuer, ok := v.(driver.Valuer); ok {
			held, err := valuer.Value()
			if err != nil {
				return v
			}
			return held
		}
		rv := reflect.ValueOf(v)
		if rv.Kind() != reflect.Pointer {
			return v
		}
		v = rv.Elem().Interface()
	}
}

// sameValue reports whether a database is sent the same for two values, whatever
// their types.
func sameValue(a, b any) bool {
	if a, ok := a.(string); ok {
		if b, ok := b.(string); ok {
			return a == b
		}
	}
	return fmt.Sprint(driverValue(a)) == fmt.Sprint(driverValue(b))
}

func isZero(v any) bool {
	if v == nil {
		return true
	}
	rv := reflect.ValueOf(v)
	return rv.IsZero() || rv.Kind() != reflect.Pointer && driverValue(v) == nil
}
