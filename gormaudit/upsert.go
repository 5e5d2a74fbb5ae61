package gormaudit

import (
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// rewriteOnConflict rewrites the ON CONFLICT clause of an upsert, or ON DUPLICATE KEY
// UPDATE, which GORM makes of it for MySQL.
func rewriteOnConflict(a *auditor, stmt *gorm.Statement, m *model, c clause.Clause, next builder) {
	conflict, ok := c.Expression.(clause.OnConflict)
	if !ok {
		m.refuse(stmt, "ON CONFLICT", c)
		return
	}
	if len(conflict.DoUpdates) > 0 { // beside DoNothing, too: the dialect for MySQL writes them all the same
		var u upsert
		u.begin(a, stmt, m)
		u.filter(conflict.DoUpdates)
		for n := range u.taken {
			u.judge(&u.taken[n], conflict.UpdateAll)
		}
		u.stamp(!conflict.UpdateAll && u.nested())
		if len(u.set) == 0 {
			u.set = clause.Set{m.itself()}
		}
		conflict.DoUpdates = u.set
		c.Expression = conflict
	}
	next.build(c, stmt)
}

// upsert is the list of assignments of an upsert, being rewritten.
type upsert struct{ update }

// stamp stamps the row that is already there, with what the INSERT offers.
func (u *upsert) stamp(bookkeeping bool) {
	for _, c := range u.model.columns {
		switch {
		case c.role == created || u.keep(c):
		case u.mode == skip || u.omits(c):
		case c.role == deleted:
			u.followDeletedAt(c)
		case bookkeeping || !u.hasActor && u.mode != preserve:
		case !u.hasActor:
			// What the caller preserved, where there is something.
			offered, self := incoming{c.name}, clause.Column{Table: clause.CurrentTable, Name: c.name}
			lacks := deletedAt{live: u.nobody(c).bind}.lives(offered)
			u.add(c, clause.Expr{SQL: "CASE WHEN ? THEN ? ELSE ? END", Vars: []any{lacks, self, offered}})
		default:
			u.add(c, clause.Column{Table: "excluded", Name: c.name})
		}
	}
}

// judge reports an assignment that was taken out, unless the row gets the same
// anyway or GORM wrote it for UpdateAll.
func (u *upsert) judge(a *assignment, all bool) {
	if offered, ok := a.value.(clause.Column); ok && offered.Table == "excluded" && offered.Name == a.name && (all || a.role != created) {
		return
	}
	if a.role == updated && u.hasActor && u.mode != skip && !u.omits(a.column) && sameValue(a.value, u.valueFor(a.column).bind) {
		return
	}
	u.reportDropped("create", a.column)
}

func (u *upsert) add(c *column, value any) {
	u.set = append(u.set, clause.Assignment{Column: clause.Column{Name: c.name}, Value: value})
}

// followDeletedAt lets deleted_by follow a soft-delete field that the upsert
// assigns. What the INSERT offers differs from row to row, so that the
// database decides.
func (u *upsert) followDeletedAt(c *column) {
	if u.softDeleteField == nil {
		return
	}
	nothing := u.nobody(c).bind
	offered, ok := u.softDeleteValue.(clause.Column)
	if !ok && u.softDeleteField.isLive(u.softDeleteValue) {
		u.prepend(c, nothing)
		return
	}
	self, at := clause.Column{Table: clause.CurrentTable, Name: c.name}, clause.Column{Table: clause.CurrentTable, Name: u.softDeleteField.name}
	var by any = self
	if u.hasActor {
		by = u.valueFor(c).bind
	}
	deletes := clause.Expr{SQL: "WHEN ? THEN ? ELSE ?", Vars: []any{u.softDeleteField.lives(at), by, self}}
	if !ok {
		u.prepend(c, clause.Expr{SQL: "CASE ? END", Vars: []any{deletes}})
		return
	}
	restores := clause.Expr{SQL: "WHEN ? THEN ?", Vars: []any{u.softDeleteField.lives(offer(offered)), nothing}}
	u.prepend(c, clause.Expr{SQL: "CASE ? ? END", Vars: []any{restores, deletes}})
}

// offer is a column as an upsert's assignment names it.
func offer(c clause.Column) any {
	if c.Table == "excluded" {
		return incoming{c.Name}
	}
	return c
}

// incoming is what an upsert's INSERT offered for a column.
type incoming struct{ name string }

// Build implements [clause.Expression].
func (i incoming) Build(b clause.Builder) {
	stmt, ok := b.(*gorm.Statement)
	if ok && stmt.Name() == "mysql" {
		b.WriteString("VALUES(")
		b.WriteQuoted(clause.Column{Name: i.name})
		_ = b.WriteByte(')')
		return
	}
	b.WriteQuoted(clause.Column{Table: "excluded", Name: i.name})
}
