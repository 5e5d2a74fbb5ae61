package tests

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	echo5 "github.com/labstack/echo/v5"

	"github.com/seed-3826ef92/whodunit/echoauth"
	auth5 "github.com/seed-3826ef92/whodunit/echoauth/v5"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/history/historyweb"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// mount is a way to mount the page, and the route that it records of a restore.
type mount struct {
	http.Handler
	route string
}

// mounts are ways to mount a page at /admin/history/, by their names.
func mounts(page http.Handler) map[string]mount {
	mux := http.NewServeMux()
	mux.Handle("/admin/history/", page)
	recorded := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, pattern := mux.Handler(r)
		mux.ServeHTTP(w, r.WithContext(actor.NewRequestContext(r.Context(), actor.Request{Method: r.Method, Route: pattern})))
	})
	v4 := echo.New()
	v4.Use(echoauth.MiddlewareWithConfig(echoauth.Config{Request: true}))
	group4 := v4.Group("/admin")
	group4.Any("/history/*", echo.WrapHandler(page))
	toPage := http.RedirectHandler("/admin/history/", http.StatusSeeOther)
	group4.GET("/history", echo.WrapHandler(toPage))
	v5 := echo5.New()
	v5.Use(auth5.MiddlewareWithConfig(auth5.Config{Request: true}))
	group5 := v5.Group("/admin")
	group5.Any("/history/*", echo5.WrapHandler(page))
	group5.GET("/history", echo5.WrapHandler(toPage))
	return map[string]mount{
		"net/http": {recorded, "/admin/history/"}, "Echo v4": {v4, "/admin/history/*"}, "Echo v5": {v5, "/admin/history/*"},
	}
}

// Wherever the page is mounted, also behind a proxy that takes a part of the path
// away, its forms and links stay within.
func TestRestoringComesBackToThePage(t *testing.T) {
	t.Parallel()
	db, plain := shop(t, dbtest.New(t, dbtest.SQLite))
	must(t, db.WithContext(as(alice)).Create(&Order{ID: 17, Customer: "Ms Miller"}).Error)
	time.Sleep(20 * time.Millisecond)
	form := url.Values{"table": {"orders"}, "key": {"17"}, "at": {time.Now().Format(time.RFC3339Nano)}}
	time.Sleep(20 * time.Millisecond)
	for name, mount := range mounts(historyweb.Handler(db, historyweb.Config{Tables: tables, MayRestore: anybodyMay})) {
		for _, prefix := range []string{"", "/app"} {
			must(t, db.WithContext(as(alice)).Model(&Order{ID: 17}).Update("customer", "Ms X").Error)
			b := visit(t, http.StripPrefix(prefix, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mount.ServeHTTP(w, r.WithContext(actor.NewContext(r.Context(), bob)))
			})))
			at, body := b.expect(http.StatusOK, "POST", prefix+"/admin/history/restore", "same-origin", form)
			if want := prefix + "/admin/history/row"; at != want {
				t.Errorf("%s: a restore leads to %s, want %s", name, at, want)
			}
			changes, err := history.Of(plain, &Order{ID: 17})
			must(t, err)
			if r := changes[0].ChangeSet.Request; r.Method != "POST" || r.Route != mount.route {
				t.Errorf("%s: a restore is recorded as %s %s, want the route %s", name, r.Method, r.Route, mount.route)
			}
			expect(t, name, body, "POST "+mount.route)
		}
		b := visit(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mount.ServeHTTP(w, r.WithContext(actor.NewContext(r.Context(), bob)))
		}))
		if at, _ := b.expect(http.StatusOK, "GET", "/admin/history?table=orders", "none", nil); at != "/admin/history/" {
			t.Errorf("%s: the page without its slash leads to %s", name, at)
		}
	}
}
