package main

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
)

// errOtherSite is why a form was refused: another site's page sent it.
var errOtherSite = errors.New("this request comes from another site")

// refuseOtherSites refuses requests that another site's page sent with a
// visitor's cookies, a sibling host's page too. The browser itself says where a
// request comes from, so forms carry no token. A program that is no browser
// says nothing and passes: it has nobody's cookies but its own.
func refuseOtherSites() echo.MiddlewareFunc {
	protection := http.NewCrossOriginProtection()
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if protection.Check(c.Request()) != nil {
				return errOtherSite
			}
			return next(c)
		}
	}
}

func securityHeaders() middleware.SecureConfig {
	config := middleware.DefaultSecureConfig
	config.XFrameOptions = "DENY"
	config.ReferrerPolicy = "same-origin"
	config.ContentSecurityPolicy = "default-src 'none'; style-src 'self'; img-src 'self' data:; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	return config
}
