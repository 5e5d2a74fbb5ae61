package gormaudit

import (
	"reflect"
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"
)

// targets are the structs that the caller passed to a statement: what GORM
// writes back into.
type targets struct {
	value reflect.Value
	many  bool
}

// targetsOf returns the structs of type s in rv that can be written.
func targetsOf(s *schema.Schema, rv reflect.Value) targets {
	switch rv.Kind() {
	case reflect.Struct:
		if rv.Type() == s.ModelType && rv.CanAddr() {
			return targets{value: rv}
		}
	case reflect.Slice:
		if elem := rv.Type().Elem(); elem == s.ModelType || elem == reflect.PointerTo(s.ModelType) {
			return targets{value: rv, many: true}
		}
	case reflect.Array:
		if elem := rv.Type().Elem(); elem == s.ModelType && rv.CanAddr() || elem == reflect.PointerTo(s.ModelType) {
			return targets{value: rv, many: true}
		}
	}
	return targets{}
}

func (m targets) len() int {
	switch {
	case m.many:
		return m.value.Len()
	case m.value.IsValid():
		return 1
	}
	return 0
}

// at returns the model of row r, or an invalid Value.
func (m targets) at(r int) reflect.Value {
	if !m.many {
		return m.value
	}
	if r >= m.value.Len() {
		return reflect.Value{}
	}
	row := m.value.Index(r)
	if row.Kind() == reflect.Pointer {
		row = row.Elem()
	}
	return row
}

// remembered are the by-fields of the caller's models before GORM copies an
// update's values into them.
type remembered struct {
	targets targets
	fields  [][]fieldValue // by model and column
}

// fieldValue is a field's value and what it points to: GORM writes through a
// pointer.
type fieldValue struct{ direct, pointee reflect.Value }

func valueOf(field reflect.Value) fieldValue {
	return fieldValue{direct: clone(field), pointee: clone(dereference(field))}
}

// heldBy returns what a row's field holds: nothing, behind a nil pointer to an
// embedded struct.
func (c *column) heldBy(row reflect.Value) fieldValue {
	if field := c.peek(row); field.IsValid() {
		return valueOf(field)
	}
	return valueOf(reflect.Zero(c.field.FieldType))
}

func (v fieldValue) putBack(field reflect.Value) {
	field.Set(v.direct)
	dereference(field).Set(v.pointee)
}

// dereference follows pointers.
func dereference(v reflect.Value) reflect.Value {
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	return v
}

func clone(v reflect.Value) reflect.Value {
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	return c
}

// Build implements [clause.Expression]. It is never built: a statement keeps
// what was remembered among its clauses, as GORM keeps that a soft delete was
// seen.
func (*remembered) Build(clause.Builder) {}

// hold reports whether all models held v in a column's field, and not nothing.
func (r *remembered) hold(m *model, c *column, v any) bool {
	f := 0
	for _, other := range m.columns[:slices.Index(m.columns, c)] {
		if other.declared {
			f++
		}
	}
	for _, fields := range r.fields {
		if !c.declared || f >= len(fields) || fields[f].pointee.IsZero() || !sameValue(fields[f].pointee.Interface(), v) {
			return false
		}
	}
	return len(r.fields) > 0
}

const rememberedKey = "gormaudit:remembered"

// remember runs before gorm:update. There, GORM copies the values of a map or
// another struct into the model that the caller passed: forged by-columns too,
// although they don't reach the row.
func remember(a *auditor, db *gorm.DB) {
	stmt := db.Statement
	m := a.registry.declaredBy(stmt)
	if m == nil || m.err != nil || db.Error != nil {
		return
	}
	delete(stmt.Clauses, rememberedKey)
	if !stmt.ReflectValue.IsValid() || !stmt.ReflectValue.CanAddr() || !copies(stmt, m) {
		return
	}
	r := &remembered{targets: targetsOf(stmt.Schema, stmt.ReflectValue)}
	for n := range r.targets.len() {
		r.fields = append(r.fields, nil)
		row := r.targets.at(n)
		for _, c := range m.columns {
			if c.declared && row.IsValid() {
				r.fields[n] = append(r.fields[n], c.heldBy(row))
			}
		}
	}
	stmt.Clauses[rememberedKey] = clause.Clause{Expression: r}
}

// copies reports whether GORM may copy a by-column of Dest into the model.
func copies(stmt *gorm.Statement, m *model) bool {
	switch values := stmt.Dest.(type) {
	case map[string]any:
		return m.inMap(values)
	case *map[string]any:
		return values != nil && m.inMap(*values)
	}
	dest := reflect.ValueOf(stmt.Dest)
	if dest.Kind() == reflect.Pointer && dest.Pointer() == reflect.ValueOf(stmt.Model).Pointer() {
		return false // the model itself
	}
	dest = reflect.Indirect(dest)
	if !dest.IsValid() || dest.Type() != m.schema.ModelType || len(stmt.Selects) > 0 {
		return true
	}
	for _, c := range m.columns {
		if !c.declared {
			continue
		}
		if field := c.peek(dest); field.IsValid() && !field.IsZero() {
			return true
		}
	}
	return false
}
