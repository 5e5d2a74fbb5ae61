package echoauth

import (
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/seed-3826ef92/whodunit/echoauth/internal/httpauth"
)

// adapter is what Echo v4 does in its own way.
var adapter = &httpauth.Adapter{
	Response: func(c httpauth.Context) (header http.Header, sent bool) {
		response := c.(echo.Context).Response()
		return response.Header(), response.Committed
	},
	Route: func(c httpauth.Context) string { return c.(echo.Context).Path() },
	// Without an IPExtractor, v4 believes anybody's forwarding headers.
	ClientIP: func(c httpauth.Context) string {
		if ec := c.(echo.Context); ec.Echo().IPExtractor != nil {
			return ec.RealIP()
		}
		return ""
	},
	Log: func(c httpauth.Context, text string, _ ...slog.Attr) { c.(echo.Context).Logger().Error(text) },
}
