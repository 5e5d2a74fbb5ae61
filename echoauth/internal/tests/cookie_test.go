package tests

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/sessions"
)

func TestLoginCookie(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		day := sessions.Options{Path: "/", MaxAge: 86400}
		secure := day
		secure.Secure = true
		strict := day
		strict.SameSite = http.SameSiteStrictMode
		none := secure
		none.SameSite, none.Partitioned = http.SameSiteNoneMode, true
		partitioned := day
		partitioned.Partitioned = true
		domain := day
		domain.Domain, domain.Path = "example.com", "/app"
		noPath := day
		noPath.Path = ""

		for _, test := range []struct {
			name    string
			options sessions.Options
			base    string
			session string // the name
			want    string // after the value
		}{
			{"https", day, "https://example.com", "session", "; Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=Lax"},
			{"http", day, "http://example.com", "session", "; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax"},
			{"a store that says Secure", secure, "http://example.com", "session", "; Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=Lax"},
			{"... on localhost, as a proxy may call it", secure, "http://localhost:8080", "session", "; Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=Lax"},
			{"... on 127.0.0.1", secure, "http://127.0.0.1:8080", "session", "; Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=Lax"},
			{"... on ::1", secure, "http://[::1]:8080", "session", "; Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=Lax"},
			{"a store that doesn't, on localhost", day, "http://localhost:8080", "session", "; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax"},
			{"https on localhost", day, "https://localhost", "session", "; Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=Lax"},
			{"a store that says Strict", strict, "https://example.com", "session", "; Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=Strict"},
			{"a store that says None", none, "https://example.com", "session", "; Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=Lax; Partitioned"},
			{"Partitioned needs Secure", partitioned, "http://localhost", "session", "; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax"},
			{"the store's path and domain", domain, "https://example.com", "session", "; Path=/app; Domain=example.com; Max-Age=86400; HttpOnly; Secure; SameSite=Lax"},
			{"no path", noPath, "https://example.com", "session", "; Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=Lax"},
			{"__Host-", domain, "http://localhost", "__Host-s", "; Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=Lax"},
			{"__Secure-", domain, "http://localhost", "__Secure-s", "; Path=/app; Domain=example.com; Max-Age=86400; HttpOnly; Secure; SameSite=Lax"},
		} {
			t.Run(test.name, func(t *testing.T) {
				store := newCookieStore()
				options := test.options
				store.Options = &options
				e, _ := v.NewApp(t)
				e.Use(v.Sessions(store), v.MiddlewareWithConfig(Config{SessionName: test.session}))
				signIn(e)
				e.POST("/save", func(c Context) error {
					s, err := v.Session(test.session, c)
					if err != nil {
						return err
					}
					return s.Save(c.Request(), v.Response(c))
				})
				b := newBrowser(t, e)
				b.base = test.base
				for _, path := range []string{"/login/1", "/save"} {
					want(t, "cookie of "+path, flags(t, b.do("POST", path).Header()), test.want)
				}
				if options != test.options || store.Options != &options {
					t.Errorf("the store's Options = %+v, want them untouched: %+v", options, test.options)
				}
			})
		}
	})
}

// flags is the one Set-Cookie of header without name, value and Expires.
func flags(tb testing.TB, header http.Header) string {
	tb.Helper()
	lines := header["Set-Cookie"]
	if len(lines) != 1 {
		tb.Fatalf("cookies = %q, want one", lines)
	}
	cookie, err := http.ParseSetCookie(lines[0])
	if err != nil {
		tb.Fatal(err)
	}
	cookie.Expires, cookie.RawExpires = cookie.Expires.AddDate(-10000, 0, 0), ""
	prefix := cookie.Name + "=" + cookie.Value
	return cookie.String()[len(prefix):]
}

func TestLogoutCookie(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		store := newCookieStore()
		store.Options.Domain, store.Options.Path = "example.com", "/app"
		b := newBrowser(t, newSite(t, v, store, Config{}))
		b.post("/login/1")
		want(t, "cookie", flags(t, b.do("POST", "/logout").Header()),
			"; Path=/app; Domain=example.com; Max-Age=0; HttpOnly; Secure; SameSite=Lax")
	})
}

// TestLogoutCookieIsEmpty: a client that keeps the cookie, although it is told
// to forget it, has nothing.
func TestLogoutCookieIsEmpty(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		e := newSite(t, v, newCookieStore(), Config{})
		b := newBrowser(t, e)
		b.post("/login/1")
		b.post("/cart/tea")
		cookies := b.do("POST", "/logout").Result().Cookies()
		if len(cookies) != 1 {
			t.Fatalf("cookies = %v, want one", cookies)
		}
		b.cookies["session"] = cookies[0].Value
		want(t, "whoami with the logout's cookie", b.get("/whoami"), "anonymous")
		want(t, "cart with the logout's cookie", b.get("/cart"), "")
	})
}

