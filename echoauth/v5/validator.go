package echoauth

import (
	"context"
	"errors"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"

	"github.com/seed-3826ef92/whodunit/echoauth/internal/httpauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// BasicAuth returns a validator for Echo's BasicAuth middleware. validate
// returns the actor whom user and password name, and true, or else false. After
// true, the actor becomes the request's, as by [Set]. An anonymous actor with
// true is refused: [ErrAnonymous].
//
//	e.Use(middleware.BasicAuth(echoauth.BasicAuth(validate)))
//
// A [Middleware] behind it keeps this actor, unless it finds a credential of
// its own. A session that [Config.SessionStamp] ended is no credential.
func BasicAuth(validate func(c *echo.Context, user, password string) (actor.Actor, bool, error)) middleware.BasicAuthValidator {
	if validate == nil {
		panic("echoauth: BasicAuth needs a function")
	}
	return func(c *echo.Context, user, password string) (bool, error) {
		ctx := c.Request().Context()
		a, ok, err := validate(c, user, password)
		return accept(ctx, c, a, ok, err)
	}
}

// KeyAuth returns a validator for Echo's KeyAuth middleware, as [BasicAuth]
// does for BasicAuth. The holder of a key is often a program: then return an
// [actor.Service].
func KeyAuth(validate func(c *echo.Context, key string, source middleware.ExtractorSource) (actor.Actor, bool, error)) middleware.KeyAuthValidator {
	if validate == nil {
		panic("echoauth: KeyAuth needs a function")
	}
	return func(c *echo.Context, key string, source middleware.ExtractorSource) (bool, error) {
		ctx := c.Request().Context()
		a, ok, err := validate(c, key, source)
		return accept(ctx, c, a, ok, err)
	}
}

func accept(ctx context.Context, c *echo.Context, a actor.Actor, ok bool, err error) (bool, error) {
	ok, err = httpauth.Accept(ctx, c, a, ok, err)
	if errors.Is(err, httpauth.ErrEnded) {
		err = failRequest(c, err)
	}
	return ok, err
}
