package tests

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

type Order struct {
	ID        uint
	Customer  string
	Price     int
	DeletedAt gorm.DeletedAt
}

type Line struct {
	OrderID uint `gorm:"primaryKey;autoIncrement:false"`
	No      uint `gorm:"primaryKey;autoIncrement:false"`
	Text    string
	Price   int
}

// shop writes orders and their lines, and knows what there is.
type shop struct {
	db, plain *gorm.DB
	kind      string
	random    *rand.Rand
	lines     []Line
	ticks     []tick
}

// tick is a moment between two writes, and the newest change then.
type tick struct {
	at     time.Time
	newest int64
}

func newShop(t *testing.T, d *dbtest.Database) *shop {
	t.Helper()
	s := &shop{db: d.Open(t), plain: d.Open(t), kind: d.Kind, random: rand.New(rand.NewPCG(20, 1))}
	must(t, s.db.Use(history.New()))
	must(t, history.Migrate(s.db, &Order{}, &Line{}))
	return s
}

var shopActors = []actor.Actor{ann, bob, bob.As(ann), actor.Service(42), {}}

// tick lets the clock move.
func (s *shop) tick(t *testing.T) {
	t.Helper()
	time.Sleep(3 * time.Millisecond)
	now := tick{at: time.Now()}
	if s.kind == dbtest.Postgres { // the server's clock, as the history's
		must(t, s.plain.Raw("SELECT clock_timestamp()").Scan(&now.at).Error)
	}
	must(t, s.plain.Raw("SELECT coalesce(max(id), 0) FROM whodunit_changes").Scan(&now.newest).Error)
	s.ticks = append(s.ticks, now)
	time.Sleep(3 * time.Millisecond)
}

// trade makes a few changes, as somebody, in a request of theirs, or past the
// plugin.
func (s *shop) trade(t *testing.T) {
	t.Helper()
	n := s.random.IntN(len(shopActors) + 2)
	db := s.plain
	if n <= len(shopActors) {
		db = s.db
	}
	if n < len(shopActors) {
		ctx := actor.NewRequestContext(as(shopActors[n]), actor.Request{ID: fmt.Sprint("r", s.random.IntN(4))})
		if word := s.random.IntN(3); word > 0 {
			ctx = actor.NewMetadataContext(ctx, map[string]string{"ticket": fmt.Sprint(word), "reason": "x"})
		}
		db = db.WithContext(ctx)
	}
	must(t, db.Transaction(func(tx *gorm.DB) error {
		for range 1 + s.random.IntN(3) {
			s.write(t, tx)
		}
		return nil
	}))
}

func (s *shop) write(t *testing.T, tx *gorm.DB) {
	t.Helper()
	order := uint(1 + s.random.IntN(4))
	line := Line{OrderID: order, No: uint(len(s.lines))}
	switch s.random.IntN(7) {
	case 0:
		must(t, tx.Save(&Order{ID: order, Customer: "c"}).Error)
	case 1:
		must(t, tx.Model(&Order{ID: order}).Update("price", s.random.IntN(100)).Error)
	case 2:
		must(t, tx.Delete(&Order{ID: order}).Error)
	case 3, 4:
		must(t, tx.Create(&line).Error)
		s.lines = append(s.lines, line)
	case 5:
		must(t, tx.Model(&Line{}).Where("order_id = ?", order).Update("text", fmt.Sprint(s.random.IntN(100))).Error)
	case 6:
		must(t, tx.Where("no = ?", s.random.IntN(len(s.lines)+1)).Delete(&Line{}).Error)
	}
}

