package tests

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	echo5 "github.com/labstack/echo/v5"
	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/history/historyweb"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

type Order struct {
	ID          uint
	Customer    string
	Price       int
	Paid        bool
	Terms       string
	Token       string `gorm:"history:redact"`
	Draft       string `gorm:"history:-"`
	DeliveredAt *time.Time
	UpdatedAt   time.Time
	DeletedAt   gorm.DeletedAt
}

type Line struct {
	OrderID uint `gorm:"primaryKey;autoIncrement:false"`
	No      uint `gorm:"primaryKey;autoIncrement:false"`
	Text    string
}

var alice, bob, carol = actor.User(1), actor.User(2), actor.User(3)

func as(a actor.Actor) context.Context { return actor.NewContext(context.Background(), a) }

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// shop is a database with a history, and one past the plugin.
func shop(t *testing.T, d *dbtest.Database) (db, plain *gorm.DB) {
	t.Helper()
	db = d.Open(t)
	must(t, db.Use(history.New()))
	must(t, history.Migrate(db, &Order{}, &Line{}))
	return db, d.Open(t)
}

var tables = []historyweb.Table{
	historyweb.For[Order](historyweb.Table{
		Columns: map[string]string{"customer": "Customer's name"},
		Link:    func(key []string) string { return "/orders/" + key[0] },
	}),
	historyweb.For[Line](historyweb.Table{Label: "Order line"}),
}

func names(_ context.Context, ids []string) (map[string]string, error) {
	all := map[string]string{}
	for _, id := range ids {
		all[id] = map[string]string{"1": "alice", "2": "bob", "3": "carol"}[id]
	}
	return all, nil
}

// get is what somebody gets from a server. The zero actor says nothing.
func get(h http.Handler, a actor.Actor, target string) *httptest.ResponseRecorder {
	return ask(h, a, http.MethodGet, target, nil, nil)
}

// ask is what somebody gets from a server for a request, redirects not followed.
func ask(h http.Handler, a actor.Actor, method, target string, form url.Values, header http.Header) *httptest.ResponseRecorder {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a != (actor.Actor{}) {
			r = r.WithContext(actor.NewContext(r.Context(), a))
		}
		h.ServeHTTP(w, r)
	}))
	defer server.Close()
	r, err := http.NewRequest(method, server.URL+target, strings.NewReader(form.Encode()))
	if err != nil {
		panic(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, values := range header {
		r.Header[name] = values
	}
	if host := header.Get("Host"); host != "" {
		r.Host = host
	}
	answer, err := server.Client().Transport.RoundTrip(r)
	if err != nil {
		panic(err)
	}
	defer func() { _ = answer.Body.Close() }()
	w := httptest.NewRecorder()
	maps.Copy(w.Header(), answer.Header)
	w.WriteHeader(answer.StatusCode)
	if _, err := io.Copy(w, answer.Body); err != nil {
		panic(err)
	}
	return w
}

// text is a page as people read it.
func text(w *httptest.ResponseRecorder) string {
	body := regexp.MustCompile(`(?s)<title>.*?</title>|<details class="filter.*?</form>\s*</details>`).ReplaceAllString(w.Body.String(), "")
	body = regexp.MustCompile(`</?(dt|dd|div|p|li|summary|details|h[12])\b[^>]*>`).ReplaceAllString(body, " ")
	body = regexp.MustCompile(`<[^>]*>`).ReplaceAllString(body, "")
	return strings.Join(strings.Fields(html.UnescapeString(body)), " ")
}

func expect(t *testing.T, what, got string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("%s has no %q:\n%s", what, w, got)
		}
	}
}

func TestNobodySeesAnything(t *testing.T) {
	t.Parallel()
	db, _ := shop(t, dbtest.New(t, dbtest.SQLite))
	must(t, db.WithContext(as(alice)).Create(&Order{ID: 1, Customer: "Ms Secret"}).Error)
	h := historyweb.Handler(db, historyweb.Config{Tables: tables})
	for _, page := range []string{"/history/", "/history/row?table=orders&key=1", "/history/moment?table=orders&key=1", "/history/changes.csv", "/history/changes.ndjson", "/history/style.css", "/history/other"} {
		for name, ctx := range map[string]context.Context{"nobody": context.Background(), "anonymous": as(actor.Actor{}), "a user without id": as(actor.User(""))} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, page, nil).WithContext(ctx))
			if w.Code != http.StatusUnauthorized || strings.Contains(w.Body.String(), "Secret") || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s for %s = %d %q, want 401, not to be stored", page, name, w.Code, w.Body)
			}
		}
	}
}

