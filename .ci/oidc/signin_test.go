// Package oidc_test signs in with OpenID Connect on both versions of Echo, at a
// small provider.
package oidc_test

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gorilla/sessions"
	v4session "github.com/labstack/echo-contrib/session"
	v5session "github.com/labstack/echo-contrib/v5/session"
	echov4 "github.com/labstack/echo/v4"
	echov5 "github.com/labstack/echo/v5"

	v4oidc "github.com/seed-3826ef92/whodunit/.ci/oidc/v4"
	v5oidc "github.com/seed-3826ef92/whodunit/.ci/oidc/v5"
	v4auth "github.com/seed-3826ef92/whodunit/echoauth"
	v5auth "github.com/seed-3826ef92/whodunit/echoauth/v5"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

const clientID, secret = "notes", "kept in a secret"

// account knows two people of this provider.
func account(issuer string) func(context.Context, string, string) (actor.Actor, error) {
	return func(_ context.Context, iss, subject string) (actor.Actor, error) {
		if iss != issuer {
			return actor.Actor{}, nil
		}
		return actor.User(map[string]int{"ann-at-provider": 42, "bob-at-provider": 43}[subject]), nil
	}
}

var store = sessions.NewCookieStore([]byte("0123456789abcdef0123456789abcdef"))

func v4App(t *testing.T, provider *provider) http.Handler {
	t.Helper()
	signIn, err := v4oidc.New(t.Context(), provider.URL, clientID, secret, "https://app.test/callback", account(provider.URL))
	if err != nil {
		t.Fatal(err)
	}
	e := echov4.New()
	e.Use(v4session.Middleware(store), v4auth.Middleware())
	e.GET("/login", signIn.Begin)
	e.GET("/callback", signIn.Callback)
	e.GET("/", func(c echov4.Context) error {
		s, err := v4session.Get("session", c)
		if err != nil {
			return err
		}
		return c.String(http.StatusOK, describe(v4auth.Current(c), s))
	})
	e.GET("/private", func(c echov4.Context) error { return c.String(http.StatusOK, "private") },
		v4auth.RequireUserWithConfig(v4auth.RequireConfig{LoginURL: "/login"}))
	e.POST("/cart", func(c echov4.Context) error {
		s, err := v4session.Get("session", c)
		if err != nil {
			return err
		}
		s.Values["cart"] = "tea"
		return s.Save(c.Request(), c.Response())
	})
	return e
}

func v5App(t *testing.T, provider *provider) http.Handler {
	t.Helper()
	signIn, err := v5oidc.New(t.Context(), provider.URL, clientID, secret, "https://app.test/callback", account(provider.URL))
	if err != nil {
		t.Fatal(err)
	}
	e := echov5.New()
	e.Use(v5session.Middleware(store), v5auth.Middleware())
	e.GET("/login", signIn.Begin)
	e.GET("/callback", signIn.Callback)
	e.GET("/", func(c *echov5.Context) error {
		s, err := v5session.Get("session", c)
		if err != nil {
			return err
		}
		return c.String(http.StatusOK, describe(v5auth.Current(c), s))
	})
	e.GET("/private", func(c *echov5.Context) error { return c.String(http.StatusOK, "private") },
		v5auth.RequireUserWithConfig(v5auth.RequireConfig{LoginURL: "/login"}))
	e.POST("/cart", func(c *echov5.Context) error {
		s, err := v5session.Get("session", c)
		if err != nil {
			return err
		}
		s.Values["cart"] = "tea"
		return s.Save(c.Request(), c.Response())
	})
	return e
}

// describe says who is signed in, and what the application finds in the session.
func describe(a actor.Actor, s *sessions.Session) string {
	text := a.String()
	for key := range s.Values {
		if name := key.(string); !strings.HasPrefix(name, "echoauth:") {
			text += " " + name
		}
	}
	return text
}

// eachVersion runs test on both versions, each with a provider of its own.
func eachVersion(t *testing.T, test func(t *testing.T, p *provider, app http.Handler)) {
	for name, newApp := range map[string]func(*testing.T, *provider) http.Handler{"v4": v4App, "v5": v5App} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			test(t, p, newApp(t, p))
		})
	}
}

// browser keeps cookies, and follows no redirect on its own.
type browser struct {
	t   *testing.T
	app http.Handler
	jar *cookiejar.Jar
}

func newBrowser(t *testing.T, app http.Handler) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t, app, jar}
}

func (b *browser) do(method, target string) *http.Response {
	b.t.Helper()
	req := httptest.NewRequest(method, target, nil)
	req.Header.Set("Accept", "text/html")
	for _, cookie := range b.jar.Cookies(req.URL) {
		req.AddCookie(cookie)
	}
	rec := httptest.NewRecorder()
	b.app.ServeHTTP(rec, req)
	response := rec.Result()
	b.jar.SetCookies(req.URL, response.Cookies())
	return response
}

func (b *browser) whoami() string {
	b.t.Helper()
	var text strings.Builder
	if err := b.do("GET", "https://app.test/").Write(&text); err != nil {
		b.t.Fatal(err)
	}
	_, body, _ := strings.Cut(text.String(), "\r\n\r\n")
	return body
}

// begin returns the provider's URL to which the browser is sent.
func (b *browser) begin(path string) *url.URL {
	b.t.Helper()
	response := b.do("GET", "https://app.test"+path)
	at, err := response.Location()
	if err != nil {
		b.t.Fatalf("GET %s = %d: %v", path, response.StatusCode, err)
	}
	return at
}

