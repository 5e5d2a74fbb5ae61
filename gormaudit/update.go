package gormaudit

import (
	"reflect"
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// rewriteSet rewrites the SET clause of an UPDATE, which may be a soft delete.
func rewriteSet(a *auditor, stmt *gorm.Statement, m *model, c clause.Clause, next builder) {
	set, ok := c.Expression.(clause.Set)
	if !ok {
		m.refuse(stmt, "SET", c)
		return
	}
	stmt.Vars = slices.Grow(stmt.Vars, len(set)+4) // GORM would let them grow one by one
	var u update
	u.begin(a, stmt, m)
	u.given = set
	var buffer [8]string // off the heap
	assigned, ok := m.assigns(set, buffer[:0])
	switch {
	case !ok || c.AfterExpression != nil || len(set) == 0:
		u.filter(set)
		for n := range u.taken {
			u.judge(&u.taken[n])
		}
		u.putBack()
	case next.buildsStandard(&c):
		u.build(c.Name, set, assigned)
	default: // as put does, by another builder
		next.build(c, stmt)
		u.built = true
	}
	if slices.Contains(stmt.BuildClauses, "DELETE") {
		u.softDelete()
	} else {
		u.update()
	}
	if u.built {
		return
	}
	if len(u.set) == 0 {
		u.set = clause.Set{m.itself()}
	}
	c.Expression = u.set
	next.build(c, stmt)
}

// build is [clause.Set.Build], with names that are quoted already. What there is
// stays, and the stamps follow it.
func (u *update) build(name string, set clause.Set, assigned []string) {
	u.built = true
	_, _ = u.WriteString(name)
	_ = u.WriteByte(' ')
	for n := range set {
		if n > 0 {
			_ = u.WriteByte(',')
		}
		if assigned[n] != "" {
			_, _ = u.WriteString(assigned[n])
		} else {
			u.WriteQuoted(set[n].Column)
			_ = u.WriteByte('=')
		}
		u.addVar(set[n].Value)
	}
}

// update is the list of assignments of an UPDATE or an upsert, being
// rewritten.
type update struct {
	statement
	// given are the caller's assignments, set those that are sent.
	given, set clause.Set
	// built says that set is in the statement already.
	built bool
	// softDeleteField is the soft-delete field that set assigns to, if it does, and to
	// its new value.
	softDeleteField  *deletedAt
	softDeleteColumn clause.Column
	softDeleteValue  any
	// kept are the assignments to by-columns that Preserve keeps, taken are those
	// that are taken out.
	kept  []clause.Assignment
	taken []assignment
}

// assignment is one to a by-column.
type assignment struct {
	*column
	value any
}

// filter takes the by-columns out. The caller's own slice stays as it is.
func (u *update) filter(set clause.Set) {
	u.set = make(clause.Set, 0, len(set)+2)
	for _, a := range set {
		switch c := u.model.columnFor(a.Column); {
		case c == nil:
			u.set = append(u.set, a)
			if d := u.model.follows(a.Column.Name); d != nil && u.softDeleteField == nil {
				u.softDeleteField, u.softDeleteColumn, u.softDeleteValue = d, a.Column, a.Value
			}
		case u.mode == preserve && c.role != created && !isZero(a.Value) && !offers(a.Value, c):
			u.kept = append(u.kept, clause.Assignment{Column: c.target(), Value: a.Value})
		default:
			u.taken = append(u.taken, assignment{c, a.Value})
		}
	}
}

// judge reports an assignment that was taken out, unless it changes nothing: it
// is what the row gets anyway, or what it holds as far as the caller's model
// says. The by-fields of a row that is updated through its own struct were
// usually loaded with it, and no query asks.
func (u *update) judge(a *assignment) {
	if u.isOwnRow() && !u.selects(a.column) || u.stamps(a.column) && sameValue(a.value, u.valueFor(a.column).bind) {
		return
	}
	if r, ok := u.Clauses[rememberedKey].Expression.(*remembered); ok && r.hold(u.model, a.column, a.value) {
		return
	}
	u.reportDropped("update", a.column)
}

// stamps reports whether an UPDATE stamps c with whoever acts.
func (u *update) stamps(c *column) bool {
	if !u.hasActor || u.mode == skip || u.SkipHooks || u.omits(c) {
		return false
	}
	return c.role == updated || c.role == deleted && u.softDeleteField != nil && !u.softDeleteField.isLive(u.softDeleteValue)
}

// isOwnRow reports whether the assignments come from a whole row of the model.
func (u *update) isOwnRow() bool {
	dest := dereference(reflect.ValueOf(u.Dest))
	if !dest.IsValid() || dest.Type() != u.model.schema.ModelType || len(u.model.schema.PrimaryFields) == 0 {
		return false
	}
	for _, field := range u.model.schema.PrimaryFields {
		if _, zero := field.ValueOf(u.ctx, dest); zero {
			return false
		}
	}
	return true
}

// selects reports whether the caller's Select names c.
func (u *update) selects(c *column) bool {
	return slices.ContainsFunc(u.Selects, func(name string) bool { return u.model.column(name) == c })
}

// offers reports whether an upsert assigns to updated_by what the INSERT
// offers: in some rows that may be nothing, and then the row keeps its own.
func offers(value any, c *column) bool {
	return c.role == updated && value == any(clause.Column{Table: "excluded", Name: c.name})
}

func (u *update) softDelete() {
	for _, c := range u.model.columns {
		if c.role != deleted || u.mode == skip || u.omits(c) || !u.changes(c) {
			continue
		}
		u.reportMissing("delete", c)
		if u.hasActor {
			u.assign("delete", c)
		}
	}
}

func (u *update) update() {
	for _, c := range u.model.columns {
		switch {
		case c.role == created || u.keep(c):
		case c.role == deleted:
			u.followDeletedAt(c)
		case u.mode == skip || u.SkipHooks || u.omits(c) || !u.changes(c):
		default:
			u.reportMissing("update", c)
			if u.hasActor {
				u.assign("update", c)
			}
		}
	}
}

// changes reports whether the statement changes c's table: of several, some may
// only be joined.
func (u *update) changes(c *column) bool {
	return c.part == nil || slices.ContainsFunc(u.given, func(a clause.Assignment) bool { return u.model.partOf(a.Column) == c.part })
}

// keep adds what the caller assigned to c under Preserve.
func (u *update) keep(c *column) bool {
	assignment := u.preserved(c)
	if assignment != nil {
		u.set = append(u.set, *assignment)
	}
	return assignment != nil
}

func (u *update) preserved(c *column) *clause.Assignment {
	for n := range u.kept {
		if u.kept[n].Column == c.target() {
			return &u.kept[n]
		}
	}
	return nil
}

// assign adds a stamp to the statement and to the models it was made from.
func (u *update) assign(op string, c *column) {
	v := u.valueFor(c)
	if u.Error != nil {
		return
	}
	u.reportStamp(op, c)
	u.writeBack(c, v)
	if !u.built {
		u.set = append(u.set, clause.Assignment{Column: c.target(), Value: v.bind})
		return
	}
	_ = u.WriteByte(',')
	_, _ = u.WriteString(c.assignment)
	u.addVar(v.bind)
}

// writeBack writes a stamp into the models that the statement was made from, if
// GORM writes back into them too.
func (u *update) writeBack(c *column, v *value) {
	if u.auditor.config.DryRun || !c.declared || !u.ReflectValue.IsValid() || !u.ReflectValue.CanAddr() {
		return
	}
	u.pointers.rows = u.targets.len()
	for n := range u.targets.len() {
		if m := u.targets.at(n); m.IsValid() {
			u.store(c, m, v)
		}
	}
}

// followDeletedAt lets deleted_by follow an assignment to a soft-delete field
// in an ordinary update. Bringing a row back clears it. Deleting a row by hand
// says who, unless the row was deleted before.
func (u *update) followDeletedAt(c *column) {
	if u.softDeleteField == nil || u.mode == skip || u.omits(c) || c.part != nil && c.part != u.model.partOf(u.softDeleteColumn) {
		return
	}
	if u.softDeleteField.isLive(u.softDeleteValue) {
		nothing := u.nobody(c)
		u.prepend(c, nothing.bind)
		u.writeBack(c, &nothing)
		return
	}
	if u.SkipHooks {
		return
	}
	u.reportMissing("delete", c)
	if !u.hasActor {
		return
	}
	self, at := c.target(), c.target()
	at.Name = u.softDeleteField.name
	u.reportStamp("delete", c)
	u.prepend(c, clause.Expr{SQL: "CASE WHEN ? THEN ? ELSE ? END", Vars: []any{u.softDeleteField.lives(at), u.valueFor(c).bind, self}})
}

// prepend adds an assignment before all others: MySQL evaluates them in order,
// and this one asks what the soft-delete field was before.
func (u *update) prepend(c *column, value any) {
	u.set = append(clause.Set{{Column: c.target(), Value: value}}, u.set...)
}

// putBack undoes what GORM copied, where it is not what the row gets.
func (u *update) putBack() {
	r, ok := u.Clauses[rememberedKey].Expression.(*remembered)
	if !ok {
		return
	}
	delete(u.Clauses, rememberedKey)
	if u.auditor.config.DryRun {
		return
	}
	for n, fields := range r.fields {
		row, f := r.targets.at(n), 0
		for _, c := range u.model.columns {
			if c.declared && f < len(fields) {
				if field := c.peek(row); field.IsValid() && u.preserved(c) == nil {
					fields[f].putBack(field)
				}
				f++
			}
		}
	}
}
