package echoauth

import (
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
// Security: Set believes you. Call it only once a credential is verified, and
// only on the goroutine that serves the request.
func Set(c echo.Context, a actor.Actor) {
	req := c.Request()
	requestOf(c).put(c, req, req.Context(), &a)
}