// query is a query at random, and what it means of a change.
func (s *shop) query() (q history.Query, means []func(c history.Change) bool) {
	some := func() bool { return s.random.IntN(3) == 0 }
	narrow := func(f func(c history.Change) bool) { means = append(means, f) }
	var places []func(c history.Change) bool
	if some() {
		q.Tables = append(q.Tables, &Line{})
		places = append(places, func(c history.Change) bool { return c.Table == "lines" })
	}
	for range s.random.IntN(3) * s.random.IntN(2) {
		row := Order{ID: uint(1 + s.random.IntN(4))}
		q.Rows = append(q.Rows, row)
		places = append(places, func(c history.Change) bool { return c.Table == "orders" && c.Key[0] == fmt.Sprint(row.ID) })
	}
	if some() {
		line := Line{OrderID: 99}
		if len(s.lines) > 0 {
			line = s.lines[s.random.IntN(len(s.lines))]
		}
		q.Rows = append(q.Rows, &line)
		places = append(places, func(c history.Change) bool {
			return c.Table == "lines" && slices.Equal(c.Key, []string{fmt.Sprint(line.No), fmt.Sprint(line.OrderID)})
		})
	}
	if len(places) > 0 {
		narrow(func(c history.Change) bool {
			return slices.ContainsFunc(places, func(place func(history.Change) bool) bool { return place(c) })
		})
	}
	s.who(&q, narrow)
	s.when(&q, narrow)
	if some() {
		q.Actions = []history.Action{history.ActionCreate, history.ActionDelete}
		narrow(func(c history.Change) bool { return slices.Contains(q.Actions, c.Action) })
	}
	if some() {
		q.Columns = []string{"price", "customer"}
		narrow(func(c history.Change) bool {
			return slices.ContainsFunc(c.Fields, func(f history.Field) bool { return slices.Contains(q.Columns, f.Column) })
		})
	}
	return q, means
}

func (s *shop) who(q *history.Query, narrow func(func(c history.Change) bool)) {
	for range s.random.IntN(3) * s.random.IntN(2) {
		q.Actors = append(q.Actors, shopActors[s.random.IntN(len(shopActors))].Identity)
	}
	q.Unattributed = s.random.IntN(3) == 0
	if len(q.Actors) > 0 || q.Unattributed {
		narrow(func(c history.Change) bool {
			if !c.ChangeSet.Attributed {
				return q.Unattributed
			}
			return slices.ContainsFunc(q.Actors, func(i actor.Identity) bool {
				return c.ChangeSet.Actor.Same(i) || !i.IsAnonymous() && c.ChangeSet.Actor.Impersonator.Same(i)
			})
		})
	}
	if s.random.IntN(4) == 0 {
		ticket := fmt.Sprint(1 + s.random.IntN(2))
		q.Metadata = map[string]string{"ticket": ticket, "reason": "x"}
		narrow(func(c history.Change) bool { return c.ChangeSet.Metadata["ticket"] == ticket })
	}
	if s.random.IntN(4) == 0 {
		q.RequestID = fmt.Sprint("r", s.random.IntN(4))
		narrow(func(c history.Change) bool { return c.ChangeSet.Request.ID == q.RequestID })
	}
}

func (s *shop) when(q *history.Query, narrow func(func(c history.Change) bool)) {
	if s.random.IntN(3) == 0 {
		from := s.ticks[s.random.IntN(len(s.ticks))]
		q.Since = from.at
		narrow(func(c history.Change) bool { return c.ID > from.newest })
	}
	if s.random.IntN(3) == 0 {
		to := s.ticks[s.random.IntN(len(s.ticks))]
		q.Until = to.at
		narrow(func(c history.Change) bool { return c.ID <= to.newest })
	}
}

func ids(changes []history.Change) (all []int64) {
	for _, c := range changes {
		all = append(all, c.ID)
	}
	return all
}

// Each field of a query and their combinations, in pages and all at once, beside
// what the changes themselves say.
func TestFindIsWhatItsFieldsSay(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		s := newShop(t, d)
		for range 4 {
			s.tick(t)
			for range 20 {
				s.trade(t)
			}
		}
		s.tick(t)
		everything := all(t, s.plain, history.Query{})
		if n := count(t, s.plain, "whodunit_changes"); int64(len(everything)) != n || n < 100 {
			t.Fatalf("All yields %d of %d changes, want 100 or more", len(everything), n)
		}
		questions := 150
		if dbtest.Race {
			questions = 40
		}
		for range questions {
			q, means := s.query()
			var want []int64
			for _, c := range everything {
				if !slices.ContainsFunc(means, func(f func(history.Change) bool) bool { return !f(c) }) {
					want = append(want, c.ID)
				}
			}
			if got := ids(all(t, s.plain, q)); !slices.Equal(got, want) {
				t.Fatalf("All(%+v) = %v, want %v", q, got, want)
			}
			q.Limit = 1 + s.random.IntN(20)
			if got := ids(all(t, s.plain, q)); !slices.Equal(got, want[:min(len(want), q.Limit)]) {
				t.Fatalf("All(%+v) = %v, want the first %d of %v", q, got, q.Limit, want)
			}
			var paged []int64
			for {
				page := must2(history.Find(s.plain, q))
				if len(page) == 0 {
					break
				}
				paged, q.Before = append(paged, ids(page)...), page[len(page)-1].ID
			}
			if !slices.Equal(paged, want) {
				t.Fatalf("pages of %+v = %v, want %v", q, paged, want)
			}
		}
	})
}

