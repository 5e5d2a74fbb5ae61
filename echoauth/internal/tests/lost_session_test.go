package tests

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomodule/redigo/redis"
	"github.com/gorilla/sessions"
	"gorm.io/gorm"
)

// lossyStore answers for each session that a visitor has with what lost returns.
type lossyStore struct {
	*sessions.CookieStore
	lost    func(s *sessions.Session) (*sessions.Session, error)
	destroy error
}

func (s *lossyStore) Get(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(s, name)
}

func (s *lossyStore) New(r *http.Request, name string) (*sessions.Session, error) {
	session, err := s.CookieStore.New(r, name)
	if _, missing := r.Cookie(name); missing == nil && s.lost != nil {
		return s.lost(session)
	}
	return session, err
}

func (s *lossyStore) Save(r *http.Request, w http.ResponseWriter, session *sessions.Session) error {
	if session.Options.MaxAge < 0 && s.destroy != nil {
		return s.destroy
	}
	return s.CookieStore.Save(r, w, session)
}

// TestLostSession: whatever a store answers for a session that it lost, its
// visitor is anonymous and can sign in again, and out.
func TestLostSession(t *testing.T) {
	errs := []error{
		nil,
		fs.ErrNotExist,
		sql.ErrNoRows,
		redis.ErrNil,
		gorm.ErrRecordNotFound,
		errors.New("redis: nil"),
		errors.New("memcache: cache miss"),
		errors.New("mongo: no documents in result"),
	}
	for name, session := range map[string]func(s *sessions.Session) *sessions.Session{
		"the session, with its id": func(s *sessions.Session) *sessions.Session { s.ID = "lost"; return s },
		"nothing":                  func(*sessions.Session) *sessions.Session { return nil },
		"a bare one":               func(s *sessions.Session) *sessions.Session { return sessions.NewSession(s.Store(), s.Name()) },
	} {
		for _, err := range errs {
			if err != nil {
				err = fmt.Errorf("session lost: %w", err)
			}
			t.Run(fmt.Sprint(name, " and ", err), func(t *testing.T) {
				eachVersion(t, func(t *testing.T, v version) {
					store := &lossyStore{CookieStore: newCookieStore()}
					e := newSite(t, v, store, Config{})
					b := newBrowser(t, e)
					b.post("/login/1")
					store.lost, store.destroy = func(s *sessions.Session) (*sessions.Session, error) {
						s.Values = map[any]any{} // it is lost
						return session(s), err
					}, err
					want(t, "whoami", b.get("/whoami"), "anonymous")
					want(t, "login", b.post("/login/2"), "user:2")
					again := b.copied()
					want(t, "logout of a lost session", again.post("/logout"), "anonymous")
					if len(again.cookies) > 0 {
						t.Errorf("cookies after the logout = %v, want none", again.cookies)
					}
					store.lost = nil
					want(t, "whoami with the new session", b.get("/whoami"), "user:2")
				})
			})
		}
	}
}

// TestUnreadableSession: an error that does not say that the session is gone may
// be an outage. It fails the requests of signed-in visitors; a login that asks
// for no old session goes on.
func TestUnreadableSession(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		for name, session := range map[string]func(s *sessions.Session) *sessions.Session{
			"the session": func(s *sessions.Session) *sessions.Session { return s },
			"nothing":     func(*sessions.Session) *sessions.Session { return nil },
		} {
			t.Run(name, func(t *testing.T) {
				store := &lossyStore{CookieStore: newCookieStore()}
				e := newSite(t, v, store, Config{})
				b := newBrowser(t, e)
				b.post("/login/1")
				b.post("/cart/tea")
				store.lost = func(s *sessions.Session) (*sessions.Session, error) {
					return session(s), errors.New("read: connection reset")
				}
				if got := b.do("GET", "/whoami").Code; got != http.StatusServiceUnavailable {
					t.Errorf("whoami = %d, want 503", got)
				}
				in, _ := v.NewApp(t)
				in.Use(v.Sessions(store), v.MiddlewareWithConfig(Config{Sources: []Source{}}))
				signIn(in)
				b.handler = in
				want(t, "login", b.post("/login/1"), "user:1")
				store.lost, b.handler = nil, e
				want(t, "whoami", b.get("/whoami"), "user:1")
				want(t, "cart, which could not be read", b.get("/cart"), "")
			})
		}
	})
}

// TestStoreBehindMissingSocket: a server that stops takes its Unix socket along.
// That no such file exists says nothing of the session then.
func TestStoreBehindMissingSocket(t *testing.T) {
	_, err := net.Dial("unix", filepath.Join(t.TempDir(), "redis.sock"))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("error of a dial = %v, want one that is fs.ErrNotExist", err)
	}
	down := fmt.Errorf("get session: %w", err)
	eachVersion(t, func(t *testing.T, v version) {
		store := &brokenStore{Store: newCookieStore()}
		b := newBrowser(t, newSite(t, v, store, Config{}))
		b.post("/login/1")
		store.get, store.save = down, down
		if got := b.do("GET", "/whoami").Code; got != http.StatusServiceUnavailable {
			t.Errorf("whoami = %d, want 503", got)
		}
		store.get = nil
		if got := b.post("/logout"); !strings.Contains(got, "redis.sock") {
			t.Errorf("logout = %q, want the store's error: the record is still there", got)
		}
	})
}
