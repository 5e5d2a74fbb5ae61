package echoauth_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/seed-3826ef92/whodunit/echoauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// requestSeen is the actor.Request of one request.
func requestSeen(tb testing.TB, prepare func(e *echo.Echo, r *http.Request)) (got actor.Request, ok bool) {
	tb.Helper()
	e, _ := newEcho(tb)
	r := httptest.NewRequest(http.MethodPut, "/notes/42?secret=1", nil)
	r.RemoteAddr = "192.0.2.7:1234"
	prepare(e, r)
	e.PUT("/notes/:id", func(c echo.Context) error {
		got, ok = actor.RequestFromContext(c.Request().Context())
		return nil
	})
	e.ServeHTTP(httptest.NewRecorder(), r)
	return got, ok
}

func mustCIDR(tb testing.TB, text string) *net.IPNet {
	tb.Helper()
	_, network, err := net.ParseCIDR(text)
	if err != nil {
		tb.Fatal(err)
	}
	return network
}

func TestConfigRequest(t *testing.T) {
	use := func(e *echo.Echo) { e.Use(echoauth.MiddlewareWithConfig(echoauth.Config{Request: true})) }
	for _, test := range []struct {
		name    string
		prepare func(e *echo.Echo, r *http.Request)
		want    actor.Request
	}{
		{
			"method, route and address", func(e *echo.Echo, _ *http.Request) { use(e) },
			actor.Request{IP: "192.0.2.7", Method: "PUT", Route: "/notes/:id"},
		},
		{"the generated id is in the response", func(e *echo.Echo, r *http.Request) {
			e.Use(middleware.RequestIDWithConfig(middleware.RequestIDConfig{Generator: func() string { return "generated" }}))
			use(e)
		}, actor.Request{ID: "generated", IP: "192.0.2.7", Method: "PUT", Route: "/notes/:id"}},
		{"an id in the response comes before the client's", func(e *echo.Echo, r *http.Request) {
			e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
				return func(c echo.Context) error {
					c.Response().Header().Set("X-Request-Id", "ours")
					return next(c)
				}
			})
			use(e)
			r.Header.Set("X-Request-Id", "theirs")
		}, actor.Request{ID: "ours", IP: "192.0.2.7", Method: "PUT", Route: "/notes/:id"}},
		{"the client's id", func(e *echo.Echo, r *http.Request) {
			use(e)
			r.Header.Set("X-Request-Id", "abc-1")
		}, actor.Request{ID: "abc-1", IP: "192.0.2.7", Method: "PUT", Route: "/notes/:id"}},
		{"hostile values", func(e *echo.Echo, r *http.Request) {
			use(e)
			r.Header.Set("X-Request-Id", `" OR 1=1`)
			r.Header.Set("User-Agent", "curl\x1b[31m"+strings.Repeat("x", 1000))
		}, actor.Request{IP: "192.0.2.7", UserAgent: "curl[31m" + strings.Repeat("x", 504), Method: "PUT", Route: "/notes/:id"}},
		{"forwarding headers without an IPExtractor", func(e *echo.Echo, r *http.Request) {
			use(e)
			r.Header.Set("X-Forwarded-For", "203.0.113.9")
			r.Header.Set("X-Real-Ip", "203.0.113.9")
		}, actor.Request{IP: "192.0.2.7", Method: "PUT", Route: "/notes/:id"}},
		{"forwarding headers with an IPExtractor", func(e *echo.Echo, r *http.Request) {
			e.IPExtractor = echo.ExtractIPFromXFFHeader(echo.TrustIPRange(mustCIDR(t, "192.0.2.0/24")))
			use(e)
			r.Header.Set("X-Forwarded-For", "203.0.113.9")
		}, actor.Request{IP: "203.0.113.9", Method: "PUT", Route: "/notes/:id"}},
		{
			"IPv6", func(e *echo.Echo, r *http.Request) { use(e); r.RemoteAddr = "[2001:DB8::1%eth0]:80" },
			actor.Request{IP: "2001:db8::1", Method: "PUT", Route: "/notes/:id"},
		},
		{
			"a unix socket", func(e *echo.Echo, r *http.Request) { use(e); r.RemoteAddr = "@" },
			actor.Request{Method: "PUT", Route: "/notes/:id"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got, ok := requestSeen(t, test.prepare); !ok || got != test.want {
				t.Errorf("request = %+v, %v, want %+v", got, ok, test.want)
			}
		})
	}
	t.Run("off by default", func(t *testing.T) {
		got, ok := requestSeen(t, func(e *echo.Echo, _ *http.Request) { e.Use(echoauth.Middleware()) })
		if ok {
			t.Errorf("request = %+v, want none", got)
		}
	})
}
