package gormaudit

import (
	"errors"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// install puts the auditor where every INSERT and UPDATE of GORM passes: into
// the builders of the clauses that name columns. GORM asks them last, when
// Dest, Select, Omit, hooks and other plugins have had their say.
func install(a *auditor, db *gorm.DB) error {
	if err := refuseUntrusted(a, db); err != nil {
		return err
	}
	wrapBuilders(a, db)
	db.ClauseBuilders[installed] = func(clause.Clause, clause.Builder) {}
	return registerCallback(a, db)
}

func wrapBuilders(a *auditor, db *gorm.DB) {
	wrapBuilder(a, db, "VALUES", rewriteValues)
	wrapBuilder(a, db, "ON CONFLICT", rewriteOnConflict)
	wrapBuilder(a, db, "SET", rewriteSet)
}

// installed is the name of a builder that no clause has: it marks those that
// are wrapped.
const installed = "gormaudit:installed"

func registerCallback(a *auditor, db *gorm.DB) error {
	return db.Callback().Update().Before("gorm:update").Register("gormaudit:remember", func(db *gorm.DB) { remember(a, db) })
}

// rewrite builds a clause of a statement on a model with by-columns, with the
// builder that would have built it otherwise.
type rewrite func(a *auditor, stmt *gorm.Statement, m *model, c clause.Clause, next builder)

func wrapBuilder(a *auditor, db *gorm.DB, name string, f rewrite) {
	next := builderOf(db, name)
	db.ClauseBuilders[name] = func(c clause.Clause, b clause.Builder) {
		stmt, _ := b.(*gorm.Statement)
		switch m := a.registry.modelFor(stmt); {
		case m != nil && stmt.Error == nil:
			buildClause(a, stmt, m, name, c, next, f)
		case next.custom != nil: // next.build would copy the clause once more, for models that have nothing of it
			next.custom(c, b)
		default:
			c.Build(b)
		}
	}
}

func buildClause(a *auditor, stmt *gorm.Statement, m *model, name string, c clause.Clause, next builder, f rewrite) {
	if a.config.DryRun {
		rehearse(a, stmt, m, name, c, f)
		next.build(c, stmt)
		return
	}
	rewriteClause(a, stmt, m, name, c, next, f)
}

func rewriteClause(a *auditor, stmt *gorm.Statement, m *model, name string, c clause.Clause, next builder, f rewrite) {
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
func rehearse(a *auditor, stmt *gorm.Statement, m *model, name string, c clause.Clause, f rewrite) {
	db := *stmt.DB
	db.Statement = stmt // not so for a statement that somebody made by hand
	draft := db.Session(&gorm.Session{Initialized: true}).Statement
	draft.BuildClauses = stmt.BuildClauses
	rewriteClause(a, draft, m, name, c, builder{custom: func(clause.Clause, clause.Builder) {}}, f)
	if draft.Error != nil {
		reportFailure(a, stmt, m.table, operation(stmt, name), draft.Error)
	}
}

// refuseUntrusted makes errors of the statements whose by-columns db's dialect does not
// send as they are stamped: they could not be kept from callers.
func refuseUntrusted(a *auditor, db *gorm.DB) error {
	create, update, del := db.Callback().Create(), db.Callback().Update(), db.Callback().Delete()
	const name = "gormaudit:refuse"
	var errs []error
	if !trusted(db, wrapBuilders, create.Get("gorm:create"), create.Clauses, createProbes()) {
		errs = append(errs, create.Before("gorm:create").Register(name, func(db *gorm.DB) {
			refuseStatement(a, db, "create", a.registry.modelForInsert(db.Statement))
		}))
	}
	if !trusted(db, wrapBuilders, update.Get("gorm:update"), update.Clauses, updateProbes()) {
		errs = append(errs, update.Before("gorm:update").Register(name, func(db *gorm.DB) {
			refuseStatement(a, db, "update", a.registry.modelForUpdate(db.Statement))
		}))
	}
	if !trusted(db, wrapBuilders, del.Get("gorm:delete"), del.Clauses, deleteProbes()) {
		errs = append(errs, del.Before("gorm:delete").Register(name, func(db *gorm.DB) {
			if m := a.registry.modelFor(db.Statement); m.writesOnDelete(db.Statement) {
				refuseStatement(a, db, "delete", m)
			}
		}))
	}
	return errors.Join(errs...)
}

func refuseStatement(a *auditor, db *gorm.DB, operation string, m *model) {
	if m == nil || db.Error != nil {
		return
	}
	err := fmt.Errorf("gormaudit: %s on %q: the dialect %s builds its statement around GORM's clauses, so by-columns can't be protected",
		operation, m.table, db.Name())
	if a.config.DryRun {
		reportFailure(a, db.Statement, m.table, operation, err)
		return
	}
	_ = db.AddError(err)
}
