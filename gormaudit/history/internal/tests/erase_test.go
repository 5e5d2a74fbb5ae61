package tests

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
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

type patron struct {
	ID    uint
	Email string
}

func (patron) TableName() string { return "customers" }

// erase runs the SQL of schema.md that erases what was recorded of a row, or, with an
// age, of all rows until then.
func erase(t *testing.T, db *gorm.DB, age string) {
	t.Helper()
	text := snippet(t, "schema.md", map[string]string{
		"postgres": "BEGIN;\nSELECT set_config('whodunit.maintenance'",
		"mysql":    "START TRANSACTION;\nREPLACE INTO whodunit_context",
		"sqlite":   "BEGIN IMMEDIATE;\nINSERT INTO whodunit_change_sets",
	}[db.Name()])
	if age != "" {
		text = regexp.MustCompile(`AND .*7.*;`).ReplaceAllString(text, "AND "+age+";")
	}
	must(t, db.Connection(func(tx *gorm.DB) error {
		for _, statement := range regexp.MustCompile(`;( --.*)?\n`).Split(strings.TrimSpace(text), -1) {
			if err := tx.Exec(statement).Error; err != nil {
				return err
			}
		}
		return nil
	}))
}

// What was recorded of a row can be erased, under AppendOnly, too, and nothing else
// goes with it.
func TestErasingARow(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		must(t, history.Options{AppendOnly: true}.Migrate(db, &patron{}, &Note{}))
		me := db.WithContext(as(ann))
		must(t, me.Transaction(func(tx *gorm.DB) error {
			return errors.Join(tx.Create(&Note{ID: 7, Title: "kept"}).Error,
				tx.Create(&[]patron{{ID: 6, Email: "kept"}, {ID: 7, Email: "old@example.org"}, {ID: 70, Email: "kept"}}).Error,
				tx.Create(&Note{ID: 8, Title: "kept"}).Error)
		}))
		created := last(t, db, &patron{ID: 7}).At.Add(time.Millisecond)
		time.Sleep(4 * time.Millisecond)
		must(t, me.Model(&patron{ID: 7}).Update("email", "new@example.org").Error)

		erase(t, plain, "")
		if trail := trail(t, db, &patron{ID: 7}); len(trail) != 0 {
			t.Errorf("after it Of has %v", trail)
		}
		if then, err := history.At[patron](db, 7, created); err != nil || then.Email != "new@example.org" {
			t.Errorf("At before the update = %+v, %v, want the row as it is", then, err)
		}
		for _, kept := range []any{&patron{ID: 6}, &patron{ID: 70}, &Note{ID: 7}, &Note{ID: 8}} {
			if c := last(t, db, kept); c.ChangeSet.Actor != ann {
				t.Errorf("another row's change is by %v", c.ChangeSet.Actor)
			}
		}

		must(t, me.Delete(&patron{ID: 7}).Error) // is recorded, with the values
		erase(t, plain, "")
		if trail := trail(t, db, &patron{ID: 7}); len(trail) != 0 {
			t.Errorf("after the row was deleted Of has %v", trail)
		}
		if _, err := history.At[patron](db, 7, created); !errors.Is(err, gorm.ErrRecordNotFound) {
			t.Errorf("At of the deleted row = %v, want ErrRecordNotFound", err)
		}
		for row, err := range history.AllAt[patron](db, created) {
			if must(t, err); row.Email != "kept" {
				t.Errorf("AllAt has %+v", row)
			}
		}
		must(t, history.Verify(db, &patron{}, &Note{}))
		if err := plain.Exec("DELETE FROM whodunit_changes").Error; err == nil {
			t.Error("after it the history can be changed")
		}
		must(t, me.Create(&patron{ID: 9}).Error)
		if c := last(t, db, &patron{ID: 9}); c.ChangeSet.Actor != ann {
			t.Errorf("the next change is by %v", c.ChangeSet.Actor)
		}
		page := historyweb.Handler(db, historyweb.Config{Tables: []historyweb.Table{historyweb.For[patron](historyweb.Table{})}})
		for path, want := range map[string]int{"/history/": http.StatusOK, "/history/customers/7": http.StatusNotFound} {
			answer := httptest.NewRecorder()
			page.ServeHTTP(answer, httptest.NewRequestWithContext(as(bob), http.MethodGet, path, nil))
			if text := answer.Body.String(); answer.Code != want || strings.Contains(text, "example.org") {
				t.Errorf("%s = %d, want %d without the address:\n%s", path, answer.Code, want, text)
			}
		}
		if n := must2(history.Prune(db, time.Now().Add(time.Hour))); n == 0 {
			t.Error("Prune found nothing")
		}
		if n := count(t, plain, "whodunit_change_sets"); n != 0 {
			t.Errorf("Prune left %d change sets", n)
		}
	})
}

// A table's history can be kept for a shorter time than that of others.
func TestErasingWhatIsOldOfOneTable(t *testing.T) {
	ages := map[string]string{
		"postgres": "at < now() - interval '1 year'",
		"mysql":    "at < UTC_TIMESTAMP() - INTERVAL 1 YEAR",
		"sqlite":   "at < julianday('now', '-1 year')",
	}
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		must(t, history.Migrate(db, &patron{}))
		me := db.WithContext(as(ann))
		must(t, errors.Join(me.Create(&patron{ID: 7}).Error, me.Create(&Note{ID: 7}).Error))
		age := ages[db.Name()]
		_, yearsAgo, _ := strings.Cut(strings.NewReplacer("1 ", "2 ").Replace(age), "< ")
		must(t, plain.Exec("UPDATE whodunit_changes SET at = "+yearsAgo).Error)
		must(t, me.Model(&patron{ID: 7}).Update("email", "new@example.org").Error)
		erase(t, plain, age)
		sameLines(t, "customer", trail(t, db, &patron{ID: 7}), `update; user:42; email "">"new@example.org"`)
		if n := len(trail(t, db, &Note{ID: 7})); n != 1 {
			t.Errorf("another table has %d changes, want 1", n)
		}
		if !strings.Contains(string(must2(os.ReadFile("../../schema.md"))), "`"+age+"`") {
			t.Errorf("schema.md does not have %s", age)
		}
	})
}

// What faq.md says of the addresses of those who sign up.
func TestAddressesOfSignUps(t *testing.T) {
	db, plain := open(t, dbtest.New(t, dbtest.SQLite))
	signUp := actor.System("signup")
	ctx := actor.NewRequestContext(as(signUp), actor.Request{IP: "192.0.2.1", Route: "/signup"})
	must(t, db.WithContext(actor.NewRequestContext(ctx, actor.Request{})).Create(&Note{ID: 1}).Error)
	must(t, db.WithContext(ctx).Create(&Note{ID: 2}).Error)
	for id, want := range map[uint]string{1: "", 2: "192.0.2.1"} {
		if c := last(t, db, &Note{ID: id}); c.ChangeSet.Request.IP != want || c.ChangeSet.Actor != signUp {
			t.Errorf("note %d is by %v, from %q, want %q", id, c.ChangeSet.Actor, c.ChangeSet.Request.IP, want)
		}
	}
	must2(history.Anonymize(plain, signUp))
	if c := last(t, db, &Note{ID: 2}); c.ChangeSet.Request.IP != "" {
		t.Errorf("after Anonymize the address is %s", c.ChangeSet.Request.IP)
	}
}
