package httpauth

import (
	"context"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// Current is echoauth.Current. It does not allocate.
func Current(c Context) actor.Actor {
	a, _ := actor.FromContext(c.Request().Context())
	return a
}

// Set is echoauth.Set.
func Set(c Context, a actor.Actor) {
	if sameActor(Current(c), a) {
		replaceActor(c, c.Request().Context(), a)
		return
	}
	setVerified(c, a)
}

// setVerified is Set for what a credential of this request proved, whoever the
// request's actor was before.
func setVerified(c Context, a actor.Actor) {
	replaceActor(c, context.WithValue(c.Request().Context(), verifiedKey{}, a), a)
}

// replaceActor puts a into the request's context, under ctx's values, and into
// Context, under the key of each middleware that ran. What is anonymous
// becomes the zero Actor.
func replaceActor(c Context, ctx context.Context, a actor.Actor) {
	value := anonymous
	if a.IsAnonymous() {
		a = actor.Actor{}
	} else {
		value = a
	}
	c.SetRequest(c.Request().WithContext(actor.NewContext(ctx, a)))
	r := requestOf(c)
	if len(r.contextKeys) == 0 {
		c.Set(defaultContextKey, value)
	}
	for _, key := range r.contextKeys {
		c.Set(key, value)
	}
}

// anonymous saves most requests an allocation.
var anonymous any = actor.Actor{}

// verifiedKey is the key of the actor whom something other than a session of
// Login proved. It lies in the context beside the actor, who may be replaced.
type verifiedKey struct{}

func isVerified(ctx context.Context, a actor.Actor) bool {
	verified, ok := ctx.Value(verifiedKey{}).(actor.Actor)
	return ok && sameActor(verified, a)
}

// sameActor tells whether a and b are the same, by the same impersonator.
func sameActor(a, b actor.Actor) bool {
	return a.Same(b.Identity) && a.Impersonator.Same(b.Impersonator)
}
