package tests

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/sessions"
)

// TestVary: what a session decides, nobody included, depends on the cookie.
func TestVary(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		eachStore(t, func(t *testing.T, store sessions.Store) {
			e := newSite(t, v, store, Config{})
			e.Group("/in", v.Middleware()).GET("/whoami", whoami)
			b := newBrowser(t, e)
			wantVary(t, "an anonymous answer", b.do("GET", "/whoami").Header(), "Cookie")
			wantVary(t, "a sign-in", b.do("POST", "/login/1").Header(), "Cookie")
			wantVary(t, "an answer to somebody", b.do("GET", "/whoami").Header(), "Cookie")
			wantVary(t, "an answer behind two middlewares", b.do("GET", "/in/whoami").Header(), "Cookie")
			wantVary(t, "a 404", b.do("GET", "/nowhere").Header(), "Cookie")
			wantVary(t, "a sign-out", b.do("POST", "/logout").Header(), "Cookie")
			b.cookies["session"] = "garbage"
			wantVary(t, "an answer to a bad cookie", b.do("GET", "/whoami").Header(), "Cookie")
		})
	})
}

func wantVary(t *testing.T, what string, header http.Header, wanted string) {
	t.Helper()
	want(t, "Vary of "+what, strings.Join(header["Vary"], ", "), wanted)
}

// TestVaryBesideOthers: other fields of Vary stay, and the cookie is named once.
func TestVaryBesideOthers(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		for others, wanted := range map[string]string{
			"Accept-Encoding":        "Accept-Encoding, Cookie",
			"Origin, cookie":         "Origin, cookie",
			"*":                      "*",
			"X-Cookie":               "X-Cookie, Cookie",
			"Accept-Language,Cookie": "Accept-Language,Cookie",
		} {
			e, _ := v.NewApp(t)
			e.Use(before(func(c Context) error { v.Response(c).Header().Set("Vary", others); return nil }))
			e.Use(v.Sessions(newCookieStore()), v.Middleware())
			e.GET("/whoami", whoami)
			wantVary(t, "an answer with "+others, newBrowser(t, e).do("GET", "/whoami").Header(), wanted)
		}
	})
}

// TestNoVary: an answer that no session decides is the same for all cookies.
func TestNoVary(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		for name, mw := range map[string][]Middleware{
			"no session store":       {v.Middleware()},
			"no source that asks it": {v.Sessions(newCookieStore()), v.MiddlewareWithConfig(Config{Sources: []Source{v.FromJWT()}})},
		} {
			e, _ := v.NewApp(t)
			e.Use(mw...)
			e.GET("/whoami", whoami)
			b := newBrowser(t, e)
			b.cookies["theme"] = "dark"
			wantVary(t, name, b.do("GET", "/whoami").Header(), "")
		}
	})
}

// TestVaryOfAnOwnSession: a session of the application's own decides, too.
func TestVaryOfAnOwnSession(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		e, _ := v.NewApp(t)
		e.Use(v.Sessions(newCookieStore()), v.MiddlewareWithConfig(Config{Sources: []Source{v.FromSessionValue("uid")}}))
		e.GET("/whoami", whoami)
		wantVary(t, "an answer", newBrowser(t, e).do("GET", "/whoami").Header(), "Cookie")
	})
}

// TestNoStore: no cache keeps an answer that changes who is signed in, unless
// the application says otherwise.
func TestNoStore(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		for own, wanted := range map[string]string{"": "no-store", "private, no-cache": "private, no-cache"} {
			e, _ := v.NewApp(t)
			e.Use(before(func(c Context) error {
				if own != "" {
					v.Response(c).Header().Set("Cache-Control", own)
				}
				return nil
			}))
			e.Use(v.Sessions(newCookieStore()), v.Middleware())
			signIn(e)
			e.POST("/impersonate", answer(v, func(c Context) error { return v.Impersonate(c, bob) }))
			e.POST("/stop", answer(v, v.StopImpersonating))
			b := newBrowser(t, e)
			for _, path := range []string{"/login/1", "/impersonate", "/stop", "/logout"} {
				want(t, "Cache-Control of POST "+path, b.do("POST", path).Header().Get("Cache-Control"), wanted)
			}
			want(t, "Cache-Control of GET /whoami", b.do("GET", "/whoami").Header().Get("Cache-Control"), own)
		}
	})
}

// TestVaryIsOfOneResponse: what a handler adds stays in its response.
func TestVaryIsOfOneResponse(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		e, _ := v.NewApp(t)
		e.Use(v.Sessions(newCookieStore()), v.Middleware())
		e.GET("/:field", func(c Context) error {
			v.Response(c).Header().Add("Vary", c.Param("field"))
			return c.NoContent(http.StatusNoContent)
		})
		a := newBrowser(t, e).do("GET", "/A").Header()
		b := newBrowser(t, e).do("GET", "/B").Header()
		wantVary(t, "GET /A", a, "Cookie, A")
		wantVary(t, "GET /B", b, "Cookie, B")
	})
}
