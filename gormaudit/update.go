package gormaudit

import (
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
		putBack(&u)
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
	// kept are the caller's assignments to by-columns under Preserve.
	kept []clause.Assignment
}

// filter takes the by-columns out. The caller's own slice stays as it is.
func (u *update) filter(set clause.Set) {
	u.set = make(clause.Set, 0, len(set)+2)
	for _, assignment := range set {
		c := u.model.columnFor(assignment.Column)
		if c == nil {
			u.set = append(u.set, assignment)
			if d := u.model.follows(assignment.Column.Name); d != nil && u.softDeleteField == nil {
				u.softDeleteField, u.softDeleteColumn, u.softDeleteValue = d, assignment.Column, assignment.Value
			}
		} else if u.mode == preserve && c.role != created && !isZero(assignment.Value) && !offers(assignment.Value, c) {
			u.kept = append(u.kept, clause.Assignment{Column: c.target(), Value: assignment.Value})
		}
	}
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
		u.reportMissing("delete")
		if u.hasActor {
			u.assign(c, u.valueFor(c))
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
			u.reportMissing("update")
			if u.hasActor {
				u.assign(c, u.valueFor(c))
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
func (u *update) assign(c *column, v *value) {
	if u.Error != nil {
		return
	}
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
	if !c.declared || !u.ReflectValue.IsValid() || !u.ReflectValue.CanAddr() {
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
	u.reportMissing("delete")
	if !u.hasActor {
		return
	}
	self, at := c.target(), c.target()
	at.Name = u.softDeleteField.name
	u.prepend(c, clause.Expr{SQL: "CASE WHEN ? THEN ? ELSE ? END", Vars: []any{u.softDeleteField.lives(at), u.valueFor(c).bind, self}})
}

// prepend adds an assignment before all others: MySQL evaluates them in order,
// and this one asks what the soft-delete field was before.
func (u *update) prepend(c *column, value any) {
	u.set = append(clause.Set{{Column: c.target(), Value: value}}, u.set...)
}