func TestActivityIsWhatHappened(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := shop(t, d)
		ctx := actor.NewRequestContext(as(bob), actor.Request{ID: "r-1", Method: "PUT", Route: "/orders/:id"})
		ctx = actor.NewMetadataContext(ctx, map[string]string{"reason": "list price"})
		must(t, db.WithContext(as(alice)).Create(&Order{ID: 17, Customer: "Ms Miller", Price: 900, Token: "s3cret"}).Error)
		must(t, db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
			must(t, tx.Model(&Order{ID: 17}).Updates(map[string]any{"price": 950, "token": "n3w"}).Error)
			return tx.Create(&Line{OrderID: 17, No: 1, Text: "rope"}).Error
		}))
		must(t, db.WithContext(as(alice.As(actor.User(3)))).Delete(&Order{ID: 17}).Error)
		must(t, db.WithContext(as(actor.System("archiver"))).Unscoped().Model(&Order{ID: 17}).Update("deleted_at", nil).Error)
		must(t, plain.Exec("UPDATE orders SET price = 1, paid = ? WHERE id = 17", true).Error)
		asked := 0
		h := historyweb.Handler(plain, historyweb.Config{Tables: tables, Location: time.UTC, Names: func(ctx context.Context, ids []string) (map[string]string, error) {
			asked++
			return names(ctx, ids)
		}})
		w := get(h, alice, "/history/")
		page := text(w)
		expect(t, "activity", page,
			"Unknown", "changed Order 17 Price lowered from 950 → to 1 Paid changed from no → to yes",
			"archiver, a program", "took Order 17 out of the trash",
			"alice as carol", "put Order 17 in the trash",
			"PUT /orders/:id Reason list price created Order line (No 1, Order id 17) Text [inserted: rope] changed Order 17 Price raised from 900 → to 950 Token changed, hidden",
			"created Order 17 Customer's name [inserted: Ms Miller] Price [inserted: 900] Paid [inserted: no] Token hidden", time.Now().UTC().Format("2 January 2006"), "Times are in UTC")
		if strings.Contains(page, "s3cret") || strings.Contains(page, "Updated at") || strings.Contains(page, "Deleted at") {
			t.Errorf("activity has what is no news:\n%s", page)
		}
		if n := strings.Count(page, "PUT /orders"); n != 1 || asked != 1 {
			t.Errorf("the change set is there %d times, names were asked for %d times, want once", n, asked)
		}
		expect(t, "activity", w.Body.String(), `href="row?key=17&amp;table=orders"`, `href="row?key=1&amp;key=17&amp;table=lines"`, `href="./?actor=user%3A2"`)
		if w.Code != http.StatusOK {
			t.Errorf("status %d", w.Code)
		}
	})
}

func TestTheZeroConfigShowsAllTablesToWhoIsSignedIn(t *testing.T) {
	t.Parallel()
	db, _ := shop(t, dbtest.New(t, dbtest.SQLite))
	must(t, db.WithContext(as(alice)).Create(&Order{ID: 1}).Error)
	must(t, db.WithContext(as(alice)).Create(&Line{OrderID: 1, No: 1}).Error)
	h := historyweb.Handler(db, historyweb.Config{})
	page := text(get(h, bob, "/"))
	expect(t, "activity", page, "created Orders 1", "created Lines 1, 1", "user 1")
	if w := get(h, bob, "/row?table=orders&key=1"); w.Code != http.StatusNotFound {
		t.Errorf("a row's page without Tables = %d, want 404", w.Code)
	}
}

// A record that somebody has damaged says so, beside the others.
func TestARecordThatCannotBeReadSaysSo(t *testing.T) {
	t.Parallel()
	db, plain := shop(t, dbtest.New(t, dbtest.SQLite))
	must(t, db.WithContext(as(alice)).Create(&Order{ID: 1}).Error)
	must(t, plain.Exec("UPDATE whodunit_changes SET layout = 1").Error)
	must(t, db.WithContext(as(alice)).Model(&Order{ID: 1}).Update("customer", "Carol").Error)
	page := text(get(historyweb.Handler(db, historyweb.Config{}), bob, "/"))
	expect(t, "activity", page, "Record can't be read", "Carol")
}

