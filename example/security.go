package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
)

// errOtherSite is why a form was refused: another site's page sent it.
var errOtherSite = errors.New("this request comes from another site")

// refuseOtherSites refuses requests that another site's page sent with a
// visitor's cookies, a sibling host's page too. The browser itself says where a
// request comes from, so forms carry no token. A program that is no browser
// says nothing and passes: it has nobody's cookies but its own.
func (a *app) refuseOtherSites() echo.MiddlewareFunc {
	protection := http.NewCrossOriginProtection()
	if a.config.publicURL != "" { // which the Host that a proxy sends may not be
		if err := protection.AddTrustedOrigin(a.config.publicURL); err != nil {
			panic(err) // readPublicURL takes nothing else
		}
	}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if protection.Check(c.Request()) != nil {
				return errOtherSite
			}
			return next(c)
		}
	}
}

// overPublicScheme makes every request one over the scheme of PUBLIC_URL: only
// the configuration knows what a proxy speaks to browsers, and headers that say
// so can be anybody's. (Since v4.16 Echo has a SchemeExtractor for it.)
func (a *app) overPublicScheme(next echo.HandlerFunc) echo.HandlerFunc {
	var state *tls.ConnectionState
	if a.config.scheme() == "https" {
		state = &tls.ConnectionState{}
	}
	return func(c echo.Context) error {
		r := c.Request()
		r.TLS = state
		for _, name := range []string{echo.HeaderXForwardedProto, echo.HeaderXForwardedProtocol, echo.HeaderXForwardedSsl, echo.HeaderXUrlScheme} {
			r.Header.Del(name)
		}
		return next(c)
	}
}

// securityHeaders tells browsers what no page here needs, and so what an
// attacker shall not have either.
func securityHeaders() echo.MiddlewareFunc {
	config := middleware.DefaultSecureConfig // among others, nosniff
	config.XSSProtection = ""                // a filter of old browsers that did harm
	config.XFrameOptions = "DENY"
	config.ReferrerPolicy = "same-origin"
	config.ContentSecurityPolicy = "default-src 'none'; style-src 'self'; img-src 'self' data:; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	// On https alone. Subdomains decide for themselves.
	config.HSTSMaxAge, config.HSTSExcludeSubdomains = int(365*24*time.Hour/time.Second), true
	secure := middleware.SecureWithConfig(config)
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return secure(func(c echo.Context) error {
			c.Response().Header().Set("Cross-Origin-Opener-Policy", "same-origin")
			c.Response().Header().Set("Cross-Origin-Resource-Policy", "same-origin")
			return next(c)
		})
	}
}

// warnOfScheme says once that a browser signed in over another scheme than that
// of PUBLIC_URL, which decides about the cookies: its next page may know nobody.
func (a *app) warnOfScheme(c echo.Context) {
	origin := fmt.Sprintf("%.200s", c.Request().Header.Get(echo.HeaderOrigin))
	scheme, _, _ := strings.Cut(origin, "://")
	problem, remedy := "", ""
	switch {
	case scheme == "http" && c.Scheme() == "https":
		problem = "a browser that signs in over plain http drops a cookie that is for https alone, and is not signed in"
		remedy = "open " + a.config.publicURL + " there, or unset PUBLIC_URL"
	case scheme == "https" && c.Scheme() == "http":
		problem = "a browser signed in over https, and its cookie would go over plain http, too"
		remedy = "set PUBLIC_URL=" + origin
	default:
		return
	}
	a.warned.Do(func() { slog.WarnContext(c.Request().Context(), problem, "at", origin, "remedy", remedy) })
}
