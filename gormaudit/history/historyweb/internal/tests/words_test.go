package tests

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/history/historyweb"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// Each action is a sentence, among all tables and in the story of its row.
func TestEveryActionIsASentence(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := shop(t, d)
		tx := db.WithContext(as(alice))
		delivered := time.Date(2026, 3, 9, 8, 0, 0, 0, time.UTC)
		must(t, tx.Create(&Order{ID: 17, Token: "s3cret"}).Error)
		must(t, tx.Model(&Order{ID: 17}).Updates(map[string]any{"delivered_at": delivered, "customer": "Ms Miller", "token": "n3w"}).Error)
		must(t, tx.Model(&Order{ID: 17}).Updates(map[string]any{"delivered_at": nil, "customer": ""}).Error)
		must(t, tx.Delete(&Order{ID: 17}).Error)
		must(t, tx.Unscoped().Model(&Order{ID: 17}).Update("deleted_at", nil).Error)
		must(t, tx.Exec("UPDATE orders SET id = 18 WHERE id = 17").Error)
		must(t, tx.Unscoped().Delete(&Order{ID: 18}).Error)
		h := historyweb.Handler(plain, historyweb.Config{Tables: tables, Names: names, Location: time.UTC})
		want := []string{
			"deleted Order 18 Price [deleted: 0] Paid [deleted: no] Token hidden",
			"changed Order 17 Id changed from 17 → to 18",
			"took Order 17 out of the trash",
			"put Order 17 in the trash",
			"changed Order 17 Customer's name cleared, it was Ms Miller Delivered at cleared, it was 9 March 2026, 08:00:00",
			"changed Order 17 Customer's name set to Ms Miller Token changed, hidden Delivered at set to 9 March 2026, 08:00:00",
			"created Order 17 Price [inserted: 0] Paid [inserted: no] Token hidden",
		}
		page := text(get(h, alice, "/"))
		for _, sentence := range want {
			expect(t, "activity", page, sentence)
		}
		story := text(get(h, alice, "/row?table=orders&key=17"))
		for _, sentence := range want[1:] {
			expect(t, "story", story, strings.Replace(sentence, "Order 17", "it", 1))
		}
		for _, nothing := range []string{"nothing", "history:", "updated"} {
			if strings.Contains(page+story, nothing) {
				t.Errorf("a sentence has %q:\n%s\n%s", nothing, page, story)
			}
		}
	})
}

// What happens to tables and people, not to rows.
func TestActionsWithoutARow(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := shop(t, d)
		tx := db.WithContext(as(alice))
		must(t, tx.Create(&Order{ID: 17}).Error)
		_, err := history.Anonymize(tx, actor.User(9))
		must(t, err)
		if d.Kind == dbtest.Postgres {
			must(t, plain.Exec("TRUNCATE lines").Error)
		}
		must(t, plain.Exec("ALTER TABLE orders RENAME TO former").Error)
		must(t, history.Migrate(tx.Table("former"), &Order{}))
		page := text(get(historyweb.Handler(plain, historyweb.Config{}), alice, "/"))
		expect(t, "activity", page, "renamed the table orders to former", "anonymized user:9")
		filtered := get(historyweb.Handler(plain, historyweb.Config{}), alice, "/?action=anonymize")
		expect(t, "the filter", filtered.Body.String(), `<option value="anonymize" selected>`)
		if page := text(filtered); !strings.Contains(page, "anonymized user:9") || strings.Contains(page, "created") {
			t.Errorf("what was anonymized:\n%s", page)
		}
		if page := get(historyweb.Handler(plain, historyweb.Config{Tables: tables}), alice, "/").Body.String(); strings.Contains(page, "anonymize") {
			t.Errorf("a page of tables has what is of none:\n%s", page)
		}
		if d.Kind == dbtest.Postgres {
			expect(t, "activity", page, "emptied the table lines")
			h := historyweb.Handler(plain, historyweb.Config{Tables: tables})
			expect(t, "activity of tables", text(get(h, alice, "/?table=lines")), "emptied the table lines")
		}
	})
}

