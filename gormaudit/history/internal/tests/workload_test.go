package tests

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

var (
	workload     = flag.Duration("workload", 600*time.Millisecond, "how long the random workload runs on each database")
	workloadSeed = flag.Uint64("workload.seed", 0, "its seed, by default another one each time")
)

// written is one statement's work on one row, as the writer saw it.
type written struct {
	row      uint
	seq      int      // in the order of the row's lock
	state    *Account // nil where it deleted the row
	by       actor.Actor
	from, to time.Time // when the statement ran
}

// bundle is a transaction that was committed.
type bundle struct {
	work     []written
	from, to time.Time // when its last statement that is recorded ran
}

// ledger is the independent record of a workload.
type ledger struct {
	mu      sync.Mutex
	seqs    map[uint]int
	bundles []bundle
	failed  map[string]int
}

// next is asked for while the row is locked.
func (l *ledger) next(row uint) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seqs[row]++
	return l.seqs[row]
}

const workloadRows = 4

// Several writers write the same rows, as several people in turns, with savepoints and
// rollbacks. Every change, set and transaction is what the writers noted, and At any
// time too.
func TestARandomWorkload(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{dbtest.SQLite, dbtest.Postgres, dbtest.MariaDB} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t, kind)
			must(t, history.Migrate(d.Open(t), &Account{}))
			seed := cmp.Or(*workloadSeed, uint64(time.Now().UnixNano()))
			for round, until := 0, time.Now().Add(*workload); time.Now().Before(until) && !t.Failed(); round++ {
				seed++
				runWorkload(t, d, seed, min(*workload, 20*time.Second))
				t.Logf("seed %d", seed)
			}
		})
	}
}

// runWorkload plays one seed for a time, and holds the history against the
// ledger.
func runWorkload(t *testing.T, d *dbtest.Database, seed uint64, limit time.Duration) {
	t.Helper()
	plain := d.Open(t)
	for _, table := range []string{"accounts", "whodunit_change_sets", "whodunit_changes"} {
		must(t, plain.Exec("DELETE FROM "+table).Error)
	}
	l := &ledger{seqs: map[uint]int{}, failed: map[string]int{}}
	var writers sync.WaitGroup
	for w := range 4 {
		db := d.Open(t)
		must(t, db.Use(history.New()))
		writers.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(w)))
			until := time.Now().Add(limit)
			for n := 0; n < 20 || time.Now().Before(until); n++ { // a busy machine gets to few
				l.transaction(db, random, w)
			}
		})
	}
	writers.Wait()
	l.check(t, plain, rand.New(rand.NewPCG(seed, 99)))
}

