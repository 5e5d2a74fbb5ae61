package exampletest

import (
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// Postgres makes an empty database, on the server that WHODUNIT_POSTGRES names,
// and returns its address. Without one the test is skipped.
func Postgres(t *testing.T) (dsn string) {
	t.Helper()
	server := os.Getenv("WHODUNIT_POSTGRES")
	if server == "" {
		t.Skip("WHODUNIT_POSTGRES is not set: no such server to test with")
	}
	name := "whodunit_" + strings.ToLower(rand.Text()[:12])
	Exec(t, server, "CREATE DATABASE "+name)
	t.Cleanup(func() { Exec(t, server, "DROP DATABASE "+name+" WITH (FORCE)") })
	address, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	address.Path = "/" + name
	return address.String()
}

// Exec runs SQL on PostgreSQL.
func Exec(t *testing.T, dsn, statement string) {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.Exec(statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
