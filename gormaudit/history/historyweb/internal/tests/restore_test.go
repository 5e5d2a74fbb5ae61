package tests

import (
	"context"
	"fmt"
	"html"
	"log"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/history/historyweb"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

type Fee struct {
	ID     uint
	Amount int
}

func anybodyMay(context.Context, actor.Actor, any) (bool, error) { return true, nil }

// fees is a fee that was 1 and is 2, and the form that restores it.
func fees(t *testing.T, d *dbtest.Database, o history.Options) (db, plain *gorm.DB, form url.Values) {
	t.Helper()
	db, plain = d.Open(t), d.Open(t)
	must(t, db.Use(history.New()))
	must(t, o.Migrate(db, &Fee{}))
	ctx := actor.NewMetadataContext(as(alice), map[string]string{"reason": "start", "ticket.no": "1", "trace": "t-0"})
	must(t, db.WithContext(ctx).Create(&Fee{ID: 7, Amount: 1}).Error)
	time.Sleep(20 * time.Millisecond)
	then := time.Now().Format(time.RFC3339Nano)
	time.Sleep(20 * time.Millisecond)
	must(t, db.WithContext(ctx).Model(&Fee{ID: 7}).Update("amount", 2).Error)
	return db, plain, url.Values{"table": {"fees"}, "key": {"7"}, "at": {then}}
}

func expectAmount(t *testing.T, what string, plain *gorm.DB, want int) {
	t.Helper()
	var fee Fee
	if must(t, plain.First(&fee, 7).Error); fee.Amount != want {
		t.Errorf("after %s the amount is %d, want %d", what, fee.Amount, want)
	}
}

// A table that requires words of each change gets them from whoever restores.
func TestRestoringAsksForWhatATableRequires(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain, form := fees(t, d, history.Options{RequireMetadata: []string{"reason", "ticket.no", "trace"}})
		h := historyweb.Handler(db, historyweb.Config{Tables: []historyweb.Table{historyweb.For[Fee](historyweb.Table{})}, MayRestore: anybodyMay})
		traced := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(w, r.WithContext(actor.NewMetadataContext(r.Context(), map[string]string{"trace": "t-1"})))
		})
		for _, said := range []struct{ reason, ticket string }{{"", ""}, {"  ", ""}, {"", "4711"}, {"by <mistake>", ""}} {
			form.Set("metadata.reason", said.reason)
			form.Set("metadata.ticket.no", said.ticket)
			w := post(traced, bob, form, "same-origin")
			if w.Code != http.StatusUnprocessableEntity {
				t.Errorf("a restore that says %q = %d %s, want 422", said, w.Code, text(w))
			}
			for name, value := range map[string]string{"reason": strings.TrimSpace(html.EscapeString(said.reason)), "ticket.no": said.ticket} {
				expect(t, "the question", w.Body.String(), `name="metadata.`+name+`" value="`+value+`" maxlength="1000" required`)
			}
			if strings.Contains(w.Body.String(), "metadata.trace") {
				t.Errorf("it asks for what the program says itself:\n%s", w.Body)
			}
			expect(t, "the question", text(w), "[deleted: 2][inserted: 1]", "Nothing has changed yet")
			expectAmount(t, "a restore that lacks words", plain, 2)
		}
		form.Set("metadata.ticket.no", "4711")
		form.Set("metadata.trace", "forged")
		form.Set("metadata.other", "forged")
		if w := post(traced, bob, form, "same-origin"); w.Code != http.StatusSeeOther {
			t.Fatalf("a restore that says all = %d %s, want 303", w.Code, text(w))
		}
		expectAmount(t, "the restore", plain, 1)
		changes, err := history.Of(plain, &Fee{ID: 7})
		must(t, err)
		if got := fmt.Sprint(changes[0].ChangeSet.Metadata); got != "map[reason:by <mistake> ticket.no:4711 trace:t-1]" || changes[0].ChangeSet.Actor != bob {
			t.Errorf("the restore is recorded with %s by %v", got, changes[0].ChangeSet.Actor)
		}
	})
}

