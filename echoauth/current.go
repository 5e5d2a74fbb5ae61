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
// whoever keeps it gets another person's actor. Before you start a goroutine, take
// c.Request().Context().
func Current(c echo.Context) actor.Actor {
	return httpauth.Current(c)
}

// Set makes a the actor of the request that c serves, in its context.Context
// and in echo.Context. It is for authentication that happens after the
// middleware, or without it. Any anonymous actor becomes the zero Actor. A context
// taken before keeps the actor that it was taken with. Nothing is kept for the next
// request: for that, call [Login].
//
// A [Middleware] behind it keeps a, unless it finds a credential of its own. A
// session of a that [Config.SessionStamp] ended is no credential, and a stays the
// actor. This differs if a was the request's actor before, and you Set a again,
// with a name for instance. Then a may come from that session, and the Middleware
// makes the request anonymous.
//
// Security: Set believes you. Call it only once a credential is verified, and
// only on the goroutine that serves the request.
func Set(c echo.Context, a actor.Actor) {
	httpauth.Set(c, a)
}

// User returns the record of the actor of ctx, through the [Config.Load] of
// the innermost middleware that has one. The record is loaded when it is first
// asked for, once per request and actor, for all goroutines. If the actor has
// changed, through [Set] for instance, User returns the record of the actor in this
// ctx.
//
// An error is returned to all who wait, and not kept: the next call loads anew.
// [ErrNoLoader] says that ctx has no Load, [ErrAnonymous] that nobody is
// signed in, and [ErrLoadTimeout] that Load took longer than
// [Config.LoadTimeout]. Other errors are a panic in Load, a nil record, a record
// that is not a T, and a call from within Load that waits for itself. If ctx is
// done, the caller waits no longer and gets its cause. The load goes on for the
// others.
//
// Call User before a transaction starts: inside a transaction, Load waits for a
// second connection, which a pool of one does not have.
func User[T any](ctx context.Context) (T, error) {
	user, err := httpauth.User[T](ctx)
	return user, withStatus(err)
}
