package tests

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// crowds are the statements that fill a history, by engine, in which count is the
// number of changes, and numbers are those from 0 to below it as i.
var crowds = map[string]string{
	"postgres": `INSERT INTO whodunit_change_sets (txid, at, actor_kind, actor_id, request_id)
SELECT i / 10, now() - (count - i) * interval '1 second', CASE WHEN i % 1000 <> 500 THEN 'user' END, i / 10 % 100, 'r-' || (i / 10) FROM numbers WHERE i % 10 = 0 ORDER BY i;
INSERT INTO whodunit_changes (change_set, txid, at, table_name, row_key, action, fields)
SELECT 1 + i / 10, i / 10, now() - (count - i) * interval '1 second', CASE i % 5 WHEN 0 THEN 'lines' ELSE 'notes' END, CASE i % 10 WHEN 1 THEN 1 ELSE i % 2000 END, 'update', '[]' FROM numbers ORDER BY i;
VACUUM ANALYZE whodunit_changes; VACUUM ANALYZE whodunit_change_sets`,
	"mysql": `INSERT INTO whodunit_change_sets (id, token, at, actor_kind, actor_id, request_id)
SELECT 1 + i DIV 10, i DIV 10, UTC_TIMESTAMP(6) - INTERVAL count - i SECOND, IF(i % 1000 <> 500, 'user', NULL), i DIV 10 % 100, CONCAT('r-', i DIV 10) FROM numbers WHERE i % 10 = 0 ORDER BY i;
INSERT INTO whodunit_changes (change_set, token, at, table_name, row_key, action, fields)
SELECT 1 + i DIV 10, i DIV 10, UTC_TIMESTAMP(6) - INTERVAL count - i SECOND, IF(i % 5 = 0, 'lines', 'notes'), IF(i % 10 = 1, 1, i % 2000), 'update', '[]' FROM numbers ORDER BY i;
ANALYZE TABLE whodunit_changes, whodunit_change_sets`,
	"sqlite": `INSERT INTO whodunit_change_sets (id, last, at, actor_kind, actor_id, request_id)
SELECT 1 + i, 10 + i, strftime('%Y-%m-%d %H:%M:%f', julianday() - (count - i) / 86400.0), 'user', i / 10 % 100, 'r-' || (i / 10) FROM numbers WHERE i % 10 = 0 AND i % 1000 <> 500 ORDER BY i;
INSERT INTO whodunit_changes (id, at, table_name, row_key, action)
SELECT 1 + i, julianday() - (count - i) / 86400.0, iif(i % 5 = 0, 'lines', 'notes'), iif(i % 10 = 1, 1, i % 2000), 'update' FROM numbers ORDER BY i;
ANALYZE`,
}

// crowd fills an empty history with up to a million changes, one a second until
// now, ten to a change set: of the users 0 to 99 in the requests r-0 and on, every
// hundredth set unattributed. A tenth of them are of the note 1, the others of
// 1,800 notes and lines. It writes the history's own tables, which is quicker than
// to earn it.
func crowd(tb testing.TB, plain *gorm.DB, n int) {
	tb.Helper()
	const digits = "(SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)"
	numbers := "FROM (SELECT i FROM (SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d + 100000 * g.d AS i FROM " +
		digits + " AS a, " + digits + " AS b, " + digits + " AS c, " + digits + " AS e, " + digits + " AS f, " + digits + " AS g) AS every WHERE i < count) AS numbers"
	for _, statement := range strings.Split(crowds[plain.Name()], ";") {
		statement = strings.ReplaceAll(statement, "FROM numbers", numbers)
		must(tb, plain.Exec(strings.ReplaceAll(statement, "count", strconv.Itoa(n))).Error)
	}
}

