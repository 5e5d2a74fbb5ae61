package tests

import (
	"context"
	"fmt"
	"html"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/history/historyweb"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// An address that nobody's page leads to is no fault of the program's, whatever
// database it runs on.
func TestOddAddressesAreNoServerErrors(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &Order{}, &Line{}))
		must(t, db.WithContext(as(alice)).Create(&Order{ID: 1, Customer: "Ms One"}).Error)
		h := historyweb.Handler(db, historyweb.Config{Tables: tables})
		for _, page := range []string{"", "changes.csv", "changes.ndjson"} {
			for _, query := range []string{
				"actor=%00", "actor=%ff", "actor=user:%00", "request=%00", "request=%ff", "column=%00", "column='", "action=%00", "action=%ff", "action=nothing",
				"since=0000-01-01", "until=0000-01-01T00:00:00Z", "since=0001-01-01T00:00:00%2B23:59", "until=9999-12-31T23:59:59-23:59",
				"before=9223372036854775807", "before=-1", "table=nothing", "table=%00", "a;b", "x=%zz",
			} {
				if got := get(h, alice, "/history/"+page+"?"+query).Code; got >= http.StatusInternalServerError {
					t.Errorf("%s?%s = %d", page, query, got)
				}
			}
		}
		for _, page := range []string{"row", "moment", "changes.csv"} {
			for _, query := range []string{
				"table=orders&key=0", "table=orders&key=", "table=orders&key=-1", "table=orders&key=1&key=1", "table=orders",
				"table=orders&key=%00", "table=lines&key=0&key=0", "table=lines&key=0&key=1", "table=nothing&key=1",
				"table=orders&key=1&at=0000-01-01", "table=orders&key=1&at=0001-01-01T00:00:00%2B23:59", "table=orders&key=1&at=9999-12-31",
			} {
				if got := get(h, alice, "/history/"+page+"?"+query).Code; got >= http.StatusInternalServerError {
					t.Errorf("%s?%s = %d", page, query, got)
				}
			}
		}
	})
}

type Leaf struct {
	Tree string `gorm:"primaryKey;size:60"`
	Name string `gorm:"primaryKey;size:60"`
	Text string
}

// Every link of every page leads somewhere, whatever is in a key, and nobody is led
// to what they may not read.
func TestEveryLinkLeadsSomewhere(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &Order{}, &Leaf{}))
		must(t, db.WithContext(as(carol)).Create(&Order{ID: 1, Customer: "Ms Secret"}).Error)
		odd := []string{"a/b", "../..", `"'`, "größe 💥", "a,b", "~0~1", "%2F", "?x=1&key=2#y", "<script>", " ", "", "a\tb\r\nc", strings.Repeat("x", 60)}
		for i, name := range odd {
			leaf := Leaf{Tree: odd[(i+1)%len(odd)], Name: name, Text: fmt.Sprint("leaf ", i)}
			must(t, db.WithContext(as(alice)).Create(&leaf).Error)
			must(t, db.WithContext(as(actor.User(name+"!"))).Model(&Leaf{}).Where("text = ?", leaf.Text).Update("text", leaf.Text+" new").Error)
		}
		h := historyweb.Handler(db, historyweb.Config{
			Tables:     []historyweb.Table{historyweb.For[Order](historyweb.Table{Title: "customer"}), historyweb.For[Leaf](historyweb.Table{Title: "text"})},
			Names:      names,
			MayRestore: anybodyMay,
			MayRead: func(_ context.Context, a actor.Actor, q history.Query) (bool, error) {
				_, leaf := append(q.Tables, q.Rows...)[0].(*Leaf)
				return a == alice || leaf, nil
			},
		})
		for a, orders := range map[actor.Actor]bool{alice: true, bob: false} {
			pages := crawl(t, h, a)
			for i := range odd {
				story := fmt.Sprintf("leaf %d new”", i)
				if !slices.ContainsFunc(slices.Collect(maps.Values(pages)), func(page string) bool { return strings.Contains(page, "<h1>") && strings.Contains(page, story) }) {
					t.Errorf("no page of %v has the story of leaf %d", a, i)
				}
			}
			for address, page := range pages {
				if !orders && (strings.Contains(page, "orders") || strings.Contains(page, "Order") || strings.Contains(page, "Secret") || strings.Contains(page, "carol")) {
					t.Errorf("%q says of orders to %v:\n%s", address, a, page)
				}
			}
			if len(pages) < 4*len(odd) {
				t.Errorf("%v is led to %d pages, want more", a, len(pages))
			}
		}
	})
}

