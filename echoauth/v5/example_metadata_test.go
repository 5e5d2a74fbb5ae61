package echoauth_test

import (
	"fmt"
	"net/http/httptest"
	"regexp"

	"github.com/labstack/echo/v5"

	"github.com/seed-3826ef92/whodunit/echoauth/v5"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

var traceparent = regexp.MustCompile(`^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$`)

// traced puts the trace id of a W3C traceparent header, where the request has one,
// into the metadata that the history records. A header is the client's word: what
// has another form is left out.
func traced(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c *echo.Context) error {
		r := c.Request()
		if id := traceparent.FindStringSubmatch(r.Header.Get("Traceparent")); id != nil {
			c.SetRequest(r.WithContext(actor.NewMetadataContext(r.Context(), map[string]string{"trace_id": id[1]})))
		}
		return next(c)
	}
}

// What a request changed is found by the trace id of its logs.
func Example_traceID() {
	e := echo.New()
	e.Use(traced, echoauth.Middleware())
	e.PUT("/notes/1", func(c *echo.Context) error {
		ctx := c.Request().Context() // db.WithContext(ctx) records it
		fmt.Println(actor.MetadataFromContext(ctx))
		return nil
	})

	r := httptest.NewRequest("PUT", "/notes/1", nil)
	r.Header.Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	e.ServeHTTP(httptest.NewRecorder(), r)
	// Output: map[trace_id:4bf92f3577b34da6a3ce929d0e0e4736]
}