// Whatever is asked of many changes, none is answered by reading them all.
func TestPlansUseIndexes(t *testing.T) {
	skipUnderRace(t, "the database's plans are the same")
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		_, plain := open(t, d)
		crowd(t, plain, 50_000)
		q := func(q history.Query) func(db *gorm.DB) error {
			q.Limit = 50
			return func(db *gorm.DB) error { _, err := history.Find(db, q); return err }
		}
		for name, ask := range map[string]func(db *gorm.DB) error{
			"everything":                       q(history.Query{}),
			"a row with many":                  q(history.Query{Rows: []any{&Note{ID: 1}}}),
			"a row with few":                   q(history.Query{Rows: []any{&Note{ID: 77}}}),
			"two rows":                         q(history.Query{Rows: []any{&Note{ID: 1}, &Note{ID: 77}}}),
			"a table":                          q(history.Query{Tables: []any{&Note{}}}),
			"an actor":                         q(history.Query{Actors: []actor.Identity{ann.Identity}}),
			"an actor in a table":              q(history.Query{Actors: []actor.Identity{ann.Identity}, Tables: []any{&Note{}}}),
			"a request":                        q(history.Query{RequestID: "r-7"}),
			"what nobody said":                 q(history.Query{Unattributed: true}),
			"an hour of yesterday":             q(history.Query{Since: time.Now().Add(-9 * time.Hour), Until: time.Now().Add(-8 * time.Hour)}),
			"a column in an hour of yesterday": q(history.Query{Columns: []string{"title"}, Since: time.Now().Add(-9 * time.Hour), Until: time.Now().Add(-8 * time.Hour)}),
			"a change set": func(db *gorm.DB) error {
				_, _, err := history.ChangeSetOf(db, must2(history.Find(plain, history.Query{RequestID: "r-7"}))[0].ChangeSet.ID)
				return err
			},
			"the past of a row": func(db *gorm.DB) error {
				_, err := history.At[Note](db, 77, time.Now().Add(-time.Minute))
				if errors.Is(err, gorm.ErrRecordNotFound) || errors.Is(err, history.ErrNotYet) || errors.Is(err, history.ErrDeleted) {
					return nil
				}
				return err
			},
		} {
			var sent statements
			must(t, ask(d.Open(t, &gorm.Config{Logger: &sent})))
			for _, sql := range sent.all {
				walks := plain.Name() == "sqlite" && newestFirst[name]
				if plan := planOf(t, plain, sql); !walks && readsAll(plain, plan) {
					t.Errorf("%s reads all changes: %s\n%s", name, sql, plan)
				}
			}
		}
	})
}

// A page far below the newest change is read from where it begins.
func TestALaterPageSkipsNothing(t *testing.T) {
	skipUnderRace(t, "the database reads the same rows")
	d := dbtest.New(t, dbtest.MariaDB) // the others' planners do
	_, plain := open(t, d)
	crowd(t, plain, 50_000)
	must2(plain.DB()).SetMaxOpenConns(1)
	read := func() (rows int64) {
		must(t, plain.Raw("SELECT sum(VARIABLE_VALUE) FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME LIKE 'HANDLER_READ%'").Scan(&rows).Error)
		return rows
	}
	for name, q := range map[string]history.Query{
		"a table":              {Tables: []any{&Note{}}},
		"a table since a time": {Tables: []any{&Note{}}, Since: time.Unix(0, 0)},
		"a row":                {Rows: []any{&Note{ID: 1}}},
		"two tables":           {Tables: []any{&Note{}, &Line{}}},
		"an actor in a table":  {Tables: []any{&Note{}}, Actors: []actor.Identity{ann.Identity}},
	} {
		q.Before, q.Limit = 25_000, 50
		must2(history.Find(plain, q)) // prepares
		before := read()
		found := must2(history.Find(plain, q))
		if rows := read() - before; len(found) != 50 || rows > 10_000 {
			t.Errorf("%s: %d changes, by reading %d rows", name, len(found), rows)
		}
	}
}

// newestFirst are the questions for which SQLite walks through the table itself,
// which is in order, and stops.
var newestFirst = map[string]bool{"everything": true, "what nobody said": true, "an hour of yesterday": true, "a column in an hour of yesterday": true, "a table": true}

