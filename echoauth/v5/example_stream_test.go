package echoauth_test

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/labstack/echo/v5"

	"github.com/seed-3826ef92/whodunit/echoauth/v5"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// Server-sent events have one actor from begin to end. Their context ends with
// the connection.
func Example_serverSentEvents() {
	e := echo.New()
	e.Use(echoauth.Middleware(), signInAs(actor.User(42)))
	left := make(chan actor.Actor)
	e.GET("/events", func(c *echo.Context) error {
		ctx := c.Request().Context()
		a, _ := actor.FromContext(ctx)
		w := c.Response()
		w.Header().Set(echo.HeaderContentType, "text/event-stream")
		w.WriteHeader(http.StatusOK)
		if _, err := fmt.Fprintf(w, "data: hello %s\n\n", a); err != nil {
			return err
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			return err
		}
		<-ctx.Done()
		left <- a
		return nil
	})
	server := httptest.NewServer(e)
	defer server.Close()

	response, err := http.Get(server.URL + "/events")
	if err != nil {
		panic(err)
	}
	line, err := bufio.NewReader(response.Body).ReadString('\n')
	fmt.Print(line)
	if err := response.Body.Close(); err != nil { // the client leaves
		panic(err)
	}
	fmt.Println(<-left, "left", err)
	// Output:
	// data: hello user:42
	// user:42 left <nil>
}
