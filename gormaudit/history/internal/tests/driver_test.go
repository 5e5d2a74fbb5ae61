package tests

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync/atomic"
	"testing"

	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// counting opens d through a driver that counts round trips: each call that a
// server has to answer.
func counting(tb testing.TB, d *dbtest.Database) (*gorm.DB, *atomic.Int64) {
	tb.Helper()
	trips := new(atomic.Int64)
	bare := must2(d.Open(tb).DB()).Driver()
	connector := &countingConnector{driver: bare, dsn: d.DSN, trips: trips}
	pool := sql.OpenDB(connector)
	tb.Cleanup(func() { _ = pool.Close() })
	return openPool(tb, d.Kind, pool), trips
}

// openPool opens a database of a kind on a connection pool.
func openPool(tb testing.TB, kind string, pool *sql.DB) *gorm.DB {
	tb.Helper()
	var dialector gorm.Dialector
	switch kind {
	case dbtest.Postgres:
		dialector = postgres.New(postgres.Config{Conn: pool})
	case dbtest.MariaDB, dbtest.MySQL:
		dialector = mysql.New(mysql.Config{Conn: pool, DisableWithReturning: kind == dbtest.MySQL})
	default:
		dialector = sqlite.New(sqlite.Config{Conn: pool})
	}
	db, err := gorm.Open(dialector, &gorm.Config{Logger: logger.Discard})
	must(tb, err)
	return db
}

type countingConnector struct {
	driver driver.Driver
	dsn    string
	trips  *atomic.Int64
}

func (c *countingConnector) Driver() driver.Driver { return c.driver }

func (c *countingConnector) Connect(context.Context) (driver.Conn, error) {
	conn, err := c.driver.Open(c.dsn)
	return &countingConn{Conn: conn, trips: c.trips}, err
}

type countingConn struct {
	driver.Conn
	trips *atomic.Int64
}

func (c *countingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	result, err := c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
	c.count(err)
	return result, err
}

func (c *countingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
	c.count(err)
	return rows, err
}

func (c *countingConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	c.trips.Add(1)
	stmt, err := c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, query)
	return &countingStmt{Stmt: stmt, trips: c.trips}, err
}

func (c *countingConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	c.trips.Add(1)
	tx, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
	return countingTx{tx, c.trips}, err
}

func (c *countingConn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.Conn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

// count leaves out what the driver refused without asking the server.
func (c *countingConn) count(err error) {
	if !errors.Is(err, driver.ErrSkip) {
		c.trips.Add(1)
	}
}

type countingStmt struct {
	driver.Stmt
	trips *atomic.Int64
}

func (s *countingStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	s.trips.Add(1)
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

func (s *countingStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.trips.Add(1)
	return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
}

type countingTx struct {
	driver.Tx
	trips *atomic.Int64
}

func (t countingTx) Commit() error   { t.trips.Add(1); return t.Tx.Commit() }
func (t countingTx) Rollback() error { t.trips.Add(1); return t.Tx.Rollback() }