// What happened to a table before it was renamed is told as it is of all other tables,
// with labels, titles and addresses.
func TestATableThatWasRenamed(t *testing.T) {
	t.Parallel()
	type Order struct {
		ID       uint
		Customer string
		SoldBy   uint
	}
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := d.Open(t), d.Open(t)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db.Table("sales"), &Order{}))
		tx := db.WithContext(as(alice))
		must(t, tx.Table("sales").Create(&Order{ID: 17, Customer: "Miller", SoldBy: 9}).Error)
		must(t, plain.Exec("ALTER TABLE sales RENAME TO orders").Error)
		must(t, history.Migrate(tx, &Order{}))
		h := historyweb.Handler(plain, historyweb.Config{Tables: []historyweb.Table{historyweb.For[Order](historyweb.Table{
			Label: "Sale", Title: "customer", Columns: map[string]string{"customer": "Sold to"},
		})}})
		page := get(h, alice, "/").Body.String()
		expect(t, "the link", page, `href="row?key=17&amp;table=orders"`)
		for _, address := range []string{"/", "/?table=orders"} {
			expect(t, address, text(get(h, alice, address)), "created Sale 17 “Miller”", "Sold to [inserted: Miller]", "renamed the table sales to orders")
		}
		expect(t, "the story", text(get(h, alice, "/row?table=orders&key=17")), "created it", "Sold to [inserted: Miller]")
	})
}

// The filter takes a word by its name, with all of its text.
func TestTheFilterAsksForMetadata(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := shop(t, d)
		for i, reason := range []string{"typo", "typo?", "<b> & 'é'"} {
			ctx := actor.NewMetadataContext(as(alice), map[string]string{"reason": reason, "cost_center": "typo"})
			must(t, db.WithContext(ctx).Create(&Line{OrderID: 1, No: uint(i + 1), Text: "rope"}).Error)
		}
		must(t, plain.Create(&Line{OrderID: 1, No: 4}).Error)
		h := historyweb.Handler(plain, historyweb.Config{Tables: tables})
		for query, want := range map[string]string{
			"word=reason&text=typo": "[1]", "word=reason&text=" + url.QueryEscape("<b> & 'é'"): "[3]", "word=+cost_center+&text=typo&before=3": "[2 1]",
			"word=reason&text=other": "[]", "word=reason": "[]", "text=typo": "[]", "word=&text=": "[4 3 2 1]",
		} {
			w := get(h, alice, "/?"+query)
			got := []string{}
			for _, match := range regexp.MustCompile(`id="change-(\d+)"`).FindAllStringSubmatch(w.Body.String(), -1) {
				got = append(got, match[1])
			}
			if fmt.Sprint(got) != want || strings.Contains(w.Body.String(), "Write both") != (strings.Count(query, "=") == 1) { // half of it
				t.Errorf("?%s = changes %v, want %s:\n%s", query, got, want, w.Body)
			}
		}
		export := get(h, alice, "/changes.csv?word=reason&text=typo").Body.String()
		if rows := strings.Count(export, "create"); rows == 0 || strings.Contains(export, "typo?") {
			t.Errorf("the export of a reason:\n%s", export)
		}
		expect(t, "the export's address", get(h, alice, "/?word=reason&text=typo").Body.String(), "changes.csv?text=typo&amp;word=reason")
		if w := get(h, alice, "/changes.csv?word=reason"); w.Code != 404 {
			t.Errorf("an export of half a word = %d, want 404", w.Code)
		}
	})
}

// Where nobody said who acts, the page doesn't guess: psql, a migration and a job
// that forgot its actor look alike to the database.
func TestNobodySaidWho(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := shop(t, d)
		request := actor.NewRequestContext(context.Background(), actor.Request{Method: "PUT", Route: "/orders/:id"})
		must(t, plain.Create(&Line{OrderID: 1, No: 1, Text: "by SQL"}).Error)
		time.Sleep(2 * time.Millisecond) // by which SQLite tells apart what nobody attributed
		must(t, db.WithContext(context.Background()).Create(&Line{OrderID: 1, No: 2, Text: "by a job"}).Error)
		time.Sleep(2 * time.Millisecond)
		must(t, db.WithContext(request).Create(&Line{OrderID: 1, No: 3, Text: "in a request"}).Error)
		must(t, db.WithContext(as(actor.Actor{})).Create(&Line{OrderID: 1, No: 4, Text: "by a visitor"}).Error)
		w := get(historyweb.Handler(plain, historyweb.Config{Tables: tables}), alice, "/")
		page := text(w)
		if strings.Contains(w.Body.String(), "by hand") || strings.Contains(w.Body.String(), "past every") {
			t.Errorf("the page knows what nobody said:\n%s", page)
		}
		if n := strings.Count(page, "Unknown"); n != 3 {
			t.Errorf("%d change sets are of somebody unknown, want 3:\n%s", n, page)
		}
		expect(t, "activity", page, "Somebody not signed in", "PUT /orders/:id")
		if d.Kind == dbtest.Postgres {
			expect(t, "activity", page, "Unknown, through the database account postgres")
		}
	})
}