// A row as it was shows what can be read, and names what can't.
func TestAMomentWithARecordThatCannotBeRead(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := shop(t, d)
		tx := db.WithContext(as(alice))
		must(t, tx.Create(&Order{ID: 17, Customer: "Ms Miller", Price: 900}).Error)
		time.Sleep(20 * time.Millisecond)
		query := "?table=orders&key=17&at=" + url.QueryEscape(time.Now().Format(time.RFC3339Nano))
		time.Sleep(20 * time.Millisecond)
		must(t, tx.Model(&Order{ID: 17}).Update("price", 950).Error)
		must(t, tx.Model(&Order{ID: 17}).Updates(map[string]any{"customer": "Carol", "price": 960}).Error)
		changes, err := history.Of(plain, &Order{ID: 17})
		must(t, err)
		damage := "UPDATE whodunit_changes SET fields = 'x' WHERE id = ?"
		if plain.Name() == "sqlite" {
			damage = "UPDATE whodunit_changes SET layout = 99 WHERE id = ?"
		}
		must(t, plain.Exec(damage, changes[0].ID).Error)
		h := historyweb.Handler(db, historyweb.Config{Tables: tables, MayRestore: anybodyMay})
		says := fmt.Sprintf("Change %d can't be read", changes[0].ID)
		for _, state := range []string{"there", "deleted"} {
			if state == "deleted" {
				must(t, tx.Unscoped().Delete(&Order{ID: 17}).Error)
			}
			w := get(h, bob, "/moment"+query)
			expect(t, "the moment of a row that is "+state, text(w), says, "Customer's name not known", "Price 900", "Token hidden")
			if page := w.Body.String(); w.Code != http.StatusOK || strings.Contains(page, "Carol") || strings.Contains(page, `href="restore`) {
				t.Errorf("the moment of a row that is %s = %d:\n%s", state, w.Code, page)
			}
			for _, w := range []*httptest.ResponseRecorder{get(h, bob, "/restore"+query), ask(h, bob, http.MethodPost, "/restore"+query, nil, nil)} {
				if expect(t, "restoring", text(w), says); w.Code != http.StatusConflict {
					t.Errorf("restoring a row that is %s = %d, want 409", state, w.Code)
				}
			}
			expect(t, "the story", text(get(h, bob, "/row?table=orders&key=17")), "Record can't be read", "Price raised from 900 → to 950")
			expect(t, "activity", text(get(h, bob, "/")), "Record can't be read")
		}
	})
}

func TestFiltersAreInTheAddress(t *testing.T) {
	t.Parallel()
	db, plain := shop(t, dbtest.New(t, dbtest.SQLite))
	must(t, db.WithContext(as(alice)).Create(&Order{ID: 1, Price: 1}).Error)
	must(t, db.WithContext(actor.NewRequestContext(as(bob), actor.Request{ID: "r-1"})).Create(&Line{OrderID: 1, No: 2}).Error)
	must(t, db.WithContext(as(actor.System("job"))).Model(&Order{ID: 1}).Update("price", 2).Error)
	must(t, plain.Exec("UPDATE orders SET customer = 'x'").Error)
	must(t, db.WithContext(as(actor.Actor{})).Create(&Order{ID: 3}).Error)
	h := historyweb.Handler(plain, historyweb.Config{Tables: tables, Location: time.UTC})
	hour := func(h int) string {
		return time.Now().UTC().Add(time.Duration(h) * time.Hour).Format("2006-01-02T15:04")
	}
	for query, want := range map[string][]string{
		"":                             {"5", "4", "3", "2", "1"},
		"actor=2":                      {"2"},
		"actor=user:1":                 {"1"},
		"actor=system:job":             {"3"},
		"actor=anonymous":              {"5"},
		"unattributed=1":               {"4"},
		"table=lines":                  {"2"},
		"action=update":                {"4", "3"},
		"column=price&action=update":   {"3"},
		"request=r-1":                  {"2"},
		"since=" + hour(-1):            {"5", "4", "3", "2", "1"},
		"since=" + hour(1):             nil,
		"until=" + hour(-1):            nil,
		"before=3":                     {"2", "1"},
		"actor=1&actor=2&table=orders": {"1"},
		"since=yesterday":              nil,
		"actor=user:":                  nil,
		"table=orders&action=create&column=price&until=" + hour(1): {"5", "1"},
	} {
		w := get(h, alice, "/?"+query)
		var got []string
		for _, match := range regexp.MustCompile(`id="change-(\d+)"`).FindAllStringSubmatch(w.Body.String(), -1) {
			got = append(got, match[1])
		}
		if !slices.Equal(got, want) || w.Code != http.StatusOK {
			t.Errorf("?%s = %d, changes %v, want %v", query, w.Code, got, want)
		}
	}
	if w := get(h, alice, "/?since=yesterday"); !strings.Contains(w.Body.String(), "This is not a time like") || !strings.Contains(w.Body.String(), `value="yesterday"`) {
		t.Errorf("a time that can't be read is not said:\n%s", w.Body)
	}
	if w := get(h, alice, "/?table=users"); w.Code != http.StatusNotFound {
		t.Errorf("an unknown table = %d, want 404", w.Code)
	}
}

