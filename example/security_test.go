package main_test

import (
	"fmt"
	"net/http"
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
	for _, tt := range []struct {
		name    string
		form    url.Values
		headers []string
		want    int
	}{
		{"another site", nil, []string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		{"another site, by its address", nil, []string{"Origin", "https://evil.example"}, http.StatusForbidden},
		{"a page that hides its address", nil, []string{"Origin", "null"}, http.StatusForbidden},
		{"a sibling host that plants a cookie", url.Values{"csrf": {"planted"}},
			[]string{"Sec-Fetch-Site", "same-site", "Cookie", "_csrf=planted"}, http.StatusForbidden},
		{"a sibling host, in an old browser", url.Values{"csrf": {"planted"}},
			[]string{"Origin", "http://sibling." + host, "Cookie", "_csrf=planted"}, http.StatusForbidden},
		{"an empty cookie and an empty field", url.Values{"csrf": {""}},
			[]string{"Origin", "https://evil.example", "Cookie", "_csrf="}, http.StatusForbidden},
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
		expect(t, "the notes", b.get("/"), http.StatusUnauthorized)
	})
}
