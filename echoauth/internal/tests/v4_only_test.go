package tests

import (
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/seed-3826ef92/whodunit/echoauth"
)

// TestV4SharedErrors keeps Echo v4's shared errors as they are: to set the
// Internal of one would show it to every other request.
func TestV4SharedErrors(t *testing.T) {
	e := echo.New()
	e.Use(echoauth.Middleware(), echoauth.RequireUser())
	e.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	if echo.ErrUnauthorized.Internal != nil {
		t.Errorf("echo.ErrUnauthorized.Internal = %v, want nil", echo.ErrUnauthorized.Internal)
	}
}
