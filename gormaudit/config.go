package gormaudit

import (
	"context"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// Config says how rows are stamped. Its zero value is what [New] uses.
type Config struct {
	// Actor finds who acts under a context. ok is false when nobody said who acts.
	// The default is [actor.FromContext]. Set Actor if the application keeps a user
	// of its own in the context. It runs once or twice in each statement on a model
	// with by-columns. It must be fast and safe for concurrent use, and do no I/O.
	Actor func(ctx context.Context) (a actor.Actor, ok bool)
	// ID returns what by-columns hold for an actor, "" for NULL. By default
	// every column holds a user's id. For a service or a system, a text column holds
	// the text of [actor.Identity.String], such as "system:archiver", and a column
	// that holds users' ids only is NULL. ID is not called for anonymous actors:
	// their rows get NULL.
	ID func(a actor.Actor) string
	// Missing is what happens when nobody said who acts. By default [Warn].
	Missing MissingPolicy
	// Models are parsed by db.Use, which returns an error for a by-column that no
	// id fits, a DeletedBy without a soft-delete field, a CreatedBy beside a
	// CreatedByID, and a by-column that has two roles, has a tag for a time, counts
	// up or makes the row's key change. It warns in GORM's logger of a by-column
	// that has no NULL, and whose relation gets a foreign key: the key refuses the 0
	// or "" that the column holds where nobody acts. db.Use does not ask the
	// database: [Verify] does that.
	//
	// Writes by db.Table("…"), where GORM knows no model, are stamped from the first
	// one on if the table's model is named here. Other models are known from the
	// first write through them.
	//
	// What the plugin knows of a table holds for one database (the [sql.DB]) and one
	// schema. The models named here are known in the database that db was opened
	// with and in those to which the plugin dbresolver sends them. A name without
	// a schema is in the schema that db's address says, by default public on
	// PostgreSQL. The plugin does not see a SET search_path. Where the address names
	// no schema, as on MySQL opened with a connection and no DSNConfig, the plugin
	// takes tables of one name in two schemas for one.
	Models []any
	// Observe is called with every [Event], for metrics and tests, whatever Missing
	// and the logger say. By default nothing is called. Observe runs on the
	// goroutine that writes, before the statement is sent, in its transaction. It
	// must be fast and safe for concurrent use, and must not write through the same
	// gorm.DB.
	Observe func(ctx context.Context, e Event)
	// DryRun changes nothing: statements and models are what GORM alone makes of
	// them, callers' values reach by-columns, and nothing is refused. Observe is told
	// what would be stamped, dropped and fail, and which writes have no actor. Use
	// DryRun to get to know an existing application. By default it is off. Errors in
	// Models are errors from db.Use all the same.
	//
	// Security: a request body that is bound to a model sets its by-columns, new ones
	// too. Tag new by-columns json:"-" while DryRun is on.
	DryRun bool
}

// MissingPolicy is what happens when a write's context has no actor: nobody
// said who acts, which usually means that WithContext was forgotten. An
// anonymous actor is not missing.
//
// The policy is for writes that would stamp something. It does nothing under
// [Preserve] and [Skip].
type MissingPolicy uint8

const (
	// Warn is the default. It writes the row: on create its by-columns are NULL, on
	// update and delete they stay as they are. It logs a warning through GORM's
	// logger, with operation, table and the lines of [Event.Frames], for each place
	// the 1st, 10th, 100th time and so on. A logger at level Error or Silent shows
	// nothing. Config.Observe is called whatever the level.
	Warn MissingPolicy = iota
	// Allow writes as Warn does, without the warning. Config.Observe is called all
	// the same.
	Allow
	// Reject fails the write with [ErrNoActor]. Nothing is written.
	Reject
)
