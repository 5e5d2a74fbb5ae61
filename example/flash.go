package main

import (
	"net/http"
	"net/url"
	"time"

	"github.com/labstack/echo/v4"
)

// flash leaves a message for the next page. It is no part of the session,
// which nothing but signing in and out writes.
func flash(c echo.Context, message string) {
	c.SetCookie(newCookie(c, "flash", url.QueryEscape(message), time.Minute))
}

// takeFlash returns the message, which is shown once.
func takeFlash(c echo.Context) string {
	cookie, err := c.Cookie(cookieName(c.Scheme(), "flash"))
	if err != nil {
		return ""
	}
	c.SetCookie(newCookie(c, "flash", "", -time.Second))
	message, _ := url.QueryUnescape(cookie.Value)
	return message
}

// cookieName is what a cookie is called. On https its name says that no other
// host can have set it, and browsers see to that.
func cookieName(scheme, name string) string {
	if scheme == "https" {
		return "__Host-" + name
	}
	return name
}

func newCookie(c echo.Context, name, value string, lifetime time.Duration) *http.Cookie {
	return &http.Cookie{
		Name:     cookieName(c.Scheme(), name),
		Value:    value,
		Path:     "/",
		MaxAge:   int(lifetime / time.Second),
		HttpOnly: true,
		Secure:   c.Scheme() == "https",
		SameSite: http.SameSiteLaxMode,
	}
}
