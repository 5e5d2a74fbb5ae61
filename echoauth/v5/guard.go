package echoauth

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"

	"github.com/seed-3826ef92/whodunit/echoauth/internal/httpauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// RequireUser returns a middleware that lets only users pass, with the zero
// [RequireConfig]: to anybody anonymous it answers 401.
func RequireUser() echo.MiddlewareFunc {
	return RequireUserWithConfig(RequireConfig{})
}

// RequireConfig is the configuration of [RequireUserWithConfig].
type RequireConfig struct {
	// Skipper says which requests pass unasked. By default none.
	Skipper middleware.Skipper

	// LoginURL is where a browser that wants a page is redirected, with the
	// page's path in the query parameter next; see [SafeNext]. Such a request is a
	// GET or HEAD whose Accept header names text/html and which no script sent. By
	// default empty: a browser gets the 401, too.
	LoginURL string

	// Challenge is the WWW-Authenticate header of the 401, such as "Bearer". By
	// default there is none, because a session has no scheme.
	Challenge string
}

// RequireUserWithConfig returns the guard of config. An anonymous request
// gets the redirect or the 401. An [actor.Service] or [actor.System] gets a 403,
// because its id is not a user's. To let these pass, use [RequireFunc].
//
// Register Echo's CORS middleware before guards. A CORS preflight never carries
// a credential, so a guard refuses it. This is logged once. It is also logged
// once if a guard refuses a request that no [Middleware] saw.
//
// It panics if LoginURL can't be parsed.
//
// Security: a guard never loads the record. Somebody whose account was deleted
// passes until the session or token expires. [Config.SessionStamp] ends sessions
// at once.
func RequireUserWithConfig(config RequireConfig) echo.MiddlewareFunc {
	return guard(adapter.RequireUser(config.LoginURL, config.Challenge), config.Skipper)
}

// RequireFunc returns a middleware that lets pass whom allow allows, and
// answers 403 to others. An error of allow fails the request; it is not a no.
// allow is asked about anonymous requests, too, and about CORS preflights: see
// [RequireUserWithConfig].
func RequireFunc(allow func(c *echo.Context, a actor.Actor) (bool, error)) echo.MiddlewareFunc {
	if allow == nil {
		panic("echoauth: RequireFunc needs a function")
	}
	return guard(adapter.RequireFunc(func(c httpauth.Context, a actor.Actor) (bool, error) {
		return allow(c.(*echo.Context), a)
	}), nil)
}

func guard(core *httpauth.Guard, skipper middleware.Skipper) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			if skipper != nil && skipper(c) {
				return next(c)
			}
			switch no, err := core.Check(c); {
			case errors.Is(err, httpauth.ErrEnded):
				return failRequest(c, err)
			case err != nil:
				return err
			case no != nil:
				return refuse(c, no)
			}
			return next(c)
		}
	}
}

func refuse(c *echo.Context, no *httpauth.Refusal) error {
	if no.Location != "" {
		return c.Redirect(no.Status, no.Location)
	}
	return echo.NewHTTPError(no.Status, http.StatusText(no.Status)).Wrap(no.Cause)
}

// SafeNext returns next if it is a path on this site, with or without query
// and fragment, else "/". A login page passes it the query parameter next, and
// redirects to the result.
//
// Security: it takes only what every browser and proxy reads as a path. So it
// refuses what begins with "//" or "/\", and any backslash. It refuses characters
// other than printable ASCII (URLs carry them encoded). It also refuses "." and
// ".." as segments of the path, encoded or not.
func SafeNext(next string) string {
	return httpauth.SafeNext(next)
}
