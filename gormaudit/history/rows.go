package history

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"

	"gorm.io/gorm"
	gormcallbacks "gorm.io/gorm/callbacks"
)

// driverRows are rows in values as a driver gives them. It is the connector of a
// database that has nothing else, so that GORM reads them as any others.
type driverRows struct {
	columns []string
	rows    [][]any
}

var (
	_ driver.Connector      = driverRows{}
	_ driver.QueryerContext = driverRows{}
)

// scan reads a row into dest, a pointer to a model, as GORM's queries do: types,
// serializers, hooks, unless db skips these.
func (r driverRows) scan(db *gorm.DB, dest any) error {
	pool := sql.OpenDB(r)
	defer func() { _ = pool.Close() }()
	rows, err := pool.QueryContext(contextOf(db), "")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	if !rows.Next() {
		return errors.Join(rows.Err(), gorm.ErrRecordNotFound)
	}
	tx := db.Session(&gorm.Session{NewDB: true, SkipHooks: db.Statement.SkipHooks}).Model(dest)
	if err := tx.ScanRows(rows, dest); err != nil {
		return err
	}
	gormcallbacks.AfterQuery(tx)
	return tx.Error
}

// Connect implements [driver.Connector].
func (r driverRows) Connect(context.Context) (driver.Conn, error) { return r, nil }

// Driver implements [driver.Connector].
func (r driverRows) Driver() driver.Driver { return nil }

// Prepare implements [driver.Conn].
func (r driverRows) Prepare(string) (driver.Stmt, error) { return nil, driver.ErrSkip }

// Begin implements [driver.Conn].
func (r driverRows) Begin() (driver.Tx, error) { return nil, driver.ErrSkip }

// Close implements [driver.Conn].
func (r driverRows) Close() error { return nil }

// QueryContext implements [driver.QueryerContext].
func (r driverRows) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	return &driverCursor{driverRows: r}, nil
}

// driverCursor goes through driverRows once.
type driverCursor struct {
	driverRows
	read int
}

// Columns implements [driver.Rows].
func (c *driverCursor) Columns() []string { return c.columns }

// Next implements [driver.Rows].
func (c *driverCursor) Next(dest []driver.Value) error {
	if c.read == len(c.rows) {
		return io.EOF
	}
	for i, value := range c.rows[c.read] {
		dest[i] = value
	}
	c.read++
	return nil
}
