package tests

import (
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/history/historyweb"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// visitor is a browser at an application.
type visitor struct {
	t      *testing.T
	base   string
	client *http.Client
	header http.Header // that its scripts add
}

func visit(t *testing.T, h http.Handler) *visitor {
	t.Helper()
	server := httptest.NewTLSServer(h)
	t.Cleanup(server.Close)
	jar, err := cookiejar.New(nil)
	must(t, err)
	client := server.Client()
	client.Jar = jar
	return &visitor{t, server.URL, client, http.Header{}}
}

// do sends a request, as a browser does from a page of a site, and follows
// redirects. It returns the status, where that led and the body.
func (b *visitor) do(method, path, site string, form url.Values) (status int, at, body string) {
	b.t.Helper()
	r, err := http.NewRequest(method, b.base+path, strings.NewReader(form.Encode()))
	must(b.t, err)
	r.Header = b.header.Clone()
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if site != "" {
		r.Header.Set("Sec-Fetch-Site", site)
	}
	answer, err := b.client.Do(r)
	must(b.t, err)
	defer func() { _ = answer.Body.Close() }()
	w := httptest.NewRecorder()
	_, err = w.Body.ReadFrom(answer.Body)
	must(b.t, err)
	return answer.StatusCode, answer.Request.URL.Path, text(w)
}

func (b *visitor) expect(status int, method, path, site string, form url.Values) (at, body string) {
	b.t.Helper()
	got, at, body := b.do(method, path, site, form)
	if got != status {
		b.t.Errorf("%s %s from %q = %d at %s, want %d: %s", method, path, site, got, at, status, body)
	}
	return at, body
}

// mustSignIn holds that a request leads to the sign-in, and shows nothing else.
func (b *visitor) mustSignIn(method, path string, form url.Values) {
	b.t.Helper()
	if at, body := b.expect(http.StatusOK, method, path, "same-origin", form); at != "/login" || body != "please sign in, then "+path {
		b.t.Errorf("%s %s leads to %s: %s, want the sign-in", method, path, at, body)
	}
}

// A browser sends no bearer token by itself. It gets one in a cookie, for the page
// alone.
func TestAPageBehindTokens(t *testing.T) {
	t.Parallel()
	key := []byte("32 random bytes, kept in a secret")
	tokenOf := func(id string, end time.Time) string {
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": id, "exp": end.Unix()}).SignedString(key)
		must(t, err)
		return token
	}
	for name, application := range map[string]func(page http.Handler, key []byte) http.Handler{"Echo v4": tokensV4, "Echo v5": tokensV5} {
		t.Run(name, func(t *testing.T) {
			db, plain := shop(t, dbtest.New(t, dbtest.SQLite))
			must(t, db.WithContext(as(alice)).Create(&Order{ID: 17, Customer: "Ms Miller"}).Error)
			time.Sleep(20 * time.Millisecond)
			form := url.Values{"table": {"orders"}, "key": {"17"}, "at": {time.Now().Format(time.RFC3339Nano)}}
			time.Sleep(20 * time.Millisecond)
			must(t, db.WithContext(as(alice)).Model(&Order{ID: 17}).Update("customer", "Ms X").Error)
			b := visit(t, application(historyweb.Handler(db, historyweb.Config{Tables: tables, MayRestore: anybodyMay}), key))

			b.mustSignIn("GET", "/history/", nil)
			b.mustSignIn("GET", "/history/row?table=orders&key=17", nil)
			b.mustSignIn("POST", "/history/restore", form)
			b.header.Set("Authorization", "Bearer "+tokenOf("2", time.Now().Add(time.Hour)))
			b.mustSignIn("GET", "/history/", nil) // the page goes by the cookie alone
			b.expect(http.StatusNoContent, "POST", "/api/open-history", "same-origin", nil)
			b.header.Del("Authorization")

			b.expect(http.StatusOK, "GET", "/history", "none", nil)
			b.expect(http.StatusOK, "GET", "/history/row?table=orders&key=17", "none", nil)
			b.expect(http.StatusUnauthorized, "GET", "/api/me", "same-origin", nil)
			api, err := url.Parse(b.base + "/api/me")
			must(t, err)
			if sent := b.client.Jar.Cookies(api); slices.ContainsFunc(sent, func(c *http.Cookie) bool { return c.Name == "token" }) {
				t.Errorf("the API gets the cookies %v, want no token", sent)
			}
			b.expect(http.StatusForbidden, "POST", "/history/restore", "cross-site", form)
			b.expect(http.StatusForbidden, "POST", "/history/restore", "same-site", form)
			at, body := b.expect(http.StatusOK, "POST", "/history/restore", "same-origin", form)
			if at != "/history/row" {
				t.Errorf("a restore leads to %s, want the row's page", at)
			}
			expect(t, "the row's page", body, "user 2")
			changes, err := history.Of(plain, &Order{ID: 17})
			must(t, err)
			if s := changes[0].ChangeSet; len(changes) != 3 || s.Actor != bob || s.Request.Method+" "+s.Request.Route != "POST /history/*" {
				t.Errorf("%d changes, the last by %v at %s %s, want bob's restore", len(changes), s.Actor, s.Request.Method, s.Request.Route)
			}

			ended := visit(t, application(historyweb.Handler(db, historyweb.Config{Tables: tables}), key))
			ended.header.Set("Cookie", "token="+tokenOf("2", time.Now().Add(-time.Hour)))
			ended.mustSignIn("GET", "/history/", nil)
		})
	}
}
