package echoauth

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

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
	// page's path in the query parameter next; see [SafeNext]. That is a GET
	// whose Accept header names text/html and which no script sent. By default
	// empty: it gets the 401 as well.
	LoginURL string

	// Challenge is the WWW-Authenticate header of the 401, such as "Bearer". By
	// default there is none, because a session has no scheme.
	Challenge string
}

// RequireUserWithConfig returns the guard of config. An anonymous request
// gets the redirect or the 401; a [actor.Service] or [actor.System], whose id
// is no user's, gets a 403: let it in by [RequireFunc].
//
// A CORS preflight, which never carries a credential, passes on to a CORS
// middleware behind the guard. It passes neither to a handler nor to a path
// that no route has: where a route of the application's takes OPTIONS itself,
// as with Any, register CORS before the guard.
//
// It panics if LoginURL can't be parsed.
//
// Security: a guard never loads the record. Somebody whose account was deleted
// passes until the session or token expires; [Config.SessionStamp] ends
// sessions at once.
func RequireUserWithConfig(config RequireConfig) echo.MiddlewareFunc {
	var login *url.URL
	if config.LoginURL != "" {
		var err error
		if login, err = url.Parse(config.LoginURL); err != nil {
			panic("echoauth: RequireConfig.LoginURL: " + err.Error())
		}
	}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			switch a := Current(c); {
			case config.Skipper != nil && config.Skipper(c):
				return next(c)
			case a.Kind == actor.KindUser && !a.IsAnonymous():
				return next(c)
			case isHarmlessPreflight(c):
				return next(c)
			case a.IsAnonymous():
				return refuse(c, config.Challenge, login)
			}
			return echo.NewHTTPError(http.StatusForbidden)
		}
	}
}

// RequireFunc returns a middleware that lets pass whom allow allows, and
// answers 403 to others. An error of allow fails the request; it is not a no.
// allow is asked about anonymous requests too. CORS preflights pass as they do
// in [RequireUserWithConfig].
func RequireFunc(allow func(c echo.Context, a actor.Actor) (bool, error)) echo.MiddlewareFunc {
	if allow == nil {
		panic("echoauth: RequireFunc needs a function")
	}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if isHarmlessPreflight(c) {
				return next(c)
			}
			switch ok, err := allow(c, Current(c)); {
			case err != nil:
				return err
			case !ok:
				return echo.NewHTTPError(http.StatusForbidden)
			}
			return next(c)
		}
	}
}

// refuse answers an anonymous request.
func refuse(c echo.Context, challenge string, login *url.URL) error {
	if login != nil && wantsPage(c.Request()) && !isAt(c.Request(), login) {
		return c.Redirect(http.StatusFound, withNext(*login, c.Request().URL.RequestURI()))
	}
	if challenge != "" {
		c.Response().Header().Set(echo.HeaderWWWAuthenticate, challenge)
	}
	return echo.NewHTTPError(http.StatusUnauthorized).WithInternal(ErrAnonymous)
}

// wantsPage tells a browser that follows a link from a script that fetches.
func wantsPage(r *http.Request) bool {
	mode := r.Header.Get("Sec-Fetch-Mode")
	return r.Method == http.MethodGet &&
		strings.Contains(strings.Join(r.Header.Values(echo.HeaderAccept), ","), "text/html") &&
		!strings.EqualFold(r.Header.Get(echo.HeaderXRequestedWith), "XMLHttpRequest") &&
		(mode == "" || mode == "navigate")
}

// isAt tells whether r asks for the login page itself, which would redirect to
// itself for ever.
func isAt(r *http.Request, login *url.URL) bool {
	return r.URL.Path == login.Path && (login.Host == "" || login.Host == r.Host)
}

func withNext(login url.URL, next string) string {
	query := login.Query()
	query.Set("next", SafeNext(next))
	login.RawQuery = query.Encode()
	return login.String()
}
