package echoauth

import (
	"log/slog"
	"net/http"
	"weak"

	"github.com/labstack/echo/v4"

	"github.com/seed-3826ef92/whodunit/echoauth/internal/httpauth"
)

// adapter is what Echo v4 does in its own way.
var adapter = &httpauth.Adapter{
	Response: func(c httpauth.Context) http.ResponseWriter { return c.(echo.Context).Response() },
	Committed: func(w http.ResponseWriter) bool {
		response, ok := w.(*echo.Response)
		return ok && response.Committed
	},
	App:   func(c httpauth.Context) any { return weak.Make(c.(echo.Context).Echo()) },
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
