package echoauth

import (
	"context"

	"github.com/labstack/echo/v4"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// Current returns the actor of the request that c serves. It is anonymous when
// nobody is signed in, and where no middleware ran. It does not allocate.
//
// Security: like all that reads an echo.Context, call it only while the
// request is served. Echo gives the same echo.Context to the next request, so
// whoever keeps it gets another person's actor. Goroutines take
// c.Request().Context() first.
func Current(c echo.Context) actor.Actor {
	a, _ := actor.FromContext(c.Request().Context())
	return a
}

// Set makes a the actor of the request that c serves, in its context.Context
// and in echo.Context: for authentication that happens after the middleware,
// or without it. Anybody anonymous becomes the zero Actor. A context taken
// before keeps the actor that it was taken with. Nothing is remembered for the
// next request; that takes [Login].
//
// A [Middleware] behind it keeps a, unless it finds a credential of its own. A
// session of a's that [Config.SessionStamp] ended is none, and takes nothing
// from a, unless a was the request's actor before: Set again, with a name for
// instance, it may still come from that session.
//
// Security: Set believes you. Call it only once a credential is verified, and
// only on the goroutine that serves the request.
func Set(c echo.Context, a actor.Actor) {
	if sameActor(Current(c), a) {
		replaceActor(c, c.Request().Context(), a)
		return
	}
	setVerified(c, a)
}

// setVerified is Set for what a credential of this request proved, whoever the
// request's actor was before.
func setVerified(c echo.Context, a actor.Actor) {
	replaceActor(c, context.WithValue(c.Request().Context(), verifiedKey{}, a), a)
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
