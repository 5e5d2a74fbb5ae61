package tests

import (
	"context"
	"database/sql/driver"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/history/historyweb"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// asked is Names, and how often it was called.
type asked struct {
	names map[string]string
	times int
}

func (a *asked) Names(_ context.Context, ids []string) (map[string]string, error) {
	a.times++
	if len(slices.Compact(slices.Sorted(slices.Values(ids)))) != len(ids) || slices.Contains(ids, "") {
		return nil, fmt.Errorf("asked for %q", ids)
	}
	return a.names, nil
}

// binaryID is a UUID that a database keeps as 16 bytes.
type binaryID uuid.UUID

func (b binaryID) Value() (driver.Value, error)  { return b[:], nil }
func (b *binaryID) Scan(src any) error           { copy(b[:], src.([]byte)); return nil }
func (binaryID) GormDataType() string            { return "bytes" }
func (b *binaryID) UnmarshalText(t []byte) error { return (*uuid.UUID)(b).UnmarshalText(t) }

// By-columns hold ids. People read names.
func TestByColumnsAreNames(t *testing.T) {
	t.Parallel()
	type Ticket struct {
		ID      uint
		Subject string
		gormaudit.SoftBy[uint]
	}
	type Folder struct {
		ID        uint
		Subject   string
		CreatedBy uuid.UUID
		UpdatedBy *uuid.UUID
	}
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := d.Open(t), d.Open(t)
		must(t, db.Use(gormaudit.New()))
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &Ticket{}, &Folder{}))
		id := uuid.MustParse("6ba7b810-9dad-41d1-80b4-00c04fd430c8")
		who := &asked{names: map[string]string{"1": "alice", "2": "bob", id.String(): "dora"}}
		must(t, db.WithContext(as(alice)).Create(&Ticket{ID: 7, Subject: "Rope"}).Error)
		must(t, db.WithContext(as(actor.User(id.String()))).Create(&Folder{ID: 8, Subject: "Lake"}).Error)
		then := time.Now().Format(time.RFC3339Nano)
		time.Sleep(20 * time.Millisecond)
		must(t, db.WithContext(as(bob)).Model(&Ticket{ID: 7}).Update("subject", "Torch").Error)
		must(t, plain.Exec("UPDATE tickets SET created_by = 2").Error)
		h := historyweb.Handler(db, historyweb.Config{Names: who.Names, Tables: []historyweb.Table{
			historyweb.For[Ticket](historyweb.Table{}), historyweb.For[Folder](historyweb.Table{}),
		}, MayRestore: func(context.Context, actor.Actor, any) (bool, error) { return true, nil }})
		for page, want := range map[string]string{
			"?actor=user:9&unattributed=1":    "Created by changed from alice → to bob",
			"":                                "Created by changed from alice → to bob",
			"row?table=tickets&key=7":         "Created by changed from alice → to bob",
			"moment?table=folders&key=8&at=":  "Created by dora Updated by dora",
			"moment?table=tickets&key=7&at=":  "Created by alice changed since [deleted: alice][inserted: bob] Updated by alice changed since [deleted: alice][inserted: bob] Deleted by nothing Who updated it last, and when, may be from a later update that changed nothing else.",
			"restore?table=tickets&key=7&at=": "Created by [deleted: bob][inserted: alice]",
		} {
			if strings.HasSuffix(page, "at=") {
				page += url.QueryEscape(then)
			}
			for _, a := range []actor.Actor{alice, alice.As(bob)} {
				who.times = 0
				expect(t, page, text(get(h, a, "/"+page)), want)
				if who.times != 1 {
					t.Errorf("%s asks for names %d times, want once", page, who.times)
				}
			}
		}
	})
}

func TestByColumnsOfBytesAreNames(t *testing.T) {
	t.Parallel()
	type Parcel struct {
		ID        uint
		CreatedBy binaryID
	}
	db := dbtest.New(t, dbtest.SQLite).Open(t)
	must(t, db.Use(history.New()))
	must(t, history.Migrate(db, &Parcel{}))
	id := uuid.MustParse("6ba7b810-9dad-41d1-80b4-00c04fd430c8")
	must(t, db.WithContext(as(alice)).Create(&Parcel{ID: 1, CreatedBy: binaryID(id)}).Error)
	must(t, db.WithContext(as(alice)).Create(&Parcel{ID: 2}).Error)
	who := &asked{names: map[string]string{"1": "alice", id.String(): "dora"}}
	h := historyweb.Handler(db, historyweb.Config{Names: who.Names, Tables: []historyweb.Table{historyweb.For[Parcel](historyweb.Table{})}})
	expect(t, "moment", text(get(h, alice, "/moment?table=parcels&key=1")), "Created by dora")
	expect(t, "moment without anybody", text(get(h, alice, "/moment?table=parcels&key=2")), "Created by nothing")
}