func TestPagesLeadToOlderOnes(t *testing.T) {
	t.Parallel()
	db, _ := shop(t, dbtest.New(t, dbtest.SQLite))
	for i := range 60 {
		must(t, db.WithContext(as(alice)).Save(&Order{ID: 1, Price: i + 1}).Error)
	}
	h := historyweb.Handler(db, historyweb.Config{Tables: tables})
	for _, page := range []string{"./?column=price&", "row?key=1&table=orders&"} {
		first := get(h, alice, "/"+strings.NewReplacer("./", "", "&amp;", "&").Replace(strings.Trim(page, "&")))
		older := regexp.MustCompile(`rel="next" href="([^"]*)"`).FindStringSubmatch(first.Body.String())
		if older == nil {
			t.Fatalf("%s leads to no older page:\n%s", page, first.Body)
		}
		next := get(h, alice, "/"+strings.TrimPrefix(html.UnescapeString(older[1]), "./"))
		if a, b := strings.Count(first.Body.String(), `id="change-`), strings.Count(next.Body.String(), `id="change-`); a != 50 || b != 10 {
			t.Errorf("%s has %d changes and the next %d, want 50 and 10", page, a, b)
		}
		if !strings.Contains(next.Body.String(), ">Newest</a>") || strings.Contains(next.Body.String(), ">Older</a>") {
			t.Errorf("the last page leads elsewhere:\n%s", next.Body)
		}
	}
}

func TestTheStoryOfARow(t *testing.T) {
	t.Parallel()
	db, plain := shop(t, dbtest.New(t, dbtest.SQLite))
	terms := strings.Repeat("This line stays.\n", 12)
	order := Order{ID: 17, Customer: "Ms Miller", Terms: terms + "Delivery in May.\n" + terms}
	must(t, db.WithContext(as(alice)).Create(&order).Error)
	must(t, db.WithContext(as(alice)).Create(&Order{ID: 18, Customer: "Mr Other"}).Error)
	must(t, db.WithContext(as(bob)).Model(&order).Update("terms", terms+"Delivery in June.\n"+terms).Error)
	h := historyweb.Handler(plain, historyweb.Config{Tables: tables, Names: names})
	w := get(h, alice, "/history/row?table=orders&key=17")
	page := text(w)
	expect(t, "story", page, "Order 17", "bob", "10 unchanged lines", "Delivery in [deleted: May][inserted: June].", "As it was after this")
	if strings.Contains(page, "Mr Other") {
		t.Errorf("the story has another row's changes:\n%s", page)
	}
	expect(t, "story", w.Body.String(), `<a href="/orders/17">`)
	must(t, db.WithContext(as(bob)).Unscoped().Delete(&order).Error)
	must(t, db.WithContext(as(bob)).Create(&Line{OrderID: 17, No: 3, Text: "rope"}).Error)
	expect(t, "story of a row that is gone", text(get(h, alice, "/history/row?table=orders&key=17")), "deleted it", "[deleted: Ms Miller]")
	expect(t, "story by a key of two columns", text(get(h, alice, "/history/row?table=lines&key=3&key=17")), "Order line (No 3, Order id 17)", "rope")
	for _, nothing := range []string{"row?table=orders&key=99", "row?table=orders", "row?table=orders&key=x", "row?table=orders&key=17&key=1", "row?table=users&key=1", "row"} {
		if w := get(h, alice, "/history/"+nothing); w.Code != http.StatusNotFound {
			t.Errorf("%s = %d, want 404", nothing, w.Code)
		}
	}
}

func TestARowAsItWas(t *testing.T) {
	t.Parallel()
	db, plain := shop(t, dbtest.New(t, dbtest.SQLite))
	must(t, db.WithContext(as(alice)).Create(&Order{ID: 17, Customer: "Ms Miller", Price: 900, Token: "s3cret", Draft: "unsaid"}).Error)
	time.Sleep(3 * time.Millisecond)
	then := time.Now()
	time.Sleep(3 * time.Millisecond)
	must(t, db.WithContext(as(bob)).Model(&Order{ID: 17}).Updates(map[string]any{"customer": "Ms Miller-Smith", "paid": true}).Error)
	h := historyweb.Handler(plain, historyweb.Config{Tables: tables, Location: time.UTC})
	moment := func(at string) string {
		return text(get(h, alice, "/moment?"+url.Values{"table": {"orders"}, "key": {"17"}, "at": {at}}.Encode()))
	}
	page := moment(then.Format(time.RFC3339Nano))
	expect(t, "moment", page, "Customer's name Ms Miller changed since Ms Miller[inserted: -Smith]", "Price 900", "Token hidden", "Paid no changed since")
	if strings.Contains(page, "s3cret") || strings.Contains(page, "unsaid") {
		t.Errorf("the moment shows what is not recorded:\n%s", page)
	}
	expect(t, "now", moment(""), "Ms Miller-Smith", "Paid yes")
	expect(t, "before", moment("2001-02-03T04:05"), "It did not exist yet, as far as is recorded.", "3 February 2001, 04:05:00 UTC")
	expect(t, "a time that can't be read", moment("noon"), "This is not a time like")
	must(t, db.WithContext(as(bob)).Unscoped().Delete(&Order{ID: 17}).Error)
	expect(t, "after", moment(time.Now().Add(time.Hour).Format(time.RFC3339Nano)), "It had been deleted for good.")
}

