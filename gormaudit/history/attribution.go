package history

import (
	"strings"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// attribution says who acts, in which request. The zero attribution is "nobody
// said".
type attribution struct {
	attributed bool // somebody said who acts, if only that nobody is signed in
	actor      actor.Actor
	request    actor.Request
}

// attributionColumns are the columns of a change set that an attribution fills,
// in the order of its values.
var attributionColumns = [...]string{
	"actor_kind", "actor_id", "actor_name",
	"impersonator_kind", "impersonator_id", "impersonator_name",
	"request_id", "ip", "user_agent", "method", "route",
}

// values are the texts of attributionColumns. Those that are empty are NULL in
// the database.
func (a attribution) values() [len(attributionColumns)]string {
	who, by, r := a.actor, a.actor.Impersonator, a.request
	values := [...]string{
		"", who.ID, who.Name, "", by.ID, by.Name,
		r.ID, r.IP, r.UserAgent, r.Method, r.Route,
	}
	if a.attributed {
		values[0] = who.Kind.String()
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
func (a attribution) args() []any {
	values := a.values()
	args := make([]any, len(values))
	for i, value := range values {
		if value != "" {
			args[i] = value
		}
	}
	return args
}

// named are the values by their columns, without the empty ones.
func (a attribution) named() map[string]string {
	named := map[string]string{}
	for i, value := range a.values() {
		if value != "" {
			named[attributionColumns[i]] = value
		}
	}
	return named
}

// storable drops what PostgreSQL and MariaDB refuse in a text: a name or a user
// agent must not fail the write it is recorded for.
func storable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, ""), "\x00", "")
}
