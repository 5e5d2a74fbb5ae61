package writes

import (
	"context"
	"database/sql/driver"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"time"

	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"

	"github.com/seed-3826ef92/whodunit/gormaudit/internal/bycolumn"
)

func (m *Model) zero() any { return reflect.New(reflect.TypeOf(m.zeroRow).Elem()).Interface() }

func (m *Model) null() any { return reflect.Zero(reflect.TypeOf(m.zeroRow)).Interface() }

// honest returns a new row without by-columns.
func (m *Model) honest() any {
	m.count.next++
	return m.wipe(m.make(m.count.next - 1))
}

// fresh returns a new row with forged by-columns.
func (m *Model) fresh() any { return m.forge(m.honest()) }

// absent returns a new row with forged by-columns and a key that is not there.
func (m *Model) absent() any {
	row, _ := m.withAbsentKey(m.fresh())
	return row
}

func (m *Model) withAbsentKey(row any) (_ any, ok bool) {
	for _, field := range m.Schema.PrimaryFields {
		if !m.isZero(row, field) {
			continue
		}
		if len(m.Schema.PrimaryFields) > 1 || !m.setAbsentKey(row, field) {
			return row, false
		}
	}
	return row, true
}

// setAbsentKey gives a row a key that no other has: a number, or a UUID where
// that doesn't fit.
func (m *Model) setAbsentKey(row any, field *schema.Field) bool {
	rv, number := reflect.ValueOf(row), strconv.FormatInt(m.absentKey, 10)
	unknown := fmt.Sprintf("feedface-0000-4000-8000-%012d", m.absentKey)
	if field.GORMDataType != schema.String && field.Set(context.Background(), rv, number) == nil {
		return true
	}
	isText := field.GORMDataType == schema.String && field.DataType == schema.String
	return !isText && field.Set(context.Background(), rv, unknown) == nil
}

// row returns the n-th row as a caller has it who changed it and forged its
// by-columns.
func (m *Model) row(n int) any {
	row := clone(m.rows[n])
	if m.column != nil {
		m.set(row, m.column, m.make(m.count.next+n))
	}
	return m.forge(row)
}

// key returns a row that has the n-th row's key alone.
func (m *Model) key(n int) any { return m.withKey(m.zero(), n) }

func (m *Model) withKey(row any, n int) any {
	for _, field := range m.Schema.PrimaryFields {
		m.set(row, field, m.rows[n])
	}
	return row
}

// part returns a row with what a caller changes and forged by-columns alone.
func (m *Model) part() any {
	row := m.zero()
	m.set(row, m.column, m.later())
	return m.forge(row)
}

// other returns a value for the column that callers change.
func (m *Model) other() any { return m.get(m.later(), m.column) }

// later returns a row that differs from all that a path makes.
func (m *Model) later() any { return m.make(m.count.next + 10) }

// forge names the forged user in all by-columns of a row.
func (m *Model) forge(row any) any {
	if !m.honestly {
		for _, field := range m.by.All() {
			_ = fill(field.ReflectValueOf(context.Background(), reflect.ValueOf(row).Elem()), m.Users.Forged)
		}
	}
	return row
}

// forged returns the forged user as a by-column holds it.
func (m *Model) forged(field *schema.Field) any { return m.get(m.forge(m.zero()), field) }

// wipe names nobody in all by-columns of a row.
func (m *Model) wipe(row any) any {
	for _, field := range m.by.All() {
		m.set(row, field, m.zero())
	}
	return row
}

// undelete makes a row one that is not deleted.
func (m *Model) undelete(row any) any {
	for _, field := range m.softDeletes {
		m.set(row, field, m.rows[1])
	}
	return row
}

// live and dead are what the soft-delete column of a row holds.
func (m *Model) live() any { return driverValue(m.get(m.rows[1], m.softDeletes[0])) }

func (m *Model) dead() any { return driverValue(m.get(m.rows[3], m.softDeletes[0])) }

func driverValue(v any) any {
	if valuer, ok := v.(driver.Valuer); ok {
		if held, err := valuer.Value(); err == nil {
			return held
		}
	}
	return v
}

// values are what a caller changes, and forged by-columns.
func (m *Model) values() map[string]any {
	values := m.forgedValues()
	values[m.column.DBName] = m.other()
	return values
}

// forgery are forged by-columns beside a column that stays as it is: for
// several rows at once, where unique values can't be set.
func (m *Model) forgery() map[string]any {
	values := m.forgedValues()
	if m.column != nil {
		values[m.column.DBName] = clause.Expr{SQL: "?", Vars: []any{clause.Column{Name: m.column.DBName}}}
	}
	return values
}

func (m *Model) forgedValues() map[string]any {
	values := map[string]any{}
	if !m.honestly {
		for _, field := range m.by.All() {
			values[field.DBName] = m.forged(field)
		}
	}
	return values
}

// insertMap are the values of a new row.
func (m *Model) insertMap(forged bool) map[string]any { return m.mapOf(m.honest(), forged) }

// insertMapOf are the values of a row, with forged by-columns.
func (m *Model) insertMapOf(row any) map[string]any { return m.mapOf(row, true) }

// mapOf are the values of an INSERT of a row. GORM does not add timestamps to
// a map.
func (m *Model) mapOf(row any, forged bool) map[string]any {
	values := map[string]any{}
	for _, field := range m.insertFields(row) {
		values[field.DBName] = m.get(row, field)
	}
	if forged {
		maps.Copy(values, m.forgedValues())
	}
	return values
}