type Parcel struct {
	ID       uuid.UUID `gorm:"type:uuid"`
	Customer string
}

// Where row-level security wants to know who reads, a row is read in a transaction.
func TestARowAsItWasForWhomItIs(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t, dbtest.Postgres)
	db := d.Open(t)
	must(t, db.Use(history.NewWithConfig(history.Config{AttributeAll: true})))
	must(t, history.Migrate(d.Open(t), &Order{}, &Line{}, &Parcel{}))
	me, id := db.WithContext(as(alice)), uuid.New()
	must(t, me.Create(&Order{ID: 17, Customer: "Ms Miller"}).Error)
	must(t, me.Create(&Parcel{ID: id, Customer: "Ms Miller"}).Error)
	then := url.QueryEscape(time.Now().Format(time.RFC3339Nano))
	must(t, db.WithContext(as(bob)).Model(&Order{ID: 17}).Update("customer", "Ms X").Error)
	must(t, db.WithContext(as(bob)).Model(&Parcel{ID: id}).Update("customer", "Ms X").Error)
	h := historyweb.Handler(db, historyweb.Config{
		Tables: append(slices.Clone(tables), historyweb.For[Parcel](historyweb.Table{})), Names: names, MayRestore: anybodyMay,
	})
	pages := map[string]string{"": "bob", "changes.csv": "Ms Miller"}
	for _, key := range []string{"table=orders&key=17", "table=parcels&key=" + id.String()} {
		pages["row?"+key], pages["?"+key] = "bob", "bob"
		pages["moment?"+key+"&at="+then], pages["restore?"+key+"&at="+then] = "Ms Miller", "[inserted: Miller]"
	}
	for page, want := range pages {
		w := get(h, alice, "/"+page)
		if expect(t, page, text(w), want); w.Code != http.StatusOK {
			t.Errorf("%s = %d, want 200", page, w.Code)
		}
	}
}

// A nil pointer to a type whose Value method takes a value, such as an empty
// deleted_by of uuids.
func TestARowAsItWasWithoutAnOwner(t *testing.T) {
	t.Parallel()
	type Parcel struct {
		ID    uint
		Owner *uuid.UUID
	}
	db := dbtest.New(t, dbtest.SQLite).Open(t)
	must(t, db.Use(history.New()))
	must(t, history.Migrate(db, &Parcel{}))
	must(t, db.WithContext(as(alice)).Create(&Parcel{ID: 17}).Error)
	h := historyweb.Handler(db, historyweb.Config{Tables: []historyweb.Table{historyweb.For[Parcel](historyweb.Table{})}})
	w := get(h, alice, "/moment?table=parcels&key=17")
	expect(t, "moment", text(w), "Id 17", "Owner nothing")
}

