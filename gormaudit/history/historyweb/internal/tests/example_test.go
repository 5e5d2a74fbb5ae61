package tests

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/history/historyweb"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

type Note struct {
	ID    uint
	Title string
}

// The lines of the package comment.
func _(db *gorm.DB, mux *http.ServeMux, e *echo.Echo) {
	page := historyweb.Handler(db, historyweb.Config{
		Tables: []historyweb.Table{historyweb.For[Note](historyweb.Table{Title: "title"})},
	})
	mux.Handle("/history/", page)               // net/http
	e.Any("/history/*", echo.WrapHandler(page)) // Echo, v4 and v5
	e.GET("/history", echo.WrapHandler(http.RedirectHandler("/history/", http.StatusSeeOther)))
}

// The addresses of the package comment lead to pages.
func TestDocumentedLinks(t *testing.T) {
	t.Parallel()
	db, _ := shop(t, dbtest.New(t, dbtest.SQLite))
	must(t, db.WithContext(as(alice)).Create(&Order{ID: 17, Customer: "Ms Miller"}).Error)
	must(t, db.WithContext(as(alice)).Create(&Line{OrderID: 17, No: 3, Text: "rope"}).Error)
	must(t, db.WithContext(as(alice)).Unscoped().Delete(&Order{ID: 17}).Error)
	h := historyweb.Handler(db, historyweb.Config{Tables: tables})
	doc, err := os.ReadFile("../../doc.go")
	must(t, err)
	links := regexp.MustCompile(`(?m)^//   - .*: ((?:row|moment|\./)\?\S+)$`).FindAllStringSubmatch(string(doc), -1)
	want := []string{"deleted it Customer's name [deleted: Ms Miller]", "It did not exist yet", "Order line (No 3, Order id 17)", "deleted Order 17"}
	if len(links) != len(want) {
		t.Fatalf("doc.go has %d links, want %d: %q", len(links), len(want), links)
	}
	link := "/history/row?" + url.Values{"table": {"lines"}, "key": {"3", "17"}}.Encode()
	links, want = append(links, []string{"", strings.TrimPrefix(link, "/history/")}), append(want, "rope")
	for i, link := range links {
		w := get(h, alice, "/history/"+strings.TrimPrefix(link[1], "./"))
		if expect(t, link[1], text(w), want[i]); w.Code != http.StatusOK {
			t.Errorf("%s = %d, want 200", link[1], w.Code)
		}
	}
}

// crate has a table in a schema that the model names.
type crate struct {
	ID    uuid.UUID
	Label string
}

// cratesSchema is a schema of this run of the tests: others may use the database, too.
var cratesSchema = "whodunit_" + strings.ToLower(rand.Text()[:12])

func (crate) TableName() string { return cratesSchema + ".crates" }

func TestLinksToATableInASchema(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t, dbtest.Postgres).Open(t)
	must(t, db.Exec("CREATE SCHEMA "+cratesSchema).Error)
	t.Cleanup(func() { must(t, db.Exec("DROP SCHEMA "+cratesSchema+" CASCADE").Error) })
	must(t, db.Use(history.New()))
	must(t, history.Migrate(db, &crate{}))
	const id = "6ba7b810-9dad-41d1-80b4-00c04fd430c8"
	must(t, db.WithContext(as(alice)).Create(&crate{ID: uuid.MustParse(id), Label: "rope"}).Error)
	h := historyweb.Handler(db, historyweb.Config{Tables: []historyweb.Table{historyweb.For[crate](historyweb.Table{Label: "Crate"})}})
	for _, page := range []string{"row", "moment", ""} {
		w := get(h, alice, "/"+page+"?table="+cratesSchema+".crates&key="+id)
		if expect(t, page, text(w), "Crate", "rope"); w.Code != http.StatusOK {
			t.Errorf("%s = %d, want 200", page, w.Code)
		}
	}
}

// Admins see everything, editors the history of notes, which they may put back. roleOf
// is how an application knows what somebody may do.
func _(roleOf func(ctx context.Context, id string) (string, error)) historyweb.Config {
	return historyweb.Config{
		MayRead: func(ctx context.Context, a actor.Actor, q history.Query) (bool, error) {
			if a.Kind != actor.KindUser || !a.Impersonator.IsAnonymous() {
				return false, nil // a program, or somebody who acts as another
			}
			role, err := roleOf(ctx, a.ID)
			if err != nil || role != "editor" {
				return role == "admin", err
			}
			for _, model := range append(q.Tables, q.Rows...) {
				if _, ok := model.(*Note); ok {
					return true, nil
				}
			}
			return false, nil
		},
		MayRestore: func(_ context.Context, a actor.Actor, row any) (bool, error) {
			_, ok := row.(*Note) // a pointer to a model, with its key set
			return ok && a.Impersonator.IsAnonymous(), nil
		},
	}
}
