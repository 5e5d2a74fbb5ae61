package echoauth

import (
	"fmt"
	"net/http"
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
	plain                 bool     // leaves nothing for others to know about the request
	contextKeys           []string // just ContextKey
	stamp                 *stamp
	token                 *tokenSource // the default one
	wrongOrder, lateToken sync.Once
}

func newAuthenticator(config Config) *authenticator {
	m := &authenticator{
		Config: config,
		plain: config.Sources == nil && config.SessionStamp == nil &&
			config.SessionName == "" && config.ContextKey == defaultContextKey,
		contextKeys: []string{config.ContextKey},
		token:       newTokenSource(nil),
	}
	if config.SessionStamp != nil {
		m.stamp = &stamp{of: config.SessionStamp, timeout: config.LoadTimeout}
	}
	return m
}

func (m *authenticator) middleware(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if m.Skipper != nil && m.Skipper(c) {
			return next(c)
		}
		_, nested := actor.FromContext(c.Request().Context())
		if nested || !m.plain {
			return m.serve(c, m.enter(c), nested, next)
		}
		return m.serve(c, &request{alone: true}, nested, next) // stays on the stack
	}
}

// serve is the story of one request.
func (m *authenticator) serve(c echo.Context, r *request, nested bool, next echo.HandlerFunc) error {
	var a actor.Actor
	found, err := m.resolve(c, r, nested, &a)
	if err != nil {
		return m.ErrorHandler(c, err)
	}
	m.place(c, r, &a, found)
	err = next(c)
	m.diagnose(c, r)
	return err
}

// enter makes m the innermost middleware of the request. What m leaves unset
// stays as an outer one has it.
func (m *authenticator) enter(c echo.Context) *request {
	r := requestOf(c)
	if r == nil {
		r = new(request)
		if _, ok := c.Get(defaultContextKey).(actor.Actor); ok {
			r.contextKeys = []string{defaultContextKey} // of a plain one
		}
		c.Set(requestKey, r)
	}
	r.addContextKey(m.contextKeys)
	if m.SessionName != "" {
		r.sessionName = m.SessionName
	}
	if m.stamp != nil {
		r.stamp, r.verified = m.stamp, nil // another stamp has not held yet
	}
	r.revoked = nil
	return r
}

// resolve asks the sources in order. The default ones, which most requests
// pass through, are spared some look-ups and copies. A nested middleware asks
// for the token first: the outer one saw the session, and it is the token that
// the group verified.
func (m *authenticator) resolve(c echo.Context, r *request, nested bool, a *actor.Actor) (found bool, err error) {
	if m.Sources == nil {
		if nested {
			if found, err = m.token.read(c, r, a); found || err != nil {
				return found, err
			}
			return r.readSession(c, a)
		}
		if found, err = r.readSession(c, a); found || err != nil {
			return found, err
		}
		return m.token.read(c, r, a)
	}
	for _, source := range m.Sources {
		if *a, found, err = source(c); found || err != nil {
			return found, err
		}
	}
	return false, nil
}

// place puts a into both contexts. An actor that is already there gives way
// only to one that was found.
//
// It reads the request's context only now: a session store may have written
// to it while the sources were asked.
func (m *authenticator) place(c echo.Context, r *request, a *actor.Actor, found bool) {
	req := c.Request()
	ctx := req.Context()
	if !found && !r.alone {
		*a, _ = actor.FromContext(ctx)
		if r.revoked != nil && sameActor(*r.revoked, *a) && !isVerified(ctx, *a) {
			*a = actor.Actor{} // an outer middleware took it from the session
		}
	}
	if m.Request {
		ctx = actor.NewRequestContext(ctx, metadata(c))
	}
	if m.Load != nil {
		ctx = newRecordsContext(ctx, m.Config)
	}
	r.put(c, req, ctx, a)
}

// diagnose tells, once, of middleware registered in an order that hid a
// credential from m, and from any other Middleware.
func (m *authenticator) diagnose(c echo.Context, r *request) {
	if r.missedStore && c.Get(storeKey) != nil && c.Get(sawStoreKey) == nil {
		m.wrongOrder.Do(func() { c.Logger().Error(wrongOrderText) })
	}
	for _, key := range r.missedTokens {
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
