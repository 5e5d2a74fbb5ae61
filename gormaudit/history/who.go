package history

import (
	"context"
	"fmt"
	"strings"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// who is what a transaction is told. The zero who is "nobody said".
type who struct {
	said    bool
	actor   actor.Actor
	request actor.Request
}

// whoColumns are the columns of change_sets that a who fills, in the order of
// its values.
var whoColumns = [...]string{
	"actor_kind", "actor_id", "actor_name",
	"impersonator_kind", "impersonator_id", "impersonator_name",
	"request_id", "ip", "user_agent", "method", "route",
}

// who is an error for an id that can't be stored as it is: without what a
// database refuses, it would be somebody else's.
func (p *Plugin) who(ctx context.Context) (who, error) {
	w := who{}
	w.actor, w.said = p.config.Actor(ctx)
	if !w.said {
		w.actor = actor.Actor{}
	}
	w.request, _ = actor.RequestFromContext(ctx)
	if id, by := w.actor.ID, w.actor.Impersonator.ID; storable(id) != id || storable(by) != by {
		return who{}, fmt.Errorf("the id of actor %q can't be stored: it has a zero byte or is no valid UTF-8", w.actor)
	}
	return w, nil
}

// values are the texts of whoColumns. Those that are empty are NULL in the
// database.
func (w who) values() [len(whoColumns)]string {
	a, by, r := w.actor, w.actor.Impersonator, w.request
	values := [...]string{
		"", a.ID, a.Name, "", by.ID, by.Name,
		r.ID, r.IP, r.UserAgent, r.Method, r.Route,
	}
	if w.said {
		values[0] = a.Kind.String()
	}
	if by != (actor.Identity{}) {
		values[3] = by.Kind.String()
	}
	for i, value := range values {
		values[i] = storable(value)
	}
	return values
}

// args are the values, with NULL for the empty ones.
func (w who) args() []any {
	values := w.values()
	args := make([]any, len(values))
	for i, value := range values {
		if value != "" {
			args[i] = value
		}
	}
	return args
}

func (w who) named() map[string]string {
	named := map[string]string{}
	for i, value := range w.values() {
		if value != "" {
			named[whoColumns[i]] = value
		}
	}
	return named
}

// storable drops what PostgreSQL and MariaDB refuse in a text: a name or a user
// agent must not fail the write it is recorded for.
func storable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, ""), "\x00", "")
}
