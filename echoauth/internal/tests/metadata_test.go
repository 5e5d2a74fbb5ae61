package tests

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// requestSeen is the actor.Request of one request.
func requestSeen(tb testing.TB, v version, prepare func(e *App, r *http.Request)) (got actor.Request, ok bool) {
	tb.Helper()
	e, _ := v.NewApp(tb)
	r := httptest.NewRequest(http.MethodPut, "/notes/42?secret=1", nil)
	r.RemoteAddr = "192.0.2.7:1234"
	prepare(e, r)
	e.PUT("/notes/:id", func(c Context) error {
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
	eachVersion(t, func(t *testing.T, v version) {
		use := func(e *App) { e.Use(v.MiddlewareWithConfig(Config{Request: true})) }
		for _, test := range []struct {
			name    string
			prepare func(e *App, r *http.Request)
			want    actor.Request
		}{
			{
				"method, route and address", func(e *App, _ *http.Request) { use(e) },
				actor.Request{IP: "192.0.2.7", Method: "PUT", Route: "/notes/:id"},
			},
			{"the generated id is in the response", func(e *App, r *http.Request) {
				e.Use(v.RequestID(func() string { return "generated" }))
				use(e)
			}, actor.Request{ID: "generated", IP: "192.0.2.7", Method: "PUT", Route: "/notes/:id"}},
			{"an id in the response comes before the client's", func(e *App, r *http.Request) {
				e.Use(func(next Handler) Handler {
					return func(c Context) error {
						v.Response(c).Header().Set("X-Request-Id", "ours")
						return next(c)
					}
				})
				use(e)
				r.Header.Set("X-Request-Id", "theirs")
			}, actor.Request{ID: "ours", IP: "192.0.2.7", Method: "PUT", Route: "/notes/:id"}},
			{"the client's id", func(e *App, r *http.Request) {
				use(e)
				r.Header.Set("X-Request-Id", "abc-1")
			}, actor.Request{ID: "abc-1", IP: "192.0.2.7", Method: "PUT", Route: "/notes/:id"}},
			{"hostile values", func(e *App, r *http.Request) {
				use(e)
				r.Header.Set("X-Request-Id", `" OR 1=1`)
				r.Header.Set("User-Agent", "curl\x1b[31m"+strings.Repeat("x", 1000))
			}, actor.Request{IP: "192.0.2.7", UserAgent: "curl[31m" + strings.Repeat("x", 504), Method: "PUT", Route: "/notes/:id"}},
			{"forwarding headers without an IPExtractor", func(e *App, r *http.Request) {
				use(e)
				r.Header.Set("X-Forwarded-For", "203.0.113.9")
				r.Header.Set("X-Real-Ip", "203.0.113.9")
			}, actor.Request{IP: "192.0.2.7", Method: "PUT", Route: "/notes/:id"}},
			{"forwarding headers with an IPExtractor", func(e *App, r *http.Request) {
				e.trustProxies(mustCIDR(t, "192.0.2.0/24"))
				use(e)
				r.Header.Set("X-Forwarded-For", "203.0.113.9")
			}, actor.Request{IP: "203.0.113.9", Method: "PUT", Route: "/notes/:id"}},
			{
				"IPv6", func(e *App, r *http.Request) { use(e); r.RemoteAddr = "[2001:DB8::1%eth0]:80" },
				actor.Request{IP: "2001:db8::1", Method: "PUT", Route: "/notes/:id"},
			},
			{
				"a unix socket", func(e *App, r *http.Request) { use(e); r.RemoteAddr = "@" },
				actor.Request{Method: "PUT", Route: "/notes/:id"},
			},
		} {
			t.Run(test.name, func(t *testing.T) {
				if got, ok := requestSeen(t, v, test.prepare); !ok || got != test.want {
					t.Errorf("request = %+v, %v, want %+v", got, ok, test.want)
				}
			})
		}
		t.Run("off by default", func(t *testing.T) {
			got, ok := requestSeen(t, v, func(e *App, _ *http.Request) { e.Use(v.Middleware()) })
			if ok {
				t.Errorf("request = %+v, want none", got)
			}
		})
	})
}
