package gormaudit

import (
	"context"

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
	// without a soft-delete field, a CreatedBy beside a CreatedByID, and a column
	// with two roles, with a time's tag, that counts up or that makes the row's
	// key change are errors at start. A number that can't say nobody because its
	// relation gets a foreign key is a warning in GORM's logger. Writes to the
	// models' tables are stamped from the first db.Table("…") on, where GORM knows
	// no model. Without being named here, a model is known from the first write
	// through it. The database is not asked: [Verify] does that.
	//
	// What is known of a table holds for one database (the [sql.DB]) and one
	// schema. The models named here are known in the database that db was opened
	// with and in those to which the plugin dbresolver sends them. A name without
	// a schema is in the one that db's address says, by default public on
	// PostgreSQL; a SET search_path is not seen. Where the address does not say,
	// as on MySQL opened with a connection and no DSNConfig, tables of one name
	// in two schemas are taken for one.
	Models []any
	// Observe is told of every [Event], for metrics and tests, whatever Missing
	// and the logger say. By default nobody is. It runs on the goroutine that
	// writes, before the statement is sent, in its transaction: it must be fast
	// and safe for concurrent use, and must not write through the same gorm.DB.
	Observe func(ctx context.Context, e Event)
	// DryRun changes nothing: statements and models are what GORM alone makes of
	// them, callers' values reach by-columns, nothing is refused. Observe is told
	// what would be stamped, dropped and fail, and who is missing. It is for
	// getting to know an application that is there already, and by default off.
	// Errors in Models are errors from db.Use all the same.
	DryRun bool
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
	// update and delete, and says so through GORM's logger with operation, table
	// and the lines of [Event.Frames]. Of each place it logs the 1st, 10th, 100th
	// time and so on. A logger at level Error or Silent shows nothing:
	// Config.Observe counts whatever the level. It is the default.
	Warn MissingPolicy = iota
	// Allow does as Warn does and logs nothing.
	Allow
	// Reject fails the write with [ErrNoActor]. Nothing is written.
	Reject
)
