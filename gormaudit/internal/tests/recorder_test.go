package tests

import (
	"context"
	"database/sql"
	"fmt"

	"gorm.io/gorm"
)

// recording is a connection that keeps what is sent through it.
type recording struct {
	gorm.ConnPool
	db  *gorm.DB
	log *[]statement
}

// recorder is a connection pool that does.
type recorder struct{ recording }

// statement is one that was sent, with its values filled in.
type statement struct {
	sql  string
	rows int64 // how many it changed, if it says
}

// record puts a recorder between db and its pool.
func record(db *gorm.DB) *recorder {
	r := &recorder{recording{ConnPool: db.ConnPool, db: db, log: new([]statement)}}
	db.ConnPool, db.Statement.ConnPool = r, r
	return r
}

// take returns what was recorded and starts anew.
func (r *recorder) take() []statement {
	taken := *r.log
	*r.log = nil
	return taken
}

func (r *recording) add(sql string, rows int64, args ...any) {
	*r.log = append(*r.log, statement{r.db.Explain(sql, args...), rows})
}

func (r *recorder) GetDBConn() (*sql.DB, error) { return r.ConnPool.(*sql.DB), nil }

func (r *recording) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	r.add("PREPARE "+query, 0)
	return r.ConnPool.PrepareContext(ctx, query)
}

func (r *recording) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	result, err := r.ConnPool.ExecContext(ctx, query, args...)
	rows := int64(-1)
	if err == nil {
		rows, _ = result.RowsAffected()
	}
	r.add(query, rows, args...)
	return result, err
}

func (r *recording) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	r.add(query, 0, args...)
	return r.ConnPool.QueryContext(ctx, query, args...)
}

func (r *recording) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	r.add(query, 0, args...)
	return r.ConnPool.QueryRowContext(ctx, query, args...)
}

// BeginTx implements gorm.ConnPoolBeginner.
func (r *recorder) BeginTx(ctx context.Context, options *sql.TxOptions) (gorm.ConnPool, error) {
	r.add("BEGIN", 0)
	tx, err := r.ConnPool.(gorm.TxBeginner).BeginTx(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	return &recordedTx{recording{ConnPool: tx, db: r.db, log: r.log}, tx}, nil
}

// recordedTx is a transaction that does.
type recordedTx struct {
	recording
	tx *sql.Tx
}

func (r *recordedTx) Commit() error {
	r.add("COMMIT", 0)
	return r.tx.Commit()
}

func (r *recordedTx) Rollback() error {
	r.add("ROLLBACK", 0)
	return r.tx.Rollback()
}

// StmtContext lets prepared statements run in the transaction.
func (r *recordedTx) StmtContext(ctx context.Context, stmt *sql.Stmt) *sql.Stmt {
	return r.tx.StmtContext(ctx, stmt)
}
