package tests

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/seed-3826ef92/whodunit/echoauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// headerSource takes a test's word for it.
func headerSource(c Context) (actor.Actor, bool, error) {
	name := c.Request().Header.Get("X-Test-User")
	return actor.User(name), name != "", nil
}

// TestBesideEchosMiddleware: whatever stands before or behind, the handler and
// the middleware outside see the same actor.
func TestBesideEchosMiddleware(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		ours := v.MiddlewareWithConfig(Config{Sources: []Source{headerSource}})
		for name, neighbour := range v.Neighbours() {
			for order, chain := range map[string][]Middleware{"before": {neighbour, ours}, "behind": {ours, neighbour}} {
				t.Run(name+" "+order, func(t *testing.T) {
					e, _ := v.NewApp(t)
					var outside actor.Actor
					e.Use(func(next Handler) Handler {
						return func(c Context) error {
							err := next(c)
							outside = v.Current(c)
							return err
						}
					})
					e.Use(chain...)
					e.GET("/", whoami)
					req := httptest.NewRequest(http.MethodGet, "/", nil)
					req.Header.Set("X-Test-User", "1")
					rec := httptest.NewRecorder()
					e.ServeHTTP(rec, req)
					want(t, "the handler's actor", rec.Body.String(), alice.String())
					want(t, "the actor outside", outside.String(), alice.String())
				})
			}
		}
	})
}

// changeContext is a middleware of net/http.
func changeContext(next http.Handler) http.Handler {
	type key struct{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, true)))
	})
}

// TestHTTP2StreamsOfOneConnection: a hundred people behind one proxy
// connection stay themselves.
func TestHTTP2StreamsOfOneConnection(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		e, _ := v.NewApp(t)
		e.Use(v.MiddlewareWithConfig(Config{Sources: []Source{headerSource}}))
		e.GET("/", func(c Context) error {
			time.Sleep(5 * time.Millisecond) // until the others are in flight
			return whoami(c)
		})
		server := httptest.NewUnstartedServer(e)
		server.EnableHTTP2 = true
		server.StartTLS()
		defer server.Close()
		client := &http.Client{Transport: &http.Transport{
			ForceAttemptHTTP2: true,
			TLSClientConfig:   &tls.Config{RootCAs: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs},
		}}
		defer client.CloseIdleConnections()
		get := func(user actor.Actor) {
			req, _ := http.NewRequest(http.MethodGet, server.URL, nil)
			req.Header.Set("X-Test-User", user.ID)
			res, err := client.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = res.Body.Close() }()
			body, _ := io.ReadAll(res.Body)
			if res.ProtoMajor != 2 || string(body) != user.String() {
				t.Errorf("a stream of %v = %s over HTTP/%d", user, body, res.ProtoMajor)
			}
		}
		get(actor.User(999)) // opens the connection, which each of the others would else do
		var wg sync.WaitGroup
		for n := range 100 {
			wg.Go(func() { get(actor.User(n + 1)) })
		}
		wg.Wait()
	})
}

// TestUserInATransactionOfTheOnlyConnection: the record can't be loaded then,
// and the wait for it ends.
func TestUserInATransactionOfTheOnlyConnection(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		db, err := sql.Open("sqlite", "file:"+t.TempDir()+"/users.db")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		db.SetMaxOpenConns(1)
		for _, statement := range []string{"CREATE TABLE users (id text, name text)", "INSERT INTO users VALUES ('1', 'Alice')"} {
			if _, err := db.Exec(statement); err != nil {
				t.Fatal(err)
			}
		}
		config := Config{
			LoadTimeout: 50 * time.Millisecond,
			Load: func(ctx context.Context, a actor.Actor) (any, error) {
				user := &account{}
				return user, db.QueryRowContext(ctx, "SELECT name FROM users WHERE id = ?", a.ID).Scan(&user.ID)
			},
		}
		serveAs(t, v, config, alice, func(_ Context, ctx context.Context) {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := v.User(ctx); !errors.Is(err, echoauth.ErrLoadTimeout) {
				t.Errorf("User inside the transaction = %v, want ErrLoadTimeout", err)
			}
			if _, err := tx.Exec("INSERT INTO users VALUES ('2', 'Bob')"); err != nil {
				t.Errorf("the transaction afterwards: %v", err)
			}
			if err := tx.Commit(); err != nil {
				t.Error(err)
			}
			user, err := v.User(ctx)
			if err != nil || user.ID != "Alice" {
				t.Errorf("User after the transaction = %v, %v, want Alice", user, err)
			}
		})
	})
}
