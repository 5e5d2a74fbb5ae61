package gormaudit

import (
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// set rewrites the SET clause of an UPDATE, which may be a soft delete.
func (a *auditor) set(stmt *gorm.Statement, m *model, c clause.Clause, next builder) {
	set, ok := c.Expression.(clause.Set)
	if !ok {
		refuse(stmt, m, "SET", c)
		return
	}
	stmt.Vars = slices.Grow(stmt.Vars, len(set)+4) // GORM would let them grow one by one
	var u update
	u.begin(a, stmt, m)
	var some [8]string // off the heap
	assigned, ok := m.assigns(set, some[:0])
	switch {
	case !ok || c.AfterExpression != nil || len(set) == 0:
		u.filter(set)
		u.putBack()
	case next.isPlain(&c):
		u.put(c.Name, set, assigned)
	default: // as put does, by another builder
		next.build(c, stmt)
		u.written = true
	}
	if slices.Contains(stmt.BuildClauses, "DELETE") {
		u.softDelete()
	} else {
		u.update()
	}
	if u.written {
		return
	}
	if len(u.set) == 0 {
		u.set = clause.Set{m.itself()}
	}
	c.Expression = u.set
	next.build(c, stmt)
}

// assigns adds to assigned how each of a caller's assignments begins, "" where
// that is not known. ok is false if one is to a by-column, or to a column that
// one follows.
func (m *model) assigns(set clause.Set, assigned []string) (_ []string, ok bool) {
	for n := range set {
		c := &set[n].Column
		other := m.others[c.Name]
		if !other.unrelated && (m.column(c.Name) != nil || m.follows(c.Name) != nil) {
			return nil, false
		}
		if c.Table != "" || c.Alias != "" || c.Raw {
			other.assignment = ""
		}
		assigned = append(assigned, other.assignment)
	}
	return assigned, true
}

// put is [clause.Set.Build], with names that are quoted already. What there is
// stays, and the stamps follow it.
func (u *update) put(name string, set clause.Set, assigned []string) {
	u.written = true
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

// follows returns the soft-delete field that a name addresses and deleted_by
// follows, or nil.
func (m *model) follows(name string) *deletedAt {
	for n := range m.deletedAt {
		if d := &m.deletedAt[n]; d.name == name || len(name) >= len(d.name) && sameFold(bare(name), d.name) {
			return d
		}
	}
	return nil
}

// itself is an assignment that changes nothing, for a statement that has
// nothing else left to do but still has to be one.
func (m *model) itself() clause.Assignment {
	name := m.primaryKey()
	return clause.Assignment{Column: clause.Column{Name: name}, Value: clause.Column{Table: clause.CurrentTable, Name: name}}
}

// update is the list of assignments of an UPDATE or an upsert, being
// rewritten.
type update struct {
	statement
	set clause.Set
	// written says that set is in the statement already.
	written bool
	// moved is the soft-delete field that set assigns to, if it does, and to
	// its new value.
	moved *deletedAt
	to    any
	// kept are the caller's assignments to by-columns under Preserve.
	kept []clause.Assignment
}

// filter takes the by-columns out. The caller's own slice stays as it is.
func (u *update) filter(set clause.Set) {
	u.set = make(clause.Set, 0, len(set)+2)
	for _, assignment := range set {
		c := u.model.column(assignment.Column.Name)
		if c == nil {
			u.set = append(u.set, assignment)
			if d := u.model.follows(assignment.Column.Name); d != nil && u.moved == nil {
				u.moved, u.to = d, assignment.Value
			}
		} else if u.mode == preserve && c.role != created && !isZero(assignment.Value) && !offers(assignment.Value, c) {
			u.kept = append(u.kept, clause.Assignment{Column: clause.Column{Name: c.name}, Value: assignment.Value})
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
		if c.role != deleted || u.mode == skip || u.omits(c) {
			continue
		}
		u.missing("delete")
		if u.said {
			u.assign(c, u.of(c))
		}
	}
}

func (u *update) update() {
	for _, c := range u.model.columns {
		switch {
		case c.role == created || u.keep(c):
		case c.role == deleted:
			u.followDeletedAt(c)
		case u.mode == skip || u.SkipHooks || u.omits(c):
		default:
			u.missing("update")
			if u.said {
				u.assign(c, u.of(c))
			}
		}
	}
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
		if u.kept[n].Column.Name == c.name {
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
	u.write(c, v)
	if !u.written {
		u.set = append(u.set, clause.Assignment{Column: clause.Column{Name: c.name}, Value: v.bind})
		return
	}
	_ = u.WriteByte(',')
	_, _ = u.WriteString(c.assignment)
	u.addVar(v.bind)
}

// write writes a stamp into the models that the statement was made from, if
// GORM writes back into them too.
func (u *update) write(c *column, v *value) {
	if !c.own || !u.ReflectValue.IsValid() || !u.ReflectValue.CanAddr() {
		return
	}
	u.pointers.rows = u.models.len()
	for n := range u.models.len() {
		if m := u.models.at(n); m.IsValid() {
			u.store(c, m, v)
		}
	}
}
