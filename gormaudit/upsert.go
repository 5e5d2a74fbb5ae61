package gormaudit

import (
	"reflect"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// onConflict rewrites the ON CONFLICT clause of an upsert, or ON DUPLICATE KEY
// UPDATE, which GORM makes of it for MySQL.
func (a *auditor) onConflict(stmt *gorm.Statement, m *model, c clause.Clause, next builder) {
	conflict, ok := c.Expression.(clause.OnConflict)
	if !ok {
		refuse(stmt, m, "ON CONFLICT", c)
		return
	}
	if len(conflict.DoUpdates) > 0 { // beside DoNothing, too: the dialect for MySQL writes them all the same
		var u update
		u.begin(a, stmt, m)
		u.filter(conflict.DoUpdates)
		u.upsert(!conflict.UpdateAll && u.nested())
		if len(u.set) == 0 {
			u.set = clause.Set{m.itself()}
		}
		conflict.DoUpdates = u.set
		c.Expression = conflict
	}
	next.build(c, stmt)
}

// upsert stamps the row that is already there, with what the INSERT offers.
func (u *update) upsert(bookkeeping bool) {
	for _, c := range u.model.columns {
		switch {
		case c.role == created || u.keep(c):
		case u.mode == skip || u.omits(c):
		case c.role == deleted:
			u.upsertDeletedBy(c)
		case bookkeeping || !u.said && u.mode != preserve:
		case !u.said:
			// What the caller preserved, where there is something.
			offered, self := incoming{c.name}, clause.Column{Table: clause.CurrentTable, Name: c.name}
			lacks := deletedAt{live: u.nothing(c).bind}.lives(offered)
			u.add(c, clause.Expr{SQL: "CASE WHEN ? THEN ? ELSE ? END", Vars: []any{lacks, self, offered}})
		default:
			u.add(c, clause.Column{Table: "excluded", Name: c.name})
		}
	}
}

func (u *update) add(c *column, value any) {
	u.set = append(u.set, clause.Assignment{Column: clause.Column{Name: c.name}, Value: value})
}

// upsertDeletedBy lets deleted_by follow a soft-delete field that the upsert
// assigns. What the INSERT offers differs from row to row, so that the
// database decides.
func (u *update) upsertDeletedBy(c *column) {
	if u.moved == nil {
		return
	}
	nothing := u.nothing(c).bind
	offered, ok := u.to.(clause.Column)
	if !ok && u.moved.isLive(u.to) {
		u.first(c, nothing)
		return
	}
	self, at := clause.Column{Table: clause.CurrentTable, Name: c.name}, clause.Column{Table: clause.CurrentTable, Name: u.moved.name}
	var by any = self
	if u.said {
		by = u.of(c).bind
	}
	deletes := clause.Expr{SQL: "WHEN ? THEN ? ELSE ?", Vars: []any{u.moved.lives(at), by, self}}
	if !ok {
		u.first(c, clause.Expr{SQL: "CASE ? END", Vars: []any{deletes}})
		return
	}
	restores := clause.Expr{SQL: "WHEN ? THEN ?", Vars: []any{u.moved.lives(offer(offered)), nothing}}
	u.first(c, clause.Expr{SQL: "CASE ? ? END", Vars: []any{restores, deletes}})
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

// nested reports whether GORM makes the statement to save a parent's
// associations. Its upsert sets foreign keys and is no change to the child.
// GORM keeps a list of the associations that it has saved or is saving, to
// which it adds them before they are.
func (s *statement) nested() bool {
	if !s.DisableNestedTransaction {
		return false
	}
	list, ok := s.Settings.Load("gorm:saved_association_map")
	if !ok {
		return false
	}
	saved, ok := list.(*map[reflect.Value]bool)
	first := s.models.at(0)
	return !ok || first.IsValid() && first.CanAddr() && (*saved)[first.Addr()]
}
