package gormaudit

import (
	"errors"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// auditor is a Plugin at work on one gorm.DB.
type auditor struct {
	config   Config
	registry *registry
	places   *places
	// ownActor says that Config.Actor is the application's.
	ownActor bool
}

// install puts the auditor where every INSERT and UPDATE of GORM passes: into
// the builders of the clauses that name columns. GORM asks them last, when
// Dest, Select, Omit, hooks and other plugins have had their say.
func (a *auditor) install(db *gorm.DB) error {
	if err := a.refuse(db); err != nil {
		return err
	}
	a.wrapAll(db)
	db.ClauseBuilders[installed] = func(clause.Clause, clause.Builder) {}
	return a.registerCallback(db)
}

func (a *auditor) wrapAll(db *gorm.DB) {
	a.wrap(db, "VALUES", rewriteValues)
	a.wrap(db, "ON CONFLICT", rewriteOnConflict)
	a.wrap(db, "SET", rewriteSet)
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
	if a.config.DryRun {
		a.rehearse(stmt, m, name, c, f)
		next.build(c, stmt)
		return
	}
	a.rewrite(stmt, m, name, c, next, f)
}

func (a *auditor) rewrite(stmt *gorm.Statement, m *model, name string, c clause.Clause, next builder, f rewrite) {
	switch {
	case m.err != nil:
		_ = stmt.AddError(m.err)
	case c.Builder != nil: // it would ignore what is rewritten
		m.refuse(stmt, name, c)
	default:
		f(a, stmt, m, c, next)
	}
}

// rehearse rewrites a clause of a copy of the statement, which tells what would
// happen and is thrown away.
func (a *auditor) rehearse(stmt *gorm.Statement, m *model, name string, c clause.Clause, f rewrite) {
	db := *stmt.DB
	db.Statement = stmt // not so for a statement that somebody made by hand
	draft := db.Session(&gorm.Session{Initialized: true}).Statement
	draft.BuildClauses = stmt.BuildClauses
	a.rewrite(draft, m, name, c, builder{custom: func(clause.Clause, clause.Builder) {}}, f)
	if draft.Error != nil {
		a.reportFailure(stmt, m.table, operation(stmt, name), draft.Error)
	}
}

// refuse makes errors of the statements whose by-columns db's dialect does not
// send as they are stamped: they could not be kept from callers.
func (a *auditor) refuse(db *gorm.DB) error {
	create, update, del := db.Callback().Create(), db.Callback().Update(), db.Callback().Delete()
	const name = "gormaudit:refuse"
	var errs []error
	if !trusted(db, create.Get("gorm:create"), create.Clauses, createProbes()) {
		errs = append(errs, create.Before("gorm:create").Register(name, func(db *gorm.DB) {
			a.refuseStatement(db, "create", a.registry.modelForInsert(db.Statement))
		}))
	}
	if !trusted(db, update.Get("gorm:update"), update.Clauses, updateProbes()) {
		errs = append(errs, update.Before("gorm:update").Register(name, func(db *gorm.DB) {
			a.refuseStatement(db, "update", a.registry.modelForUpdate(db.Statement))
		}))
	}
	if !trusted(db, del.Get("gorm:delete"), del.Clauses, deleteProbes()) {
		errs = append(errs, del.Before("gorm:delete").Register(name, func(db *gorm.DB) {
			if m := a.registry.modelFor(db.Statement); m.writesOnDelete(db.Statement) {
				a.refuseStatement(db, "delete", m)
			}
		}))
	}
	return errors.Join(errs...)
}

func (a *auditor) refuseStatement(db *gorm.DB, operation string, m *model) {
	if m == nil || db.Error != nil {
		return
	}
	err := fmt.Errorf("gormaudit: %s on %q: the dialect %s builds its statement around GORM's clauses, so by-columns can't be protected",
		operation, m.table, db.Name())
	if a.config.DryRun {
		a.reportFailure(db.Statement, m.table, operation, err)
		return
	}
	_ = db.AddError(err)
}
