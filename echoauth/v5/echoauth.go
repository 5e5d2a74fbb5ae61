package echoauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"

	"github.com/seed-3826ef92/whodunit/echoauth/internal/httpauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// Middleware returns a middleware that finds out who makes a request, with the
// zero [Config]: from the session that [Login] wrote, or from the token that
// echo-jwt verified. It lets everybody pass; [RequireUser] doesn't.
//
// The actor is then in the request's context.Context, for
// [actor.FromContext], and in echo.Context under "actor". The actor is anonymous
// when nobody is signed in.
//
// Register this middleware after the one that authenticates.
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

// Config is the configuration of [MiddlewareWithConfig]. Its zero value is
// ready for use.
//
// Where one middleware runs inside another, on a group for instance, the
// inner one's Load, SessionName, SessionLifetime, SessionStamp and
// MayImpersonate are in force. What the inner one does not set stays as the
// outer one has it.
//
// A middleware that finds no credential keeps the actor that the request's
// context already has: the outer middleware's, or one of [Set], [BasicAuth] or a
// test. It drops the outer one's if its own SessionStamp or SessionLifetime ends
// the session that the actor came from. So another SessionName asks nobody to
// sign in again. An actor in the BaseContext of an http.Server would be every
// visitor's: put none there.
type Config struct {
	// Skipper says which requests the middleware leaves alone. By default none.
	// Don't skip handlers that call [Login], [Logout] or [Impersonate]: they
	// would know neither SessionName nor SessionStamp.
	Skipper middleware.Skipper

	// Sources are asked in order for the request's actor; the first that
	// answers wins. By default [FromSession] comes first, then [FromJWT]. In a
	// middleware inside another one, FromJWT comes first: there the group verified
	// the token, and the outer middleware has already seen the session. A slice
	// that is empty but not nil means no sources.
	Sources []Source

	// Load loads the record of a signed-in actor for [User]. It runs only when
	// somebody asks, on a goroutine of its own, under a context that has the
	// actor, ends after LoadTimeout, and does not end with the request. By
	// default there is none, and User returns [ErrNoLoader].
	Load func(ctx context.Context, a actor.Actor) (any, error)

	// LoadTimeout bounds each call of Load, SessionStamp and MayImpersonate, even
	// if they ignore their context. By default 5s.
	LoadTimeout time.Duration

	// SessionName is the name of the echo-contrib session, and of its cookie,
	// that [FromSession], [Login] and the other session functions use. By
	// default "session".
	SessionName string

	// SessionLifetime is how long a session of [Login] lives, counted from the
	// sign-in. [Impersonate] and [StopImpersonating] don't prolong it, nor does
	// saving the session. An older session signs nobody in. Neither does a session
	// without the time of its sign-in, or with a time more than 5 minutes ahead. By
	// default the lifetime is the MaxAge of the store's Options, and there is no
	// limit where MaxAge is 0. A session never outlives the store's record or
	// cookie.
	//
	// Security: gorilla's CookieStore does not check that MaxAge if it is set in the
	// Options alone. Without a lifetime, a copied cookie would be good for 30 days.
	SessionLifetime time.Duration

	// SessionStamp makes sessions revocable. It returns something that changes
	// when the sessions of an account shall end: a hash over its password hash,
	// or a counter that "log out everywhere" raises. [Login] stores a digest of
	// it in the session. Each request with that session compares the digest with
	// a new one, in constant time. A difference, or [ErrAnonymous], signs the
	// request out. Any other error fails the request. While somebody impersonates,
	// SessionStamp is asked about both accounts.
	//
	// Each request that a session signs in calls it, which usually costs one query.
	// By default there is none. It does not apply to sessions that Login did not
	// write, see [FromSessionValue].
	//
	// Security: a store that keeps sessions in the cookie, such as gorilla's
	// CookieStore, can't end them. Without a SessionStamp, a copied cookie signs in
	// until it expires, whatever happens to the account or its password, and even
	// after [Logout]. With a SessionStamp, it signs in until what that returns
	// changes. Logout does not change the hash of a password.
	SessionStamp func(ctx context.Context, a actor.Actor) (string, error)

	// MayImpersonate tells whether a.Impersonator may act as a. [Impersonate] asks
	// it. So does each request of an actor with an Impersonator, from whatever
	// source: a right that is taken away is gone with the next request. A no
	// answers such a request with 403, and its handler does not run. A session in
	// which Impersonate was called is then the impersonator's own again.
	// [ErrAnonymous], for an account that is gone, is a no. Any other error fails
	// the request. ctx does not have the actor yet. By default everybody may: the
	// handler that calls Impersonate decides.
	//
	// It can't end an "act as" of the application's own, which a [Source] reads:
	// each request would get a 403, even the sign-out. Such a source itself asks for
	// the right, and returns the impersonator alone where the right is gone.
	//
	// It is not asked about an actor of [Set], [BasicAuth] or [KeyAuth], unless a
	// middleware runs afterwards.
	MayImpersonate func(ctx context.Context, a actor.Actor) (bool, error)

	// Request says that the middleware also puts an [actor.Request] into the
	// request's context, for histories and logs. Its ID is the X-Request-Id of
	// the response, which Echo's RequestID middleware sets if it runs before. If
	// the response has none, the ID is the X-Request-Id of the request. Its IP comes
	// from Echo's IPExtractor where there is one, else from the connection. By
	// default off, because it costs allocations.
	Request bool

	// ContextKey is the key under which echo.Context holds the actor, as an
	// [actor.Actor]. By default "actor".
	ContextKey string

	// ErrorHandler answers a request whose actor can't be told, because a
	// source or MayImpersonate returned an error. The handlers behind the
	// middleware don't run, whatever ErrorHandler returns. By default it returns an
	// *echo.HTTPError that wraps err. Its status is 401 if err is an
	// [ErrBadCredential], and else 503. Echo keeps err out of the response unless
	// Echo is told to show errors. Where the status is 503, err is logged, too.
	ErrorHandler func(c *echo.Context, err error) error
}

