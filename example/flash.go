package main

import (
	"net/http"
	"net/url"
	"time"

	"github.com/labstack/echo/v4"
)

const flashCookie = "flash"

// flash leaves a message for the next page. It is no part of the session,
// which nothing but signing in and out writes.
func flash(c echo.Context, message string) {
	c.SetCookie(newCookie(c, flashCookie, url.QueryEscape(message), time.Minute))
}

// takeFlash returns the message, which is shown once.
func takeFlash(c echo.Context) string {
	cookie, err := c.Cookie(flashCookie)
	if err != nil {
		return ""
	}
	c.SetCookie(newCookie(c, flashCookie, "", -time.Second))
	message, _ := url.QueryUnescape(cookie.Value)
	return message
}

func newCookie(c echo.Context, name, value string, lifetime time.Duration) *http.Cookie {
	return &http.Cookie{
		Name:     name,
		Value:    value,
		Path:     "/",
		MaxAge:   int(lifetime / time.Second),
		HttpOnly: true,
		Secure:   c.Scheme() == "https",
		SameSite: http.SameSiteLaxMode,
	}
}
