package tests

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/sessions"
	"github.com/labstack/echo-contrib/session"
	echojwt "github.com/labstack/echo-jwt/v4"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/seed-3826ef92/whodunit/echoauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

type v4 struct{}

func (v v4) NewApp(tb testing.TB) (*App, *bytes.Buffer) {
	tb.Helper()
	e := echo.New()
	log := new(bytes.Buffer)
	e.Logger.SetOutput(log)
	return &App{
		Handler: e,
		v:       v,
		use:     func(mw ...Middleware) { e.Use(v.out(mw...)...) },
		pre:     func(mw ...Middleware) { e.Pre(v.out(mw...)...) },
		onError: func(see func(c Context, err error)) {
			e.HTTPErrorHandler = func(err error, c echo.Context) {
				see(c, err)
				e.DefaultHTTPErrorHandler(err, c)
			}
		},
		trustProxies: func(network *net.IPNet) {
			e.IPExtractor = echo.ExtractIPFromXFFHeader(echo.TrustIPRange(network))
		},
		routes: routes{
			add: func(method, path string, h Handler, mw ...Middleware) {
				e.Add(method, path, v.handler(h), v.out(mw...)...)
			},
			any:   func(path string, h Handler, mw ...Middleware) { e.Any(path, v.handler(h), v.out(mw...)...) },
			group: func(prefix string, mw ...Middleware) *routes { return v.group(e.Group(prefix, v.out(mw...)...)) },
		},
	}, log
}

func (v v4) group(g *echo.Group) *routes {
	return &routes{
		add: func(method, path string, h Handler, mw ...Middleware) {
			g.Add(method, path, v.handler(h), v.out(mw...)...)
		},
		any:   func(path string, h Handler, mw ...Middleware) { g.Any(path, v.handler(h), v.out(mw...)...) },
		group: func(prefix string, mw ...Middleware) *routes { return v.group(g.Group(prefix, v.out(mw...)...)) },
	}
}

func (v4) handler(h Handler) echo.HandlerFunc { return func(c echo.Context) error { return h(c) } }

func (v v4) out(all ...Middleware) []echo.MiddlewareFunc {
	out := make([]echo.MiddlewareFunc, len(all))
	for i, mw := range all {
		out[i] = func(next echo.HandlerFunc) echo.HandlerFunc {
			return v.handler(mw(func(c Context) error { return next(c.(echo.Context)) }))
		}
	}
	return out
}

func (v v4) in(mw echo.MiddlewareFunc) Middleware {
	return func(next Handler) Handler {
		h := mw(v.handler(next))
		return func(c Context) error { return h(c.(echo.Context)) }
	}
}

func (v4) config(config Config) echoauth.Config {
	out := echoauth.Config{
		Load:            config.Load,
		LoadTimeout:     config.LoadTimeout,
		SessionName:     config.SessionName,
		SessionLifetime: config.SessionLifetime,
		SessionStamp:    config.SessionStamp,
		MayImpersonate:  config.MayImpersonate,
		Request:         config.Request,
		ContextKey:      config.ContextKey,
	}
	if config.Skipper != nil {
		out.Skipper = func(c echo.Context) bool { return config.Skipper(c) }
	}
	if config.ErrorHandler != nil {
		out.ErrorHandler = func(c echo.Context, err error) error { return config.ErrorHandler(c, err) }
	}
	if config.Sources != nil {
		out.Sources = []echoauth.Source{}
	}
	for _, source := range config.Sources {
		if source == nil {
			out.Sources = append(out.Sources, nil)
			continue
		}
		out.Sources = append(out.Sources, func(c echo.Context) (actor.Actor, bool, error) { return source(c) })
	}
	return out
}

func (v v4) source(source echoauth.Source) Source {
	return func(c Context) (actor.Actor, bool, error) { return source(c.(echo.Context)) }
}

func (v v4) Middleware() Middleware { return v.in(echoauth.Middleware()) }

func (v v4) MiddlewareWithConfig(config Config) Middleware {
	return v.in(echoauth.MiddlewareWithConfig(v.config(config)))
}

func (v v4) ToMiddleware(config Config) error {
	_, err := v.config(config).ToMiddleware()
	return err
}

func (v v4) FromSession() Source { return v.source(echoauth.FromSession()) }

func (v v4) FromSessionValue(key string) Source {
	return v.source(echoauth.FromSessionValue(key))
}

func (v v4) FromJWT(contextKey ...string) Source { return v.source(echoauth.FromJWT(contextKey...)) }

func (v v4) FromMapClaims(read func(claims jwt.MapClaims) (actor.Actor, bool, error), contextKey ...string) Source {
	return v.source(echoauth.FromClaims(read, contextKey...))
}

func (v v4) FromAccessClaims(read func(claims *AccessClaims) (actor.Actor, bool, error), contextKey ...string) Source {
	return v.source(echoauth.FromClaims(read, contextKey...))
}

func (v4) Current(c Context) actor.Actor              { return echoauth.Current(c.(echo.Context)) }
func (v4) Set(c Context, a actor.Actor)               { echoauth.Set(c.(echo.Context), a) }
func (v4) User(ctx context.Context) (*account, error) { return echoauth.User[*account](ctx) }
func (v4) Login(c Context, a actor.Actor) error       { return echoauth.Login(c.(echo.Context), a) }
func (v4) Logout(c Context) error                     { return echoauth.Logout(c.(echo.Context)) }
func (v4) StopImpersonating(c Context) error          { return echoauth.StopImpersonating(c.(echo.Context)) }

