package tests

import (
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/history/historyweb"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// payWithLines are triggers by which an order is paid once it has a line.
var payWithLines = map[string][]string{
	"sqlite": {"CREATE TRIGGER pay AFTER INSERT ON lines BEGIN UPDATE orders SET paid = 1 WHERE id = NEW.order_id; END"},
	"mysql":  {"CREATE TRIGGER pay AFTER INSERT ON `lines` FOR EACH ROW UPDATE orders SET paid = 1 WHERE id = NEW.order_id"},
	"postgres": {
		"CREATE FUNCTION pay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE orders SET paid = true WHERE id = NEW.order_id; RETURN NEW; END $$",
		"CREATE TRIGGER pay AFTER INSERT ON lines FOR EACH ROW EXECUTE FUNCTION pay()",
	},
}

// changeSlowly changes order 17 three times in one transaction, in which two actors take
// turns and another table's trigger writes, and which goes on after that. Then somebody
// else raises the price.
func changeSlowly(t *testing.T, db *gorm.DB) {
	t.Helper()
	for _, statement := range payWithLines[db.Name()] {
		must(t, db.Exec(statement).Error)
	}
	must(t, db.WithContext(as(alice)).Create(&Order{ID: 17, Customer: "Ms Miller", Price: 1250}).Error)
	pause := func() { time.Sleep(3 * time.Millisecond) }
	pause()
	must(t, db.Transaction(func(tx *gorm.DB) error {
		must(t, tx.WithContext(as(alice)).Model(&Order{ID: 17}).Update("price", 999).Error)
		pause()
		must(t, tx.WithContext(as(bob)).Model(&Order{ID: 17}).Update("customer", "Mr Smith").Error)
		pause()
		must(t, tx.WithContext(as(alice)).Create(&Line{OrderID: 17, No: 1, Text: "rope"}).Error)
		pause()
		return tx.WithContext(as(bob)).Create(&Line{OrderID: 18, No: 1, Text: "torch"}).Error
	}))
	pause()
	must(t, db.WithContext(as(carol)).Model(&Order{ID: 17}).Update("price", 1300).Error)
}

// A change leads to a moment at which it counts: the end of its transaction.
func TestAsItWasAfterAChangeHasTheChange(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := shop(t, d)
		changeSlowly(t, db)
		changes, err := history.Of(plain, &Order{ID: 17})
		must(t, err)
		h := historyweb.Handler(db, historyweb.Config{Tables: tables, MayRestore: anybodyMay})
		const after, with = "As it was after this", "As it was after this and what was saved with it"
		want := [][]string{
			{after, "Price 1300", "Customer's name Mr Smith", "Paid yes"},
			{after, "Price 999", "Customer's name Mr Smith", "Paid yes"},
			{with, "Price 999", "Customer's name Mr Smith", "Paid yes"},
			{with, "Price 999", "Customer's name Mr Smith", "Paid yes"},
			{after, "Price 1250", "Customer's name Ms Miller", "Paid no"},
		}
		for first := range want {
			address := "/row?" + url.Values{"table": {"orders"}, "key": {"17"}}.Encode()
			if first > 0 {
				address += fmt.Sprint("&before=", changes[first-1].ID)
			}
			links := regexp.MustCompile(`href="(moment\?[^"]*)">([^<]*)<`).FindAllStringSubmatch(get(h, alice, address).Body.String(), -1)
			if len(links) != len(want)-first {
				t.Fatalf("%s has %d links to moments, want %d", address, len(links), len(want)-first)
			}
			for i, link := range links {
				then := html.UnescapeString(link[1])
				if link[2] != want[first+i][0] {
					t.Errorf("link %d of %s is called %q, want %q", i, address, link[2], want[first+i][0])
				}
				expect(t, fmt.Sprint("link ", i, " of ", address), text(get(h, alice, "/"+then)), want[first+i][1:]...)
			}
			if first == 2 { // the change of the price comes last but one
				restore := strings.Replace(html.UnescapeString(links[1][1]), "moment?", "/restore?", 1)
				expect(t, "the preview", text(get(h, alice, restore)), "Price [deleted: 1300][inserted: 999]")
			}
		}
	})
}

