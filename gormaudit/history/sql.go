package history

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"gorm.io/gorm"
)

// instantOf is a time as the engines compare it.
func instantOf(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000000") }

func quoteDouble(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func quoteLiteral(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// quoteTable quotes a table's name as GORM does: a dot parts it from its schema.
func quoteTable(name string, quote func(string) string) string {
	parts := strings.Split(name, ".")
	for i, part := range parts {
		parts[i] = quote(part)
	}
	return strings.Join(parts, ".")
}

// readNames runs a query for names.
func readNames(db *gorm.DB, query string) (map[string]bool, error) {
	rows, err := poolOf(db).QueryContext(contextOf(db), query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	names := map[string]bool{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names[name] = true
	}
	return names, rows.Err()
}

func contextOf(db *gorm.DB) context.Context {
	if db.Statement.Context == nil {
		return context.Background()
	}
	return db.Statement.Context
}

func execAll(db *gorm.DB, statements []string) error {
	for _, statement := range statements {
		if err := exec(db, statement); err != nil {
			return err
		}
	}
	return nil
}

// exec goes past GORM, which would read "?" and "@" in generated SQL as
// placeholders.
func exec(db *gorm.DB, statement string, args ...any) error {
	_, err := poolOf(db).ExecContext(db.Statement.Context, statement, args...)
	return err
}

// affects reports whether a statement changed a row.
func affects(result sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

// containsAny reports whether an error's text has one of some.
func containsAny(err error, some ...string) bool {
	if err == nil {
		return false
	}
	text := err.Error()
	for _, s := range some {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// uncached is db for the history's own statements: they stay out of GORM's cache of
// prepared statements, which keeps each text for a day.
func uncached(db *gorm.DB) *gorm.DB {
	db = db.Session(&gorm.Session{NewDB: true, Context: contextOf(db)})
	db.Statement.ConnPool = poolOf(db)
	return db
}

// poolOf is the pool that uncached statements run on.
func poolOf(db *gorm.DB) gorm.ConnPool { return unprepared(db.Statement.ConnPool) }

// unprepared is the pool or transaction under GORM's cache.
func unprepared(pool gorm.ConnPool) gorm.ConnPool {
	switch pool := pool.(type) {
	case fixedPool:
		return fixedPool{unprepared(pool.ConnPool), pool.own}
	case *gorm.PreparedStmtDB:
		return pool.ConnPool
	case *gorm.PreparedStmtTX:
		if pool.Tx != nil {
			return pool.Tx
		}
	}
	return pool
}

func inTransaction(db *gorm.DB) bool {
	_, ok := db.Statement.ConnPool.(gorm.TxCommitter)
	return ok
}

// Statement is one statement to run in a transaction, with the arguments of its
// placeholders. If SQL is empty, there is nothing to run.
type Statement struct {
	SQL  string
	Args []any
}

// patience is how long a migration tries to get its locks.
const patience = time.Minute

// retry runs f again while others hold its locks.
func retry(ctx context.Context, busy func(err error) bool, f func() error) error {
	until := time.Now().Add(patience)
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := f()
		if err == nil || !busy(err) {
			return err
		}
		if time.Now().After(until) {
			return fmt.Errorf("history: others have held its locks for %v, is there a long transaction?: %w", patience, err)
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause + rand.N(pause)):
		}
	}
}
