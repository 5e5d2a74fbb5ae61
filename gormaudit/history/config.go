package history

import (
	"context"
	"fmt"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// Config says how a [Plugin] works. Its zero value is what [New] uses.
type Config struct {
	// Actor returns who acts under a context, and false if nobody said who. By
	// default [actor.FromContext].
	Actor func(ctx context.Context) (actor.Actor, bool)
	// Models are the models whose changes must be recorded. The plugin warns if the
	// table of one has no triggers. Except on SQLite, it attributes writes to them
	// even before it has seen any triggers. For other models the plugin warns if
	// their triggers are outdated or were lost. [Revert] knows the keys of Models. By
	// default none.
	Models []any
	// AttributeAll attributes every statement of GORM, also reads and statements on
	// tables without history. It is for row-level security on PostgreSQL, see rls.md.
	// A statement outside a transaction runs in a transaction of its own, with its
	// preloads: BEGIN, the actor, the statement, COMMIT. [gorm.DB.Row], Rows and Scan
	// return an error there, because nobody would end their transaction: open one for
	// them. By default off. It changes nothing on other databases.
	AttributeAll bool
}

// attribution is that of a context. It is an error for an id that can't be stored
// as it is: without what a database refuses, it would be somebody else's.
func (c Config) attribution(ctx context.Context) (a attribution, err error) {
	a.actor, a.attributed = c.Actor(ctx)
	if !a.attributed {
		a.actor = actor.Actor{}
	}
	a.request, _ = actor.RequestFromContext(ctx)
	if id, by := a.actor.ID, a.actor.Impersonator.ID; !isStorable(id) || !isStorable(by) {
		return attribution{}, fmt.Errorf("history: the id of actor %q can't be stored: it has a zero byte or is not valid UTF-8", a.actor)
	}
	a.metadata, err = encodeMetadata(actor.MetadataFromContext(ctx))
	return a, err
}
