//go:build cgo

package dbtest

import (
	"testing"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
)

var extraKinds = []string{SQLiteC}

func newExtra(tb testing.TB, kind string) *Database {
	tb.Helper()
	if kind != SQLiteC {
		tb.Fatalf("no kind of database is called %q", kind)
	}
	dsn := sqliteFile(tb) +
		"?_busy_timeout=10000&_journal_mode=WAL&_synchronous=OFF&_foreign_keys=1"
	return &Database{Kind: kind, DSN: dsn, dialector: func() gorm.Dialector { return sqlite.Open(dsn) }}
}