func TestMayReadIsAskedForEverything(t *testing.T) {
	t.Parallel()
	db, _ := shop(t, dbtest.New(t, dbtest.SQLite))
	must(t, db.WithContext(as(alice)).Create(&[]Order{{ID: 1, Customer: "Ms Miller"}, {ID: 2, Customer: "Ms Other"}}).Error)
	must(t, db.WithContext(as(alice)).Create(&Line{OrderID: 1, No: 1, Text: "rope"}).Error)
	broken := errors.New("no answer")
	h := historyweb.Handler(db, historyweb.Config{Tables: tables, MayRead: func(ctx context.Context, a actor.Actor, q history.Query) (bool, error) {
		if a == actor.User(9) {
			return false, broken
		}
		if _, ok := actor.FromContext(ctx); !ok {
			return false, errors.New("the context is not the request's")
		}
		if len(q.Rows) == 1 { // bob's tenant has order 1
			order, ok := q.Rows[0].(*Order)
			return a == alice || ok && order.ID == 1, nil
		}
		_, lines := q.Tables[0].(*Line)
		return a == alice || a == bob && lines, nil
	}})
	for _, page := range []string{"/", "/changes.csv", "/changes.ndjson"} {
		body := get(h, alice, page).Body.String()
		expect(t, page+" for alice", body, "Ms Miller", "rope")
		if body = get(h, bob, page).Body.String(); strings.Contains(body, "Ms ") || !strings.Contains(body, "rope") {
			t.Errorf("%s for bob =\n%s\nwant lines alone", page, body)
		}
		if w := get(h, actor.User(3), page); w.Code != http.StatusForbidden || strings.Contains(w.Body.String(), "rope") {
			t.Errorf("%s for carol = %d, want 403", page, w.Code)
		}
		if w := get(h, actor.User(9), page); w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), broken.Error()) {
			t.Errorf("%s where MayRead fails = %d %s, want 500 without the reason", page, w.Code, w.Body)
		}
		if w := get(h, bob, page+"?table=orders"); w.Code != http.StatusForbidden {
			t.Errorf("%s of orders for bob = %d, want 403", page, w.Code)
		}
	}
	for _, page := range []string{"/row?table=orders&key=", "/moment?table=orders&key=", "/changes.csv?table=orders&key=", "/changes.ndjson?table=orders&key="} {
		if w := get(h, bob, page+"1"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Ms Miller") {
			t.Errorf("%s1 for bob = %d, want his", page, w.Code)
		}
		if w := get(h, bob, page+"2"); w.Code != http.StatusForbidden || strings.Contains(w.Body.String(), "Ms Other") {
			t.Errorf("%s2 for bob = %d, want 403", page, w.Code)
		}
	}
}

// It may ask a database: a page asks it no question twice.
func TestMayReadIsAskedOnceForATable(t *testing.T) {
	t.Parallel()
	db, _ := shop(t, dbtest.New(t, dbtest.SQLite))
	must(t, db.WithContext(as(bob)).Create(&Order{ID: 1, Customer: "Ms Miller"}).Error)
	must(t, db.WithContext(as(bob)).Create(&Line{OrderID: 1, No: 1, Text: "rope"}).Error)
	var questions []string
	h := historyweb.Handler(db, historyweb.Config{Tables: tables, MayRead: func(_ context.Context, a actor.Actor, q history.Query) (bool, error) {
		questions = append(questions, fmt.Sprintf("%T of %v on %v", q.Tables[0], q.Actors, q.Actions))
		_, lines := q.Tables[0].(*Line)
		return a == bob || lines, nil
	}})
	for _, query := range []string{"", "?table=lines", "?action=create", "?actor=bob", "?since=yesterday"} {
		for _, a := range []actor.Actor{alice, bob} {
			questions = nil
			w := get(h, a, "/"+query)
			if twice := len(slices.Compact(slices.Sorted(slices.Values(questions)))) < len(questions); twice || w.Code != http.StatusOK {
				t.Errorf("%s = %d, with the questions %q", query, w.Code, questions)
			}
			if orders := strings.Contains(w.Body.String(), `value="orders"`); orders != (a == bob) || !strings.Contains(w.Body.String(), `value="lines"`) {
				t.Errorf("%s offers orders to %v: %t", query, a, orders)
			}
		}
	}
}

// post is what somebody gets who sends the form that restores from a page of this site, or of
// another.
func post(h http.Handler, a actor.Actor, form url.Values, site string) *httptest.ResponseRecorder {
	return ask(h, a, http.MethodPost, "/history/restore", form, http.Header{"Sec-Fetch-Site": {site}})
}

