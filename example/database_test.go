package main_test

import (
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"
)

// database is one of the databases that the application runs on, empty, and
// how to read it behind the application's back: by plain SQL.
type database struct {
	driver string
	dsn    string
	env    []string // tells the application
}

func (d *database) open(tb testing.TB) *sql.DB {
	tb.Helper()
	db, err := sql.Open(d.driver, d.dsn)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	return db
}

// eachDatabase runs f for SQLite, and for the servers that the environment
// names.
func eachDatabase(t *testing.T, f func(t *testing.T, s *server, db *sql.DB)) {
	t.Helper()
	for name, open := range map[string]func(testing.TB) *database{"sqlite": nil, "postgres": newPostgres, "mysql": newMySQL} {
		t.Run(name, func(t *testing.T) {
			if open == nil {
				s := startServer(t)
				f(t, s, s.database(t))
				return
			}
			d := open(t)
			f(t, startServer(t, d.env...), d.open(t))
		})
	}
}

// database opens the server's SQLite file.
func (s *server) database(tb testing.TB) *sql.DB {
	tb.Helper()
	file := filepath.ToSlash(filepath.Join(s.Dir, "notes.db"))
	return (&database{driver: "sqlite", dsn: "file:" + file + "?_pragma=busy_timeout(10000)&_pragma=synchronous(OFF)"}).open(tb)
}

// newPostgres makes a schema of its own.
func newPostgres(tb testing.TB) *database {
	tb.Helper()
	u, err := url.Parse(address(tb, "WHODUNIT_POSTGRES"))
	if err != nil {
		tb.Fatalf("WHODUNIT_POSTGRES: %v", err)
	}
	admin := (&database{driver: "pgx", dsn: u.String()}).open(tb)
	schema := uniqueName()
	execute(tb, admin, "CREATE SCHEMA "+schema)
	tb.Cleanup(func() { execute(tb, admin, "DROP SCHEMA "+schema+" CASCADE") })
	query := u.Query()
	query.Set("search_path", schema)
	u.RawQuery = query.Encode()
	return &database{driver: "pgx", dsn: u.String(), env: []string{"DATABASE_URL=" + u.String()}}
}

// newMySQL makes a database of its own.
func newMySQL(tb testing.TB) *database {
	tb.Helper()
	config, err := mysqldriver.ParseDSN(address(tb, "WHODUNIT_MYSQL"))
	if err != nil {
		tb.Fatalf("WHODUNIT_MYSQL: %v", err)
	}
	admin := (&database{driver: "mysql", dsn: config.FormatDSN()}).open(tb)
	config.DBName = uniqueName()
	execute(tb, admin, "CREATE DATABASE "+config.DBName+" CHARACTER SET utf8mb4")
	tb.Cleanup(func() { execute(tb, admin, "DROP DATABASE "+config.DBName) })
	u := url.URL{Scheme: "mysql", User: url.UserPassword(config.User, config.Passwd), Host: config.Addr, Path: config.DBName}
	return &database{driver: "mysql", dsn: config.FormatDSN(), env: []string{"DATABASE_URL=" + u.String()}}
}

// address returns the environment variable name, or skips the test.
func address(tb testing.TB, name string) string {
	tb.Helper()
	value := os.Getenv(name)
	if value == "" {
		tb.Skipf("%s is not set: no such server to test with", name)
	}
	return value
}

func uniqueName() string { return "whodunit_" + strings.ToLower(rand.Text()[:12]) }

func execute(tb testing.TB, db *sql.DB, statement string) {
	tb.Helper()
	if _, err := db.Exec(statement); err != nil {
		tb.Fatalf("%s: %v", statement, err)
	}
}

// stamps are the by-columns of a row, "NULL" included.
type stamps struct{ Created, Updated, Deleted string }

// stampsOf reads the by-columns of the note with a title, and turns ids into
// names.
func stampsOf(tb testing.TB, db *sql.DB, title string) stamps {
	tb.Helper()
	var s stamps
	err := db.QueryRow(fmt.Sprintf(`
		SELECT COALESCE(c.name, 'NULL'), COALESCE(u.name, 'NULL'), COALESCE(d.name, 'NULL') FROM notes n
		LEFT JOIN users c ON c.id = n.created_by
		LEFT JOIN users u ON u.id = n.updated_by
		LEFT JOIN users d ON d.id = n.deleted_by
		WHERE n.title = '%s'`, title)).Scan(&s.Created, &s.Updated, &s.Deleted)
	if err != nil {
		tb.Fatalf("note %q: %v", title, err)
	}
	return s
}

func expectStamps(tb testing.TB, db *sql.DB, title string, want stamps) {
	tb.Helper()
	if got := stampsOf(tb, db, title); got != want {
		tb.Errorf("by-columns of %q = %+v, want %+v", title, got, want)
	}
}

// expectRow checks the one text that a query gives.
func expectRow(tb testing.TB, db *sql.DB, query, want string) {
	tb.Helper()
	var got string
	if err := db.QueryRow(query).Scan(&got); err != nil || got != want {
		tb.Errorf("%s = %q, %v, want %q, nil", query, got, err, want)
	}
}
