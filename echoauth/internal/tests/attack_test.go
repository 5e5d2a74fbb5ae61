package tests

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// TestAttackFixation: the attacker gives the victim a session cookie of his
// own, and waits for a login with it.
func TestAttackFixation(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		eachStore(t, func(t *testing.T, store sessions.Store) {
			e := newSite(t, v, store, Config{})
			for _, before := range []string{"/cart/bait", "/login/666"} {
				t.Run("planted after "+before, func(t *testing.T) {
					attacker := newBrowser(t, e)
					attacker.post(before)
					wanted := attacker.get("/whoami")
					victim := attacker.copied()
					want(t, "login", victim.post("/login/1"), "user:1")
					// A cookie store knows the attacker's old cookie still, but not as
					// the victim's.
					if got := attacker.get("/whoami"); got != "anonymous" && (got != wanted || got == "user:1") {
						t.Errorf("whoami with the planted cookie = %q, want no more than %q", got, wanted)
					}
					victim.post("/cart/secret")
					if got := attacker.get("/cart"); got == "secret" {
						t.Error("the planted cookie reads the victim's session")
					}
				})
			}
		})
	})
}

// TestAttackFixationWithoutRotation shows that the experiment above can fail:
// a handler that writes the user into the session by hand keeps the id.
func TestAttackFixationWithoutRotation(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		eachRecordStore(t, func(t *testing.T, store sessions.Store) {
			e := newSite(t, v, store, Config{})
			e.POST("/naive", func(c Context) error {
				s, err := v.Session("session", c)
				if err != nil {
					return err
				}
				s.Values["echoauth:actor"] = signedInAt(time.Now())
				return s.Save(c.Request(), v.Response(c))
			})
			attacker := newBrowser(t, e)
			attacker.post("/cart/bait")
			attacker.copied().do("POST", "/naive")
			want(t, "whoami with the planted cookie", attacker.get("/whoami"), "user:1")
		})
	})
}

// TestAttackReplay: somebody has a copy of the cookie.
func TestAttackReplay(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		eachStore(t, func(t *testing.T, store sessions.Store) {
			for _, test := range []struct{ before, who, then string }{
				{"/login/1", "user:1", "/logout"},
				{"/login/1", "user:1", "/login/1"},
				{"/login/1", "user:1", "/login/2"},
				{"/login/1", "user:1", "/impersonate/2"},
				{"/login/2 /impersonate/1", "user:1 (by user:2)", "/stop"},
			} {
				t.Run("after "+test.then, func(t *testing.T) {
					all := newAccounts()
					b := newBrowser(t, newSite(t, v, store, Config{SessionStamp: all.stamp}))
					for path := range strings.FieldsSeq(test.before) {
						b.post(path)
					}
					thief, who := b.copied(), "anonymous"
					b.post(test.then)
					// A cookie store can't forget, and a stamp that stays ends nothing.
					if _, inCookie := store.(*sessions.CookieStore); inCookie {
						who = test.who
					}
					want(t, "whoami with the copy", thief.get("/whoami"), who)
					all.stamps["1"] = "raised at " + test.then
					want(t, "whoami with the copy once the stamp changed", thief.get("/whoami"), "anonymous")
				})
			}
		})
	})
}

// TestAttackSlowRequest: a request that began before the logout ends after it.
func TestAttackSlowRequest(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		eachRecordStore(t, func(t *testing.T, store sessions.Store) {
			for _, test := range []struct {
				name  string
				saves bool
				stamp bool
			}{
				{"the middleware saves nothing", false, false},
				{"the handler saves, the stamp revokes", true, true},
			} {
				t.Run(test.name, func(t *testing.T) {
					all, config := newAccounts(), Config{}
					if test.stamp {
						config.SessionStamp = all.stamp
					}
					e := newSite(t, v, store, config)
					begun, proceed := make(chan struct{}), make(chan struct{})
					e.POST("/slow", func(c Context) error {
						s, err := v.Session("session", c)
						if err != nil {
							return err
						}
						close(begun)
						<-proceed
						if test.saves {
							return s.Save(c.Request(), v.Response(c))
						}
						return nil
					})
					b := newBrowser(t, e)
					b.post("/login/1")
					slow, thief := b.copied(), b.copied()
					done := make(chan struct{})
					go func() { defer close(done); slow.do("POST", "/slow") }()
					<-begun
					b.post("/logout")
					all.mu.Lock()
					all.stamps["1"] = "raised by the logout"
					all.mu.Unlock()
					close(proceed)
					<-done
					want(t, "whoami with the old cookie", thief.get("/whoami"), "anonymous")
					want(t, "whoami of the slow request's browser", slow.get("/whoami"), "anonymous")
				})
			}
		})
	})
}

