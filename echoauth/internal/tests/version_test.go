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

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// version is one version of Echo with its echoauth. Every method calls the
// function of that name: of echoauth, of Echo's middleware, of echo-contrib or
// of echo-jwt.
type version interface {
	NewApp(tb testing.TB) (app *App, log *bytes.Buffer)

	Middleware() Middleware
	MiddlewareWithConfig(config Config) Middleware
	ToMiddleware(config Config) error
	FromSession() Source
	FromSessionValue(key string) Source
	FromJWT(contextKey ...string) Source
	FromMapClaims(read func(claims jwt.MapClaims) (actor.Actor, bool, error), contextKey ...string) Source
	FromAccessClaims(read func(claims *AccessClaims) (actor.Actor, bool, error), contextKey ...string) Source
	Current(c Context) actor.Actor
	Set(c Context, a actor.Actor)
	User(ctx context.Context) (*account, error)
	Login(c Context, a actor.Actor) error
	Logout(c Context) error
	Impersonate(c Context, target actor.Actor) error
	StopImpersonating(c Context) error
	SignedInAt(c Context) (time.Time, bool)
	RequireUser() Middleware
	RequireUserWithConfig(config RequireConfig) Middleware
	RequireFunc(allow func(c Context, a actor.Actor) (bool, error)) Middleware
	SafeNext(next string) string

	BasicAuth(validate func(user, password string, c Context) (actor.Actor, bool, error)) Middleware
	KeyAuth(config KeyAuthConfig, validate func(key string, c Context) (actor.Actor, bool, error)) Middleware

	HTTPError(code int, message string, cause error) error
	Cause(err error) error // of an HTTPError, else err
	Response(c Context) http.ResponseWriter
	Sessions(store sessions.Store) Middleware
	Session(name string, c Context) (*sessions.Session, error)
	JWT(config JWTConfig) Middleware
	CORS() Middleware
	CSRF(config CSRFConfig) Middleware
	Recover() Middleware
	RequestID(generator func() string) Middleware
	ContextTimeout(timeout time.Duration) Middleware
	WrapMiddleware(mw func(http.Handler) http.Handler) Middleware
	Neighbours() map[string]Middleware // of all kinds
}

// eachVersion runs test on every version of Echo.
func eachVersion(t *testing.T, test func(t *testing.T, v version)) {
	t.Run("v4", func(t *testing.T) { test(t, v4{}) })
	t.Run("v5", func(t *testing.T) { test(t, v5{}) })
}

// What the versions have, each with its own context.
type (
	Handler    func(c Context) error
	Middleware func(next Handler) Handler
	Source     func(c Context) (actor.Actor, bool, error)

	Context interface {
		Request() *http.Request
		SetRequest(r *http.Request)
		Get(key string) any
		Set(key string, value any)
		Path() string
		Param(name string) string
		QueryParam(name string) string
		SetCookie(cookie *http.Cookie)
		NoContent(code int) error
		String(code int, text string) error
		Redirect(code int, url string) error
	}

	Config struct {
		Skipper         func(c Context) bool
		Sources         []Source
		Load            func(ctx context.Context, a actor.Actor) (any, error)
		LoadTimeout     time.Duration
		SessionName     string
		SessionLifetime time.Duration
		SessionStamp    func(ctx context.Context, a actor.Actor) (string, error)
		MayImpersonate  func(ctx context.Context, a actor.Actor) (bool, error)
		Request         bool
		ContextKey      string
		ErrorHandler    func(c Context, err error) error
	}

	RequireConfig struct {
		Skipper             func(c Context) bool
		LoginURL, Challenge string
	}

	KeyAuthConfig struct {
		KeyLookup string
		Optional  bool // lets requests without a good key pass
	}

	JWTConfig struct {
		ContextKey string
		NewClaims  func() jwt.Claims
		Parse      func(text string) (any, error)
		Optional   bool // lets requests without a good token pass
	}

	CSRFConfig struct {
		CookieName, CookiePath string
		CookieHTTPOnly         bool
	}
)

// App is an echo.Echo.
type App struct {
	routes
	http.Handler
	v            version
	use, pre     func(mw ...Middleware)
	onError      func(see func(c Context, err error)) // besides the default handler
	trustProxies func(network *net.IPNet)             // sets the IPExtractor
}

func (a *App) Use(mw ...Middleware) { a.use(mw...) }
func (a *App) Pre(mw ...Middleware) { a.pre(mw...) }

// routes are an echo.Echo or an echo.Group.
type routes struct {
	add   func(method, path string, h Handler, mw ...Middleware)
	any   func(path string, h Handler, mw ...Middleware)
	group func(prefix string, mw ...Middleware) *routes
}

func (r *routes) GET(path string, h Handler, mw ...Middleware) { r.add(http.MethodGet, path, h, mw...) }

func (r *routes) POST(path string, h Handler, mw ...Middleware) {
	r.add(http.MethodPost, path, h, mw...)
}

func (r *routes) PUT(path string, h Handler, mw ...Middleware) { r.add(http.MethodPut, path, h, mw...) }
func (r *routes) Any(path string, h Handler, mw ...Middleware) { r.any(path, h, mw...) }

func (r *routes) Group(prefix string, mw ...Middleware) *routes { return r.group(prefix, mw...) }
