package main

import (
	"errors"
	"mime"
	"net/http"

	"github.com/labstack/echo/v4"
)

// readBody reads what a request sent into v, and neither path nor query. The
// errors of Echo's binder name types and functions of this program. Whoever
// sent the request reads what to send instead.
func readBody(c echo.Context, v any) error {
	mediaType, _, _ := mime.ParseMediaType(c.Request().Header.Get(echo.HeaderContentType))
	switch mediaType {
	case echo.MIMEApplicationJSON, echo.MIMEApplicationForm, echo.MIMEMultipartForm:
	default: // Echo also reads XML, which fills fields that the tags for JSON and forms leave out
		return echo.NewHTTPError(http.StatusUnsupportedMediaType, "Send a form, or JSON with Content-Type: application/json.")
	}
	err := (&echo.DefaultBinder{}).BindBody(c, v)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, echo.ErrStatusRequestEntityTooLarge):
		return echo.ErrStatusRequestEntityTooLarge
	}
	return echo.NewHTTPError(http.StatusBadRequest, "What was sent can't be read. Texts have to be strings, a version a number.").WithInternal(err)
}
