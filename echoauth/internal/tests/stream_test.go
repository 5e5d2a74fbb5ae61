package tests

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// TestWebSocket: a WebSocket has the actor that it was opened with, also after
// the echo.Context went to somebody else. The request's context does not end
// when the client leaves: CloseRead's does.
func TestWebSocket(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		e, _ := v.NewApp(t)
		e.Use(v.MiddlewareWithConfig(Config{Sources: []Source{headerSource}}))
		left := make(chan actor.Actor, 1)
		e.GET("/live", func(c Context) error {
			conn, err := websocket.Accept(v.Response(c), c.Request(), nil)
			if err != nil {
				return err
			}
			defer func() { _ = conn.CloseNow() }()
			ctx := conn.CloseRead(c.Request().Context())
			a, _ := actor.FromContext(ctx)
			_ = conn.Write(ctx, websocket.MessageText, []byte("hello "+a.String())) // an error where the client, who has read it, leaves first
			<-ctx.Done()
			a, _ = actor.FromContext(ctx)
			left <- a
			return nil
		}, v.RequireUser())
		server := httptest.NewServer(e)
		defer server.Close()

		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		conn, _, err := websocket.Dial(ctx, server.URL+"/live", &websocket.DialOptions{HTTPHeader: map[string][]string{"X-Test-User": {"1"}}})
		if err != nil {
			t.Fatal(err)
		}
		_, message, err := conn.Read(ctx)
		if want := "hello user:1"; string(message) != want || err != nil {
			t.Errorf("message = %q, %v, want %q", message, err, want)
		}
		if err := conn.CloseNow(); err != nil {
			t.Error(err)
		}
		select {
		case got := <-left:
			if got != alice {
				t.Errorf("actor when the client left = %v, want %v", got, alice)
			}
		case <-ctx.Done():
			t.Error("the handler does not see that the client left")
		}
		if _, _, err := websocket.Dial(ctx, server.URL+"/live", nil); err == nil {
			t.Error("nobody opened a WebSocket behind the guard")
		}
	})
}
