package echoauth_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/labstack/echo-contrib/session"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/seed-3826ef92/whodunit/echoauth"
)

// newCSRFSite answers GET /token with the token a form would carry.
func newCSRFSite(tb testing.TB, config middleware.CSRFConfig) *echo.Echo {
	tb.Helper()
	e, _ := newEcho(tb)
	e.Use(session.Middleware(newCookieStore()), echoauth.Middleware(), middleware.CSRFWithConfig(config))
	signIn(e)
	token := func(c echo.Context) error {
		token, _ := c.Get("csrf").(string)
		return c.String(http.StatusOK, token)
	}
	e.GET("/token", token)
	e.POST("/login-form", func(c echo.Context) error {
		if err := echoauth.Login(c, alice); err != nil {
			return err
		}
		return token(c)
	})
	e.POST("/buy", func(c echo.Context) error { return c.String(http.StatusOK, "bought") })
	return e
}

func TestLoginRenewsCSRFToken(t *testing.T) {
	custom := middleware.DefaultCSRFConfig
	custom.CookieName, custom.CookiePath, custom.CookieHTTPOnly = "xsrf", "/", true
	for name, config := range map[string]middleware.CSRFConfig{"default": middleware.DefaultCSRFConfig, "another cookie name": custom} {
		t.Run(name, func(t *testing.T) {
			e := newCSRFSite(t, config)
			b := newBrowser(t, e)
			planted := b.get("/token")
			b.header.Set("X-CSRF-Token", planted)
			rec := b.do("POST", "/login-form")
			fresh := rec.Body.String()
			if rec.Code != http.StatusOK || fresh == planted || len(fresh) < 20 || b.cookies[config.CookieName] != fresh {
				t.Fatalf("token after login = %q (%d), cookie %q, want a new one in both", fresh, rec.Code, b.cookies[config.CookieName])
			}
			for _, line := range rec.Header()["Set-Cookie"] {
				if strings.HasPrefix(line, "xsrf=") && (!strings.Contains(line, "; Path=/; ") || !strings.Contains(line, "HttpOnly")) {
					t.Errorf("cookie = %q, want the attributes that CSRF gave it", line)
				}
			}
			if got := b.do("POST", "/buy").Code; got != http.StatusForbidden {
				t.Errorf("POST with the old token = %d, want 403", got)
			}
			b.header.Set("X-CSRF-Token", fresh)
			want(t, "POST with the new token", b.post("/buy"), "bought")
			want(t, "token of the next page", b.get("/token"), fresh)
		})
	}
}

func TestLoginExpiresCSRFTokenItCannotRenew(t *testing.T) {
	e := newCSRFSite(t, middleware.DefaultCSRFConfig)
	b := newBrowser(t, e)
	planted := b.get("/token")
	b.header.Set("Sec-Fetch-Site", "same-origin") // the middleware wants no token
	rec := b.do("POST", "/login-form")
	var expired []string
	for _, cookie := range rec.Result().Cookies() {
		if cookie.Name == "_csrf" && cookie.MaxAge < 0 {
			expired = append(expired, cookie.Path)
		}
	}
	if len(expired) != 2 || expired[0] != "" || expired[1] != "/" {
		t.Errorf("paths of the expired _csrf = %q, want none and /", expired)
	}
	b.header.Del("Sec-Fetch-Site")
	if fresh := b.get("/token"); fresh == planted || fresh == "" {
		t.Errorf("token after login = %q, want another than %q", fresh, planted)
	}
}

func TestLoginWithoutCSRF(t *testing.T) {
	b := newBrowser(t, newSite(t, newCookieStore(), echoauth.Config{}))
	if got := b.do("POST", "/login/1").Header()["Set-Cookie"]; len(got) != 1 {
		t.Errorf("cookies = %q, want the session's only", got)
	}
}

// TestLoginWithoutCSRFLeavesOtherCookiesAlone logs in where the response
// already expires a cookie, whose value is as empty as the token of a
// middleware that did not run.
func TestLoginWithoutCSRFLeavesOtherCookiesAlone(t *testing.T) {
	e, _ := newEcho(t)
	e.Use(session.Middleware(newCookieStore()), echoauth.Middleware())
	e.POST("/login", answer(func(c echo.Context) error {
		c.SetCookie(&http.Cookie{Name: "seen", MaxAge: -1})
		return echoauth.Login(c, alice)
	}))
	if got := newBrowser(t, e).do("POST", "/login").Header()["Set-Cookie"]; len(got) != 2 || got[0] != "seen=; Max-Age=0" {
		t.Errorf("cookies = %q, want seen as it was, and the session's", got)
	}
}
