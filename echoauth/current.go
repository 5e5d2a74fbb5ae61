package echoauth

import (
	"context"

	"github.com/labstack/echo/v4"

	"github.com/seed-3826ef92/whodunit/echoauth/internal/httpauth"
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
	return httpauth.Current(c)
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
	httpauth.Set(c, a)
}

// User returns the record of the actor of ctx, through the [Config.Load] of
// the innermost middleware that has one. It is loaded when first asked for,
// once per request and actor, for all goroutines. Where the actor changed,
// through [Set] for instance, it is the record of the one in this ctx.
//
// Errors are returned to all who wait, and not kept: the next call loads anew.
// [ErrNoLoader] says that ctx has no Load, [ErrAnonymous] that nobody is
// signed in, [ErrLoadTimeout] that Load took longer than [Config.LoadTimeout].
// A panic in Load, a nil record, a record that is no T, and a call from within
// Load that waits for itself are errors too. A ctx that is done ends the
// caller's wait with its cause; the load goes on for the others.
//
// Load before a transaction starts: inside it, Load waits for a second
// connection, which a pool of one does not have.
func User[T any](ctx context.Context) (T, error) {
	user, err := httpauth.User[T](ctx)
	return user, withStatus(err)
}
