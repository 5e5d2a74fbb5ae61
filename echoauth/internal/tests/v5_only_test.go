package tests

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"

	v4auth "github.com/seed-3826ef92/whodunit/echoauth"
	"github.com/seed-3826ef92/whodunit/echoauth/v5"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// recordingHandler keeps what it is told to log.
type recordingHandler struct {
	slog.Handler
	records []slog.Record
	actors  []actor.Actor
}

func (h *recordingHandler) Handle(ctx context.Context, record slog.Record) error {
	h.records = append(h.records, record)
	a, _ := actor.FromContext(ctx)
	h.actors = append(h.actors, a)
	return nil
}

// TestV5Log: a mistake of wiring has attributes to filter by, and the context
// of its request.
func TestV5Log(t *testing.T) {
	e := echo.New()
	log := &recordingHandler{Handler: slog.NewTextHandler(io.Discard, nil)}
	e.Logger = slog.New(log)
	e.Use(echoauth.MiddlewareWithConfig(echoauth.Config{Sources: []echoauth.Source{
		echoauth.FromJWT("token"),
		func(*echo.Context) (actor.Actor, bool, error) { return alice, true, nil },
	}}))
	e.Pre(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			c.Set("token", "not a token")
			c.SetRequest(c.Request().WithContext(actor.NewContext(c.Request().Context(), bob)))
			return next(c)
		}
	})
	e.GET("/", func(c *echo.Context) error { return c.NoContent(http.StatusNoContent) })
	e.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	if len(log.records) != 1 || log.records[0].Level != slog.LevelError || log.actors[0] != bob {
		t.Fatalf("log = %v for %v, want one error for %v", log.records, log.actors, bob)
	}
	log.records[0].Attrs(func(attr slog.Attr) bool {
		if attr.Key != "key" || attr.Value.String() != "token" {
			t.Errorf("attribute = %v, want the key of the token", attr)
		}
		return true
	})
	if log.records[0].NumAttrs() != 1 {
		t.Errorf("attributes = %d, want 1", log.records[0].NumAttrs())
	}
}

// TestV5KeyAuthSource: a validator is told where the key was found.
func TestV5KeyAuthSource(t *testing.T) {
	e := echo.New()
	var seen middleware.ExtractorSource
	validator := echoauth.KeyAuth(func(_ *echo.Context, key string, source middleware.ExtractorSource) (actor.Actor, bool, error) {
		seen = source
		return actor.Service(key), true, nil
	})
	e.Use(middleware.KeyAuthWithConfig(middleware.KeyAuthConfig{Validator: validator, KeyLookup: "query:key"}))
	e.GET("/", func(c *echo.Context) error { return c.String(http.StatusOK, echoauth.Current(c).String()) })
	rec := httptest.NewRecorder()
	e.ServeHTTP(rec, httptest.NewRequest("GET", "/?key=billing", nil))
	if rec.Body.String() != "service:billing" || seen != middleware.ExtractorSourceQuery {
		t.Errorf("GET /?key=billing = %q, found in %q, want service:billing in the query", rec.Body, seen)
	}
}

// wrappedWriter is what a middleware puts around a response.
type wrappedWriter struct{ http.ResponseWriter }

func (w wrappedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// TestV5WrappedResponse: whether the headers are sent is seen through what a
// middleware put around the response.
func TestV5WrappedResponse(t *testing.T) {
	app, _ := v5{}.NewApp(t)
	app.Use(app.v.Sessions(newCookieStore()), app.v.Middleware())
	e := app.Handler.(*echo.Echo)
	e.POST("/:when", func(c *echo.Context) error {
		c.SetResponse(wrappedWriter{c.Response()})
		if c.Param("when") == "early" {
			return echoauth.Login(c, alice)
		}
		if err := c.NoContent(http.StatusNoContent); err != nil {
			return err
		}
		if err := echoauth.Login(c, alice); !errors.Is(err, echoauth.ErrResponseCommitted) {
			t.Errorf("Login after the headers = %v, want ErrResponseCommitted", err)
		}
		return nil
	})
	b := newBrowser(t, app)
	b.do("POST", "/late")
	if len(b.cookies) != 0 {
		t.Errorf("cookies of a late login = %v, want none", b.cookies)
	}
	b.do("POST", "/early")
	if len(b.cookies) != 1 {
		t.Errorf("cookies of a login in time = %v, want one", b.cookies)
	}
}

// TestSameErrors: who imports both versions compares with either's.
func TestSameErrors(t *testing.T) {
	for v4, v5 := range map[error]error{
		v4auth.ErrAnonymous:         echoauth.ErrAnonymous,
		v4auth.ErrBadCredential:     echoauth.ErrBadCredential,
		v4auth.ErrNoLoader:          echoauth.ErrNoLoader,
		v4auth.ErrLoadTimeout:       echoauth.ErrLoadTimeout,
		v4auth.ErrNoSession:         echoauth.ErrNoSession,
		v4auth.ErrResponseCommitted: echoauth.ErrResponseCommitted,
		v4auth.ErrImpersonating:     echoauth.ErrImpersonating,
		v4auth.ErrNotImpersonating:  echoauth.ErrNotImpersonating,
		v4auth.ErrMayNotImpersonate: echoauth.ErrMayNotImpersonate,
		v4auth.ErrNoSignIn:          echoauth.ErrNoSignIn,
	} {
		if v4 != v5 { //nolint:errorlint // the very same
			t.Errorf("%v and %v are two errors, want one", v4, v5)
		}
	}
}