func TestARowIsRestoredAfterAQuestion(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := shop(t, d)
		must(t, db.WithContext(as(alice)).Create(&[]Order{{ID: 17, Customer: "Ms Miller", Price: 900}, {ID: 18}}).Error)
		time.Sleep(5 * time.Millisecond)
		then := time.Now().Format(time.RFC3339Nano)
		time.Sleep(5 * time.Millisecond)
		must(t, db.WithContext(as(bob)).Model(&Order{ID: 17}).Updates(map[string]any{"customer": "Ms X", "price": 1}).Error)
		must(t, db.WithContext(as(bob)).Model(&Order{ID: 18}).Update("token", "new").Error)
		may := historyweb.Config{Tables: tables, MayRestore: func(_ context.Context, a actor.Actor, row any) (bool, error) {
			return a == alice && row.(*Order).ID != 0, nil
		}}
		h := historyweb.Handler(db, may)
		form := url.Values{"table": {"orders"}, "key": {"17"}, "at": {then}}
		link := regexp.MustCompile(`href="(restore[^"]*)"`).FindStringSubmatch(get(h, alice, "/history/moment?"+form.Encode()).Body.String())
		if link == nil {
			t.Fatal("the moment leads to no restoring")
		}
		question := get(h, alice, "/history/"+html.UnescapeString(link[1]))
		expect(t, "question", text(question), "Customer's name Ms [deleted: X][inserted: Miller]", "Price [deleted: 1][inserted: 900]")
		if strings.Contains(text(question), "Updated at") {
			t.Errorf("the question has what is stamped anew:\n%s", text(question))
		}
		refused := func(what string, w *httptest.ResponseRecorder, status int) {
			t.Helper()
			var order Order
			must(t, plain.First(&order, 17).Error)
			if w.Code != status || order.Price != 1 {
				t.Errorf("%s = %d, want %d; price %d", what, w.Code, status, order.Price)
			}
		}
		refused("GET", get(h, alice, "/history/restore?"+form.Encode()), http.StatusOK)
		refused("POST by bob", post(h, bob, form, "same-origin"), http.StatusForbidden)
		refused("question by bob", get(h, bob, "/history/restore?"+form.Encode()), http.StatusForbidden)
		refused("POST of another site", post(h, alice, form, "cross-site"), http.StatusForbidden)
		refused("POST by default", post(historyweb.Handler(db, historyweb.Config{Tables: tables}), alice, form, "same-origin"), http.StatusForbidden)
		hidden := may
		hidden.MayRead = func(context.Context, actor.Actor, history.Query) (bool, error) { return false, nil }
		refused("POST of what may not be read", post(historyweb.Handler(db, hidden), alice, form, "same-origin"), http.StatusForbidden)
		refused("POST without a time", post(h, alice, url.Values{"table": {"orders"}, "key": {"17"}}, "same-origin"), http.StatusNotFound)
		refused("POST to before there was a row", post(h, alice, url.Values{"table": {"orders"}, "key": {"17"}, "at": {"2001-02-03"}}, "same-origin"), http.StatusConflict)
		refused("POST of what is not recorded", post(h, alice, url.Values{"table": {"orders"}, "key": {"18"}, "at": {then}}, "same-origin"), http.StatusConflict)

		w := post(h, alice, form, "same-origin")
		if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "row?key=17&table=orders" {
			t.Fatalf("POST = %d to %q: %s", w.Code, w.Header().Get("Location"), w.Body)
		}
		var order Order
		must(t, plain.First(&order, 17).Error)
		if order.Customer != "Ms Miller" || order.Price != 900 {
			t.Errorf("restored %+v", order)
		}
		expect(t, "story", text(get(h, alice, "/history/row?table=orders&key=17")), "user 1")
		if strings.Contains(get(h, alice, "/history/moment?"+form.Encode()).Body.String(), `href="restore`) {
			t.Error("what is like that already leads to restoring")
		}
	})
}

func TestWhatIsRecordedIsNoMarkup(t *testing.T) {
	t.Parallel()
	db, plain := shop(t, dbtest.New(t, dbtest.SQLite))
	const attack = `"><script>alert(1)</script><b onclick=x>`
	eve := actor.User(attack)
	eve.Name = attack
	ctx := actor.NewMetadataContext(as(eve), map[string]string{attack: attack})
	must(t, db.WithContext(ctx).Create(&Order{ID: 1, Customer: attack}).Error)
	must(t, db.WithContext(ctx).Model(&Order{ID: 1}).Update("customer", attack+attack).Error)
	h := historyweb.Handler(plain, historyweb.Config{Tables: []historyweb.Table{historyweb.For[Order](historyweb.Table{Label: attack, Link: func([]string) string { return "javascript:alert(1)" }})}})
	for _, page := range []string{"/", "/?actor=" + url.QueryEscape(attack), "/?column=" + url.QueryEscape(attack), "/row?table=orders&key=1", "/moment?table=orders&key=1&at=" + url.QueryEscape(attack)} {
		w := get(h, alice, page)
		if body := w.Body.String(); strings.Contains(body, "<script") || strings.Contains(body, "<b onclick") || strings.Contains(body, `"javascript:`) || w.Code != http.StatusOK {
			t.Errorf("%s = %d:\n%s", page, w.Code, body)
		}
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Content-Type": "text/html; charset=utf-8",
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s = %q, want %q", page, name, got, want)
			}
		}
	}
}

