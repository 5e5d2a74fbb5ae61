package httpauth

import (
	"crypto/rand"
	"net/http"
)

// csrfCookie is the default cookie name of Echo's CSRF middleware.
const csrfCookie = "_csrf"

// renewCSRF replaces the token of Echo's CSRF middleware, which on its own
// keeps the token of the browser's cookie: one that an attacker planted before
// the login would be good after it.
func renewCSRF(c Context, header http.Header) {
	old, _ := c.Get(csrfKey).(string)
	for i, line := range header[setCookie] {
		cookie, err := http.ParseSetCookie(line)
		if err != nil || !isCSRFCookie(cookie, old) {
			continue
		}
		cookie.Value = rand.Text()
		header[setCookie][i] = cookie.String()
		c.Set(csrfKey, cookie.Value)
		return
	}
	// The middleware did not run for this request, or trusted Sec-Fetch-Site.
	expireCSRF(c, header)
}

// isCSRFCookie recognises the cookie under another name by the token.
func isCSRFCookie(cookie *http.Cookie, token string) bool {
	return cookie.Name == csrfCookie || token != "" && cookie.Value == token
}

// expireCSRF makes the browser forget its token. Echo's cookie has no Path
// unless it is told one, so it may lie at the request's directory or at "/".
func expireCSRF(c Context, header http.Header) {
	if _, err := c.Request().Cookie(csrfCookie); err != nil {
		return
	}
	for _, path := range []string{"", "/"} {
		header.Add(setCookie, (&http.Cookie{Name: csrfCookie, Path: path, MaxAge: -1}).String())
	}
}
