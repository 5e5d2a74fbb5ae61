package tests

import (
	"errors"
	"flag"
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

var allInterleavings = flag.Bool("interleavings", false, "step the transactions through all interleavings, not through a sample")

// Account is a row that transactions write to.
type Account struct {
	ID      uint
	Balance int
	Owner   string
}

// move is one statement of a transaction. It locks a row, none if that is 0.
type move struct {
	name string
	row  uint
	do   func(tx *gorm.DB) error
}

func setBalance(row uint, to int) move {
	return move{fmt.Sprintf("balance %d=%d", row, to), row, func(tx *gorm.DB) error {
		return tx.Model(&Account{ID: row}).Update("balance", to).Error
	}}
}

func setOwner(row uint, to string) move {
	return move{fmt.Sprintf("owner %d=%s", row, to), row, func(tx *gorm.DB) error {
		return tx.Model(&Account{ID: row}).Update("owner", to).Error
	}}
}

func insertAccount(row uint) move {
	return move{fmt.Sprintf("insert %d", row), row, func(tx *gorm.DB) error {
		return tx.Create(&Account{ID: row, Balance: 1, Owner: "new"}).Error
	}}
}

func deleteAccount(row uint) move {
	return move{fmt.Sprintf("delete %d", row), row, func(tx *gorm.DB) error {
		return tx.Delete(&Account{ID: row}).Error
	}}
}

func byAnother(s move) move {
	return move{"as bob " + s.name, s.row, func(tx *gorm.DB) error { return s.do(tx.WithContext(as(bob))) }}
}

func savepoint() move {
	return move{"savepoint", 0, func(tx *gorm.DB) error { return tx.SavePoint("here").Error }}
}

func rollbackTo() move {
	return move{"rollback to", 0, func(tx *gorm.DB) error { return tx.RollbackTo("here").Error }}
}

func commit() move { return move{"commit", 0, func(tx *gorm.DB) error { return tx.Commit().Error }} }

func rollback() move {
	return move{"rollback", 0, func(tx *gorm.DB) error { return tx.Rollback().Error }}
}

// schedules are the transactions that are stepped through their interleavings. The
// last step of each ends it.
var schedules = []struct {
	name         string
	transactions [][]move
}{
	{"the same rows", [][]move{
		{setBalance(1, 50), setBalance(1, 60), setBalance(2, 40), commit()},
		{setOwner(1, "x"), setOwner(3, "x"), commit()},
	}},
	{"other rows and actors in turns", [][]move{
		{setBalance(1, 50), byAnother(setOwner(1, "b")), setBalance(1, 70), commit()},
		{setBalance(2, 7), setBalance(3, 8), rollback()},
		{setOwner(2, "z"), commit()},
	}},
	{"savepoints", [][]move{
		{setBalance(1, 50), savepoint(), setBalance(2, 50), rollbackTo(), setOwner(3, "s"), commit()},
		{setBalance(2, 9), setBalance(2, 10), commit()},
	}},
	{"created and deleted", [][]move{
		{insertAccount(4), setBalance(4, 2), deleteAccount(1), commit()},
		{setBalance(2, 5), deleteAccount(3), insertAccount(3), commit()},
	}},
}

// interleavings yields all orders of n transactions' steps, each as a list of
// transactions.
func interleavings(left []int, so []int, yield func([]int)) {
	done := true
	for i, n := range left {
		if n > 0 {
			done = false
			left[i]--
			interleavings(left, append(slices.Clone(so), i), yield)
			left[i]++
		}
	}
	if done {
		yield(so)
	}
}

// reachable reports whether no step of an order waits for another transaction.
// SQLite has one that writes.
func reachable(d *dbtest.Database, transactions [][]move, order []int) bool {
	locked := map[uint]int{}
	at := make([]int, len(transactions))
	for _, i := range order {
		s := transactions[i][at[i]]
		at[i]++
		row := s.row
		if isSQLite(d) {
			row = min(row, 1)
		}
		if by, taken := locked[row]; row != 0 && taken && by != i {
			return false
		}
		if row != 0 {
			locked[row] = i
		}
		if at[i] == len(transactions[i]) {
			for row, by := range locked {
				if by == i {
					delete(locked, row)
				}
			}
		}
	}
	return true
}

func isSQLite(d *dbtest.Database) bool { return strings.HasPrefix(d.Kind, dbtest.SQLite) }

// seen is what a SELECT of another connection said at a time, and whether a
// transaction had done all of its changes then, but not committed them.
type seen struct {
	at     time.Time
	rows   map[uint]Account
	ending bool
	after  string
}

// Two and three transactions are stepped through their interleavings. At each step
// another connection reads the rows: At says the same later, but between the last
// change of a transaction and its commit, when it may also say what follows.
func TestAtAnInterleavingIsWhatASelectSaid(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{dbtest.SQLite, dbtest.Postgres, dbtest.MariaDB} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t, kind)
			seed := uint64(time.Now().UnixNano())
			random := rand.New(rand.NewPCG(seed, 0))
			t.Logf("seed %d", seed)
			db := d.Open(t)
			must(t, db.Use(history.New()))
			must(t, history.Migrate(db, &Account{}))
			reader := d.Open(t)
			for _, s := range schedules {
				var lengths []int
				for _, steps := range s.transactions {
					lengths = append(lengths, len(steps))
				}
				var orders [][]int
				interleavings(lengths, nil, func(order []int) {
					if reachable(d, s.transactions, order) {
						orders = append(orders, order)
					}
				})
				random.Shuffle(len(orders), func(i, j int) { orders[i], orders[j] = orders[j], orders[i] })
				if !*allInterleavings {
					orders = orders[:min(len(orders), 3)]
				}
				for _, order := range orders {
					if !replay(t, db, reader, s.transactions, order) {
						t.Fatalf("%s, in the order %v", s.name, order)
					}
				}
			}
		})
	}
}

