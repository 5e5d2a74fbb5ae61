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
		requestOf(c).replaceActor(c, c.Request().Context(), a)
		return
	}
	setVerified(c, a)
}

// setVerified is Set for what a credential of this request proved, whoever the
// request's actor was before.
func setVerified(c Context, a actor.Actor) {
	requestOf(c).replaceActor(c, context.WithValue(c.Request().Context(), verifiedKey{}, a), a)
}

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