// TestAttackForgedCookies: values that no key signed, or another.
func TestAttackForgedCookies(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		e := newSite(t, v, newCookieStore(), Config{})
		b := newBrowser(t, e)
		b.post("/login/1")
		genuine := b.cookies["session"]
		raw, err := base64.URLEncoding.DecodeString(genuine)
		if err != nil {
			t.Fatal(err)
		}
		other, err := securecookie.New([]byte("another key"), nil).Encode("session", map[any]any{"echoauth:actor": "1:id=1&kind=user"})
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{
			"plain":                 "1:id=1&kind=user",
			"base64":                base64.URLEncoding.EncodeToString([]byte("1:id=1&kind=user")),
			"other key":             other,
			"without its signature": base64.URLEncoding.EncodeToString(raw[:len(raw)-32]),
			"signature of zeros":    base64.URLEncoding.EncodeToString(append(raw[:len(raw)-32:len(raw)-32], make([]byte, 32)...)),
			"twice":                 genuine + genuine,
		} {
			t.Run(name, func(t *testing.T) {
				b := newBrowser(t, e)
				b.cookies["session"] = value
				b.cookies["actor"], b.cookies["echoauth:actor"] = "user:1", "1:id=1&kind=user"
				want(t, "whoami", b.get("/whoami"), "anonymous")
			})
		}
		for i := range raw {
			flipped := append([]byte(nil), raw...)
			flipped[i] ^= 1
			b := newBrowser(t, e)
			b.cookies["session"] = base64.URLEncoding.EncodeToString(flipped)
			want(t, fmt.Sprintf("whoami with byte %d changed", i), b.get("/whoami"), "anonymous")
		}
	})
}

// TestAttackHeaders: a client writes what it likes.
func TestAttackHeaders(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		none, err := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{"sub": "1"}).SignedString(jwt.UnsafeAllowNoneSignatureType)
		if err != nil {
			t.Fatal(err)
		}
		expired := bearer(t, jwt.MapClaims{"sub": "1", "exp": time.Now().Add(-time.Hour).Unix()})
		e, _ := v.NewApp(t)
		e.Use(v.Sessions(newCookieStore()), v.JWT(JWTConfig{Optional: true}), v.Middleware())
		signIn(e)
		for _, header := range [][2]string{
			{"X-User", "1"},
			{"X-Remote-User", "1"},
			{"X-Forwarded-User", "1"},
			{"Remote-User", "1"},
			{"Actor", "user:1"},
			{"User", "1"},
			{"Echoauth-Actor", "1:id=1&kind=user"},
			{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("1:"))},
			{"Authorization", "Bearer 1"},
			{"Authorization", "Bearer " + none},
			{"Authorization", expired},
			{"Authorization", bearer(t, jwt.MapClaims{"user": "1"})},
			{"Cookie", "actor=user:1; user=1"},
		} {
			t.Run(header[0]+" "+header[1][:min(12, len(header[1]))], func(t *testing.T) {
				b := newBrowser(t, e)
				b.header.Set(header[0], header[1])
				want(t, "whoami", b.get("/whoami"), "anonymous")
			})
		}
	})
}

// TestAttackOpenRedirect follows the guard's redirect to the login page and
// from there on.
func TestAttackOpenRedirect(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		e := newSite(t, v, newCookieStore(), Config{})
		guard := v.RequireUserWithConfig(RequireConfig{LoginURL: "/login"})
		e.Group("", guard).GET("/*", whoami)
		e.GET("/login", func(c Context) error {
			return c.Redirect(http.StatusFound, v.SafeNext(c.QueryParam("next")))
		})
		for _, target := range []string{
			"//evil.com", "///evil.com", "/%2fevil.com", "/%5cevil.com", "/%09/evil.com", "/..//evil.com", "/%0d%0aLocation:%20https://evil.com",
		} {
			b := newBrowser(t, e)
			b.header.Set("Accept", "text/html")
			rec := httptest.NewRecorder()
			req := httptest.NewRequest("GET", "/", nil)
			req.Header = b.header
			parsed, err := url.Parse("https://example.com" + target)
			if err != nil {
				t.Fatal(err)
			}
			req.URL, req.RequestURI = parsed, target
			e.ServeHTTP(rec, req)
			location := rec.Header().Get("Location")
			if !strings.HasPrefix(location, "/login?next=") {
				t.Fatalf("redirect from %q = %d %q, want one to the login page", target, rec.Code, location)
			}
			want(t, "redirect after "+location, b.do("GET", location).Header().Get("Location"), "/")
		}
	})
}