func planOf(tb testing.TB, db *gorm.DB, sql string) string {
	tb.Helper()
	explain := map[string]string{"postgres": "EXPLAIN ", "mysql": "EXPLAIN ", "sqlite": "EXPLAIN QUERY PLAN "}[db.Name()]
	var plan []map[string]any
	rows, err := db.Statement.ConnPool.QueryContext(tb.Context(), explain+sql)
	must(tb, err)
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		step := map[string]any{}
		must(tb, db.ScanRows(rows, &step))
		plan = append(plan, step)
	}
	var text strings.Builder
	for _, step := range plan {
		fmt.Fprintln(&text, step)
	}
	return text.String()
}

func readsAll(db *gorm.DB, plan string) bool {
	for step := range strings.Lines(plan) {
		switch db.Name() {
		case "postgres":
			if strings.Contains(step, "Seq Scan on whodunit_changes") {
				return true
			}
		case "sqlite":
			if strings.Contains(step, "SCAN changes") || strings.Contains(step, "SCAN enclosed") {
				return true
			}
		default:
			if strings.Contains(step, "table:changes") && strings.Contains(step, "type:ALL") {
				return true
			}
		}
	}
	return false
}

// A change set of any size is deleted in parts, which can be stopped and goes on.
func TestPruneTakesASetInParts(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		notes := make([]Note, 1300)
		must(t, db.WithContext(as(ann)).Create(notes).Error)
		ctx, stop := context.WithCancel(t.Context())
		stopped := d.Open(t, &gorm.Config{Logger: &onStatement{Interface: logger.Discard, text: "DELETE FROM whodunit_changes", nth: 2, do: stop}})
		if n, err := history.Prune(stopped.WithContext(ctx), time.Now().Add(time.Hour)); n != 0 || err == nil {
			t.Errorf("Prune until it is stopped = %d, %v, want 0 and an error", n, err)
		}
		if n := count(t, plain, "whodunit_changes"); n != 1250 {
			t.Errorf("%d changes are left after a batch, want 1250", n)
		}
		if got := last(t, plain, &Note{ID: 1300}).ChangeSet.Actor; got != ann {
			t.Errorf("what is left of the set is by %v, want %v", got, ann)
		}
		if n, err := history.Prune(plain, time.Now().Add(time.Hour)); n != 1 || err != nil {
			t.Errorf("Prune again = %d, %v, want 1, nil", n, err)
		}
		if n := count(t, plain, "whodunit_changes") + count(t, plain, "whodunit_change_sets"); n != 0 {
			t.Errorf("%d rows are left", n)
		}
	})
}

// All that is known of one person is replaced in parts.
func TestAnonymizeTakesAPersonInParts(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		_, plain := open(t, d)
		crowd(t, plain, 12_000)
		must(t, plain.Exec("UPDATE whodunit_change_sets SET actor_kind = 'user', actor_id = '42'").Error)
		sets := count(t, plain, "whodunit_change_sets")
		left := func() int64 { return count(t, plain, "whodunit_change_sets WHERE request_id IS NOT NULL") }
		ctx, stop := context.WithCancel(t.Context())
		stopped := d.Open(t, &gorm.Config{Logger: &onStatement{Interface: logger.Discard, text: "UPDATE whodunit_change_sets", nth: 2, do: stop}})
		if n, err := history.Anonymize(stopped.WithContext(ctx), ann); n != 50 || err == nil || left() != sets-50 {
			t.Errorf("Anonymize until it is stopped = %d, %v and leaves %d of %d change sets, want 50, an error and 50 less", n, err, left(), sets)
		}
		if n, err := history.Anonymize(plain, ann); n != sets || err != nil || left() != 0 {
			t.Errorf("Anonymize again = %d, %v and leaves %d change sets, want %d, nil, 0", n, err, left(), sets)
		}
		if n := count(t, plain, "whodunit_changes WHERE action = 'anonymize'"); n != 1 {
			t.Errorf("it is recorded %d times, want once", n)
		}
	})
}

// onStatement calls do after the nth statement that contains a text.
type onStatement struct {
	logger.Interface
	text string
	nth  int
	do   func()
}

func (o *onStatement) LogMode(logger.LogLevel) logger.Interface { return o }

func (o *onStatement) Trace(_ context.Context, _ time.Time, statement func() (string, int64), _ error) {
	if sql, _ := statement(); strings.Contains(sql, o.text) {
		if o.nth--; o.nth == 0 {
			o.do()
		}
	}
}