// Whoever writes in psql in somebody's name is seen to: the account is not the
// application's.
func TestSomebodyWroteThroughAnotherAccount(t *testing.T) {
	t.Parallel()
	dbtest.Beside(t, []string{dbtest.Postgres, dbtest.MariaDB}, func(t *testing.T, d *dbtest.Database) {
		db, plain := shop(t, d)
		job := actor.System("archiver")
		must(t, db.WithContext(as(alice)).Create(&Line{OrderID: 1, No: 1, Text: "rope"}).Error)
		must(t, db.WithContext(as(bob)).Create(&Line{OrderID: 1, No: 2, Text: "torch"}).Error)
		must(t, db.WithContext(as(job)).Create(&Line{OrderID: 1, No: 3, Text: "map"}).Error)
		h := historyweb.Handler(plain, historyweb.Config{Tables: tables, Names: names})
		if page := text(get(h, alice, "/")); strings.Contains(page, "account") {
			t.Errorf("the page names its own account:\n%s", page)
		}
		const other = "UPDATE whodunit_change_sets SET database_user = ? WHERE actor_id = ?"
		if d.Kind == dbtest.Postgres {
			must(t, plain.Exec(other, "zoe", "1").Error)
			must(t, plain.Exec(other, "postgres@home", "2").Error) // whose name has a sign that is no host's
			must(t, plain.Exec(other, "jobs", "archiver").Error)
			must(t, plain.Exec("UPDATE whodunit_change_sets SET database_role = 'worker' WHERE actor_id = 'archiver'").Error)
			expect(t, "activity", text(get(h, alice, "/")),
				"alice, through the database account zoe", "bob, through the database account postgres@home", "archiver, a program, through the database account jobs as worker")
			h = historyweb.Handler(plain, historyweb.Config{Tables: tables, Names: names, Accounts: []string{"zoe", "jobs"}})
			page := text(get(h, alice, "/"))
			expect(t, "activity", page, "bob, through the database account postgres@home")
			if strings.Count(page, "account") != 1 {
				t.Errorf("the page names one of the application's accounts:\n%s", page)
			}
			return
		}
		var own string
		must(t, plain.Raw("SELECT user()").Scan(&own).Error)
		name, _, _ := strings.Cut(own, "@")
		must(t, plain.Exec(other, "zoe@localhost", "1").Error)
		must(t, plain.Exec(other, name+"@elsewhere", "2").Error)
		page := text(get(h, alice, "/"))
		expect(t, "activity", page, "alice, through the database account zoe@localhost")
		if strings.Count(page, "account") != 1 {
			t.Errorf("the page names its own account, from another host:\n%s", page)
		}
		h = historyweb.Handler(plain, historyweb.Config{Tables: tables, Names: names, Accounts: []string{name, "zoe@%"}})
		if page := text(get(h, alice, "/")); strings.Contains(page, "account") {
			t.Errorf("the page names one of the application's accounts:\n%s", page)
		}
	})
}

// NULL and an empty text both look like nothing.
func TestNullBecomesAnEmptyText(t *testing.T) {
	t.Parallel()
	type Memo struct {
		ID   uint
		Text *string
	}
	db := dbtest.New(t, dbtest.SQLite).Open(t)
	must(t, db.Use(history.New()))
	must(t, history.Migrate(db, &Memo{}))
	must(t, db.WithContext(as(alice)).Create(&Memo{ID: 1}).Error)
	must(t, db.WithContext(as(alice)).Model(&Memo{ID: 1}).Update("text", gorm.Expr("''")).Error)
	must(t, db.WithContext(as(alice)).Model(&Memo{ID: 1}).Update("text", nil).Error)
	page := text(get(historyweb.Handler(db, historyweb.Config{}), alice, "/"))
	expect(t, "activity", page, "Text changed from NULL → to an empty text", "Text changed from an empty text → to NULL")
}
