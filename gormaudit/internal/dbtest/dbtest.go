// Package dbtest gives tests real, empty databases.
//
// SQLite is always there. PostgreSQL and MariaDB are where WHODUNIT_POSTGRES
// (a URL) and WHODUNIT_MYSQL (a DSN of go-sql-driver/mysql) say; a test that
// needs one which is unset is skipped with a line that names the variable.
package dbtest

import (
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"
	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
	_ "modernc.org/sqlite" // the driver "sqlite", without a C compiler
)

// The kinds of databases. MySQL is a MariaDB told not to use RETURNING, which
// is how the GORM driver treats MySQL. SQLiteC is SQLite through
// github.com/mattn/go-sqlite3, which needs cgo.
const (
	SQLite   = "sqlite"
	SQLiteC  = "sqlite-cgo"
	Postgres = "postgres"
	MariaDB  = "mariadb"
	MySQL    = "mysql"
)

// Kinds are all kinds of databases that this build can reach. With -short there
// is one of each engine, and so there is under the race detector: MySQL adds no
// code that runs beside other code, and SQLite in Go is slow there.
func Kinds() []string {
	switch {
	case Race:
		return raceKinds()
	case testing.Short():
		return []string{SQLite, Postgres, MariaDB}
	}
	return append([]string{SQLite, Postgres, MariaDB, MySQL}, extraKinds...)
}

func raceKinds() []string { return append([]string{Postgres, MariaDB}, extraKinds...) }

// Database is one empty database. It is dropped when its test ends.
type Database struct {
	Kind string
	// DSN is the address, in the form that the kind's driver takes.
	DSN string

	dialector func() gorm.Dialector
}

// Each runs f as a subtest on a new database of every kind, all at the same time.
func Each(t *testing.T, f func(t *testing.T, d *Database)) {
	t.Helper()
	Beside(t, Kinds(), f)
}

// EachDriver is Each without MySQL, whose server and driver are MariaDB's: for
// what it makes no difference to whether rows are returned by RETURNING.
func EachDriver(t *testing.T, f func(t *testing.T, d *Database)) {
	t.Helper()
	Beside(t, drivers(), f)
}

// EachAlone is EachDriver, one after the other: for what is timed, or
// counted in one place.
func EachAlone(t *testing.T, f func(t *testing.T, d *Database)) {
	t.Helper()
	for _, kind := range drivers() {
		t.Run(kind, func(t *testing.T) { f(t, New(t, kind)) })
	}
}

// Beside runs f as a subtest on a new database of each of the kinds, all at the
// same time. They run after the function that calls it has returned.
func Beside(t *testing.T, kinds []string, f func(t *testing.T, d *Database)) {
	t.Helper()
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f(t, New(t, kind))
		})
	}
}

func drivers() []string {
	return slices.DeleteFunc(Kinds(), func(kind string) bool { return kind == MySQL })
}

// less are the names of the tests of which LessUnderRace was asked.
var less sync.Map

// LessUnderRace reports whether the race detector runs. A test asks before it leaves
// something out, and before it makes a database: see New.
func LessUnderRace(tb testing.TB) bool {
	less.Store(testOf(tb), true)
	return Race
}

// testOf is the name of the test that tb is, or is a part of.
func testOf(tb testing.TB) string {
	name, _, _ := strings.Cut(tb.Name(), "/")
	return name
}

// New returns a new database of a kind. Where WHODUNIT_RACE_FOLLOWS is set, a run under
// the race detector follows with the same servers, as in .ci/run. What that one runs as a
// whole is skipped.
func New(tb testing.TB, kind string) *Database {
	tb.Helper()
	if !Race && os.Getenv("WHODUNIT_RACE_FOLLOWS") != "" && slices.Contains(raceKinds(), kind) {
		if _, partly := less.Load(testOf(tb)); !partly {
			tb.Skip("the run under the race detector that follows has this test")
		}
	}
	switch kind {
	case SQLite:
		return newSQLite(tb)
	case Postgres:
		return newPostgres(tb)
	case MariaDB, MySQL:
		return newMySQL(tb, kind)
	}
	return newExtra(tb, kind)
}