// longestWait is how long the slowest of a writer's updates takes while f runs.
func longestWait(tb testing.TB, db *gorm.DB, f func()) (longest time.Duration) {
	tb.Helper()
	done := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			began := time.Now()
			if err := db.Model(&Note{ID: 1}).Update("title", strconv.Itoa(i)).Error; err != nil {
				tb.Errorf("a write meanwhile: %v", err)
				return
			}
			longest = max(longest, time.Since(began))
		}
	})
	f()
	close(done)
	writer.Wait()
	return longest
}

// noise is what a busy machine may keep anybody waiting.
const noise = 250 * time.Millisecond

// onceInThree fails the test if what is timed takes too long each of three times. What
// else the machine does costs time, too.
func onceInThree(t *testing.T, timed func() error) {
	t.Helper()
	var err error
	for range 3 {
		if err = timed(); err == nil {
			return
		}
	}
	t.Error(err)
}

func TestPruneLetsOthersWrite(t *testing.T) {
	skipUnderRace(t, "it takes time of its own")
	dbtest.EachAlone(t, func(t *testing.T, d *dbtest.Database) {
		onceInThree(t, func() error {
			db, plain := open(t, dbtest.New(t, d.Kind))
			n := 20_000
			switch {
			case *speed:
				n = *changes
			case plain.Name() == "sqlite":
				n = 5_000 // there is one writer at a time, and Prune gives way
			}
			crowd(t, plain, n)
			if alone, beside := pruneBesideAWriter(t, db, plain); beside > 5*max(alone, noise/5) {
				return fmt.Errorf("a write waits for %v beside Prune, %v without", beside, alone)
			}
			return nil
		})
	})
}

// One change set of any size is no different.
func TestPruneOfOneLargeSetLetsOthersWrite(t *testing.T) {
	if !*speed {
		t.Skip("run with -speed, alone on the machine")
	}
	dbtest.EachAlone(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		crowd(t, plain, *changes)
		must(t, plain.Exec("DELETE FROM whodunit_change_sets WHERE id > (SELECT id FROM (SELECT min(id) AS id FROM whodunit_change_sets) AS oldest)").Error)
		must(t, plain.Exec(map[string]string{
			"sqlite":   "UPDATE whodunit_change_sets SET last = (SELECT max(id) FROM whodunit_changes)",
			"postgres": "UPDATE whodunit_changes SET (change_set, txid) = (SELECT id, txid FROM whodunit_change_sets)",
			"mysql":    "UPDATE whodunit_changes, whodunit_change_sets AS one SET change_set = one.id, whodunit_changes.token = one.token",
		}[plain.Name()]).Error)
		if alone, beside := pruneBesideAWriter(t, db, plain); beside > 5*max(alone, noise/5) {
			t.Errorf("a write waits for %v beside Prune, %v without", beside, alone)
		}
	})
}

// pruneBesideAWriter prunes what is older than the writer, who also writes as long
// without that, and returns the longest waits.
func pruneBesideAWriter(t *testing.T, db, plain *gorm.DB) (alone, beside time.Duration) {
	t.Helper()
	cut := time.Now()
	time.Sleep(10 * time.Millisecond)
	db = db.WithContext(as(ann))
	must(t, db.Create(&Note{ID: 1}).Error)
	before, began := count(t, plain, "whodunit_changes"), time.Now()
	beside = longestWait(t, db, func() { must2(history.Prune(plain, cut)) })
	took := time.Since(began)
	alone = longestWait(t, db, func() { time.Sleep(max(took, 300*time.Millisecond)) })
	t.Logf("the longest write takes %v alone, %v beside Prune of %d changes, which takes %v", alone, beside, before, took)
	return alone, beside
}

