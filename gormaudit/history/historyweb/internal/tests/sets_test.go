package tests

import (
	"context"
	"fmt"
	"html"
	"regexp"
	"strings"
	"testing"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history/historyweb"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// because is the context of somebody with a reason.
func because(a actor.Actor, reason string) context.Context {
	return actor.NewMetadataContext(as(a), map[string]string{"reason": reason})
}

// createInTurns creates orders from an id on, n in each of two transactions that run at
// the same time, and take turns.
func createInTurns(t *testing.T, db *gorm.DB, id uint, n int) {
	t.Helper()
	one, other := db.WithContext(because(alice, "one")).Begin(), db.WithContext(because(bob, "other")).Begin()
	for range n {
		for _, tx := range []*gorm.DB{one, other} {
			must(t, tx.Create(&Order{ID: id, Price: 1}).Error)
			id++
		}
	}
	must(t, one.Commit().Error)
	must(t, other.Commit().Error)
}

// boxes are the change sets of a page, in order: who, and how many changes.
func boxes(page string) (all []string) {
	for _, box := range strings.Split(page, `<p class="head">`)[1:] {
		who := regexp.MustCompile(`class="who"[^>]*>([^<]*)<`).FindStringSubmatch(box)[1]
		what := fmt.Sprint(who, " ", strings.Count(box, `id="change-`))
		for _, border := range []string{"newer", "older"} {
			if strings.Contains(box, "Part of this is on the "+border+" page.") {
				what += " " + border
			}
		}
		all = append(all, what)
	}
	return all
}

// Transactions that run at the same time take turns: a page has each of them once, the
// one with the newest change first.
func TestChangesOfOneSetAreTogether(t *testing.T) {
	t.Parallel()
	dbtest.Beside(t, []string{dbtest.Postgres, dbtest.MariaDB}, func(t *testing.T, d *dbtest.Database) {
		db, _ := shop(t, d)
		must(t, db.WithContext(as(carol)).Create(&Order{ID: 1}).Error)
		createInTurns(t, db, 2, 3)
		must(t, db.WithContext(as(carol)).Create(&Order{ID: 100}).Error)
		h := historyweb.Handler(db, historyweb.Config{Tables: tables, Names: names})
		w := get(h, alice, "/")
		if got, want := fmt.Sprint(boxes(w.Body.String())), "[carol 1 bob 3 alice 3 carol 1]"; got != want {
			t.Errorf("the page has %s, want %s", got, want)
		}
		expect(t, "activity", text(w), "Reason other created Order 7 Price [inserted: 1] Paid [inserted: no] Token hidden created Order 5")
		if n := strings.Count(text(w), "Reason one"); n != 1 {
			t.Errorf("a reason is there %d times, want once", n)
		}
	})
}

// A set that goes on beyond the border of a page says so on both sides.
func TestASetThatIsCutSaysSo(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, _ := shop(t, d)
		want := [][]string{{"carol 1", "bob 25 older", "alice 24 older"}, {"alice 6 newer", "bob 5 newer", "carol 1"}}
		must(t, db.WithContext(as(carol)).Create(&Order{ID: 1}).Error)
		if db.Name() == "sqlite" { // one transaction at a time
			want = [][]string{{"carol 1", "alice 49 older"}, {"alice 11 newer", "carol 1"}}
			must(t, db.WithContext(as(alice)).Create(&[]Order{59: {}}).Error)
		} else {
			createInTurns(t, db, 2, 30)
		}
		must(t, db.WithContext(as(carol)).Create(&Order{ID: 100}).Error)
		h := historyweb.Handler(db, historyweb.Config{Tables: tables, Names: names})
		address := ""
		for i := range want {
			page := get(h, alice, "/"+address).Body.String()
			if got := boxes(page); fmt.Sprint(got) != fmt.Sprint(want[i]) {
				t.Errorf("page %d has %q, want %q", i, got, want[i])
			}
			if older := regexp.MustCompile(`rel="next" href="([^"]*)"`).FindStringSubmatch(page); (older != nil) != (i == 0) {
				t.Fatalf("page %d leads to older ones: %t", i, older != nil)
			} else if older != nil {
				address = strings.TrimPrefix(html.UnescapeString(older[1]), "./")
			}
		}
		if w := get(h, alice, "/?before=9223372036854775807"); len(boxes(w.Body.String())) != len(want[0]) {
			t.Errorf("the page before the highest id has %q, want the first page", boxes(w.Body.String()))
		}
	})
}
