package gormaudit

import (
	"context"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// Config says how rows are stamped. Its zero value is what [New] uses.
type Config struct {
	// Actor finds who acts under a context; ok is false when nobody said. By
	// default [actor.FromContext]. Set it where the application has a context
	// user of its own. It runs once or twice in each statement on a model with
	// by-columns and must be fast, safe for concurrent use and do no I/O.
	Actor func(ctx context.Context) (a actor.Actor, ok bool)
	// ID gives what by-columns hold for an actor, "" for NULL. By default a
	// user's id in every column; for a service or a system the text of
	// [actor.Identity.String], such as "system:archiver", in a text column,
	// and NULL in one that holds users' ids only. It is not asked about
	// anonymous actors: their rows get NULL.
	ID func(a actor.Actor) string
	// Missing is what happens when nobody said who acts. By default [Warn].
	Missing MissingPolicy
	// Models are parsed by db.Use: a by-column that no id fits, a DeletedBy
	// without a soft-delete field, and a CreatedBy beside a CreatedByID are
	// errors at start, and writes to their tables are stamped from the first
	// db.Table("…") on, where GORM knows no model. Without being named here, a
	// model is known from the first write through it.
	Models []any
}

// MissingPolicy is what happens when a write's context has no actor: nobody
// said who acts, which usually means that WithContext was forgotten. An
// anonymous actor is not missing.
//
// The policy speaks only where something would be stamped. Under [Preserve]
// and [Skip] it is silent.
type MissingPolicy uint8

const (
	// Warn writes the row with by-columns NULL on create and as they are on
	// update and delete, and says so, once a statement, through GORM's logger
	// with operation, table and the caller's file and line. A logger at level
	// Error or Silent shows nothing. It is the default.
	Warn MissingPolicy = iota
	// Allow does as Warn does, silently.
	Allow
	// Reject fails the write with [ErrNoActor]. Nothing is written.
	Reject
)

// Plugin stamps created_by, updated_by and deleted_by on everything that goes
// through the [gorm.DB] it is registered with. One Plugin may serve several.
type Plugin struct{ config Config }

var _ gorm.Plugin = (*Plugin)(nil)

// New returns a plugin with the zero [Config].
func New() *Plugin { return NewWithConfig(Config{}) }

// NewWithConfig returns a plugin. A bad config is an error from db.Use.
func NewWithConfig(config Config) *Plugin {
	if config.Actor == nil {
		config.Actor = actor.FromContext
	}
	return &Plugin{config: config}
}

// Name implements [gorm.Plugin]. GORM refuses a second plugin of this name
// with [gorm.ErrRegistered].
func (p *Plugin) Name() string { return "gormaudit" }

// Initialize implements [gorm.Plugin]; db.Use calls it. It must run before db
// is used by more than one goroutine, as with every plugin: GORM keeps
// callbacks and clause builders without a lock.
func (p *Plugin) Initialize(db *gorm.DB) error {
	if p.config.Missing > Reject {
		return fmt.Errorf("gormaudit: unknown MissingPolicy %d", p.config.Missing)
	}
	a := &auditor{config: p.config, models: newRegistry()}
	if err := a.models.register(db, p.config.Models); err != nil {
		return err
	}
	if !buildsClauses(db, "VALUES") {
		return a.refuseInserts(db)
	}
	return a.install(db)
}

// auditor is a Plugin at work on one gorm.DB.
type auditor struct {
	config Config
	models *registry
}

// install puts the auditor where every INSERT and UPDATE of GORM passes: into
// the builders of the clauses that name columns. GORM asks them last, when
// Dest, Select, Omit, hooks and other plugins have had their say.
func (a *auditor) install(db *gorm.DB) error {
	a.wrap(db, "VALUES", a.values)
	a.wrap(db, "ON CONFLICT", a.onConflict)
	a.wrap(db, "SET", a.set)

	return db.Callback().Update().Before("gorm:update").Register("gormaudit:remember", a.remember)
}

// rewrite builds a clause of a statement on a model with by-columns, with the
// builder that would have built it otherwise.
type rewrite func(stmt *gorm.Statement, m *model, c clause.Clause, next builder)

func (a *auditor) wrap(db *gorm.DB, name string, f rewrite) {
	next := builderOf(db, name)
	db.ClauseBuilders[name] = func(c clause.Clause, b clause.Builder) {
		stmt, _ := b.(*gorm.Statement)
		switch m := a.models.of(stmt); {
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
		refuse(stmt, m, name, c)
	default:
		f(stmt, m, c, next)
	}
}

// refuseInserts is for dialects that write INSERT statements themselves, as
// gorm.io/driver/sqlserver does: created_by could not be kept from callers.
func (a *auditor) refuseInserts(db *gorm.DB) error {
	a.wrap(db, "SET", a.set)
	return db.Callback().Create().Before("gorm:create").Register("gormaudit:refuse", func(db *gorm.DB) {
		if m := a.models.ofInsert(db.Statement); m != nil && db.Error == nil {
			_ = db.AddError(fmt.Errorf("gormaudit: create on %q: the dialect %s builds INSERT statements around GORM's clauses, so by-columns can't be protected",
				m.table, db.Name()))
		}
	})
}