func TestFindReturnsAPageOfAHundred(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		notes := make([]Note, 120)
		must(t, db.WithContext(as(ann)).Create(&notes).Error)
		must(t, db.WithContext(as(bob)).Model(&Note{}).Where("id > 0").Update("title", "b").Error)
		if n := len(must2(history.Find(plain, history.Query{}))); n != 100 {
			t.Errorf("Find returns %d changes, want 100", n)
		}
		if n := len(all(t, plain, history.Query{})); n != 240 {
			t.Errorf("All yields %d changes, want 240", n)
		}
		if n := len(must2(history.Of(plain, &notes[0]))); n != 2 {
			t.Errorf("Of returns %d changes, want 2", n)
		}
		rows := make([]any, 0, 2*len(notes))
		for i := range notes {
			rows = append(rows, &notes[i], Note{ID: 1000 + uint(i)}) // more than are asked for one by one
		}
		if n := len(all(t, plain, history.Query{Rows: rows})); n != 240 {
			t.Errorf("All of %d rows yields %d changes, want 240", len(rows), n)
		}
	})
}

func TestFindRefusesWhatItCanNotMean(t *testing.T) {
	t.Parallel()
	db, plain := open(t, dbtest.New(t, dbtest.SQLite))
	must(t, db.Create(&Note{ID: 1}).Error)
	for name, row := range map[string]any{"a row without its key": &Note{}, "a slice": &[]Note{{ID: 1}}} {
		if _, err := history.Find(plain, history.Query{Rows: []any{&Note{ID: 1}, row}}); !errors.Is(err, gorm.ErrPrimaryKeyRequired) {
			t.Errorf("Find of %s = %v, want ErrPrimaryKeyRequired", name, err)
		}
		if _, err := history.Of(plain, row); !errors.Is(err, gorm.ErrPrimaryKeyRequired) {
			t.Errorf("Of %s = %v, want ErrPrimaryKeyRequired", name, err)
		}
	}
	for name, conditions := range map[string]*gorm.DB{
		"WHERE": plain.Where("id = 1"), "LIMIT": plain.Limit(1), "ORDER BY": plain.Order("id"), "GROUP BY": plain.Group("id"),
	} {
		if _, err := history.Of(conditions, &Note{ID: 1}); err == nil || !strings.Contains(err.Error(), "must not have a "+name) {
			t.Errorf("Of with %s of db = %v, want an error that names it", name, err)
		}
	}
	for c, err := range history.All(plain, history.Query{Tables: []any{42}}) {
		if err == nil {
			t.Errorf("All of a number yields %v, want an error", c)
		}
	}
}

// Columns of any name are found, and no values like their names.
func TestColumnsAreFoundByTheirNames(t *testing.T) {
	t.Parallel()
	type Sheet struct {
		ID    uint
		Title string
		Size  int `gorm:"column:größe"`
		Words int `gorm:"column:two words"`
		Sly   int `gorm:"column:a<b'c"`
	}
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		plain := d.Open(t)
		must(t, history.Migrate(plain, &Sheet{}, &Note{}))
		must(t, plain.Create(&Sheet{ID: 1}).Error)
		names := []string{"größe", "two words", "a<b'c"}
		for i, name := range names {
			must(t, plain.Model(&Sheet{ID: 1}).Updates(map[string]any{"title": names[(i+2)%len(names)], name: 1}).Error)
		}
		must(t, plain.Create(&Note{ID: 1, Title: "two words"}).Error)
		updates := history.Query{Actions: []history.Action{history.ActionUpdate}}
		for i, name := range names {
			updates.Columns = []string{name}
			if got := ids(all(t, plain, updates)); len(got) != 1 || got[0] != int64(i+2) {
				t.Errorf("the changes of %q are %v, want %d", name, got, i+2)
			}
		}
		updates.Columns = names
		if got := ids(all(t, plain, updates)); !slices.Equal(got, []int64{4, 3, 2}) {
			t.Errorf("the changes of %q are %v, want 4, 3, 2", names, got)
		}
		updates.Columns = []string{"nothing", "1 = 1"}
		if got := all(t, plain, updates); len(got) > 0 {
			t.Errorf("the changes of no column are %v", ids(got))
		}
	})
}