func TestExports(t *testing.T) {
	t.Parallel()
	db, plain := shop(t, dbtest.New(t, dbtest.SQLite))
	orders := make([]Order, 700)
	must(t, db.WithContext(as(alice)).Create(&orders).Error)
	must(t, db.WithContext(as(bob)).Model(&Order{ID: 1}).Update("customer", "=SUM(A1)").Error)
	h := historyweb.Handler(plain, historyweb.Config{Tables: tables})
	w := get(h, alice, "/changes.ndjson")
	lines := strings.Split(strings.TrimSpace(w.Body.String()), "\n")
	var first history.Change
	must(t, json.Unmarshal([]byte(lines[0]), &first))
	if len(lines) != 701 || first.ChangeSet.Actor != bob || w.Header().Get("Content-Disposition") != `attachment; filename="history.ndjson"` {
		t.Errorf("%d lines, the first by %v, %v", len(lines), first.ChangeSet.Actor, w.Header())
	}
	w = get(h, alice, "/changes.csv?actor=2")
	rows, err := csv.NewReader(w.Body).ReadAll()
	must(t, err)
	if len(rows) < 2 || !slices.Contains(rows[1], "'=SUM(A1)") {
		t.Errorf("CSV of what bob did = %q, want the title and one change", rows)
	}
	for _, page := range []string{"/changes.csv?since=noon", "/changes.csv?table=users", "/changes.csv?table=orders&key=x"} {
		if w := get(h, alice, page); w.Code != http.StatusNotFound {
			t.Errorf("%s = %d, want 404", page, w.Code)
		}
	}
}

// Whoever saves an export must see that it is not whole.
func TestAnExportThatFailsIsBrokenOff(t *testing.T) {
	t.Parallel()
	db, plain := shop(t, dbtest.New(t, dbtest.SQLite))
	orders := make([]Order, 1200)
	must(t, db.WithContext(as(alice)).Create(&orders).Error)
	failing := plain.Session(&gorm.Session{})
	pages := 0
	must(t, failing.Callback().Row().Before("gorm:row").Register("test:fail", func(tx *gorm.DB) {
		if pages++; pages > 2 {
			_ = tx.AddError(errors.New("the database is gone"))
		}
	}))
	page := historyweb.Handler(failing, historyweb.Config{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page.ServeHTTP(w, r.WithContext(actor.NewContext(r.Context(), alice)))
	}))
	defer server.Close()
	answer, err := http.Get(server.URL + "/changes.ndjson")
	must(t, err)
	defer func() { _ = answer.Body.Close() }()
	if n, err := io.Copy(io.Discard, answer.Body); err == nil || n == 0 {
		t.Errorf("an export that fails ends after %d bytes with %v, want an error", n, err)
	}
}

func TestMountedOnThreeFrameworks(t *testing.T) {
	t.Parallel()
	db, _ := shop(t, dbtest.New(t, dbtest.SQLite))
	must(t, db.WithContext(as(alice)).Create(&Order{ID: 17}).Error)
	page := historyweb.Handler(db, historyweb.Config{Tables: tables})

	mux := http.NewServeMux()
	mux.Handle("/audit/history/", page)
	stripped := http.NewServeMux()
	stripped.Handle("/audit/history/", http.StripPrefix("/audit/history", page))
	v4 := echo.New()
	v4.Any("/audit/history/*", echo.WrapHandler(page))
	v4.Any("/audit/history", echo.WrapHandler(mux))
	v5 := echo5.New()
	v5.Any("/audit/history/*", echo5.WrapHandler(page))
	v5.Any("/audit/history", echo5.WrapHandler(mux))
	for name, h := range map[string]http.Handler{"net/http": mux, "StripPrefix": stripped, "Echo v4": v4, "Echo v5": v5} {
		for target, want := range map[string]string{"": "created", "row?table=orders&key=17": "created it", "style.css": "color-scheme", "changes.csv": "orders"} {
			if w := get(h, alice, "/audit/history/"+target); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
				t.Errorf("%s: %s = %d %s", name, target, w.Code, w.Body)
			}
		}
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			w := ask(h, alice, method, "/audit/history?table=orders", nil, nil)
			if w.Code/100 != 3 || w.Header().Get("Location") != "/audit/history/?table=orders" {
				t.Errorf("%s: %s without the slash = %d to %q, want a redirect to the page", name, method, w.Code, w.Header().Get("Location"))
			}
		}
		if w := get(h, alice, "/audit/history/other"); w.Code != http.StatusNotFound {
			t.Errorf("%s: an unknown page = %d, want 404", name, w.Code)
		}
		if w := ask(h, alice, http.MethodPut, "/audit/history/", nil, nil); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: PUT = %d, allowed %q, want 405 and what is", name, w.Code, w.Header().Get("Allow"))
		}
	}
}

func TestATableThatIsNotMadeByForPanics(t *testing.T) {
	t.Parallel()
	db, _ := shop(t, dbtest.New(t, dbtest.SQLite))
	for _, table := range []historyweb.Table{{Label: "x"}, historyweb.For[int](historyweb.Table{})} {
		func() {
			defer func() {
				if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), "historyweb:") {
					t.Errorf("Handler of %+v panics with %v, want a reason", table.Label, r)
				}
			}()
			historyweb.Handler(db, historyweb.Config{Tables: []historyweb.Table{table}})
		}()
	}
}