// insertFields are the fields of an INSERT of a row besides by-columns. It
// sets the row's timestamps.
func (m *Model) insertFields(row any) []*schema.Field {
	var fields []*schema.Field
	for _, name := range m.Schema.DBNames {
		field := m.Schema.FieldsByDBName[name]
		if slices.Contains(m.by.All(), field) || bycolumn.IsSoftDelete(field) || !field.Creatable {
			continue
		}
		if m.isZero(row, field) && (field.AutoCreateTime > 0 || field.AutoUpdateTime > 0) {
			_ = field.Set(context.Background(), reflect.ValueOf(row), longAgo)
		} else if m.isZero(row, field) && (field.HasDefaultValue || field.PrimaryKey || field.FieldType.Kind() == reflect.Pointer) {
			continue
		}
		fields = append(fields, field)
	}
	return fields
}

// insertDTO is a new row as another struct.
func (m *Model) insertDTO(forged bool) any {
	row := m.honest()
	fields := m.insertFields(row)
	if forged {
		m.forge(row)
		fields = append(fields, m.by.All()...)
	}
	return m.dto(row, fields)
}

// updateDTO is what a caller changes as another struct.
func (m *Model) updateDTO(forged bool) any {
	fields := []*schema.Field{m.column}
	if forged {
		fields = append(fields, m.by.All()...)
	}
	return m.dto(m.part(), fields)
}

// reversedDTO is updateDTO with its fields in another order.
func (m *Model) reversedDTO() any {
	return m.dto(m.part(), append(m.by.All(), m.column))
}

// dto returns a pointer to a struct of the given columns of a row.
func (m *Model) dto(row any, fields []*schema.Field) any {
	var parts []reflect.StructField
	for n, field := range fields {
		tag := "column:" + field.DBName
		if name := field.TagSettings["SERIALIZER"]; name != "" {
			tag += ";serializer:" + name
		}
		parts = append(parts, reflect.StructField{
			Name: "F" + strconv.Itoa(n), Type: field.FieldType, Tag: reflect.StructTag("gorm:" + strconv.Quote(tag)),
		})
	}
	dto := reflect.New(reflect.StructOf(parts))
	for n, field := range fields {
		dto.Elem().Field(n).Set(field.ReflectValueOf(context.Background(), reflect.ValueOf(row).Elem()))
	}
	return dto.Interface()
}

// get returns what a row's field holds, as it can stand in a map.
func (m *Model) get(row any, field *schema.Field) any {
	rv := reflect.ValueOf(row).Elem()
	if field.Serializer != nil {
		v, _ := field.ValueOf(context.Background(), rv)
		return v
	}
	return field.ReflectValueOf(context.Background(), rv).Interface()
}

// set copies a field from one row to another.
func (m *Model) set(row any, field *schema.Field, from any) {
	ctx := context.Background()
	field.ReflectValueOf(ctx, reflect.ValueOf(row).Elem()).Set(field.ReflectValueOf(ctx, reflect.ValueOf(from).Elem()))
}

func (m *Model) isZero(row any, field *schema.Field) bool {
	_, zero := field.ValueOf(context.Background(), reflect.ValueOf(row))
	return zero
}

// slice returns the rows by value, pointers the rows themselves.
func (m *Model) slice(rows ...any) any {
	s := reflect.MakeSlice(reflect.SliceOf(reflect.TypeOf(m.zeroRow).Elem()), 0, len(rows))
	for _, row := range rows {
		s = reflect.Append(s, reflect.ValueOf(row).Elem())
	}
	return s.Interface()
}

func (m *Model) pointers(rows ...any) any {
	s := reflect.MakeSlice(reflect.SliceOf(reflect.TypeOf(m.zeroRow)), 0, len(rows))
	for _, row := range rows {
		s = reflect.Append(s, reflect.ValueOf(row))
	}
	return s.Interface()
}

func (m *Model) array(rows ...any) any {
	a := reflect.New(reflect.ArrayOf(len(rows), reflect.TypeOf(m.zeroRow).Elem()))
	for n, row := range rows {
		a.Elem().Index(n).Set(reflect.ValueOf(row).Elem())
	}
	return a.Interface()
}

func value(pointer any) any { return reflect.ValueOf(pointer).Elem().Interface() }

func pointerTo(v any) any {
	p := reflect.New(reflect.TypeOf(v))
	p.Elem().Set(reflect.ValueOf(v))
	return p.Interface()
}

// clone copies a row and the structs that it has by pointer.
func clone(row any) any {
	from := reflect.ValueOf(row).Elem()
	to := reflect.New(from.Type())
	to.Elem().Set(from)
	for n := range from.NumField() {
		f := to.Elem().Field(n)
		if f.CanSet() && f.Kind() == reflect.Pointer && !f.IsNil() && f.Elem().Kind() == reflect.Struct && f.Type().Elem() != reflect.TypeFor[time.Time]() {
			f.Set(reflect.ValueOf(clone(f.Interface())))
		}
	}
	return to.Interface()
}

func dbNames(fields []*schema.Field) []string {
	var names []string
	for _, field := range fields {
		names = append(names, field.DBName)
	}
	return names
}

func fieldNames(fields []*schema.Field) []string {
	var names []string
	for _, field := range fields {
		names = append(names, field.Name)
	}
	return names
}

func anys[T any](list []T) []any {
	all := make([]any, 0, len(list))
	for _, v := range list {
		all = append(all, v)
	}
	return all
}

// join returns the entries of several maps.
func join(all ...map[string]string) map[string]string {
	joined := map[string]string{}
	for _, m := range all {
		maps.Copy(joined, m)
	}
	return joined
}