// ToMiddleware returns the middleware of config, or an error if config has a
// nil Source, a negative LoadTimeout or SessionLifetime, a SessionName that
// can't be the name of a cookie, or a ContextKey that others use, such as
// echo-jwt's "user".
func (config Config) ToMiddleware() (echo.MiddlewareFunc, error) {
	core, err := adapter.NewMiddleware(httpauth.Config{
		Sources:         coreSources(config.Sources),
		Load:            config.Load,
		LoadTimeout:     config.LoadTimeout,
		SessionName:     config.SessionName,
		SessionLifetime: config.SessionLifetime,
		SessionStamp:    config.SessionStamp,
		MayImpersonate:  config.MayImpersonate,
		Request:         config.Request,
		ContextKey:      config.ContextKey,
	})
	if err != nil {
		return nil, err
	}
	if config.ErrorHandler == nil {
		config.ErrorHandler = logAndFail
	}
	return (&authenticator{core, config.Skipper, config.ErrorHandler}).middleware, nil
}

var _ echo.MiddlewareConfigurator = Config{}

// authenticator is one registered middleware.
type authenticator struct {
	core         *httpauth.Middleware
	skipper      middleware.Skipper
	errorHandler func(c *echo.Context, err error) error
}

// middleware is the story of one request.
func (m *authenticator) middleware(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c *echo.Context) error {
		if m.skipper != nil && m.skipper(c) {
			return next(c)
		}
		ctx := c.Request().Context() // for after next, when c may be another's
		if err := m.core.Before(c); err != nil {
			return m.fail(c, err)
		}
		err := next(c)
		m.core.After(ctx, c, err)
		return err
	}
}

// fail returns what the middleware does when it does not know whom to let pass,
// or lets nobody pass.
func (m *authenticator) fail(c *echo.Context, err error) error {
	switch {
	case errors.Is(err, httpauth.ErrEnded):
		return failRequest(c, err)
	case errors.Is(err, httpauth.ErrMayNotImpersonate):
		return refuse(c, &httpauth.Refusal{Status: http.StatusForbidden, Cause: err})
	}
	return m.errorHandler(c, err)
}

// logAndFail is the default ErrorHandler. Echo's own error handler logs nothing,
// so that a session store which is down would not be seen.
func logAndFail(c *echo.Context, err error) error {
	adapter.LogFailure(c, err)
	return failRequest(c, err)
}

// failRequest answers a request whose actor can't be told.
func failRequest(_ *echo.Context, err error) error {
	return echo.NewHTTPError(httpauth.FailureStatus(err), "").Wrap(fmt.Errorf("echoauth: cannot tell who makes the request: %w", err))
}
