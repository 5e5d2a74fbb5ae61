package echoauth

import (
	"log/slog"
	"net/http"
	"weak"

	"github.com/labstack/echo/v5"

	"github.com/seed-3826ef92/whodunit/echoauth/internal/httpauth"
)

// adapter is what Echo v5 does in its own way.
var adapter = &httpauth.Adapter{
	Response: func(c httpauth.Context) http.ResponseWriter { return c.(*echo.Context).Response() },
	Committed: func(w http.ResponseWriter) bool {
		response, ok := w.(*echo.Response)
		return ok && response.Committed
	},
	App:   func(c httpauth.Context) any { return weak.Make(c.(*echo.Context).Echo()) },
	Route: func(c httpauth.Context) string { return c.(*echo.Context).Path() },
	// Without an IPExtractor, v5 believes no forwarding headers.
	ClientIP: func(c httpauth.Context) string { return c.(*echo.Context).RealIP() },
	Log: func(c httpauth.Context, text string, attrs ...slog.Attr) {
		c.(*echo.Context).Logger().LogAttrs(c.Request().Context(), slog.LevelError, text, attrs...)
	},
}
