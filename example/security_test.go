package main_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
)

// A form that another site's page sends does nothing, whatever cookies it
// brings, and is not shown as if its words were the visitor's.
func TestOtherSites(t *testing.T) {
	s := startServer(t)
	db, bob := s.database(t), signIn(t, s, "bob", seedPassword)
	host := strings.TrimPrefix(s.URL, "http://")
	const words = "words of another site"
	planted, empty := url.Values{"csrf": {"planted"}}, url.Values{"csrf": {""}} // as some servers compare them with a cookie
	for _, tt := range []struct {
		name    string
		form    url.Values
		headers []string
		want    int
	}{
		{"another site", nil, []string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		{"another site, by its address", nil, []string{"Origin", "https://evil.example"}, http.StatusForbidden},
		{"a page that hides its address", nil, []string{"Origin", "null"}, http.StatusForbidden},
		{"a sibling host that plants a cookie", planted, []string{"Sec-Fetch-Site", "same-site", "Cookie", "_csrf=planted"}, http.StatusForbidden},
		{"a sibling host, in an old browser", planted, []string{"Origin", "http://sibling." + host, "Cookie", "_csrf=planted"}, http.StatusForbidden},
		{"an empty cookie and an empty field", empty, []string{"Origin", "https://evil.example", "Cookie", "_csrf="}, http.StatusForbidden},
		{"our own page", nil, []string{"Sec-Fetch-Site", "same-origin"}, http.StatusOK},
		{"our own page, in an old browser", nil, []string{"Origin", s.URL}, http.StatusOK},
		{"no browser", nil, nil, http.StatusOK},
	} {
		t.Run(tt.name, func(t *testing.T) {
			form := url.Values{"title": {tt.name}, "body": {words}}
			for name, values := range tt.form {
				form[name] = values
			}
			a := bob.postFrom("/notes", form, tt.headers...)
			expect(t, "post", a, tt.want)
			if strings.Contains(a.Body, words) != (tt.want == http.StatusOK) {
				t.Errorf("the page shows the words: %t, want the opposite:\n%s", tt.want != http.StatusOK, a.Body)
			}
			stored := map[int]string{http.StatusOK: "1", http.StatusForbidden: "0"}[tt.want]
			expectRow(t, db, fmt.Sprintf("SELECT count(*) FROM notes WHERE title = '%s'", tt.name), stored)
		})
	}

	t.Run("another site signs nobody in", func(t *testing.T) {
		b := newBrowser(t, s)
		form := url.Values{"name": {"carol"}, "password": {seedPassword}}
		expect(t, "sign in", b.postFrom("/signin", form, "Sec-Fetch-Site", "cross-site"), http.StatusForbidden)
		expect(t, "the notes", b.get("/notes"), http.StatusUnauthorized)
	})
}

// What every answer tells a browser, of whatever kind it is.
func TestHeaders(t *testing.T) {
	s := startServer(t)
	for _, path := range []string{"/signin", "/", "/nowhere", "/assets/app.css", "/healthz", "/api/notes"} {
		header := newBrowser(t, s).get(path).Header
		for name, want := range map[string]string{
			"X-Content-Type-Options":       "nosniff",
			"X-Frame-Options":              "DENY",
			"Referrer-Policy":              "same-origin",
			"Cross-Origin-Opener-Policy":   "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Strict-Transport-Security":    "", // over plain http it means nothing
			"X-Xss-Protection":             "",
		} {
			if got := header.Get(name); got != want {
				t.Errorf("%s of %s = %q, want %q", name, path, got, want)
			}
		}
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
			if got := header.Get("Content-Security-Policy"); !strings.Contains(got, want) {
				t.Errorf("Content-Security-Policy of %s = %q, want %s in it", path, got, want)
			}
		}
	}
	for _, header := range []http.Header{newBrowser(t, s).get("/api/notes").Header, signIn(t, s, "bob", seedPassword).get("/notes").Header} {
		if got := header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("Cache-Control = %q, want no-store for what one person sees", got)
		}
	}
}