func (v4) SignedInAt(c Context) (time.Time, bool) { return echoauth.SignedInAt(c.(echo.Context)) }
func (v4) SafeNext(next string) string            { return echoauth.SafeNext(next) }

func (v4) Impersonate(c Context, target actor.Actor) error {
	return echoauth.Impersonate(c.(echo.Context), target)
}

func (v v4) RequireUser() Middleware { return v.in(echoauth.RequireUser()) }

func (v v4) RequireUserWithConfig(config RequireConfig) Middleware {
	out := echoauth.RequireConfig{LoginURL: config.LoginURL, Challenge: config.Challenge}
	if config.Skipper != nil {
		out.Skipper = func(c echo.Context) bool { return config.Skipper(c) }
	}
	return v.in(echoauth.RequireUserWithConfig(out))
}

func (v v4) RequireFunc(allow func(c Context, a actor.Actor) (bool, error)) Middleware {
	if allow == nil {
		return v.in(echoauth.RequireFunc(nil))
	}
	return v.in(echoauth.RequireFunc(func(c echo.Context, a actor.Actor) (bool, error) { return allow(c, a) }))
}

func (v v4) BasicAuth(validate func(user, password string, c Context) (actor.Actor, bool, error)) Middleware {
	if validate == nil {
		return v.in(middleware.BasicAuth(echoauth.BasicAuth(nil)))
	}
	return v.in(middleware.BasicAuth(echoauth.BasicAuth(
		func(user, password string, c echo.Context) (actor.Actor, bool, error) {
			return validate(user, password, c)
		})))
}

func (v v4) KeyAuth(config KeyAuthConfig, validate func(key string, c Context) (actor.Actor, bool, error)) Middleware {
	if validate == nil {
		return v.in(middleware.KeyAuth(echoauth.KeyAuth(nil)))
	}
	out := middleware.DefaultKeyAuthConfig
	out.Validator = echoauth.KeyAuth(func(key string, c echo.Context) (actor.Actor, bool, error) { return validate(key, c) })
	if config.KeyLookup != "" {
		out.KeyLookup = config.KeyLookup
	}
	if config.Optional {
		out.ContinueOnIgnoredError, out.ErrorHandler = true, func(error, echo.Context) error { return nil }
	}
	return v.in(middleware.KeyAuthWithConfig(out))
}

func (v4) HTTPError(code int, message string, cause error) error {
	return echo.NewHTTPError(code, message).WithInternal(cause)
}

func (v4) Cause(err error) error {
	if he, ok := err.(*echo.HTTPError); ok { //nolint:errorlint // Echo looks no deeper
		return he.Unwrap()
	}
	return err
}

func (v4) Response(c Context) http.ResponseWriter     { return c.(echo.Context).Response() }
func (v v4) Sessions(store sessions.Store) Middleware { return v.in(session.Middleware(store)) }

func (v4) Session(name string, c Context) (*sessions.Session, error) {
	return session.Get(name, c.(echo.Context))
}

func (v v4) JWT(config JWTConfig) Middleware {
	out := echojwt.Config{SigningKey: testKey, ContextKey: config.ContextKey}
	if config.NewClaims != nil {
		out.NewClaimsFunc = func(echo.Context) jwt.Claims { return config.NewClaims() }
	}
	if config.Parse != nil {
		out.ParseTokenFunc = func(_ echo.Context, text string) (any, error) { return config.Parse(text) }
	}
	if config.Optional {
		out.ContinueOnIgnoredError, out.ErrorHandler = true, func(echo.Context, error) error { return nil }
	}
	return v.in(echojwt.WithConfig(out))
}

func (v v4) CORS() Middleware    { return v.in(middleware.CORS()) }
func (v v4) Recover() Middleware { return v.in(middleware.Recover()) }

func (v v4) CSRF(config CSRFConfig) Middleware {
	out := middleware.DefaultCSRFConfig
	if config.CookieName != "" {
		out.CookieName = config.CookieName
	}
	out.CookiePath, out.CookieHTTPOnly = config.CookiePath, config.CookieHTTPOnly
	return v.in(middleware.CSRFWithConfig(out))
}

func (v v4) RequestID(generator func() string) Middleware {
	return v.in(middleware.RequestIDWithConfig(middleware.RequestIDConfig{Generator: generator}))
}

func (v v4) ContextTimeout(timeout time.Duration) Middleware {
	return v.in(middleware.ContextTimeout(timeout))
}

func (v v4) WrapMiddleware(mw func(http.Handler) http.Handler) Middleware {
	return v.in(echo.WrapMiddleware(mw))
}

func (v v4) Neighbours() map[string]Middleware {
	all := map[string]Middleware{}
	for name, mw := range map[string]echo.MiddlewareFunc{
		"BodyDump":       middleware.BodyDump(func(echo.Context, []byte, []byte) {}),
		"BodyLimit":      middleware.BodyLimit("1M"),
		"ContextTimeout": middleware.ContextTimeout(time.Minute),
		"CORS":           middleware.CORS(),
		"CSRF":           middleware.CSRF(),
		"Decompress":     middleware.Decompress(),
		"Gzip":           middleware.Gzip(),
		"MethodOverride": middleware.MethodOverride(),
		"Recover":        middleware.Recover(),
		"RequestID":      middleware.RequestID(),
		"Rewrite":        middleware.Rewrite(map[string]string{"/old": "/"}),
		"Secure":         middleware.Secure(),
		"one of net/http that changes the context": echo.WrapMiddleware(changeContext),
	} {
		all[name] = v.in(mw)
	}
	return all
}
