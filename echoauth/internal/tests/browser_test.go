package tests

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/sessions"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

var (
	alice = actor.User(1)
	bob   = actor.User(2)
	admin = actor.User("admin")
)

var testKey = []byte("0123456789abcdef0123456789abcdef")

func newCookieStore() *sessions.CookieStore { return sessions.NewCookieStore(testKey) }

// whoami answers with the actor that each place in a request holds, if they
// agree.
func whoami(c Context) error {
	inContext, said := actor.FromContext(c.Request().Context())
	inEcho, ok := c.Get("actor").(actor.Actor)
	if !said || !ok || inContext != inEcho {
		return c.String(http.StatusInternalServerError, fmt.Sprintf("context: %v %v, echo: %v %v", inContext, said, inEcho, ok))
	}
	return c.String(http.StatusOK, inContext.String())
}

// browser keeps the cookies that a server sets, by name only.
type browser struct {
	tb      testing.TB
	handler http.Handler
	base    string // scheme and host
	cookies map[string]string
	header  http.Header // of each request
}

func newBrowser(tb testing.TB, handler http.Handler) *browser {
	tb.Helper()
	return &browser{tb: tb, handler: handler, base: "https://example.com", cookies: map[string]string{}, header: http.Header{}}
}

// copied returns another browser with the same cookies.
func (b *browser) copied() *browser {
	other := newBrowser(b.tb, b.handler)
	other.base = b.base
	for name, value := range b.cookies {
		other.cookies[name] = value
	}
	return other
}

func (b *browser) do(method, path string) *httptest.ResponseRecorder {
	b.tb.Helper()
	req := httptest.NewRequest(method, b.base+path, nil)
	for key, values := range b.header {
		req.Header[key] = values
	}
	for name, value := range b.cookies {
		req.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	rec := httptest.NewRecorder()
	b.handler.ServeHTTP(rec, req)
	for _, cookie := range rec.Result().Cookies() {
		if cookie.MaxAge < 0 {
			delete(b.cookies, cookie.Name)
			continue
		}
		b.cookies[cookie.Name] = cookie.Value
	}
	return rec
}

func (b *browser) get(path string) string {
	b.tb.Helper()
	return b.body(http.MethodGet, path)
}

func (b *browser) post(path string) string {
	b.tb.Helper()
	return b.body(http.MethodPost, path)
}

// body returns the body of a 200, else the status.
func (b *browser) body(method, path string) string {
	b.tb.Helper()
	rec := b.do(method, path)
	if rec.Code != http.StatusOK {
		return strings.TrimSpace(fmt.Sprintf("%d %s", rec.Code, rec.Body))
	}
	return strings.TrimSpace(rec.Body.String())
}

// want is a check of one answer.
func want(tb testing.TB, what, got, want string) {
	tb.Helper()
	if got != want {
		tb.Errorf("%s = %q, want %q", what, got, want)
	}
}

// answer makes a handler of a session function: who is signed in then, or its
// error.
func answer(v version, do func(c Context) error) Handler {
	return func(c Context) error {
		if err := do(c); err != nil {
			return c.String(http.StatusOK, v.Cause(err).Error())
		}
		return whoami(c)
	}
}

// signIn registers handlers that sign in and out under /login/:id and /logout,
// and /whoami.
func signIn(e *App) {
	v := e.v
	e.POST("/login/:id", answer(v, func(c Context) error { return v.Login(c, actor.User(c.Param("id"))) }))
	e.POST("/logout", answer(v, v.Logout))
	e.GET("/whoami", whoami)
}

// signedInAt is what the session of alice says, as Login writes it.
func signedInAt(at time.Time) string {
	return fmt.Sprintf("1:at=%d&id=1&kind=user", at.UnixMilli())
}

func bearer(tb testing.TB, claims jwt.Claims) string {
	tb.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(testKey)
	if err != nil {
		tb.Fatal(err)
	}
	return "Bearer " + token
}