// A question is not an error, and a logger that hides values still does.
func TestAskingIsNotLogged(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain, form := fees(t, d, history.Options{RequireMetadata: []string{"reason", "ticket.no"}})
		var logged strings.Builder
		out := log.New(&logged, "", 0)
		restore := func(config logger.Config) int {
			logged.Reset()
			h := historyweb.Handler(db.Session(&gorm.Session{Logger: logger.New(out, config)}), historyweb.Config{Tables: []historyweb.Table{historyweb.For[Fee](historyweb.Table{})}, MayRestore: anybodyMay})
			return post(h, bob, form, "same-origin").Code
		}
		if code := restore(logger.Config{LogLevel: logger.Error}); code != http.StatusUnprocessableEntity || logged.Len() > 0 {
			t.Errorf("a restore that lacks words = %d, want 422 and no log:\n%s", code, &logged)
		}
		form.Set("metadata.reason", "mistake")
		form.Set("metadata.ticket.no", "4711")
		if code := restore(logger.Config{LogLevel: logger.Info, ParameterizedQueries: true}); code != http.StatusSeeOther {
			t.Errorf("a restore that says all = %d, want 303", code)
		}
		if line := regexp.MustCompile(`UPDATE .fees. SET .amount.=.*`).FindString(logged.String()); !regexp.MustCompile(`=[A-Z(]*(\?|\$1)`).MatchString(line) {
			t.Errorf("the log of the restore has %q:\n%s", line, &logged)
		}
		must(t, db.WithContext(actor.NewMetadataContext(as(alice), map[string]string{"reason": "x", "ticket.no": "1"})).Model(&Fee{ID: 7}).Update("amount", 2).Error)
		must(t, plain.Exec("ALTER TABLE fees RENAME TO gone").Error)
		if code := restore(logger.Config{LogLevel: logger.Error}); code == http.StatusSeeOther || !strings.Contains(logged.String(), "fees") {
			t.Errorf("a restore that fails = %d, and is logged as %q", code, &logged)
		}
	})
}

// hookedFee counts how often a hook runs that its model has.
type hookedFee struct {
	ID     uint
	Amount int
}

func (hookedFee) TableName() string { return "fees" }

type hookCalls struct{}

func (hookedFee) AfterUpdate(tx *gorm.DB) error {
	*tx.Statement.Context.Value(hookCalls{}).(*int)++
	return nil
}

// A hook may send a mail. What is only tried in order to know what to ask for runs none.
func TestAskingRunsNoHook(t *testing.T) {
	t.Parallel()
	db, plain, form := fees(t, dbtest.New(t, dbtest.SQLite), history.Options{RequireMetadata: []string{"reason", "ticket.no"}})
	h := historyweb.Handler(db, historyweb.Config{Tables: []historyweb.Table{historyweb.For[hookedFee](historyweb.Table{})}, MayRestore: anybodyMay})
	for _, want := range []int{0, 1} {
		calls := 0
		post(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), hookCalls{}, &calls)))
		}), bob, form, "same-origin")
		if calls != want {
			t.Errorf("a restore that says %q runs %d hooks, want %d", form, calls, want)
		}
		form.Set("metadata.reason", "mistake")
		form.Set("metadata.ticket.no", "4711")
	}
	expectAmount(t, "the restore", plain, 1)
}

