package actor

import (
	"context"
	"fmt"
)

// NewContext returns a copy of parent in which a is the actor. A later NewContext
// on the result replaces a in the context that it returns. parent, and contexts
// already taken from it, keep the actor that they have. Like [context.WithValue],
// NewContext panics when parent is nil.
func NewContext(parent context.Context, a Actor) context.Context {
	mustParent(parent)
	if a == (Actor{}) {
		return &anonymousContext{parent}
	}
	return &actorContext{Context: parent, actor: a}
}

// FromContext returns the actor of ctx. ok is false when nobody said who acts,
// and for a nil ctx. ok is true for an anonymous actor: somebody looked, and nobody
// is signed in. FromContext does not allocate.
func FromContext(ctx context.Context) (a Actor, ok bool) {
	if p := find(ctx); p != nil {
		return *p, true
	}
	return Actor{}, false
}

// find returns nil where nobody said. The actor is not to be written to.
func find(ctx context.Context) *Actor {
	if ctx == nil {
		return nil
	}
	p, _ := ctx.Value(actorKey{}).(*Actor)
	return p
}

// Detach returns a context for work that outlives the request: without its
// cancellation and its deadline, with the same actor, request, metadata and
// other values. If the work can hang, give the context a deadline of its own. For
// a nil ctx Detach returns [context.Background].
func Detach(ctx context.Context) context.Context {
	if ctx == nil {
		return context.Background()
	}
	detached := context.WithoutCancel(ctx)
	// Looking a value up through WithoutCancel allocates, each time.
	if p := find(ctx); p != nil {
		detached = NewContext(detached, *p)
	}
	return detached
}

type actorKey struct{}

// actorContext holds the actor inline: one allocation where WithValue needs
// two.
type actorContext struct {
	context.Context
	actor Actor
}

func (c *actorContext) Value(key any) any {
	if key == (actorKey{}) {
		return &c.actor
	}
	return c.Context.Value(key)
}

// String keeps fmt from walking the parents by reflection, which would race
// with their cancellation.
func (c *actorContext) String() string {
	return fmt.Sprintf("%T.WithActor(%s)", c.Context, c.actor)
}

// anonymousContext is the actorContext of the zero Actor, which most requests
// of a public site have: a sixth of its size.
type anonymousContext struct{ context.Context }

func (c *anonymousContext) Value(key any) any {
	if key == (actorKey{}) {
		return &nobody
	}
	return c.Context.Value(key)
}

func (c *anonymousContext) String() string {
	return fmt.Sprintf("%T.WithActor(%s)", c.Context, nobody)
}

// nobody is never written to.
var nobody Actor

func mustParent(parent context.Context) {
	if parent == nil {
		panic("actor: cannot create context from nil parent")
	}
}