// What Prune removed is not known, and the page does not say that it is.
func TestAMomentBeforeWhatIsKeptIsNotKnown(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := shop(t, d)
		tx := db.WithContext(as(alice))
		moments := map[string]time.Time{}
		remember := func(name string) {
			time.Sleep(5 * time.Millisecond)
			moments[name] = time.Now()
			time.Sleep(5 * time.Millisecond)
		}
		must(t, tx.Create(&[]Order{{ID: 17, Price: 1}, {ID: 18, Price: 5}}).Error)
		remember("pruned")
		must(t, tx.Model(&Order{ID: 17}).Update("price", 2).Error)
		must(t, tx.Model(&Order{ID: 18}).Update("price", 6).Error)
		must(t, tx.Transaction(func(tx *gorm.DB) error {
			must(t, tx.Model(&Order{ID: 17}).Update("price", 3).Error)
			remember("oldest")
			return tx.Model(&Order{ID: 17}).Update("price", 4).Error
		}))
		remember("kept")
		must(t, tx.Create(&Order{ID: 19, Price: 7}).Error)
		if _, err := history.Prune(plain, moments["oldest"]); err != nil {
			t.Fatal(err)
		}
		h := historyweb.Handler(db, historyweb.Config{Tables: tables, MayRestore: anybodyMay})
		const known, unknown = "This is how it was at", "is not known: nothing is recorded of its table from before then. This is the oldest state that is known."
		for _, c := range []struct {
			key, at  string
			want     []string
			unwanted string
		}{
			{"17", "pruned", []string{unknown, "Price 2", "Restore it as it is shown here…"}, known},
			{"17", "oldest", []string{unknown, "Price 2"}, known},
			{"17", "kept", []string{known, "Price 4"}, "not known"},
			{"17", "", []string{known, "Price 4"}, "not known"},
			{"18", "pruned", []string{unknown, "Price 6"}, known},
			{"18", "oldest", []string{unknown, "Price 6"}, known},
			{"18", "kept", []string{known, "Price 6"}, "not known"},
			{"19", "pruned", []string{"It did not exist yet, as far as is recorded."}, known},
			{"19", "kept", []string{"It did not exist yet."}, "recorded"},
		} {
			query := url.Values{"table": {"orders"}, "key": {c.key}}
			if c.at != "" {
				query.Set("at", moments[c.at].Format(time.RFC3339Nano))
			}
			page := text(get(h, alice, "/moment?"+query.Encode()))
			if expect(t, c.key+" at "+c.at, page, c.want...); strings.Contains(page, c.unwanted) {
				t.Errorf("%s at %s says %q:\n%s", c.key, c.at, c.unwanted, page)
			}
		}
		for at, want := range map[string]string{"pruned": "Restoring writes the oldest state that is known, in your name.", "kept": "Restoring writes it as it was at"} {
			query := url.Values{"table": {"orders"}, "key": {"17"}, "at": {moments[at].Format(time.RFC3339Nano)}}
			expect(t, "the question of "+at, text(get(h, alice, "/restore?"+query.Encode())), want)
		}
		if page := text(get(h, alice, "/row?table=orders&key=18")); !strings.Contains(page, "No change of this row is recorded.") {
			t.Errorf("the story of a row without changes:\n%s", page)
		}
		must(t, plain.Exec("DELETE FROM whodunit_changes").Error)
		expect(t, "activity", text(get(h, alice, "/")), "No change is recorded.")
		expect(t, "a moment with nothing recorded", text(get(h, alice, "/moment?table=orders&key=17")), known, "Price 4")
	})
}