// To look for what is nowhere takes long but no memory, and ends with its context.
func TestLookingForNothingCanBeStopped(t *testing.T) {
	dbtest.EachAlone(t, func(t *testing.T, d *dbtest.Database) {
		_, plain := open(t, d)
		crowd(t, plain, 10_000)
		must(t, plain.Exec(`UPDATE whodunit_change_sets SET metadata = '{"ticket":"1"}'`).Error)
		nothing := history.Query{Metadata: map[string]string{"ticket": "2"}}
		ctx, cancel := context.WithCancel(context.Background())
		pages, kept := 0, map[int]uint64{}
		must(t, plain.Callback().Row().After("gorm:row").Register("test:stop", func(*gorm.DB) {
			if pages++; pages == 10 || pages == 60 {
				kept[pages] = heap()
			}
			if pages == 60 {
				cancel()
			}
		}))
		found, err := history.Find(plain.WithContext(ctx), nothing)
		if !errors.Is(err, context.Canceled) || len(found) > 0 || pages > 61 {
			t.Errorf("Find = %d changes, %v after %d pages, want the context's error", len(found), err, pages)
		}
		if kept[60] > kept[10]+1<<20 {
			t.Errorf("it keeps %d bytes after 60 pages, %d after 10", kept[60], kept[10])
		}
		pages = 0
		newest := must2(history.Find(plain, history.Query{Limit: 1}))[0].At
		nothing.Since, nothing.Until = newest.Add(-2*time.Hour), newest.Add(-time.Hour)
		if _, err := history.Find(plain, nothing); err != nil || pages > 40 {
			t.Errorf("Find within an hour of 3,600 changes = %v after %d pages, want 37", err, pages)
		}
	})
}

// It reads from no pool but one of a single connection, which its loop needs too.
func TestAllHoldsNoConnection(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		notes := make([]Note, 600)
		must(t, db.Create(&notes).Error)
		must2(plain.DB()).SetMaxOpenConns(1)
		n := 0
		for c, err := range history.All(plain, history.Query{}) {
			must(t, err)
			if n++; n%100 == 1 {
				must(t, plain.Exec("UPDATE notes SET title = 'seen' WHERE id = ?", c.Key[0]).Error)
			}
		}
		if n != len(notes) {
			t.Errorf("All yields %d changes, want the %d that were there before", n, len(notes))
		}
		for _, err := range history.All(plain, history.Query{}) {
			must(t, err)
			break
		}
		if open := must2(plain.DB()).Stats().InUse; open != 0 {
			t.Errorf("%d connections in use after All, want 0", open)
		}
	})
}

// While others write, no change comes twice, and none that was there is missing.
func TestPagesWhileOthersWrite(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		must(t, db.Create(&[]Note{{ID: 1}, {ID: 2}, {ID: 3}}).Error)
		for i := range 10 {
			must(t, db.Model(&Note{}).Where("id > 0").Update("stars", i+1).Error)
		}
		want := ids(all(t, plain, history.Query{Tables: []any{&Note{}}}))
		q := history.Query{Tables: []any{&Note{}}, Limit: 4}
		var got []int64
		for i := 0; ; i++ {
			page := must2(history.Find(plain, q))
			if len(page) == 0 {
				break
			}
			got, q.Before = append(got, ids(page)...), page[len(page)-1].ID
			must(t, db.Model(&Note{}).Where("id > 0").Update("title", fmt.Sprint(i)).Error)
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages beside writes = %v, want %v", got, want)
		}
	})
}

// A change that was found by its table knows its model.
func TestWhatFindReturnsCanBeReverted(t *testing.T) {
	t.Parallel()
	db, plain := open(t, dbtest.New(t, dbtest.SQLite))
	must(t, db.Create(&Note{ID: 1, Title: "a"}).Error)
	must(t, db.Model(&Note{ID: 1}).Update("title", "b").Error)
	found := must2(history.Find(plain, history.Query{Tables: []any{&Note{}}, Limit: 1}))
	must(t, history.Revert(signing(t, db), found[0]))
	var note Note
	must(t, plain.First(&note).Error)
	if note.Title != "a" {
		t.Errorf("title = %q after Revert, want a", note.Title)
	}
}
