package echoauth

import (
	"net"

	"github.com/labstack/echo/v4"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// metadata copies out of c what [actor.NewRequestContext] then sanitises.
func metadata(c echo.Context) actor.Request {
	r := c.Request()
	// The id that Echo's RequestID middleware made is in the response only.
	id := c.Response().Header().Get(echo.HeaderXRequestID)
	if id == "" {
		id = r.Header.Get(echo.HeaderXRequestID)
	}
	return actor.Request{
		ID:        id,
		IP:        clientIP(c),
		UserAgent: r.UserAgent(),
		Method:    r.Method,
		Route:     c.Path(),
	}
}

// clientIP believes forwarding headers only where the application chose an
// IPExtractor; without one, Echo's RealIP believes anybody's.
func clientIP(c echo.Context) string {
	if c.Echo().IPExtractor != nil {
		return c.RealIP()
	}
	host, _, err := net.SplitHostPort(c.Request().RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}