// One statement that changes many rows holds nobody up who writes others: neither
// the numbering of changes nor a change set is locked until it ends.
func TestABulkUpdateLetsOthersWrite(t *testing.T) {
	skipUnderRace(t, "it is the database that takes time")
	for _, kind := range []string{dbtest.Postgres, dbtest.MariaDB} {
		t.Run(kind, func(t *testing.T) {
			onceInThree(t, func() error {
				without, _ := waitBesideABulkUpdate(t, kind, false)
				with, took := waitBesideABulkUpdate(t, kind, true)
				t.Logf("the longest write beside a bulk update takes %v without a history, %v with, where the update takes %v", without, with, took)
				if with > max(10*without, 2*noise, took/2) {
					return fmt.Errorf("a write waits for %v beside a bulk update, %v without a history", with, without)
				}
				return nil
			})
		})
	}
}

// waitBesideABulkUpdate returns the longest wait, and what the bulk update takes.
func waitBesideABulkUpdate(t *testing.T, kind string, audited bool) (wait, took time.Duration) {
	t.Helper()
	d := dbtest.New(t, kind)
	db, plain := d.Open(t), d.Open(t)
	must(t, plain.AutoMigrate(&Note{}))
	if audited {
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &Note{}))
	}
	must(t, plain.CreateInBatches(make([]Note, 8_000), 4_000).Error)
	wait = longestWait(t, db.WithContext(as(ann)), func() {
		began := time.Now()
		must(t, db.WithContext(as(bob)).Model(&Note{}).Where("id > 1").Update("title", "bulk").Error)
		took = time.Since(began)
	})
	if !audited {
		return wait, took
	}
	for id, want := range map[uint]actor.Actor{1: ann, 2: bob, 8_000: bob} {
		if got := last(t, plain, &Note{ID: id}).ChangeSet.Actor; got != want {
			t.Errorf("the change of the note %d is by %v, want %v", id, got, want)
		}
	}
	return wait, took
}

// Writers who meet at random rows are in each other's way no more often than
// without a history, and each change is of whoever made it.
func TestRandomWritersOnMariaDB(t *testing.T) {
	t.Parallel()
	audited, plain := open(t, dbtest.New(t, dbtest.MariaDB))
	without := dbtest.New(t, dbtest.MariaDB).Open(t)
	must(t, without.AutoMigrate(&Note{}))
	for _, db := range []*gorm.DB{plain, without} {
		must(t, db.Create(make([]Note, 12)).Error)
	}
	onceInThree(t, func() error {
		var again, otherwise int64
		for seed := range uint64(3) {
			otherwise += randomWriters(t, without, seed)
			again += randomWriters(t, audited, seed)
		}
		t.Logf("writers had to try again %d times without a history, %d times with", otherwise, again)
		if again > 3*otherwise+30 {
			return fmt.Errorf("writers had to try again %d times, %d without a history", again, otherwise)
		}
		return nil
	})
	for c, err := range history.All(plain, history.Query{Actions: []history.Action{history.ActionUpdate}}) {
		if f, _ := c.Field("title"); err != nil || f.After.String() != c.ChangeSet.Actor.ID {
			t.Fatalf("user %s's change is by %v, %v", f.After, c.ChangeSet.Actor, err)
		}
	}
}

// randomWriters lets six people write three random notes each in some
// transactions, and returns how many of these had to be tried again.
func randomWriters(tb testing.TB, db *gorm.DB, seed uint64) int64 {
	tb.Helper()
	var again atomic.Int64
	var writers sync.WaitGroup
	for i := range uint64(6) {
		id := i + 1
		writers.Go(func() {
			random := rand.New(rand.NewPCG(seed, id))
			for done := 0; done < 25; {
				err := db.WithContext(as(actor.User(id))).Transaction(func(tx *gorm.DB) error {
					for range 3 {
						if err := tx.Model(&Note{ID: 1 + uint(random.IntN(12))}).Update("title", strconv.FormatUint(id, 10)).Error; err != nil {
							return err
						}
					}
					return nil
				})
				switch {
				case err == nil:
					done++
				case strings.Contains(err.Error(), "Error 1213"): // a deadlock, and nothing else
					again.Add(1)
				default:
					tb.Errorf("a transaction of user %d: %v", id, err)
					return
				}
			}
		})
	}
	writers.Wait()
	return again.Load()
}