// Open opens a new connection pool, without any plugin. By default it neither
// logs nor sets anything else.
func (d *Database) Open(tb testing.TB, config ...*gorm.Config) *gorm.DB {
	tb.Helper()
	c := &gorm.Config{Logger: logger.Discard}
	if len(config) > 0 {
		c = config[0]
	}
	db, err := gorm.Open(d.dialector(), c)
	if err != nil {
		tb.Fatalf("open %s: %v", d.Kind, err)
	}
	pool, err := db.DB()
	if err != nil {
		tb.Fatalf("pool of %s: %v", d.Kind, err)
	}
	tb.Cleanup(func() { _ = pool.Close() })
	return db
}

func newSQLite(tb testing.TB) *Database {
	tb.Helper()
	dsn := sqliteFile(tb) +
		"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(OFF)&_pragma=foreign_keys(1)"
	return &Database{Kind: SQLite, DSN: dsn, dialector: func() gorm.Dialector {
		return sqlite.New(sqlite.Config{DriverName: "sqlite", DSN: dsn})
	}}
}

// sqliteFile is the URI of a new file. SQLite reads "?", "#" and "%" in it, which
// the name of a test may hold.
func sqliteFile(tb testing.TB) string {
	tb.Helper()
	path := filepath.ToSlash(filepath.Join(tb.TempDir(), "test.db"))
	return "file:" + (&url.URL{Path: path}).EscapedPath()
}

func newPostgres(tb testing.TB) *Database {
	tb.Helper()
	u, err := url.Parse(Address(tb, "WHODUNIT_POSTGRES"))
	if err != nil {
		tb.Fatalf("WHODUNIT_POSTGRES: %v", err)
	}
	schema := uniqueName()
	server := u.String()
	run(tb, "pgx", server, "CREATE SCHEMA "+schema)
	tb.Cleanup(func() { run(tb, "pgx", server, "DROP SCHEMA "+schema+" CASCADE") })
	scoped := *u
	query := scoped.Query()
	query.Set("search_path", schema)
	query.Set("synchronous_commit", "off") // tests need not survive a power cut
	scoped.RawQuery = query.Encode()
	dsn := scoped.String()
	return &Database{Kind: Postgres, DSN: dsn, dialector: func() gorm.Dialector { return postgres.Open(dsn) }}
}

func newMySQL(tb testing.TB, kind string) *Database {
	tb.Helper()
	config, err := mysqldriver.ParseDSN(Address(tb, "WHODUNIT_MYSQL"))
	if err != nil {
		tb.Fatalf("WHODUNIT_MYSQL: %v", err)
	}
	name := uniqueName()
	server := config.FormatDSN()
	run(tb, "mysql", server, "CREATE DATABASE "+name+" CHARACTER SET utf8mb4")
	tb.Cleanup(func() { run(tb, "mysql", server, "DROP DATABASE "+name) })
	config.DBName = name
	dsn := config.FormatDSN()
	return &Database{Kind: kind, DSN: dsn, dialector: func() gorm.Dialector {
		return mysql.New(mysql.Config{DSN: dsn, DisableWithReturning: kind == MySQL})
	}}
}

// Address returns the environment variable name, or skips the test.
func Address(tb testing.TB, name string) string {
	tb.Helper()
	address := os.Getenv(name)
	if address == "" {
		tb.Skipf("%s is not set: no such server to test with", name)
	}
	return address
}

func uniqueName() string { return "whodunit_" + strings.ToLower(rand.Text()[:12]) }

// servers open the pools that make and drop databases, once for each address: a new
// connection takes longer than that.
var servers sync.Map

func run(tb testing.TB, driver, dsn, statement string) {
	tb.Helper()
	open, _ := servers.LoadOrStore(dsn, sync.OnceValues(func() (*sql.DB, error) { return sql.Open(driver, dsn) }))
	pool, err := open.(func() (*sql.DB, error))()
	if err != nil {
		tb.Fatalf("%s: %v", driver, err)
	}
	if _, err := pool.Exec(statement); err != nil {
		tb.Fatalf("%s: %v", statement, err)
	}
}