// A row is called by a column of it, also one that is gone.
func TestRowsHaveTitles(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := shop(t, d)
		tx := db.WithContext(as(alice))
		must(t, tx.Create(&[]Order{{ID: 1, Customer: "Ms One"}, {ID: 2, Customer: "Mr Two"}, {ID: 3, Customer: "Dr Three"}, {ID: 4}}).Error)
		must(t, tx.Create(&[]Line{{OrderID: 1, No: 0, Text: strings.Repeat("rope\n", 50)}, {OrderID: 2, No: 0, Text: "torch"}}).Error)
		must(t, tx.Model(&Order{ID: 1}).Update("customer", "Ms Uno").Error)
		must(t, tx.Delete(&Order{ID: 2}).Error)
		must(t, tx.Unscoped().Delete(&Order{ID: 3}).Error)
		must(t, tx.Where("order_id = 2").Delete(&Line{}).Error)
		h := historyweb.Handler(plain, historyweb.Config{Tables: []historyweb.Table{
			historyweb.For[Order](historyweb.Table{Title: "customer"}), historyweb.For[Line](historyweb.Table{Title: "text"}),
		}})
		expect(t, "activity", text(get(h, alice, "/")),
			"deleted Line (No 0, Order id 2) “torch”", "deleted Order 3 “Dr Three”", "put Order 2 “Mr Two” in the trash", "created Order 1 “Ms Uno”",
			"created Order 4 ", "created Line (No 0, Order id 1) “rope rope rope rope rope rope rope rope rope rope rope rope…”")
		for _, page := range []string{"row", "moment"} {
			expect(t, page, text(get(h, alice, "/"+page+"?table=orders&key=3")), "Order 3 “Dr Three”")
			expect(t, page, text(get(h, alice, "/"+page+"?table=orders&key=1")), "Order 1 “Ms Uno”")
		}
	})
}

func TestATitleThatCannotBeReadPanics(t *testing.T) {
	t.Parallel()
	db, _ := shop(t, dbtest.New(t, dbtest.SQLite))
	for _, column := range []string{"token", "draft", "nothing"} {
		func() {
			defer func() {
				if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), column) {
					t.Errorf("Handler with the title %q panics with %v, want a reason", column, r)
				}
			}()
			historyweb.Handler(db, historyweb.Config{Tables: []historyweb.Table{historyweb.For[Order](historyweb.Table{Title: column})}})
		}()
	}
}

// The key of a UUID is shortened where rows are listed, and whole on the row's own
// pages.
func TestLongKeysAreShort(t *testing.T) {
	t.Parallel()
	type Parcel struct {
		ID   uuid.UUID
		Text string
	}
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &Parcel{}))
		const key, short = "6ba7b810-9dad-41d1-80b4-00c04fd430c8", "Parcel 6ba7b810…30c8"
		must(t, db.WithContext(as(alice)).Create(&Parcel{ID: uuid.MustParse(key), Text: "rope"}).Error)
		h := historyweb.Handler(db, historyweb.Config{Tables: []historyweb.Table{historyweb.For[Parcel](historyweb.Table{Title: "text"})}})
		activity := get(h, alice, "/")
		expect(t, "activity", text(activity), "created "+short+" “rope”")
		expect(t, "activity", activity.Body.String(), `href="row?key=`+key+`&amp;table=parcels" title="`+key+`"`)
		for _, page := range []string{"row", "moment"} {
			expect(t, page, text(get(h, alice, "/"+page+"?table=parcels&key="+key)), short, "Key "+key)
		}
		expect(t, "activity of all tables", text(get(historyweb.Handler(db, historyweb.Config{}), alice, "/")), "Parcels 6ba7b810…30c8")
	})
}

// The parts of a key of several columns have these columns' names.
func TestKeysOfSeveralColumnsHaveLabels(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t, dbtest.SQLite).Open(t)
	must(t, db.Use(history.New()))
	must(t, history.Migrate(db, &Leaf{}))
	tree := strings.Repeat("oak", 10)
	must(t, db.WithContext(as(alice)).Create(&Leaf{Tree: tree, Name: "first", Text: "green"}).Error)
	h := historyweb.Handler(db, historyweb.Config{Tables: []historyweb.Table{historyweb.For[Leaf](historyweb.Table{Columns: map[string]string{"tree": "Its tree"}})}})
	w := get(h, alice, "/")
	expect(t, "activity", text(w), "created Leaf (Name first, Its tree oakoakoa…koak)")
	expect(t, "activity", w.Body.String(), `title="Name first, Its tree `+tree+`"`)
	for _, page := range []string{"row", "moment"} {
		query := url.Values{"table": {"leafs"}, "key": {"first", tree}}.Encode()
		expect(t, page, text(get(h, alice, "/"+page+"?"+query)), "Leaf (Name first, Its tree oakoakoa…koak)", "Key Name first, Its tree "+tree)
	}
	// What the key's columns are called is not known without the model.
	expect(t, "activity of all tables", text(get(historyweb.Handler(db, historyweb.Config{}), alice, "/")), "created Leafs first, oakoakoa…koak")
}

