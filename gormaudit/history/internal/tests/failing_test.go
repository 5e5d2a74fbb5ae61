package tests

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

var errInjected = errors.New("Error 1419 (HY000): injected by the test") //nolint:staticcheck // MySQL capitalizes it

// failing opens d through a driver that refuses one statement: the n-th from
// when n is stored in left. Where left is still above 0, it was never reached.
func failing(tb testing.TB, d *dbtest.Database) (pool *sql.DB, left *atomic.Int64) {
	tb.Helper()
	left = new(atomic.Int64)
	pool = sql.OpenDB(&failingConnector{driver: must2(d.Open(tb).DB()).Driver(), dsn: d.DSN, left: left})
	tb.Cleanup(func() { _ = pool.Close() })
	return pool, left
}

type failingConnector struct {
	driver driver.Driver
	dsn    string
	left   *atomic.Int64
}

func (c *failingConnector) Driver() driver.Driver { return c.driver }

func (c *failingConnector) Connect(context.Context) (driver.Conn, error) {
	conn, err := c.driver.Open(c.dsn)
	return &failingConn{countingConn{Conn: conn, trips: new(atomic.Int64)}, c.left}, err
}

type failingConn struct {
	countingConn
	left *atomic.Int64
}

func (c *failingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if c.left.Add(-1) == 0 {
		return nil, errInjected
	}
	return c.countingConn.ExecContext(ctx, query, args)
}

func (c *failingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if c.left.Add(-1) == 0 {
		return nil, errInjected
	}
	return c.countingConn.QueryContext(ctx, query, args)
}

// eachFailure calls f with a database whose first statement fails, then with
// one whose second fails, and so on until all of them pass.
func eachFailure(t *testing.T, d *dbtest.Database, f func(db *gorm.DB) error) {
	t.Helper()
	pool, left := failing(t, d)
	for n := int64(1); n < 1000; n++ {
		db := openPool(t, d.Kind, pool)
		must(t, db.Use(history.New()))
		// The plugin compares the model with its triggers at first use, and only
		// warns.
		must(t, db.Model(&Note{}).Where("1 = 0").Update("title", "").Error)
		left.Store(n)
		err := f(db)
		switch reached := left.Swap(0) <= 0; {
		case !reached && err != nil:
			t.Fatalf("without a failure = %v", err)
		case !reached:
			return
		case err == nil:
			t.Errorf("with statement %d failing there was no error", n)
		}
		if stats := pool.Stats(); stats.InUse != 0 {
			t.Fatalf("%d connections are left in use after statement %d failed", stats.InUse, n)
		}
	}
	t.Fatal("it never passed")
}

// No statement fails unnoticed.
func TestEveryFailingStatementIsAnError(t *testing.T) {
	for _, kind := range []string{dbtest.SQLite, dbtest.Postgres, dbtest.MariaDB} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t, kind)
			db, plain := open(t, d)
			must(t, db.WithContext(as(ann)).Create(&[]Note{{ID: 1, Title: "a"}, {ID: 2, Title: "b"}}).Error)
			must(t, db.WithContext(as(ann)).Model(&Note{ID: 1}).Update("title", "c").Error)
			changes := must2(history.Of(plain, &Note{ID: 1}))
			for _, call := range []struct {
				name string
				do   func(db *gorm.DB) error
			}{
				{"Of", func(db *gorm.DB) error { _, err := history.Of(db, &Note{ID: 1}); return err }},
				{"Find", func(db *gorm.DB) error {
					_, err := history.Find(db, history.Query{Unattributed: true})
					return err
				}},
				{"At", func(db *gorm.DB) error { _, err := history.At[Note](db, 1, time.Now().Add(time.Hour)); return err }},
				{"ChangeSetOf", func(db *gorm.DB) error {
					_, _, err := history.ChangeSetOf(db, changes[0].ChangeSet.ID)
					return err
				}},
				{"Verify", func(db *gorm.DB) error { return history.Verify(db, &Note{}) }},
				{"SQL", func(db *gorm.DB) error { _, _, err := history.SQL(db, &Note{}); return err }},
				{"Revert of an update", func(db *gorm.DB) error { return history.Revert(signing(t, db), changes[0]) }},
				{"Revert of a create", func(db *gorm.DB) error {
					return history.Revert(signing(t, db), last(t, plain, &Note{ID: 2}))
				}},
				{"Erase", func(db *gorm.DB) error { _, err := history.Anonymize(db, ann); return err }},
				{"Prune", func(db *gorm.DB) error { _, err := history.Prune(db, time.Now().Add(time.Hour)); return err }},
				{"Drop", func(db *gorm.DB) error { return history.Drop(db, &Note{}) }},
			} {
				t.Run(call.name, func(t *testing.T) { eachFailure(t, d, call.do) })
			}
		})
	}
}

// At asks once more where there is no row.
func TestAbsenceIsNotGuessed(t *testing.T) {
	d := dbtest.New(t, dbtest.SQLite)
	open(t, d)
	eachFailure(t, d, func(db *gorm.DB) error {
		_, err := history.At[Note](db, 1, time.Now())
		if errors.Is(err, gorm.ErrRecordNotFound) {
			return nil
		}
		return err
	})
}

// Where any statement around a write fails, the write does, or it is recorded
// with who did it.
func TestAWriteFailsWithItsRecord(t *testing.T) {
	for _, kind := range []string{dbtest.SQLite, dbtest.Postgres, dbtest.MariaDB} {
		for _, skip := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/SkipDefaultTransaction %t", kind, skip), func(t *testing.T) {
				t.Parallel()
				d := dbtest.New(t, kind)
				_, plain := open(t, d)
				pool, left := failing(t, d)
				for n := int64(1); ; n++ {
					db := openPool(t, kind, pool)
					db.SkipDefaultTransaction = skip
					must(t, db.Use(history.New()))
					note := Note{ID: uint(n), Title: "a"}
					left.Store(n)
					err := db.WithContext(as(ann)).Create(&note).Error
					reached := left.Swap(0) <= 0
					if rows := count(t, plain.Where("id = ?", n), "notes"); rows == 1 == (err != nil) {
						t.Errorf("with statement %d failing: Create = %v and left %d rows", n, err, rows)
					}
					if err == nil {
						if c := last(t, plain, &note); c.ChangeSet.Actor != ann {
							t.Errorf("with statement %d failing the creation is by %v, want %v", n, c.ChangeSet.Actor, ann)
						}
					}
					if !reached {
						return
					}
				}
			})
		}
	}
}

// A migration that failed is an error or complete, and the next one repairs it.
func TestMigrateMayFailAnywhere(t *testing.T) {
	for _, kind := range []string{dbtest.SQLite, dbtest.Postgres, dbtest.MariaDB} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t, kind)
			plain := d.Open(t)
			pool, left := failing(t, d)
			for n := int64(1); n < 200; n++ {
				db := openPool(t, kind, pool)
				left.Store(n)
				err := history.Migrate(db, &noteV1{})
				reached := left.Swap(0) <= 0
				if verr := history.Verify(plain, &noteV1{}); err == nil && verr != nil {
					t.Errorf("with statement %d failing: Migrate = nil, but %v", n, verr)
				}
				if err != nil && kind == dbtest.MariaDB && strings.Contains(err.Error(), "creating triggers") && !strings.Contains(err.Error(), "log_bin_trust") {
					t.Errorf("Migrate = %v, want it to say what the error 1419 needs", err)
				}
				if !reached {
					must(t, err)
					return
				}
			}
			t.Fatal("it never passed")
		})
	}
}
