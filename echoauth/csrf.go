package echoauth

import (
	"crypto/rand"
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
)

// renewCSRF replaces the token of Echo's CSRF middleware, which on its own
// keeps the token of the browser's cookie: one that an attacker planted before
// the login would be good after it.
func renewCSRF(c echo.Context) {
	var (
		header = c.Response().Header()
		key    = middleware.DefaultCSRFConfig.ContextKey
		old, _ = c.Get(key).(string)
		fresh  = rand.Text()
	)
	for i, line := range header[setCookie] {
		cookie, err := http.ParseSetCookie(line)
		if err != nil || !isCSRFCookie(cookie, old) {
			continue
		}
		cookie.Value = fresh
		header[setCookie][i] = cookie.String()
		c.Set(key, fresh)
		return
	}
	// The middleware did not run for this request, or trusted Sec-Fetch-Site.
	expireCSRF(c)
}

// isCSRFCookie recognises the cookie under another name by the token.
func isCSRFCookie(cookie *http.Cookie, token string) bool {
	return cookie.Name == middleware.DefaultCSRFConfig.CookieName || token != "" && cookie.Value == token
}

// expireCSRF makes the browser forget its token. Echo's cookie has no Path
// unless it is told one, so it may lie at the request's directory or at "/".
func expireCSRF(c echo.Context) {
	name := middleware.DefaultCSRFConfig.CookieName
	if _, err := c.Request().Cookie(name); err != nil {
		return
	}
	for _, path := range []string{"", "/"} {
		c.SetCookie(&http.Cookie{Name: name, Path: path, MaxAge: -1})
	}
}