// TestAttackPooledContext: Echo hands an Context from one request to the
// next; nothing of the first may be left in it.
func TestAttackPooledContext(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		e, _ := v.NewApp(t)
		var contexts []Context
		e.Use(v.Recover(), v.Sessions(newCookieStore()), v.Middleware())
		signIn(e)
		e.GET("/keep", func(c Context) error {
			contexts = append(contexts, c)
			v.Set(c, admin)
			return whoami(c)
		})
		e.GET("/panic", func(c Context) error { v.Set(c, admin); panic("bug") })
		e.GET("/plain", func(c Context) error {
			_, said := actor.FromContext(c.Request().Context())
			return c.String(http.StatusOK, fmt.Sprint(said, c.Get("actor")))
		}, func(next Handler) Handler { return next })
		b, nobody := newBrowser(t, e), newBrowser(t, e)
		b.post("/login/1")
		for range 50 {
			want(t, "whoami", b.get("/whoami"), "user:1")
			want(t, "keep", nobody.get("/keep"), "user:admin")
			want(t, "whoami of nobody", nobody.get("/whoami"), "anonymous")
			nobody.do("GET", "/panic")
			want(t, "whoami of nobody after a panic", nobody.get("/whoami"), "anonymous")
			want(t, "plain", nobody.get("/plain"), "true anonymous")
		}
		if len(contexts) != 50 {
			t.Errorf("contexts = %d, want 50", len(contexts))
		}
	})
}

// TestAttackOutlivingGoroutine: work that goes on after the response, while
// the Context already serves somebody else.
func TestAttackOutlivingGoroutine(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		e, _ := v.NewApp(t)
		e.Use(v.Sessions(newCookieStore()), v.MiddlewareWithConfig(Config{Load: loadAccount}))
		signIn(e)
		var background sync.WaitGroup
		served := make(chan struct{})
		e.GET("/work/:id", func(c Context) error {
			ctx, id := actor.Detach(c.Request().Context()), c.Param("id")
			background.Go(func() {
				<-served
				for range 20 {
					a, _ := actor.FromContext(ctx)
					user, err := v.User(ctx)
					if a.ID != id || err != nil || user.ID != id || ctx.Err() != nil {
						t.Errorf("background work of %s: actor %v, user %v, %v, %v", id, a, user, err, ctx.Err())
					}
				}
			})
			return nil
		})
		server := httptest.NewServer(e)
		defer server.Close()
		browsers := make([]*http.Client, 8)
		for i := range browsers {
			browsers[i] = newClient(t)
			fetch(t, browsers[i], "POST", fmt.Sprintf("%s/login/%d", server.URL, i+1))
			fetch(t, browsers[i], "GET", fmt.Sprintf("%s/work/%d", server.URL, i+1))
		}
		close(served)
		for _, browser := range browsers { // each reuses an Context
			fetch(t, browser, "GET", server.URL+"/whoami")
		}
		background.Wait()
	})
}

func newClient(tb testing.TB) *http.Client {
	tb.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return &http.Client{Jar: jar, Timeout: 30 * time.Second}
}

// fetch returns the body of a 200.
func fetch(tb testing.TB, client *http.Client, method, url string, header ...string) string {
	tb.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, url, nil)
	if err != nil {
		tb.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		tb.Error(err)
		return ""
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		tb.Errorf("%s %s = %d %s, %v, want 200", method, url, res.StatusCode, body, err)
	}
	return string(body)
}

// TestAttackBleed: 200 people at once, with sessions, tokens and nothing, over
// real connections. Nobody may see another.
func TestAttackBleed(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		all := newAccounts()
		e, _ := v.NewApp(t)
		e.Use(v.Sessions(newCookieStore()), v.JWT(JWTConfig{Optional: true}))
		e.Use(v.MiddlewareWithConfig(Config{Load: loadAccount, SessionStamp: all.stamp, Request: true}))
		signIn(e)
		e.GET("/me", func(c Context) error {
			ctx := c.Request().Context()
			time.Sleep(time.Duration(time.Now().UnixNano()%3) * time.Millisecond)
			a := v.Current(c)
			if a.IsAnonymous() {
				return c.String(http.StatusOK, "anonymous")
			}
			user, err := v.User(ctx)
			if err != nil {
				return err
			}
			if inEcho, _ := c.Get("actor").(actor.Actor); inEcho != a || user.ID != a.ID {
				return c.String(http.StatusConflict, fmt.Sprint(a, inEcho, user))
			}
			return c.String(http.StatusOK, a.String())
		})
		server := httptest.NewServer(e)
		defer server.Close()
		var people sync.WaitGroup
		for i := 1; i <= 200; i++ {
			people.Go(func() {
				client, wanted := newClient(t), "anonymous"
				var header []string
				switch i % 4 {
				case 0:
					header, wanted = []string{"Authorization", bearer(t, jwt.MapClaims{"sub": fmt.Sprint(i)})}, fmt.Sprint("user:", i)
				case 1, 2:
					wanted = fmt.Sprint("user:", i)
					want(t, "login", fetch(t, client, "POST", fmt.Sprintf("%s/login/%d", server.URL, i)), wanted)
				}
				for range 5 {
					want(t, "me", fetch(t, client, "GET", server.URL+"/me", header...), wanted)
				}
			})
		}
		people.Wait()
	})
}
