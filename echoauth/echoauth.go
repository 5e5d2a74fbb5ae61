package echoauth

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/golang-jwt/jwt/v5"
	"github.com/labstack/echo/v4"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// Middleware returns a middleware that finds out who makes a request, with the
// zero [Config]: from the session that [Login] wrote, or from the token that
// echo-jwt verified. It lets everybody pass; [RequireUser] doesn't.
//
// The actor is then in the request's context.Context, for
// [actor.FromContext], and in echo.Context under "actor". It is anonymous when
// nobody is signed in.
//
// Register it after the middleware that authenticates.
func Middleware() echo.MiddlewareFunc {
	return MiddlewareWithConfig(Config{})
}

// MiddlewareWithConfig returns the middleware of config. It panics where
// [Config.ToMiddleware] returns an error.
func MiddlewareWithConfig(config Config) echo.MiddlewareFunc {
	mw, err := config.ToMiddleware()
	if err != nil {
		panic(err)
	}
	return mw
}

// authenticator is one registered middleware: a Config with its defaults
// resolved, and what it has already complained about.
type authenticator struct {
	Config
	session, token        Source // the default ones
	stamp                 *stamp
	wrongOrder, lateToken sync.Once
}

func newAuthenticator(config Config) *authenticator {
	m := &authenticator{Config: config, session: readSession, token: newTokenSource(nil).read}
	if config.SessionStamp != nil {
		m.stamp = &stamp{of: config.SessionStamp, timeout: config.LoadTimeout}
	}
	return m
}

// middleware is the story of one request.
func (m *authenticator) middleware(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if m.Skipper != nil && m.Skipper(c) {
			return next(c)
		}
		m.enter(c)
		a, found, err := m.resolve(c)
		if err != nil {
			return m.ErrorHandler(c, err)
		}
		m.place(c, a, found)
		err = next(c)
		m.diagnose(c)
		return err
	}
}

// enter makes m the innermost middleware of the request. What m leaves unset
// stays as an outer one has it.
func (m *authenticator) enter(c echo.Context) {
	known := requestOf(c)
	if known == &unknown && m.SessionName == "" && m.stamp == nil && m.ContextKey == defaultContextKey {
		return
	}
	r := noteOf(c)
	if _, ok := c.Get(defaultContextKey).(actor.Actor); ok && len(r.contextKeys) == 0 {
		r.contextKeys = []string{defaultContextKey} // an outer one of which there is nothing else to know
	}
	if !slices.Contains(r.contextKeys, m.ContextKey) {
		r.contextKeys = append(r.contextKeys, m.ContextKey)
	}
	r.sessionName = cmp.Or(m.SessionName, r.sessionName)
	if m.stamp != nil {
		r.stamp, r.verified = m.stamp, nil // another stamp has not held yet
	}
	r.revoked = nil
}

// resolve asks the sources in order. Of the default ones, a nested middleware
// asks for the token first: the outer one saw the session, and it is the token
// that the group verified.
func (m *authenticator) resolve(c echo.Context) (actor.Actor, bool, error) {
	if m.Sources != nil {
		return firstOf(c, m.Sources...)
	}
	if _, nested := actor.FromContext(c.Request().Context()); nested {
		return firstOf(c, m.token, m.session)
	}
	return firstOf(c, m.session, m.token)
}

func firstOf(c echo.Context, sources ...Source) (a actor.Actor, found bool, err error) {
	for _, source := range sources {
		if a, found, err = source(c); found || err != nil {
			return a, found, err
		}
	}
	return actor.Actor{}, false, nil
}

// place puts a into both contexts. An actor that is already there gives way
// only to one that was found.
//
// It reads the request's context only now: a session store may have written
// to it while the sources were asked.
func (m *authenticator) place(c echo.Context, a actor.Actor, found bool) {
	ctx := c.Request().Context()
	if !found {
		a, _ = actor.FromContext(ctx)
		if revoked := requestOf(c).revoked; revoked != nil && sameActor(*revoked, a) && !isVerified(ctx, a) {
			a = actor.Actor{} // an outer middleware took it from the session
		}
	}
	if m.Request {
		ctx = actor.NewRequestContext(ctx, metadata(c))
	}
	if m.Load != nil {
		ctx = newRecordsContext(ctx, m.Config)
	}
	replaceActor(c, ctx, a)
}

// diagnose tells, once, of middleware registered in an order that hid a
// credential from m, and from any other Middleware.
func (m *authenticator) diagnose(c echo.Context) {
	r := requestOf(c)
	if r.missedStore && c.Get(storeKey) != nil && c.Get(sawStoreKey) == nil {
		m.wrongOrder.Do(func() { c.Logger().Error(wrongOrderText) })
	}
	keys := r.tokenKeys
	if m.Sources == nil {
		keys = append(keys, defaultTokenKey)
	}
	for _, key := range keys {
		token, _ := c.Get(key).(*jwt.Token)
		if token != nil && token.Valid && c.Get(sawTokenKey) == nil && Current(c).IsAnonymous() {
			m.lateToken.Do(func() { c.Logger().Errorf(lateTokenText, key) })
		}
	}
}

const (
	wrongOrderText = "echoauth: session.Middleware runs after echoauth.Middleware, which therefore sees no session: " +
		"register e.Use(session.Middleware(store)) before e.Use(echoauth.Middleware())"
	lateTokenText = "echoauth: a token was verified after echoauth.Middleware ran (c.Get(%q)), and the request stayed anonymous: " +
		"add a second echoauth.Middleware() to the group, after its JWT middleware"
)

// failRequest is the default ErrorHandler. It wraps err, because Echo answers
// with an HTTPError's Internal where that is an HTTPError itself.
func failRequest(_ echo.Context, err error) error {
	return echo.NewHTTPError(http.StatusServiceUnavailable).
		WithInternal(fmt.Errorf("echoauth: cannot tell who makes the request: %w", err))
}
