package tests

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/boj/redistore"
	"github.com/gomodule/redigo/redis"
	"github.com/gorilla/sessions"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// eachStore runs test with each of gorilla's stores, as its constructor makes
// them.
func eachStore(t *testing.T, test func(t *testing.T, store sessions.Store)) {
	t.Run("CookieStore", func(t *testing.T) { test(t, newCookieStore()) })
	t.Run("CookieStore encrypted", func(t *testing.T) { test(t, sessions.NewCookieStore(testKey, testKey)) })
	t.Run("FilesystemStore", func(t *testing.T) { test(t, newFilesystemStore(t)) })
	t.Run("RediStore", func(t *testing.T) { test(t, newRediStore(t)) })
	t.Run("RediStore JSON", func(t *testing.T) {
		store := newRediStore(t)
		store.SetSerializer(redistore.JSONSerializer{})
		test(t, store)
	})
}

// eachRecordStore runs test with the stores whose cookies hold an id only.
func eachRecordStore(t *testing.T, test func(t *testing.T, store sessions.Store)) {
	t.Run("FilesystemStore", func(t *testing.T) { test(t, newFilesystemStore(t)) })
	t.Run("RediStore", func(t *testing.T) { test(t, newRediStore(t)) })
}

func newFilesystemStore(tb testing.TB) *sessions.FilesystemStore {
	tb.Helper()
	return sessions.NewFilesystemStore(tb.TempDir(), testKey)
}

func newRediStore(tb testing.TB) *redistore.RediStore {
	tb.Helper()
	addr := os.Getenv("WHODUNIT_REDIS")
	if addr == "" {
		tb.Skip("WHODUNIT_REDIS is not set")
	}
	store, err := redistore.NewRediStore(4, "tcp", addr, "", "", testKey)
	if err != nil {
		tb.Fatal(err)
	}
	prefix := "whodunit:" + strings.ReplaceAll(tb.Name(), "/", ":") + ":"
	store.SetKeyPrefix(prefix)
	tb.Cleanup(func() {
		conn := store.Pool.Get()
		keys, err := redis.Strings(conn.Do("KEYS", prefix+"*"))
		for _, key := range keys {
			_, delErr := conn.Do("DEL", key)
			err = errors.Join(err, delErr)
		}
		if err := errors.Join(err, conn.Close(), store.Close()); err != nil {
			tb.Error(err)
		}
	})
	return store
}

// newSite is an application over store: signIn's routes, and some that work
// with the session on their own.
func newSite(tb testing.TB, v version, store sessions.Store, config Config) *App {
	tb.Helper()
	e, _ := v.NewApp(tb)
	e.Use(v.Sessions(store), v.MiddlewareWithConfig(config))
	signIn(e)
	e.POST("/impersonate/:id", answer(v, func(c Context) error {
		return v.Impersonate(c, actor.User(c.Param("id")))
	}))
	e.POST("/stop", answer(v, v.StopImpersonating))
	e.POST("/cart/:item", func(c Context) error {
		s, err := v.Session("session", c)
		if err != nil {
			return err
		}
		s.Values["cart"] = c.Param("item")
		if err := s.Save(c.Request(), v.Response(c)); err != nil {
			return err
		}
		return c.String(http.StatusOK, "saved")
	})
	e.GET("/cart", func(c Context) error {
		s, err := v.Session("session", c)
		if err != nil {
			return err
		}
		cart, _ := s.Values["cart"].(string)
		return c.String(http.StatusOK, cart)
	})
	return e
}

// brokenStore fails as a store does whose server is down, once it is switched
// off.
type brokenStore struct {
	sessions.Store
	get, save error
}

func (s *brokenStore) Get(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(s, name)
}

func (s *brokenStore) New(r *http.Request, name string) (*sessions.Session, error) {
	if s.get != nil {
		return sessions.NewSession(s, name), s.get
	}
	return s.Store.New(r, name)
}

func (s *brokenStore) Save(r *http.Request, w http.ResponseWriter, session *sessions.Session) error {
	if s.save != nil {
		return s.save
	}
	return s.Store.Save(r, w, session)
}