// Behind a proxy that speaks https, and that like most tells the server
// another Host, cookies are for https and for this host alone.
func TestHTTPS(t *testing.T) {
	proxy := newProxy(t)
	s := startServer(t, "PUBLIC_URL="+proxy.URL)
	proxy.to(s.URL)
	bob := proxy.browser(t)
	bob.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

	a := bob.postFrom("/signin", url.Values{"name": {"bob"}, "password": {seedPassword}}, "Origin", proxy.URL)
	expect(t, "sign in", a, http.StatusSeeOther)
	session := expectCookie(t, a, "__Host-session")
	expect(t, "the notes", bob.get("/notes"), http.StatusOK)
	if got, want := bob.get("/notes").Header.Get("Strict-Transport-Security"), "max-age=31536000"; got != want {
		t.Errorf("Strict-Transport-Security = %q, want %q", got, want)
	}
	a = bob.postFrom("/notes", url.Values{"title": {"By an old browser"}}, "Origin", proxy.URL)
	expect(t, "save", a, http.StatusSeeOther)
	expectCookie(t, a, "__Host-flash")
	expectStamps(t, s.database(t), "By an old browser", stamps{"bob", "bob", "NULL"})
	expect(t, "another site", bob.postFrom("/notes", url.Values{"title": {"Forged"}}, "Origin", "https://evil.example"), http.StatusForbidden)

	// Any host of the domain can plant a cookie of a plain name.
	stranger := proxy.browser(t)
	stranger.http.Jar.SetCookies(stranger.site(), []*http.Cookie{{Name: "session", Value: session.Value, Path: "/", Secure: true}})
	expect(t, "with a cookie that a sibling host planted", stranger.get("/notes"), http.StatusUnauthorized)
	if log := s.log.String(); strings.Contains(log, "PUBLIC_URL") {
		t.Errorf("the log finds fault with PUBLIC_URL:\n%s", tail(log))
	}
}

// Who signs in over another scheme than that which the cookies are for is not
// signed in, or not safely. The log says so, once, and what to do.
func TestOtherSchemeIsLogged(t *testing.T) {
	for _, tt := range []struct{ name, env, origin, host, want string }{
		{"plain http to https", "PUBLIC_URL=https://notes.example", "http://192.168.1.5:8080", "192.168.1.5:8080", "open https://notes.example there, or unset PUBLIC_URL"},
		{"https to plain http", "PUBLIC_URL=", "https://notes.example", "notes.example", "set PUBLIC_URL=https://notes.example"},
		{"in the local network", "PUBLIC_URL=", "http://192.168.1.5:8080", "192.168.1.5:8080", ""},
		{"by https", "PUBLIC_URL=https://notes.example", "https://notes.example", "notes.example", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := startServer(t, tt.env)
			for range 3 {
				b := newBrowser(t, s)
				a := b.postFrom("/signin", url.Values{"name": {"bob"}, "password": {seedPassword}}, "Origin", tt.origin, "Host", tt.host)
				// Go's client keeps cookies as a browser would.
				if signedIn := tt.env == "PUBLIC_URL="; signedIn != (a.Status == http.StatusOK) {
					t.Errorf("after signing in = %d, want to be signed in: %t", a.Status, signedIn)
				}
			}
			log := s.log.String()
			if got := strings.Count(log, "remedy="); got != min(len(tt.want), 1) || !strings.Contains(log, tt.want) {
				t.Errorf("the log has %d remedies, want %q once:\n%s", got, tt.want, tail(log))
			}
		})
	}
}

// expectCookie checks that an answer sets one cookie, for https and this host
// alone, and returns it.
func expectCookie(t *testing.T, a answer, name string) *http.Cookie {
	t.Helper()
	cookies := (&http.Response{Header: a.Header}).Cookies()
	if len(cookies) != 1 || cookies[0].Name != name {
		t.Fatalf("cookies = %v, want one, %s", cookies, name)
	}
	cookie := cookies[0]
	if !cookie.Secure || !cookie.HttpOnly || cookie.Path != "/" || cookie.Domain != "" || cookie.SameSite != http.SameSiteLaxMode {
		t.Errorf("cookie = %v, want Secure, HttpOnly, Path=/, no Domain, SameSite=Lax", cookie)
	}
	return cookie
}

// proxy speaks https in front of a server.
type proxy struct {
	*httptest.Server
	target *url.URL
}

func newProxy(tb testing.TB) *proxy {
	tb.Helper()
	p := &proxy{}
	p.Server = httptest.NewTLSServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(p.target) // and so the Host
		r.SetXForwarded()
	}})
	tb.Cleanup(p.Close)
	return p
}

func (p *proxy) to(target string) { p.target, _ = url.Parse(target) }

// browser is somebody who comes by the proxy.
func (p *proxy) browser(tb testing.TB) *browser {
	tb.Helper()
	b := newBrowser(tb, &server{URL: p.URL})
	b.http.Transport = p.Client().Transport
	return b
}