func want(t *testing.T, what string, got, want any) {
	t.Helper()
	if got != want {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

func TestSignIn(t *testing.T) {
	eachVersion(t, func(t *testing.T, p *provider, app http.Handler) {
		b := newBrowser(t, app)
		b.do("POST", "https://app.test/cart")
		login := b.begin("/private")
		want(t, "the guard's redirect", login.String(), "/login?next=%2Fprivate")
		at := b.begin(login.RequestURI())
		response := b.do("GET", p.authorize(t, at, "ann-at-provider"))
		want(t, "status of the callback", response.StatusCode, http.StatusSeeOther)
		want(t, "where it leads", response.Header.Get("Location"), "/private")
		want(t, "who is signed in, and what is left of the visitor", b.whoami(), "user:42")
		want(t, "status of a page for users", b.do("GET", "https://app.test/private").StatusCode, http.StatusOK)
	})
}

func TestNextStaysHere(t *testing.T) {
	eachVersion(t, func(t *testing.T, p *provider, app http.Handler) {
		b := newBrowser(t, app)
		response := b.do("GET", p.authorize(t, b.begin("/login?next=//evil.example"), "ann-at-provider"))
		want(t, "where the callback leads", response.Header.Get("Location"), "/")
	})
}

// TestRefused has what an attacker, or a provider that is not ours, may send.
func TestRefused(t *testing.T) {
	for name, attack := range map[string]func(t *testing.T, p *provider, b *browser) string{
		"a callback that nobody asked for": func(t *testing.T, p *provider, b *browser) string {
			return p.authorize(t, newBrowser(t, b.app).begin("/login"), "bob-at-provider")
		},
		"the attacker's code in a sign-in of the victim's": func(t *testing.T, p *provider, b *browser) string {
			theirs := query(t, p.authorize(t, newBrowser(t, b.app).begin("/login"), "bob-at-provider"))
			ours := query(t, p.authorize(t, b.begin("/login"), "ann-at-provider"))
			ours.Set("code", theirs.Get("code"))
			return "https://app.test/callback?" + ours.Encode()
		},
		"no state": func(t *testing.T, p *provider, b *browser) string {
			q := query(t, p.authorize(t, b.begin("/login"), "ann-at-provider"))
			q.Del("state")
			return "https://app.test/callback?" + q.Encode()
		},
		"a code that the provider does not know": func(t *testing.T, p *provider, b *browser) string {
			q := query(t, p.authorize(t, b.begin("/login"), "ann-at-provider"))
			q.Set("code", "guessed")
			return "https://app.test/callback?" + q.Encode()
		},
		"another nonce": func(t *testing.T, p *provider, b *browser) string {
			p.claims = map[string]any{"nonce": "replayed"}
			return p.authorize(t, b.begin("/login"), "ann-at-provider")
		},
		"a token for another client": func(t *testing.T, p *provider, b *browser) string {
			p.claims = map[string]any{"aud": "another"}
			return p.authorize(t, b.begin("/login"), "ann-at-provider")
		},
		"a token of another issuer": func(t *testing.T, p *provider, b *browser) string {
			p.claims = map[string]any{"iss": "https://evil.example"}
			return p.authorize(t, b.begin("/login"), "ann-at-provider")
		},
		"an expired token": func(t *testing.T, p *provider, b *browser) string {
			p.claims = map[string]any{"exp": 1}
			return p.authorize(t, b.begin("/login"), "ann-at-provider")
		},
		"a token signed by somebody else": func(t *testing.T, p *provider, b *browser) string {
			p.signer = newKey()
			return p.authorize(t, b.begin("/login"), "ann-at-provider")
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachVersion(t, func(t *testing.T, p *provider, app http.Handler) {
				b := newBrowser(t, app)
				status := b.do("GET", attack(t, p, b)).StatusCode
				if status != http.StatusBadRequest && status != http.StatusUnauthorized {
					t.Errorf("status of the callback = %d, want 400 or 401", status)
				}
				if got := b.whoami(); !strings.HasPrefix(got, "anonymous") {
					t.Errorf("signed in = %s, want nobody", got)
				}
			})
		})
	}
}

// TestEmptyState: a browser that began no sign-in has no state, and neither has
// what an attacker sends it.
func TestEmptyState(t *testing.T) {
	eachVersion(t, func(t *testing.T, p *provider, app http.Handler) {
		theirs := query(t, p.authorize(t, newBrowser(t, app).begin("/login"), "bob-at-provider"))
		theirs.Set("state", "")
		response := newBrowser(t, app).do("GET", "https://app.test/callback?"+theirs.Encode())
		want(t, "status of the callback", response.StatusCode, http.StatusBadRequest)
	})
}

// TestACallbackTwice: a code and a state are good for one sign-in.
func TestACallbackTwice(t *testing.T) {
	eachVersion(t, func(t *testing.T, p *provider, app http.Handler) {
		b := newBrowser(t, app)
		callback := p.authorize(t, b.begin("/login"), "ann-at-provider")
		want(t, "the first", b.do("GET", callback).StatusCode, http.StatusSeeOther)
		want(t, "the second", b.do("GET", callback).StatusCode, http.StatusBadRequest)
	})
}

// TestKeyRotation: the provider signs with a new key, and drops the old one.
func TestKeyRotation(t *testing.T) {
	eachVersion(t, func(t *testing.T, p *provider, app http.Handler) {
		for range 2 {
			b := newBrowser(t, app)
			b.do("GET", p.authorize(t, b.begin("/login"), "bob-at-provider"))
			want(t, "who is signed in", b.whoami(), "user:43")
			p.rotate()
		}
	})
}

func query(t *testing.T, target string) url.Values {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}
