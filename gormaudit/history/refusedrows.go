package history

import (
	"context"
	"database/sql"
	"errors"
	"runtime"
	"strings"

	"gorm.io/gorm"
)

// errRowsAlone is the error of rows that somebody would read after the transaction
// which has their actor.
var errRowsAlone = errors.New("history: Row, Rows and Scan outside a transaction have no actor, which Config.AttributeAll wants (db.Transaction? Find?)")

// refusedRows is a pool that returns errRowsAlone for rows.
type refusedRows struct {
	gorm.ConnPool
	pool *sql.DB
}

// refuseRows makes GORM's statement fail. An error added to it would not do: its
// Row returns nil then, on which callers call Scan.
func refuseRows(db *gorm.DB) {
	if pool, err := db.DB(); err == nil && pool != nil {
		db.Statement.ConnPool = refusedRows{db.Statement.ConnPool, pool}
	} else {
		_ = db.AddError(errRowsAlone)
	}
}

// QueryContext implements [gorm.ConnPool].
func (refusedRows) QueryContext(context.Context, string, ...any) (*sql.Rows, error) {
	return nil, errRowsAlone
}

// QueryRowContext implements [gorm.ConnPool]. It reaches no connection.
func (r refusedRows) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return r.pool.QueryRowContext(refusedContext{ctx}, query, args...)
}

// refusedContext has ended with errRowsAlone: a row can have no other error than
// that of a pool.
type refusedContext struct{ context.Context }

// Done implements [context.Context].
func (refusedContext) Done() <-chan struct{} {
	done := make(chan struct{})
	close(done)
	return done
}

// Err implements [context.Context].
func (refusedContext) Err() error { return errRowsAlone }

// readsHistory reports whether a statement reads the history's tables.
func readsHistory(db *gorm.DB) bool {
	fixed, ok := db.Statement.ConnPool.(fixedPool)
	return ok && fixed.own
}

// attributed runs read, which reads the rows of a query, in a transaction where
// [Config.AttributeAll] wants one.
func attributed(db *gorm.DB, read func(db *gorm.DB) error) error {
	if p := pluginOf(db); p == nil || !p.attributesAlone(db) {
		return read(db)
	}
	db = db.Session(&gorm.Session{NewDB: true, Context: contextOf(db)})
	db.Statement.ConnPool = unfixed(db.Statement.ConnPool)
	return db.Transaction(read)
}

// byMigrator reports whether GORM's migrator asks, which reads the catalogue.
func byMigrator() bool {
	callers := make([]uintptr, 32)
	frames := runtime.CallersFrames(callers[:runtime.Callers(2, callers)])
	for {
		frame, more := frames.Next()
		if strings.HasPrefix(frame.Function, "gorm.io/gorm/migrator.") || strings.HasPrefix(frame.Function, "gorm.io/driver/postgres.Migrator.") {
			return true
		}
		if !more {
			return false
		}
	}
}