// Pages of somebody with many change sets are those of his changes, whether these
// are among the newest or not, also where an old change set has a new change.
func TestPagesOfABusyActor(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		_, plain := open(t, d)
		crowd(t, plain, 30_000)
		var sets, mine []int64
		must(t, plain.Raw("SELECT id FROM whodunit_change_sets ORDER BY id").Scan(&sets).Error)
		for i, id := range sets {
			if i > 200 && i < 1000 && i%3 == 0 || i == 1800 || i > len(sets)-9 {
				mine = append(mine, id)
			}
		}
		must(t, plain.Exec("UPDATE whodunit_change_sets SET actor_kind = 'user', actor_id = '7'").Error)
		must(t, plain.Exec("UPDATE whodunit_change_sets SET actor_id = '42' WHERE id IN ?", mine).Error)
		if half := map[string]string{"postgres": "txid", "mysql": "token"}[plain.Name()]; half != "" {
			must(t, plain.Exec("UPDATE whodunit_changes SET change_set = ?, "+half+" = (SELECT "+half+" FROM whodunit_change_sets WHERE id = ?) WHERE id IN (16666, 26666, 29666)", mine[5], mine[5]).Error)
		}
		in := "change_set = change_sets.id"
		if plain.Name() == "sqlite" {
			in = "changes.id BETWEEN change_sets.id AND change_sets.last"
		}
		for tables, q := range map[string]history.Query{"%": {}, "notes": {Tables: []any{&Note{}}}} {
			q.Actors = []actor.Identity{ann.Identity, {}}
			var want []int64
			must(t, plain.Raw("SELECT changes.id FROM whodunit_change_sets AS change_sets JOIN whodunit_changes AS changes ON "+in+
				" WHERE actor_id = '42' AND table_name LIKE ? ORDER BY changes.id DESC", tables).Scan(&want).Error)
			if got := ids(all(t, plain, q)); len(want) < 2000 || !slices.Equal(got, want) {
				t.Errorf("All of %s = %d changes, want %d: %v", tables, len(got), len(want), got)
			}
			var paged []int64
			for q.Limit = 70; ; {
				page := ids(must2(history.Find(plain, q)))
				if len(page) == 0 {
					break
				}
				paged, q.Before = append(paged, page...), page[len(page)-1]
			}
			if !slices.Equal(paged, want) {
				t.Errorf("pages of %s = %d changes, want %d: %v", tables, len(paged), len(want), paged)
			}
		}
	})
}

// The past of a row takes what happened to it since, whatever was before.
func TestThePastOfARowReadsWhatCameSince(t *testing.T) {
	for _, kind := range []string{dbtest.Postgres, dbtest.MariaDB} {
		t.Run(kind, func(t *testing.T) {
			d := dbtest.New(t, kind)
			must(t, d.Open(t).AutoMigrate(&Note{}))
			must(t, d.Open(t).Create(&Note{ID: 1}).Error) // older than its history
			_, plain := open(t, d)
			crowd(t, plain, 50_000)
			newest := must2(history.Find(plain, history.Query{Limit: 1}))[0].At
			var sent statements
			must2(history.At[Note](d.Open(t, &gorm.Config{Logger: &sent}), 1, newest.Add(-time.Minute)))
			for _, sql := range sent.all {
				if n := rowsRead(t, plain, sql); n > 500 {
					t.Errorf("it reads %d rows or pages, of 5,000 changes of the row: %s", n, sql)
				}
			}
		})
	}
}

// A batch of Prune reads its own rows, of a transaction of any size, also where the
// database has not counted yet what is in the table.
func TestPruneOfALargeTransactionReadsABatch(t *testing.T) {
	for _, kind := range []string{dbtest.Postgres, dbtest.MariaDB} {
		t.Run(kind, func(t *testing.T) {
			db, plain := open(t, dbtest.New(t, kind))
			if kind == dbtest.Postgres {
				must(t, plain.Exec("ALTER TABLE whodunit_changes SET (autovacuum_enabled = off)").Error)
			}
			must(t, db.WithContext(as(ann)).Create(make([]Note, 4_000)).Error)
			var sent statements
			undo := errors.New("undo")
			err := plain.Session(&gorm.Session{Logger: &sent}).Transaction(func(tx *gorm.DB) error {
				must2(history.Prune(tx, time.Now().Add(time.Hour)))
				return undo
			})
			if !errors.Is(err, undo) {
				t.Fatal(err)
			}
			sql := sent.all[0]
			if n := rowsRead(t, plain, sql); n > 1_000 || !strings.Contains(sql, "LIMIT 50") {
				t.Errorf("a batch of 50 reads %d rows or pages: %s\n%s", n, sql, planOf(t, plain, sql))
			}
		})
	}
}