// replay steps transactions in an order, and compares.
func replay(t *testing.T, db, reader *gorm.DB, transactions [][]move, order []int) bool {
	t.Helper()
	must(t, db.WithContext(as(ann)).Where("1 = 1").Delete(&Account{}).Error)
	must(t, db.WithContext(as(ann)).Create([]Account{{1, 100, "a"}, {2, 0, "a"}, {3, 0, "a"}}).Error)
	var log []seen
	look := func(ending bool, after string) {
		t.Helper()
		time.Sleep(1200 * time.Microsecond) // SQLite counts milliseconds
		var rows []Account
		must(t, reader.Find(&rows).Error)
		s := seen{at: time.Now(), rows: map[uint]Account{}, ending: ending, after: after}
		for _, row := range rows {
			s.rows[row.ID] = row
		}
		log = append(log, s)
		time.Sleep(1200 * time.Microsecond)
	}
	look(false, "the start")
	txs, at := make([]*gorm.DB, len(transactions)), make([]int, len(transactions))
	for _, i := range order {
		if txs[i] == nil {
			txs[i] = db.WithContext(as(actor.User(fmt.Sprint(i)))).Begin()
			must(t, txs[i].Error)
		}
		s := transactions[i][at[i]]
		must(t, s.do(txs[i]))
		at[i]++
		ending := false
		for j, steps := range transactions {
			ending = ending || at[j] > 0 && at[j] < len(steps) && !slices.ContainsFunc(steps[at[j]:], func(s move) bool { return s.row != 0 })
		}
		look(ending, fmt.Sprintf("%d: %s", i, s.name))
	}
	good := true
	for i, s := range log {
		for id := uint(1); id <= 4; id++ {
			got, err := history.At[Account](reader, id, s.at)
			want := []map[uint]Account{s.rows}
			if s.ending {
				for _, later := range log[i+1:] {
					want = append(want, later.rows)
					if !later.ending {
						break
					}
				}
			}
			if !slices.ContainsFunc(want, func(rows map[uint]Account) bool { return rows[id] == got && (rows[id].ID == 0) == isAbsent(err) }) {
				t.Errorf("after %s, row %d: At = %+v, %v; SELECT said %+v", s.after, id, got, err, s.rows[id])
				good = false
			}
		}
	}
	return good
}

func isAbsent(err error) bool {
	return errors.Is(err, history.ErrDeleted) || errors.Is(err, history.ErrNotYet) || errors.Is(err, gorm.ErrRecordNotFound)
}