// A restore that is refused says why, and changes nothing.
func TestRestoringThatIsRefusedSaysWhy(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		_, plain, form := fees(t, d, history.Options{RequireActor: true})
		form.Set("metadata.reason", strings.Repeat("long ", 1000))
		audited := d.Open(t)
		must(t, audited.Use(history.New()))
		must(t, audited.Use(gormaudit.NewWithConfig(gormaudit.Config{Missing: gormaudit.Reject, Actor: func(context.Context) (actor.Actor, bool) { return actor.Actor{}, false }})))
		stamped := historyweb.For[stampedFee](historyweb.Table{})
		numbered := d.Open(t)
		must(t, numbered.Use(history.New()))
		must(t, numbered.Use(gormaudit.New()))
		must(t, numbered.Exec("ALTER TABLE fees ADD updated_by bigint").Error)
		for name, test := range map[string]struct {
			db    *gorm.DB
			who   actor.Actor
			table historyweb.Table
			want  string
		}{
			"a page whose db has no plugin":      {plain, alice, historyweb.For[Fee](historyweb.Table{}), "the program does not tell the database who does it"},
			"a plugin that finds no actor":       {audited, alice, stamped, "the program does not tell the database who does it"},
			"an id that does not fit its column": {numbered, actor.User("zoe"), stamped, "has no room for your id"},
		} {
			h := historyweb.Handler(test.db, historyweb.Config{Tables: []historyweb.Table{test.table}, MayRestore: anybodyMay})
			w := post(h, test.who, form, "same-origin")
			if w.Code != http.StatusConflict {
				t.Errorf("%s: %d, want 409", name, w.Code)
			}
			expect(t, name, text(w), "This can't be restored: ", test.want)
			expectAmount(t, name, plain, 2)
		}
		must(t, history.Options{RequireMetadata: []string{"reason"}}.Migrate(numbered, &Fee{}))
		h := historyweb.Handler(numbered, historyweb.Config{Tables: []historyweb.Table{historyweb.For[Fee](historyweb.Table{})}, MayRestore: anybodyMay})
		w := post(h, alice, form, "same-origin")
		if w.Code != http.StatusConflict {
			t.Errorf("too long a reason: %d, want 409", w.Code)
		}
		expect(t, "too long a reason", text(w), "what you wrote is too long")
		expectAmount(t, "too long a reason", plain, 2)
	})
}

// A row may no longer fit in: what it belongs to is gone, or another one has its name.
func TestRestoringWhatBreaksARuleSaysSo(t *testing.T) {
	t.Parallel()
	type Shelf struct {
		ID   uint
		Name string `gorm:"size:50;uniqueIndex"`
	}
	type Book struct {
		ID      uint
		ShelfID uint
		Shelf   Shelf
	}
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := d.Open(t), d.Open(t)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &Shelf{}, &Book{}))
		tx := db.WithContext(as(alice))
		must(t, tx.Create(&[]Shelf{{1, "poems"}, {2, "maps"}}).Error)
		must(t, tx.Create(&Book{ID: 7, ShelfID: 2}).Error)
		time.Sleep(20 * time.Millisecond)
		at := time.Now().Format(time.RFC3339Nano)
		time.Sleep(20 * time.Millisecond)
		must(t, tx.Delete(&Book{ID: 7}).Error)
		must(t, tx.Delete(&Shelf{ID: 2}).Error)
		must(t, tx.Model(&Shelf{ID: 1}).Update("name", "novels").Error)
		must(t, tx.Create(&Shelf{ID: 3, Name: "poems"}).Error)
		h := historyweb.Handler(db, historyweb.Config{Tables: []historyweb.Table{historyweb.For[Shelf](historyweb.Table{}), historyweb.For[Book](historyweb.Table{})}, MayRestore: anybodyMay})
		for _, row := range [][2]string{{"shelves", "1"}, {"books", "7"}} {
			w := post(h, bob, url.Values{"table": {row[0]}, "key": {row[1]}, "at": {at}}, "same-origin")
			if w.Code != http.StatusConflict {
				t.Errorf("restoring %v = %d, want 409", row, w.Code)
			}
			expect(t, fmt.Sprint(row), text(w), "This can't be restored: it would break a rule of the database")
		}
		var shelf Shelf
		must(t, plain.First(&shelf, 1).Error)
		var books int64
		must(t, plain.Model(&Book{}).Count(&books).Error)
		if shelf.Name != "novels" || books != 0 {
			t.Errorf("after what was refused, the shelf is %q and there are %d books", shelf.Name, books)
		}
	})
}

type stampedFee struct {
	ID        uint
	Amount    int
	UpdatedBy *uint
}

func (stampedFee) TableName() string { return "fees" }

type pass struct {
	ID   uint
	Name string
	Pin  string `gorm:"history:redact"`
}

type notedPass struct {
	ID   uint
	Name string
	Note string `gorm:"history:-"`
}

type renamedPass struct {
	ID    uint
	Owner string `gorm:"history:was:name"`
}

type rankedPass struct {
	ID    uint
	Name  string
	Rank  int    `gorm:"not null;default:5"`
	Class string `gorm:"not null;default:second"`
}

func (notedPass) TableName() string  { return "passes" }
func (rankedPass) TableName() string { return "passes" }

func (renamedPass) TableName() string { return "passes" }