// People know names, not ids.
func TestWhoIsAskedForByName(t *testing.T) {
	t.Parallel()
	db, _ := shop(t, dbtest.New(t, dbtest.SQLite))
	carol := actor.User(3)
	carol.Name = "Carol of old"
	must(t, db.WithContext(as(bob)).Create(&Order{ID: 1}).Error)
	must(t, db.WithContext(as(alice)).Create(&Order{ID: 2}).Error)
	must(t, db.WithContext(as(alice.As(bob))).Create(&Order{ID: 3}).Error)
	must(t, db.WithContext(as(actor.System("archiver"))).Create(&Order{ID: 4}).Error)
	must(t, db.WithContext(as(actor.User("bob"))).Create(&Order{ID: 5}).Error)
	must(t, db.WithContext(as(actor.User(9))).Create(&Order{ID: 6}).Error)
	h := historyweb.Handler(db, historyweb.Config{Tables: tables, Names: names})
	for asked, want := range map[string]string{
		"bob": "5 3 1", "BOB": "3 1", "bob (user:2)": "3 1", "2": "3 1", "user:2": "3 1", "user:bob": "5", "alice": "3 2", "archiver": "4",
		"system:archiver": "4", "9": "6", "user 9": "6", "nobody": "", "archiver (system:archiver)": "4",
	} {
		query := "?actor=" + url.QueryEscape(asked)
		w := get(h, alice, "/"+query)
		var got []string
		for _, part := range strings.Split(w.Body.String(), `href="row?key=`)[1:] {
			got = append(got, part[:1])
		}
		if strings.Join(got, " ") != want {
			t.Errorf("orders of %q = %q, want %q", asked, got, want)
		}
		export := get(h, alice, "/changes.csv"+query).Body.String()
		if n := strings.Count(export, "create"); (n == 0) != (want == "") {
			t.Errorf("the export of %q has %d changes, those of the page are %q", asked, n, want)
		}
		if problem := strings.Contains(w.Body.String(), "Nobody who made"); problem != (want == "") {
			t.Errorf("the page of %q says that there is nobody: %t", asked, problem)
		}
	}
	page := get(h, alice, "/?actor=user:2").Body.String()
	expect(t, "the filter", page, `value="bob (user:2)" list="people"`, `<option value="alice (user:1)">`, `<option value="bob (user:2)">`)
	expect(t, "the filter of all", get(h, alice, "/").Body.String(), `<option value="system:archiver">`, `<option value="user:9">`)
	// Who may not read all does not learn there who did what.
	shy := historyweb.Handler(db, historyweb.Config{Tables: tables, Names: names, MayRead: func(_ context.Context, _ actor.Actor, q history.Query) (bool, error) {
		return len(q.Actors) == 1 && q.Actors[0].ID == "bob", nil
	}})
	if w := get(shy, alice, "/?actor=bob"); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "key=3") || !strings.Contains(w.Body.String(), "key=5") {
		t.Errorf("what may be read of bob = %d %s", w.Code, w.Body)
	}
}

type Big struct {
	ID   uint64 `gorm:"primaryKey;autoIncrement:false;type:numeric(20)"`
	Text string
}

type Word struct {
	Word string `gorm:"primaryKey;size:50"`
	Text string
}

type Number struct {
	ID   uint `gorm:"primaryKey;autoIncrement:false"`
	Text string
}

type Small struct {
	ID   int32 `gorm:"primaryKey;autoIncrement:false;type:integer"`
	Text string
}