// Actors who take turns in a transaction have change sets of their own, which are
// of one transaction.
func TestSetsOfOneTransaction(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &Account{}))
		must(t, db.WithContext(as(ann)).Create([]Account{{1, 0, "a"}, {2, 0, "a"}}).Error)
		must(t, db.WithContext(as(ann)).Transaction(func(tx *gorm.DB) error {
			must(t, tx.Model(&Account{ID: 1}).Update("balance", 1).Error)
			must(t, tx.WithContext(as(bob)).Model(&Account{ID: 1}).Update("balance", 2).Error)
			return tx.Model(&Account{ID: 1}).Update("balance", 3).Error
		}))
		must(t, db.WithContext(as(ann)).Model(&Account{ID: 1}).Update("balance", 4).Error)
		changes, err := history.Of(db, &Account{ID: 1})
		must(t, err)
		sets, transactions := map[int64]bool{}, map[int64]int{}
		for _, c := range changes {
			sets[c.ChangeSet.ID] = true
			transactions[c.ChangeSet.Transaction]++
		}
		created := changes[4].ChangeSet.Transaction
		if n := transactions[changes[1].ChangeSet.Transaction]; len(changes) != 5 || len(transactions) != 3 || n != 3 || created == 0 {
			t.Errorf("%d changes in %d sets of the transactions %v, want 5, of which 3 in one", len(changes), len(sets), transactions)
		}
	})
}

// A clock that was set back shows no row that never was: a change that seems to be
// later than the next counts with it.
func TestAClockThatWasSetBack(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &Account{}))
		db = db.WithContext(as(ann))
		must(t, db.Create(&Account{1, 0, "a"}).Error)
		must(t, db.Model(&Account{ID: 1}).Update("balance", 1).Error)
		must(t, db.Model(&Account{ID: 1}).Update("owner", "b").Error)
		changes, err := history.Of(db, &Account{ID: 1})
		must(t, err)
		hour := "at + interval '1 hour'"
		switch {
		case isSQLite(d):
			hour = "at + 1.0/24"
		case d.Kind != dbtest.Postgres:
			hour = "at + interval 1 hour"
		}
		must(t, d.Open(t).Exec("UPDATE whodunit_changes SET at = "+hour+" WHERE id = ?", changes[1].ID).Error)
		time.Sleep(2 * time.Millisecond)
		for at, want := range map[time.Time]Account{time.Now(): {1, 1, "b"}, changes[0].At.Add(2 * time.Hour): {1, 1, "b"}} {
			if got, err := history.At[Account](db, 1, at); err != nil || got != want {
				t.Errorf("At(%v) = %+v, %v, want %+v", at, got, err, want)
			}
		}
		if got, err := history.At[Account](db, 1, changes[2].At.Add(-time.Second)); !errors.Is(err, history.ErrNotYet) {
			t.Errorf("At(before all) = %+v, %v, want ErrNotYet", got, err)
		}
	})
}

// A restored database gives the numbers of transactions again: what has the same
// number and began at another time is another one.
func TestANumberThatComesAgain(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t, dbtest.Postgres)
	db := d.Open(t)
	must(t, history.Migrate(db, &Account{}))
	must(t, db.Create(&Account{1, 1, "a"}).Error)
	created := pause()
	must(t, db.Create(&Account{2, 1, "b"}).Error)
	first, second := last(t, db, &Account{ID: 1}), last(t, db, &Account{ID: 2})
	for _, table := range []string{"whodunit_changes", "whodunit_change_sets"} {
		must(t, db.Exec("UPDATE "+table+" SET txid = ? WHERE txid = ?", first.ChangeSet.Transaction, second.ChangeSet.Transaction).Error)
	}
	wantAt(t, db, "a row whose transaction's number has come again", 1, created, Account{1, 1, "a"}, nil)
}

// What nobody attributed is a transaction too where the database knows that, and
// counts by statement elsewhere.
func TestATransactionThatNobodyAttributed(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, history.Migrate(db, &Account{}))
		must(t, db.Create(&Account{1, 0, "a"}).Error)
		var between time.Time
		must(t, db.Transaction(func(tx *gorm.DB) error {
			must(t, tx.Model(&Account{ID: 1}).Update("balance", 1).Error)
			between = pause()
			return tx.Model(&Account{ID: 1}).Update("owner", "b").Error
		}))
		want := Account{1, 1, "a"}
		if d.Kind == dbtest.Postgres {
			want.Balance = 0
		}
		wantAt(t, db, "between two statements", 1, between, want, nil)
		wantAt(t, db, "after both", 1, pause(), Account{1, 1, "b"}, nil)
	})
}
