package gormaudit

import (
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// auditor is a Plugin at work on one gorm.DB.
type auditor struct {
	config   Config
	registry *registry
}

// install puts the auditor where every INSERT and UPDATE of GORM passes: into
// the builders of the clauses that name columns. GORM asks them last, when
// Dest, Select, Omit, hooks and other plugins have had their say.
func (a *auditor) install(db *gorm.DB) error {
	a.wrap(db, "VALUES", rewriteValues)
	a.wrap(db, "ON CONFLICT", rewriteOnConflict)
	a.wrap(db, "SET", rewriteSet)

	db.ClauseBuilders[installed] = func(clause.Clause, clause.Builder) {}
	return a.registerCallback(db)
}

// installed is the name of a builder that no clause has: it marks those that
// are wrapped.
const installed = "gormaudit:installed"

func (a *auditor) registerCallback(db *gorm.DB) error {
	return db.Callback().Update().Before("gorm:update").Register("gormaudit:remember", func(db *gorm.DB) { remember(a, db) })
}

// rewrite builds a clause of a statement on a model with by-columns, with the
// builder that would have built it otherwise.
type rewrite func(a *auditor, stmt *gorm.Statement, m *model, c clause.Clause, next builder)

func (a *auditor) wrap(db *gorm.DB, name string, f rewrite) {
	next := builderOf(db, name)
	db.ClauseBuilders[name] = func(c clause.Clause, b clause.Builder) {
		stmt, _ := b.(*gorm.Statement)
		switch m := a.registry.modelFor(stmt); {
		case m != nil && stmt.Error == nil:
			a.build(stmt, m, name, c, next, f)
		case next.custom != nil: // next.build would copy the clause once more, for models that have nothing of it
			next.custom(c, b)
		default:
			c.Build(b)
		}
	}
}

func (a *auditor) build(stmt *gorm.Statement, m *model, name string, c clause.Clause, next builder, f rewrite) {
	switch {
	case m.err != nil:
		_ = stmt.AddError(m.err)
	case c.Builder != nil: // it would ignore what is rewritten
		m.refuse(stmt, name, c)
	default:
		f(a, stmt, m, c, next)
	}
}

// refuseInserts is for dialects that write INSERT statements themselves, as
// gorm.io/driver/sqlserver does: created_by could not be kept from callers.
func (a *auditor) refuseInserts(db *gorm.DB) error {
	a.wrap(db, "SET", rewriteSet)
	return db.Callback().Create().Before("gorm:create").Register("gormaudit:refuse", func(db *gorm.DB) {
		if m := a.registry.modelForInsert(db.Statement); m != nil && db.Error == nil {
			_ = db.AddError(fmt.Errorf("gormaudit: create on %q: the dialect %s builds INSERT statements around GORM's clauses, so by-columns can't be protected",
				m.table, db.Name()))
		}
	})
}