// Keys of zero, empty and very large ones are keys like others.
func TestOddKeysHavePages(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := d.Open(t), d.Open(t)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &Big{}, &Word{}, &Number{}, &Small{}))
		const most = "18446744073709551615"
		must(t, plain.Exec("INSERT INTO bigs (id, text) VALUES ("+most+", 'largest'), (0, 'zero')").Error)
		must(t, plain.Exec("INSERT INTO words (word, text) VALUES ('', 'empty'), ('a', 'stranger')").Error)
		must(t, plain.Exec("INSERT INTO numbers (id, text) VALUES (0, 'zero'), (8, 'eight')").Error)
		must(t, plain.Exec("INSERT INTO smalls (id, text) VALUES (1, 'one')").Error)
		h := historyweb.Handler(db, historyweb.Config{Tables: []historyweb.Table{
			historyweb.For[Big](historyweb.Table{Title: "text"}), historyweb.For[Word](historyweb.Table{Title: "text"}),
			historyweb.For[Number](historyweb.Table{}), historyweb.For[Small](historyweb.Table{}),
		}, MayRestore: func(context.Context, actor.Actor, any) (bool, error) { return true, nil }})
		at := "&at=" + url.QueryEscape(time.Now().Format(time.RFC3339Nano))
		pages := map[string]string{"table=bigs&key=0": "zero", "table=words&key=": "empty", "table=numbers&key=0": "zero", "table=bigs&key=" + most: "largest"}
		if strings.HasPrefix(d.Kind, dbtest.SQLite) {
			delete(pages, "table=bigs&key="+most) // SQLite has made a float of it
		}
		for query, want := range pages {
			for _, page := range []string{"row", "moment", "restore"} {
				w := get(h, alice, "/"+page+"?"+query+at)
				if got := text(w); w.Code != http.StatusOK || page != "restore" && !strings.Contains(got, want) || strings.Contains(got, "stranger") {
					t.Errorf("%s?%s = %d %s, want the row %q", page, query, w.Code, got, want)
				}
			}
			if w := get(h, alice, "/changes.csv?"+query); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
				t.Errorf("export of %s = %d %s", query, w.Code, w.Body)
			}
		}
		expect(t, "activity", text(get(h, alice, "/")), "created Word (empty) “empty”")
		for _, query := range []string{
			"table=numbers&key=" + most, "table=numbers&key=9223372036854775808", "table=numbers&key=010", "table=numbers&key=0x8", "table=numbers&key=%2B8",
			"table=smalls&key=4294967297", "table=smalls&key=3000000000", "table=smalls&key=-3000000000", "table=words&key=nothing", "table=bigs&key=1",
		} {
			for _, page := range []string{"row", "moment", "restore"} {
				if w := get(h, alice, "/"+page+"?"+query+at); w.Code != http.StatusNotFound {
					t.Errorf("%s?%s = %d %s, want 404", page, query, w.Code, text(w))
				}
			}
		}
	})
}

// A row that is older than its history.
func TestARowOfWhichNothingIsRecorded(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.AutoMigrate(&Order{}))
		must(t, db.Create(&Order{ID: 17, Customer: "Ms Miller"}).Error)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &Order{}))
		h := historyweb.Handler(db, historyweb.Config{Tables: tables[:1]})
		w := get(h, alice, "/row?table=orders&key=17")
		expect(t, "story", text(w), "Order 17", "No change of this row is recorded.")
		if w.Code != http.StatusOK {
			t.Errorf("story = %d, want 200", w.Code)
		}
		expect(t, "moment", text(get(h, alice, "/moment?table=orders&key=17")), "Ms Miller")
		if w := get(h, alice, "/row?table=orders&key=18"); w.Code != http.StatusNotFound {
			t.Errorf("story of no row = %d, want 404", w.Code)
		}
	})
}

// Behind a proxy that changes the Host header, the page that sent the form is of
// another origin.
func TestTrustedOriginsMayRestore(t *testing.T) {
	t.Parallel()
	db, _ := shop(t, dbtest.New(t, dbtest.SQLite))
	must(t, db.WithContext(as(alice)).Create(&Order{ID: 17, Customer: "Ms Miller"}).Error)
	form := url.Values{"table": {"orders"}, "key": {"17"}, "at": {time.Now().Add(time.Hour).Format(time.RFC3339Nano)}}
	trusting := http.NewCrossOriginProtection()
	must(t, trusting.AddTrustedOrigin("https://shop.example"))
	config := historyweb.Config{Tables: tables, MayRestore: func(context.Context, actor.Actor, any) (bool, error) { return true, nil }}
	origin := func(name string) http.Header { return http.Header{"Origin": {name}} }
	for _, c := range []struct {
		trusts *http.CrossOriginProtection
		origin string
		want   int
	}{{nil, "https://shop.example", 403}, {trusting, "https://shop.example", 303}, {trusting, "https://other.example", 403}} {
		config.CrossOrigin = c.trusts
		if w := ask(historyweb.Handler(db, config), alice, http.MethodPost, "/restore", form, origin(c.origin)); w.Code != c.want {
			t.Errorf("a form of %s, trusting some: %t = %d, want %d", c.origin, c.trusts != nil, w.Code, c.want)
		}
	}
}