// crawl follows all links from the first page on. Each must lead to a page.
func crawl(t *testing.T, h http.Handler, a actor.Actor) map[string]string {
	t.Helper()
	pages, todo := map[string]string{}, []string{""}
	for len(todo) > 0 {
		address := todo[0]
		todo = todo[1:]
		if _, seen := pages[address]; seen {
			continue
		}
		w := get(h, a, "/"+address)
		if w.Code != http.StatusOK {
			t.Errorf("a link leads %v to %q = %d %s", a, address, w.Code, text(w))
		}
		pages[address] = w.Body.String()
		for _, link := range regexp.MustCompile(`href="([^"#/][^"]*)"`).FindAllStringSubmatch(pages[address], -1) {
			todo = append(todo, strings.TrimPrefix(html.UnescapeString(link[1]), "./"))
		}
	}
	return pages
}

// A part of a key may be 0. GORM leaves a zero key out of its condition, and finds
// another row.
func TestARowIsNotAnotherWithAKeyLikeIt(t *testing.T) {
	t.Parallel()
	db, _ := shop(t, dbtest.New(t, dbtest.SQLite))
	tx := db.WithContext(as(alice))
	must(t, tx.Create(&[]Line{{3, 0, "of the row"}, {3, 1, "of a stranger"}}).Error)
	time.Sleep(20 * time.Millisecond)
	then := time.Now()
	time.Sleep(20 * time.Millisecond)
	must(t, tx.Exec("UPDATE lines SET text = 'changed' WHERE order_id = 3 AND no = 0").Error)
	h := historyweb.Handler(db, historyweb.Config{Tables: tables, MayRestore: func(context.Context, actor.Actor, any) (bool, error) { return true, nil }})
	query := "?table=lines&key=0&key=3&at=" + url.QueryEscape(then.Format(time.RFC3339Nano))
	for _, state := range []string{"changed", "deleted"} {
		if state == "deleted" {
			must(t, tx.Exec("DELETE FROM lines WHERE order_id = 3 AND no = 0").Error)
		}
		for _, page := range []string{"moment", "restore"} {
			got := text(get(h, alice, "/history/"+page+query))
			expect(t, page+" of what was "+state, got, "the row")
			if strings.Contains(got, "stranger") {
				t.Errorf("%s of what was %s shows another row: %s", page, state, got)
			}
		}
		if w := ask(h, alice, http.MethodPost, "/history/restore"+query, nil, nil); w.Code != http.StatusSeeOther {
			t.Errorf("restore of what was %s = %d %s, want 303", state, w.Code, w.Body)
		}
		var lines []Line
		must(t, db.Order("no").Find(&lines).Error)
		if len(lines) != 2 || lines[0] != (Line{3, 0, "of the row"}) || lines[1] != (Line{3, 1, "of a stranger"}) {
			t.Errorf("lines after the restore of what was %s = %v", state, lines)
		}
	}
}

// Every page says so while somebody acts as another: what is restored then is in
// that one's name.
func TestPagesSayWhoIsActedAs(t *testing.T) {
	t.Parallel()
	db, _ := shop(t, dbtest.New(t, dbtest.SQLite))
	must(t, db.WithContext(as(bob)).Create(&Order{ID: 1, Customer: "Ms One"}).Error)
	h := historyweb.Handler(db, historyweb.Config{Tables: tables, Names: names})
	for _, page := range []string{"", "row?table=orders&key=1", "moment?table=orders&key=1", "nothing"} {
		expect(t, page, text(get(h, alice.As(bob), "/history/"+page)), "You act as bob.")
		if got := text(get(h, alice, "/history/"+page)); strings.Contains(got, "act as") {
			t.Errorf("%s says that alice acts as another: %s", page, got)
		}
	}
}
