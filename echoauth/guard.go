package echoauth

import (
	"net/http"
	"net/url"
	"strings"
	"sync"

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
// Register Echo's CORS middleware before guards. A CORS preflight never carries
// a credential, so that a guard refuses it; this is logged once.
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
	return guard(func(c echo.Context) error {
		switch a := Current(c); {
		case config.Skipper != nil && config.Skipper(c), a.Kind == actor.KindUser && !a.IsAnonymous():
			return nil
		case a.IsAnonymous():
			return refuse(c, config.Challenge, login)
		}
		return echo.NewHTTPError(http.StatusForbidden)
	})
}

// RequireFunc returns a middleware that lets pass whom allow allows, and
// answers 403 to others. An error of allow fails the request; it is not a no.
// allow is asked about anonymous requests too, CORS preflights among them, see
// [RequireUserWithConfig].
func RequireFunc(allow func(c echo.Context, a actor.Actor) (bool, error)) echo.MiddlewareFunc {
	if allow == nil {
		panic("echoauth: RequireFunc needs a function")
	}
	return guard(func(c echo.Context) error {
		ok, err := allow(c, Current(c))
		if err == nil && !ok {
			err = echo.NewHTTPError(http.StatusForbidden)
		}
		return err
	})
}

// guard returns the middleware that lets a request pass if check returns nil
// and has not redirected it.
func guard(check func(c echo.Context) error) echo.MiddlewareFunc {
	var preflight sync.Once
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			err := check(c)
			if err == nil && !c.Response().Committed {
				return next(c)
			}
			if isPreflight(c.Request()) {
				preflight.Do(func() { c.Logger().Error(preflightText) })
			}
			return err
		}
	}
}

const preflightText = "echoauth: a guard refused a CORS preflight, which never carries a credential: " +
	"register middleware.CORS() before RequireUser and RequireFunc"

func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions &&
		r.Header.Get(echo.HeaderOrigin) != "" && r.Header.Get(echo.HeaderAccessControlRequestMethod) != ""
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
