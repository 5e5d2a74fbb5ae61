package echoauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// The defaults of [Config].
const (
	defaultSessionName = "session"
	defaultContextKey  = "actor"
	defaultLoadTimeout = 5 * time.Second
)

// Config is the configuration of [MiddlewareWithConfig]. Its zero value is
// ready for use.
//
// Where one middleware runs inside another, on a group for instance, the
// inner one's Load, SessionName and SessionStamp are in force, as far as it has
// them; the rest stays as the outer one has it.
type Config struct {
	// Skipper says which requests the middleware leaves alone. By default none.
	// Don't skip handlers that call [Login], [Logout] or [Impersonate]: they
	// would know neither SessionName nor SessionStamp.
	Skipper middleware.Skipper

	// Sources are asked in order for the request's actor; the first that
	// answers wins. By default [FromSession] and [FromJWT], the other way round
	// in a middleware inside another one: there a token is what the group
	// verified, and a session what the outer one saw. A slice that is empty but
	// not nil means none.
	Sources []Source

	// Load loads the record of a signed-in actor for [User]. It runs only when
	// somebody asks, on a goroutine of its own, under a context that has the
	// actor, ends after LoadTimeout, and does not end with the request. By
	// default there is none, and User returns [ErrNoLoader].
	Load func(ctx context.Context, a actor.Actor) (any, error)

	// LoadTimeout bounds each call of Load and of SessionStamp, even if they
	// ignore their context. By default 5s.
	LoadTimeout time.Duration

	// SessionName is the name of the echo-contrib session, and of its cookie,
	// that [FromSession], [Login] and the other session functions use. By
	// default "session".
	SessionName string

	// SessionStamp makes sessions revocable. It returns something that changes
	// when the sessions of an account shall end: a hash over its password hash,
	// or a counter that "log out everywhere" raises. [Login] stores a digest of
	// it in the session, and each request with that session compares, in
	// constant time. A difference, or [ErrAnonymous], signs the request out; any
	// other error fails it. While somebody impersonates, both accounts are
	// asked for.
	//
	// It costs what it does, usually one query for each request that a session
	// signs in. By default there is none. It does not apply to
	// [FromSessionValue], whose sessions Login did not write.
	//
	// Security: without it, a copied cookie of a store that keeps sessions in
	// the cookie, such as gorilla's CookieStore, signs in until it expires,
	// whatever happens to the account or its password, and after [Logout].
	SessionStamp func(ctx context.Context, a actor.Actor) (string, error)

	// Request says that the middleware also puts an [actor.Request] into the
	// request's context, for histories and logs. Its ID is the X-Request-Id of
	// the response, which Echo's RequestID middleware sets if it runs before,
	// else of the request. Its IP comes from Echo's IPExtractor where there is
	// one, else from the connection. By default off: it costs allocations.
	Request bool

	// ContextKey is the key under which echo.Context holds the actor, as an
	// [actor.Actor]. By default "actor".
	ContextKey string

	// ErrorHandler answers a request whose actor can't be told, because a
	// source failed. The handlers behind the middleware don't run, whatever it
	// returns. By default it returns an *echo.HTTPError with status 503 and err
	// in its Internal field, which Echo keeps out of the response unless its
	// Debug is set.
	ErrorHandler func(c echo.Context, err error) error
}

// ToMiddleware returns the middleware of config, or an error if config has a
// nil Source, a negative LoadTimeout, a SessionName that can't be the name of
// a cookie, or a ContextKey that others use, such as echo-jwt's "user".
func (config Config) ToMiddleware() (echo.MiddlewareFunc, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	config.Sources = slices.Clone(config.Sources)
	if config.LoadTimeout == 0 {
		config.LoadTimeout = defaultLoadTimeout
	}
	if config.ContextKey == "" {
		config.ContextKey = defaultContextKey
	}
	if config.ErrorHandler == nil {
		config.ErrorHandler = failRequest
	}
	return newAuthenticator(config).middleware, nil
}

func (config Config) validate() error {
	for i, source := range config.Sources {
		if source == nil {
			return fmt.Errorf("echoauth: Config.Sources[%d] is nil", i)
		}
	}
	if config.LoadTimeout < 0 {
		return fmt.Errorf("echoauth: Config.LoadTimeout %v is negative", config.LoadTimeout)
	}
	if name := config.SessionName; name != "" {
		if err := (&http.Cookie{Name: name}).Valid(); err != nil {
			return fmt.Errorf("echoauth: Config.SessionName %q: %w", name, err)
		}
	}
	switch key := config.ContextKey; {
	case key == storeKey, key == echo.ContextKeyHeaderAllow, key == middleware.DefaultCSRFConfig.ContextKey,
		strings.HasPrefix(key, "echoauth:"):
		return fmt.Errorf("echoauth: Config.ContextKey %q is in use for something else", key)
	case key == defaultTokenKey:
		return errors.New(`echoauth: Config.ContextKey "user" is where echo-jwt keeps its token`)
	}
	return nil
}