// transaction runs one, and notes it if it is committed.
func (l *ledger) transaction(db *gorm.DB, random *rand.Rand, writer int) {
	var done bundle
	people := []actor.Actor{actor.User(fmt.Sprint("writer", writer)), actor.User(fmt.Sprint("other", writer))}
	err := db.Transaction(func(tx *gorm.DB) error {
		var kept bundle
		saved := false
		for range 1 + random.IntN(4) {
			switch n := random.IntN(12); {
			case n == 0 && !saved:
				if err := tx.WithContext(as(people[0])).SavePoint("here").Error; err != nil {
					return err
				}
				saved, kept = true, bundle{slices.Clone(done.work), done.from, done.to}
			case n == 1 && saved:
				if err := tx.WithContext(as(people[0])).RollbackTo("here").Error; err != nil {
					return err
				}
				done = bundle{slices.Clone(kept.work), kept.from, kept.to}
			default:
				if err := l.statement(tx, random, people[min(random.IntN(4), 1)], &done); err != nil {
					return err
				}
			}
		}
		if random.IntN(8) == 0 {
			return errRollback
		}
		return nil
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil && !errors.Is(err, errRollback) {
		l.failed[err.Error()]++
	}
	if err == nil && len(done.work) > 0 {
		l.bundles = append(l.bundles, done)
	}
}

// statement writes one row, and notes what it has made of it.
func (l *ledger) statement(tx *gorm.DB, random *rand.Rand, by actor.Actor, done *bundle) error {
	tx = tx.WithContext(as(by))
	lowest := 1 // rows in their order: no deadlocks
	if n := len(done.work); n > 0 {
		lowest = int(done.work[n-1].row)
	}
	w := written{row: uint(lowest + random.IntN(workloadRows+1-lowest)), by: by, from: time.Now()}
	model := &Account{ID: w.row}
	var result *gorm.DB
	switch n := random.IntN(10); n {
	case 0:
		result = tx.Delete(model)
	case 1, 2:
		var there int64
		if err := tx.Model(&Account{}).Where("id = ?", w.row).Count(&there).Error; err != nil || there > 0 {
			return err
		}
		result = tx.Create(&Account{ID: w.row, Balance: random.Int() >> 20, Owner: "new"})
	case 3, 4, 5:
		result = tx.Model(model).Update("owner", fmt.Sprint(random.Uint64()))
	default:
		result = tx.Model(model).Update("balance", random.Int()>>20)
	}
	if result.Error != nil || result.RowsAffected == 0 {
		return result.Error
	}
	w.to = time.Now()
	w.seq = l.next(w.row)
	var now []Account
	if err := tx.Where("id = ?", w.row).Find(&now).Error; err != nil {
		return err
	}
	if len(now) > 0 {
		w.state = &now[0]
	}
	done.work, done.from, done.to = append(done.work, w), w.from, w.to
	return nil
}

// check holds the history against what the writers noted.
func (l *ledger) check(t *testing.T, db *gorm.DB, random *rand.Rand) {
	t.Helper()
	versions := map[uint][]written{} // of each row, all of them
	type ended struct {
		seq      int // of the transaction's last statement on the row
		state    *Account
		from, to time.Time
	}
	ends := map[uint][]ended{}
	bundleOf := map[[2]int]int{}
	var times []time.Time
	for i, b := range l.bundles {
		last := map[uint]written{}
		for _, w := range b.work {
			versions[w.row] = append(versions[w.row], w)
			bundleOf[[2]int{int(w.row), w.seq}] = i
			last[w.row] = w
		}
		for row, w := range last {
			ends[row] = append(ends[row], ended{w.seq, w.state, b.from, b.to})
		}
		times = append(times, b.from.Add(-time.Millisecond), b.from, b.to, b.to.Add(time.Millisecond))
	}
	transactions := map[int]int64{}
	n := 0
	for row := range uint(workloadRows + 1) {
		slices.SortFunc(versions[row], func(a, b written) int { return cmp.Compare(a.seq, b.seq) })
		slices.SortFunc(ends[row], func(a, b ended) int { return cmp.Compare(a.seq, b.seq) })
		if row == 0 {
			continue
		}
		var changes []history.Change
		for c, err := range history.All(db, history.Query{Rows: []any{&Account{ID: row}}}) {
			must(t, err)
			changes = append(changes, c)
		}
		slices.Reverse(changes)
		if len(changes) != len(versions[row]) {
			t.Fatalf("row %d has %d changes, %d were made", row, len(changes), len(versions[row]))
		}
		var state *Account
		for i, c := range changes {
			w := versions[row][i]
			n++
			if state = replayed(t, state, c); (state == nil) != (w.state == nil) || state != nil && *state != *w.state {
				t.Fatalf("change %d makes row %d %+v, it was made %+v", c.ID, row, state, w.state)
			}
			if !c.ChangeSet.Attributed || c.ChangeSet.Actor != w.by {
				t.Fatalf("change %d is by %v, want %v", c.ID, c.ChangeSet.Actor, w.by)
			}
			if slack := time.Millisecond; c.At.Before(w.from.Add(-slack)) || c.At.After(w.to.Add(slack)) {
				t.Fatalf("change %d is of %v, it was made between %v and %v", c.ID, c.At, w.from, w.to)
			}
			b := bundleOf[[2]int{int(row), w.seq}]
			if known, seen := transactions[b]; seen && known != c.ChangeSet.Transaction {
				t.Fatalf("change %d is of transaction %d, others of the same are of %d", c.ID, c.ChangeSet.Transaction, known)
			}
			transactions[b] = c.ChangeSet.Transaction
		}
	}
	if all := slices.Collect(maps.Values(transactions)); len(slices.Compact(slices.Sorted(slices.Values(all)))) != len(l.bundles) {
		t.Errorf("%d transactions are recorded under fewer numbers", len(l.bundles))
	}
	t.Logf("%d transactions, %d changes; failed: %v", len(l.bundles), n, l.failed)
	if len(times) == 0 {
		t.Fatal("nothing was written")
	}
	for range 150 {
		row, at := uint(1+random.IntN(workloadRows)), times[random.IntN(len(times))]
		possible := []*Account{nil}
		for _, e := range ends[row] {
			const slack = time.Millisecond // SQLite's clock has no less
			switch {
			case !e.to.Add(slack).After(at):
				possible = []*Account{e.state}
			case !e.from.Add(-slack).After(at):
				possible = append(possible, e.state)
			}
		}
		got, err := history.At[Account](db, row, at)
		if err != nil && !isAbsent(err) {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(possible, func(a *Account) bool { return (a == nil) == (err != nil) && (a == nil || *a == got) }) {
			t.Fatalf("At(%d, %v) = %+v, %v, want one of %d, the first of which is %+v", row, at, got, err, len(possible), possible[0])
		}
	}
}

// replayed is what a change makes of a row.
func replayed(t *testing.T, state *Account, c history.Change) *Account {
	t.Helper()
	row := Account{}
	if state != nil {
		row = *state
	}
	if (c.Action == history.ActionCreate) == (state != nil) {
		t.Fatalf("change %d is a %s, the row is there: %t", c.ID, c.Action, state != nil)
	}
	for _, f := range c.Fields {
		held := map[string]string{"id": fmt.Sprint(row.ID), "balance": fmt.Sprint(row.Balance), "owner": row.Owner}[f.Column]
		if state != nil && f.Before.String() != held {
			t.Fatalf("change %d: %s was %s, it says %s", c.ID, f.Column, held, f.Before)
		}
		var err error
		switch f.Column {
		case "id":
			row.ID, err = history.ValueAs[uint](f.After)
		case "balance":
			row.Balance, err = history.ValueAs[int](f.After)
		case "owner":
			row.Owner, err = history.ValueAs[string](f.After)
		}
		must(t, err)
	}
	if c.Action == history.ActionDelete {
		return nil
	}
	return &row
}
