package echoauth_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/coder/websocket"
	"github.com/labstack/echo/v4"

	"github.com/seed-3826ef92/whodunit/echoauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// A WebSocket keeps the actor that it was opened with for as long as it lives.
// The request's context does not end when the client leaves: CloseRead's does.
// For a long life, ask now and then whether the account is still good.
func Example_webSocket() {
	e := echo.New()
	e.Use(echoauth.Middleware(), signInAs(actor.User(42)))
	e.GET("/live", func(c echo.Context) error {
		conn, err := websocket.Accept(c.Response(), c.Request(), nil)
		if err != nil {
			return err
		}
		defer func() { _ = conn.CloseNow() }()
		ctx := conn.CloseRead(c.Request().Context())
		a, _ := actor.FromContext(ctx)
		return conn.Write(ctx, websocket.MessageText, []byte("hello "+a.String()))
	}, echoauth.RequireUser())
	server := httptest.NewServer(e)
	defer server.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, server.URL+"/live", nil)
	if err != nil {
		panic(err)
	}
	defer func() { _ = conn.CloseNow() }()
	_, message, err := conn.Read(ctx)
	fmt.Println(string(message), err)
	// Output: hello user:42 <nil>
}

// Server-sent events, too, have one actor from begin to end. Their context
// ends with the connection.
func Example_serverSentEvents() {
	e := echo.New()
	e.Use(echoauth.Middleware(), signInAs(actor.User(42)))
	left := make(chan actor.Actor)
	e.GET("/events", func(c echo.Context) error {
		ctx := c.Request().Context()
		a, _ := actor.FromContext(ctx)
		w := c.Response()
		w.Header().Set(echo.HeaderContentType, "text/event-stream")
		w.WriteHeader(http.StatusOK)
		if _, err := fmt.Fprintf(w, "data: hello %s\n\n", a); err != nil {
			return err
		}
		w.Flush()
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