// passBefore makes a pass, does something to it, and returns the address of the restore of
// how it was before.
func passBefore[T any](t *testing.T, d *dbtest.Database, made T, then func(tx *gorm.DB) error) (db *gorm.DB, form url.Values) {
	t.Helper()
	db = d.Open(t)
	must(t, db.Use(history.New()))
	must(t, history.Migrate(db, &made))
	must(t, db.WithContext(as(alice)).Create(&made).Error)
	time.Sleep(20 * time.Millisecond)
	form = url.Values{"table": {"passes"}, "key": {"1"}, "at": {time.Now().Format(time.RFC3339Nano)}}
	time.Sleep(20 * time.Millisecond)
	must(t, then(db.WithContext(as(bob)).Model(&made)))
	return db, form
}

// What can't be written is not offered.
func TestAQuestionSaysThatNotAllIsRecorded(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		sees := func(what string, db *gorm.DB, table historyweb.Table, form url.Values, can bool) {
			t.Helper()
			h := historyweb.Handler(db, historyweb.Config{Tables: []historyweb.Table{table}, MayRestore: anybodyMay})
			question := get(h, carol, "/restore?"+form.Encode())
			says, asks := strings.Contains(text(question), "This can't be restored: not all of it is recorded."), strings.Contains(question.Body.String(), "<button")
			status := map[bool]int{true: http.StatusSeeOther, false: http.StatusConflict}[can]
			if w := post(h, carol, form, "same-origin"); w.Code != status || says == can || asks != can {
				t.Errorf("%s: %d, want %d, after the question\n%s", what, w.Code, status, text(question))
			}
		}
		db, form := passBefore(t, d, pass{ID: 1, Name: "Ann", Pin: "1"}, func(tx *gorm.DB) error { return tx.Updates(pass{Name: "Bea", Pin: "2"}).Error })
		sees("a pin that changed", db, historyweb.For[pass](historyweb.Table{}), form, false)
		form.Set("at", time.Now().Format(time.RFC3339Nano))
		time.Sleep(20 * time.Millisecond)
		must(t, db.WithContext(as(bob)).Model(&pass{ID: 1}).Update("name", "Cleo").Error)
		sees("a pin that changed before", db, historyweb.For[pass](historyweb.Table{}), form, true)
		must(t, db.Delete(&pass{ID: 1}).Error)
		sees("a pin of a pass that is gone", db, historyweb.For[pass](historyweb.Table{}), form, false)
		must(t, db.Migrator().DropTable("passes"))
		db, form = passBefore(t, d, notedPass{ID: 1, Name: "Ann"}, func(tx *gorm.DB) error { return tx.Update("name", "Bea").Error })
		sees("a note that is left out", db, historyweb.For[notedPass](historyweb.Table{}), form, true)
		must(t, db.Delete(&notedPass{ID: 1}).Error)
		sees("a note of a pass that is gone", db, historyweb.For[notedPass](historyweb.Table{}), form, false)
		must(t, db.Migrator().DropTable("passes"))
		db, form = passBefore(t, d, renamedPass{ID: 1, Owner: "Ann"}, func(tx *gorm.DB) error { return tx.Update("owner", "Bea").Error })
		sees("an owner that was called name", db, historyweb.For[renamedPass](historyweb.Table{}), form, true)
	})
}

// What a row that is gone held is known however often it changed since.
func TestAMomentKnowsColumnsOfOldChanges(t *testing.T) {
	t.Parallel()
	type pass struct {
		ID   uint
		Name string
		Nick *string
	}
	nick := "Annie"
	db, form := passBefore(t, dbtest.New(t, dbtest.SQLite), pass{ID: 1, Nick: &nick}, func(tx *gorm.DB) error {
		must(t, tx.Update("nick", nil).Error)
		for i := range 120 {
			must(t, tx.Update("name", strconv.Itoa(i)).Error)
		}
		return tx.Delete(&pass{ID: 1}).Error
	})
	h := historyweb.Handler(db, historyweb.Config{Tables: []historyweb.Table{historyweb.For[pass](historyweb.Table{})}})
	expect(t, "the moment", text(get(h, carol, "/moment?"+form.Encode())), "Nick Annie")
}

