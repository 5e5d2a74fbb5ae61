package tests

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// eachSQLite runs f on a new database of every SQLite driver.
func eachSQLite(t *testing.T, f func(t *testing.T, d *dbtest.Database)) {
	t.Helper()
	kinds := slices.DeleteFunc(dbtest.Kinds(), func(kind string) bool { return !strings.HasPrefix(kind, dbtest.SQLite) })
	dbtest.Beside(t, kinds, f)
}

// interrupted opens d through a driver that calls back after each statement that
// contains the text and is compiled.
func interrupted(tb testing.TB, d *dbtest.Database, config *gorm.Config, text string, callback func()) *gorm.DB {
	tb.Helper()
	pool := sql.OpenDB(&interruptedConnector{must2(d.Open(tb).DB()).Driver(), d.DSN, text, callback})
	tb.Cleanup(func() { _ = pool.Close() })
	db, err := gorm.Open(sqlite.New(sqlite.Config{Conn: pool}), config)
	must(tb, err)
	return db
}

type interruptedConnector struct {
	driver   driver.Driver
	dsn      string
	text     string
	callback func()
}

func (c *interruptedConnector) Driver() driver.Driver { return c.driver }

func (c *interruptedConnector) Connect(context.Context) (driver.Conn, error) {
	conn, err := c.driver.Open(c.dsn)
	return &interruptedConn{countingConn{Conn: conn, trips: new(atomic.Int64)}, c}, err
}

type interruptedConn struct {
	countingConn
	*interruptedConnector
}

func (c *interruptedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.countingConn.QueryContext(ctx, query, args)
	c.ran(query)
	return rows, err
}

func (c *interruptedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	result, err := c.countingConn.ExecContext(ctx, query, args)
	c.ran(query)
	return result, err
}

func (c *interruptedConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	stmt, err := c.countingConn.PrepareContext(ctx, query)
	c.ran(query)
	return stmt, err
}

func (c *interruptedConn) ran(query string) {
	if strings.Contains(query, c.text) {
		c.callback()
	}
}

// A transaction of SQLite that reads before it writes fails at once if another
// one has written in between. The history must not be what reads.
func TestConcurrentWritersWaitForOneAnother(t *testing.T) {
	for name, c := range map[string]struct {
		config gorm.Config
		after  string // which of the plugin's statements the other writer comes
		used   bool   // it is not the plugin's first write
	}{
		"opening a change set":   {gorm.Config{}, "max(id)", true},
		"looking for triggers":   {gorm.Config{}, "FROM sqlite_master", false},
		"comparing them":         {gorm.Config{}, "pragma_table_info", false},
		"SkipDefaultTransaction": {gorm.Config{SkipDefaultTransaction: true}, "max(id)", true},
	} {
		t.Run(name, func(t *testing.T) {
			eachSQLite(t, func(t *testing.T, d *dbtest.Database) {
				plain := d.Open(t)
				must(t, history.Migrate(plain, &Note{}))
				must(t, plain.Create(&Note{ID: 1, Title: "a"}).Error)
				others := make(chan error, 1)
				config := c.config
				config.Logger = logger.Discard
				armed := new(atomic.Bool)
				db := interrupted(t, d, &config, c.after, func() {
					if !armed.CompareAndSwap(true, false) {
						return
					}
					go func() { others <- plain.Exec("UPDATE notes SET stars = stars + 1").Error }()
					time.Sleep(50 * time.Millisecond) // until it has written, or waits
				})
				must(t, db.Use(history.New()))
				if c.used {
					must(t, db.Model(&Note{ID: 1}).Update("title", "b").Error)
				}
				armed.Store(true)
				if err := db.WithContext(as(ann)).Model(&Note{ID: 1}).Update("title", "c").Error; err != nil {
					t.Errorf("a write that another one came before = %v", err)
				}
				select {
				case err := <-others:
					must(t, err)
				case <-time.After(10 * time.Second):
					t.Fatalf("no statement contains %q", c.after)
				}
				if changes := by(t, plain, ann); len(changes) != 1 {
					t.Errorf("By(ann) has %d changes, want 1", len(changes))
				}
			})
		})
	}
}

func TestSQLiteIsToldByTwoStatements(t *testing.T) {
	eachSQLite(t, func(t *testing.T, d *dbtest.Database) {
		db, trips := counting(t, d)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &Note{}))
		must(t, db.Create(&Note{ID: 1, Title: "a"}).Error)
		var each []int64
		must(t, db.WithContext(as(ann)).Transaction(func(tx *gorm.DB) error {
			for _, title := range []string{"b", "c", "d"} {
				before := trips.Load()
				must(t, tx.Model(&Note{ID: 1}).Update("title", title).Error)
				each = append(each, trips.Load()-before)
			}
			return nil
		}))
		if want := []int64{3, 3, 3}; !slices.Equal(each, want) {
			t.Errorf("three updates of a transaction took %d statements, want %d", each, want)
		}
	})
}

// A name that is taken for good is no lock that others hold.
func TestMigrateDoesNotWaitForANameThatIsTaken(t *testing.T) {
	t.Parallel()
	for name, create := range map[string]string{
		"by a view":                 "CREATE VIEW pages AS SELECT 1 AS id",
		"by a column of other case": "CREATE TABLE pages (id integer PRIMARY KEY, TITLE text)",
	} {
		t.Run(name, func(t *testing.T) {
			eachSQLite(t, func(t *testing.T, d *dbtest.Database) {
				db := d.Open(t)
				must(t, db.Exec(create).Error)
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				err := history.Migrate(db.WithContext(ctx), &noteV1{})
				if err == nil || ctx.Err() != nil || strings.Contains(err.Error(), "locks") {
					t.Errorf("Migrate = %v, %v, want the database's error before long", err, ctx.Err())
				}
			})
		})
	}
}