// sharingStore hands out its own Options, as some stores do.
type sharingStore struct{ *sessions.CookieStore }

func (s sharingStore) Get(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(s, name)
}

func (s sharingStore) New(r *http.Request, name string) (*sessions.Session, error) {
	session, err := s.CookieStore.New(r, name)
	session.Options = s.Options
	return session, err
}

func TestLoginLeavesSharedOptionsAlone(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		store := sharingStore{newCookieStore()}
		before := *store.Options
		b := newBrowser(t, newSite(t, v, store, Config{}))
		for _, path := range []string{"/login/1", "/cart/tea", "/impersonate/2", "/logout"} {
			b.post(path)
			if *store.Options != before {
				t.Fatalf("the store's Options after %s = %+v, want %+v", path, *store.Options, before)
			}
		}
	})
}

// bareStore makes sessions without Options and Values.
type bareStore struct{ *sessions.CookieStore }

func (s bareStore) Get(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(s, name)
}

func (s bareStore) New(r *http.Request, name string) (*sessions.Session, error) {
	session, err := s.CookieStore.New(r, name)
	session.Options = nil
	if len(session.Values) == 0 {
		session.Values = nil
	}
	return session, err
}

func TestLoginWithoutOptions(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		b := newBrowser(t, newSite(t, v, bareStore{newCookieStore()}, Config{}))
		want(t, "login", b.post("/login/1"), "user:1")
		want(t, "whoami", b.get("/whoami"), "user:1")
		want(t, "logout", b.post("/logout"), "anonymous")
	})
}

func TestLoginReplacesEarlierCookies(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		e, _ := v.NewApp(t)
		e.Use(v.Sessions(newCookieStore()), v.Middleware())
		e.POST("/", func(c Context) error {
			for _, name := range []string{"session", "theme", "session", "session2"} {
				c.SetCookie(&http.Cookie{Name: name, Value: "earlier"})
			}
			return v.Login(c, alice)
		})
		var names []string
		for _, cookie := range newBrowser(t, e).do("POST", "/").Result().Cookies() {
			names = append(names, cookie.Name)
			if (cookie.Value == "earlier") == (cookie.Name == "session") {
				t.Errorf("cookie %s = %q", cookie.Name, cookie.Value)
			}
		}
		if len(names) != 3 {
			t.Errorf("cookies = %v, want theme, session2 and session", names)
		}
	})
}

// TestDroppedCookieIsLogged: a Secure cookie over plain http, which browsers
// drop, is logged once. Where they keep it, nothing is.
func TestDroppedCookieIsLogged(t *testing.T) {
	const says = "the browser drops the cookie"
	eachVersion(t, func(t *testing.T, v version) {
		for _, test := range []struct {
			name    string
			base    string
			session string
			secure  bool
			header  [2]string
			want    int
		}{
			{"an address in the network", "http://192.168.1.7:8080", "session", true, [2]string{}, 1},
			{"a name", "http://example.com", "session", true, [2]string{}, 1},
			{"a name that only begins so", "http://localhost.example.com", "session", true, [2]string{}, 1},
			{"a name that only ends so", "http://notlocalhost", "session", true, [2]string{}, 1},
			{"a name that asks for Secure", "http://example.com", "__Host-session", false, [2]string{}, 1},
			{"not Secure", "http://example.com", "session", false, [2]string{}, 0},
			{"https", "https://example.com", "session", true, [2]string{}, 0},
			{"localhost", "http://localhost:8080", "session", true, [2]string{}, 0},
			{"under localhost", "http://app.localhost", "session", true, [2]string{}, 0},
			{"127.0.0.2", "http://127.0.0.2:8080", "session", true, [2]string{}, 0},
			{"::1", "http://[::1]:8080", "session", true, [2]string{}, 0},
			{"::1 without port", "http://[::1]", "session", true, [2]string{}, 0},
			{"a form of an https page", "http://example.com", "session", true, [2]string{"Origin", "https://example.com"}, 0},
			{"a form of an http page", "http://example.com", "session", true, [2]string{"Origin", "http://example.com"}, 1},
			{"a page that is trusted", "http://example.com", "session", true, [2]string{"Sec-Fetch-Site", "same-origin"}, 0},
		} {
			t.Run(test.name, func(t *testing.T) {
				store := newCookieStore()
				store.Options.Secure = test.secure
				e, log := v.NewApp(t)
				e.Use(v.Sessions(store), v.MiddlewareWithConfig(Config{SessionName: test.session}))
				signIn(e)
				for range 3 {
					b := newBrowser(t, e)
					b.base = test.base
					if test.header[0] != "" {
						b.header.Set(test.header[0], test.header[1])
					}
					b.get("/whoami")
					b.post("/login/1")
				}
				if got := strings.Count(log.String(), says); got != test.want {
					t.Errorf("log = %s, want it %d times", log, test.want)
				}
			})
		}
	})
}