// A column that was added since gets its default, which the history does not know.
func TestAQuestionKnowsNoColumnThatWasAddedSince(t *testing.T) {
	t.Parallel()
	type pass struct {
		ID   uint
		Name string
	}
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, form := passBefore(t, d, pass{ID: 1, Name: "Ann"}, func(tx *gorm.DB) error { return tx.Delete(&pass{ID: 1}).Error })
		must(t, history.Migrate(db, &rankedPass{}))
		h := historyweb.Handler(db, historyweb.Config{Tables: []historyweb.Table{historyweb.For[rankedPass](historyweb.Table{})}, MayRestore: anybodyMay})
		question := text(get(h, carol, "/restore?"+form.Encode()))
		if expect(t, "the question", question, "Id [inserted: 1]", "Name [inserted: Ann]"); strings.Contains(question, "Rank") || strings.Contains(question, "Class") {
			t.Errorf("the question has columns that the row did not have:\n%s", question)
		}
		expect(t, "the moment", text(get(h, carol, "/moment?"+form.Encode())), "Name Ann", "Rank nothing", "Class nothing")
		post(h, carol, form, "same-origin")
		var got rankedPass
		if must(t, d.Open(t).First(&got, 1).Error); got != (rankedPass{1, "Ann", 5, "second"}) {
			t.Errorf("restored %+v", got)
		}
	})
}

// Without its plugins a restore would be nobody's.
func TestRestoringNeedsThePlugins(t *testing.T) {
	t.Parallel()
	type Bill struct {
		ID     uint
		Amount int
		gormaudit.By[uint]
	}
	type Loan struct {
		ID        uint
		Amount    int
		DeletedBy *uint
	}
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain, form := fees(t, d, history.Options{})
		must(t, db.Use(gormaudit.New()))
		must(t, history.Migrate(db, &Bill{}, &Loan{}))
		must(t, db.WithContext(as(alice)).Create(&Bill{ID: 7, Amount: 1}).Error)
		must(t, db.WithContext(as(alice)).Create(&Loan{ID: 7, Amount: 1}).Error)
		time.Sleep(20 * time.Millisecond)
		then := time.Now().Format(time.RFC3339Nano)
		time.Sleep(20 * time.Millisecond)
		must(t, db.WithContext(as(alice)).Model(&Bill{ID: 7}).Update("amount", 2).Error)
		must(t, db.WithContext(as(alice)).Model(&Loan{ID: 7}).Update("amount", 2).Error)
		bills := url.Values{"table": {"bills"}, "key": {"7"}, "at": {then}}
		loans := url.Values{"table": {"loans"}, "key": {"7"}, "at": {then}}
		half := d.Open(t)
		must(t, half.Use(history.New()))
		for _, test := range []struct {
			db   *gorm.DB
			form url.Values
			want int
		}{{plain, form, http.StatusConflict}, {plain, bills, http.StatusConflict}, {half, bills, http.StatusConflict}, {half, loans, http.StatusConflict}, {half, form, 0}, {db, bills, 0}, {db, loans, 0}} {
			h := historyweb.Handler(test.db, historyweb.Config{MayRestore: anybodyMay, Tables: []historyweb.Table{
				historyweb.For[Fee](historyweb.Table{}), historyweb.For[Bill](historyweb.Table{}), historyweb.For[Loan](historyweb.Table{}),
			}})
			asks, writes := http.StatusOK, http.StatusSeeOther
			if test.want != 0 {
				asks, writes = test.want, test.want
			}
			asked, wrote := get(h, bob, "/restore?"+test.form.Encode()), post(h, bob, test.form, "same-origin")
			if asked.Code != asks || wrote.Code != writes {
				t.Errorf("%s: asking = %d, restoring = %d, want %d and %d", test.form["table"], asked.Code, wrote.Code, asks, writes)
			}
			if test.want != 0 {
				expect(t, "the page", text(wrote), "This can't be restored: the program does not tell the database who does it")
			}
		}
		var amounts []int
		must(t, plain.Raw("SELECT count(*) FROM whodunit_change_sets WHERE actor_id IS NULL").Scan(&amounts).Error)
		if amounts[0] != 0 {
			t.Errorf("%d change sets have no actor", amounts[0])
		}
	})
}
