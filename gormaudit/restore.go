package gormaudit

import "gorm.io/gorm/clause"

// followDeletedAt lets deleted_by follow an assignment to a soft-delete field
// in an ordinary update. Bringing a row back clears it. Deleting a row by hand
// says who, unless the row was deleted before.
func (u *update) followDeletedAt(c *column) {
	if u.moved == nil || u.mode == skip || u.omits(c) {
		return
	}
	if u.moved.isLive(u.to) {
		nothing := u.nothing(c)
		u.first(c, nothing.bind)
		u.write(c, &nothing)
		return
	}
	if u.SkipHooks {
		return
	}
	u.missing("delete")
	if !u.said {
		return
	}
	self, at := clause.Column{Name: c.name}, clause.Column{Name: u.moved.name}
	u.first(c, clause.Expr{SQL: "CASE WHEN ? THEN ? ELSE ? END", Vars: []any{u.moved.lives(at), u.of(c).bind, self}})
}

// first adds an assignment before all others: MySQL evaluates them in order,
// and this one asks what the soft-delete field was before.
func (u *update) first(c *column, value any) {
	u.set = append(clause.Set{{Column: clause.Column{Name: c.name}, Value: value}}, u.set...)
}