// rowsRead is how many rows a query reads on MariaDB, how many pages on PostgreSQL.
func rowsRead(tb testing.TB, db *gorm.DB, sql string) (n int) {
	tb.Helper()
	must(tb, db.Connection(func(db *gorm.DB) error {
		if db.Name() == "postgres" {
			var plan []string
			must(tb, db.Raw("EXPLAIN (ANALYZE, BUFFERS) "+sql).Scan(&plan).Error)
			for _, found := range regexp.MustCompile(`shared hit=(\d+)`).FindAllStringSubmatch(strings.Join(plan, "\n"), -1) {
				n = max(n, must2(strconv.Atoi(found[1])))
			}
			return nil
		}
		must(tb, db.Exec("FLUSH STATUS").Error)
		must(tb, db.Exec("CREATE TEMPORARY TABLE whodunit_read AS SELECT count(*) FROM ("+sql+") AS found").Error)
		must(tb, db.Raw("SELECT sum(VARIABLE_VALUE) FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME LIKE 'HANDLER_READ_%'").Scan(&n).Error)
		return db.Exec("DROP TEMPORARY TABLE whodunit_read").Error
	}))
	return n
}

// A statement that holds a table's definition for long, such as CREATE TABLE … AS SELECT
// on MariaDB, keeps no other write waiting, be it in this database or in another one
// that has a history. And none that goes on meanwhile has no actor.
func TestWritesDoNotWaitForAnothersDefinition(t *testing.T) {
	t.Parallel()
	for name, inTransaction := range map[string]bool{"outside a transaction": false, "in a transaction": true} {
		for where, elsewhere := range map[string]bool{"this database": false, "another one": true} {
			t.Run(where+", "+name, func(t *testing.T) {
				t.Parallel()
				d := dbtest.New(t, dbtest.MariaDB)
				_, plain := open(t, d)
				neighbour := plain
				if elsewhere {
					_, neighbour = open(t, dbtest.New(t, dbtest.MariaDB))
				}
				defer holdADefinition(t, neighbour)()
				db := d.Open(t)
				must(t, db.Use(history.New()))
				ctx, cancel := context.WithTimeout(as(ann), 20*time.Second)
				defer cancel()
				write := func(tx *gorm.DB) error { return tx.Create(&Note{ID: 1}).Error }
				if inTransaction {
					must(t, db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
						return errors.Join(tx.Find(&[]Note{}).Error, write(tx))
					}))
				} else {
					must(t, write(db.WithContext(ctx).Session(&gorm.Session{SkipDefaultTransaction: true})))
				}
				if c := last(t, plain, &Note{ID: 1}); c.ChangeSet.Actor != ann {
					t.Errorf("recorded as by %v, want %v", c.ChangeSet.Actor, ann)
				}
			})
		}
	}
}

// holdADefinition holds the definition of a table until what it returns is called.
func holdADefinition(t *testing.T, db *gorm.DB) (release func()) {
	t.Helper()
	var id int64
	conn := must2(must2(db.DB()).Conn(context.Background()))
	must(t, conn.QueryRowContext(context.Background(), "SELECT CONNECTION_ID()").Scan(&id))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = conn.ExecContext(context.Background(), "CREATE TABLE held AS SELECT SLEEP(60) AS s")
	}()
	for held := 0; held == 0; time.Sleep(10 * time.Millisecond) {
		must(t, db.Raw("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = ? AND STATE = 'User sleep'", id).Scan(&held).Error)
	}
	return func() {
		must(t, db.Exec(fmt.Sprintf("KILL QUERY %d", id)).Error)
		<-ended
		must(t, conn.Close())
	}
}
