package history

import (
	"context"
	"database/sql"
	"strings"
	"sync"
	"sync/atomic"

	"gorm.io/gorm"
)

// compiled keeps statements compiled, for SQLite: to compile one with its table's
// triggers takes longer than to run it for one row. GORM's cache of prepared
// statements can't: what was prepared in one transaction, database/sql prepares
// anew in the next. So here it is done between transactions, for texts that have
// come twice.
type compiled struct {
	pool    atomic.Pointer[sql.DB] // that has the statements: the first one seen
	waiting atomic.Bool            // for statements to be compiled or closed

	mu         sync.RWMutex
	statements map[string]compiledStatement
	forgotten  []*sql.Stmt // to be closed
}

func newCompiled() *compiled {
	return &compiled{statements: map[string]compiledStatement{}}
}

type compiledStatement struct {
	*sql.Stmt      // nil until it is compiled, and if it can't be
	wanted    bool // its text has come twice
}

// Longer statements, with more values than a row has, seldom come again. What is
// compiled takes memory in each connection.
const (
	compiledLength = 4096 // bytes
	compiledMost   = 64
)

// in returns what runs statements in db's transaction: what does already, if
// there is nothing to compile for its database.
func (c *compiled) in(db *gorm.DB) gorm.ConnPool {
	tx := transactionOf(db.Statement.ConnPool)
	if c == nil || tx == nil {
		return db.Statement.ConnPool
	}
	pool, err := db.DB() // the transaction's, which may be another than db's
	if err != nil || !c.pool.CompareAndSwap(nil, pool) && c.pool.Load() != pool {
		return db.Statement.ConnPool
	}
	return compiledTx{tx, c}
}

// of returns a statement, nil if it is not compiled.
func (c *compiled) of(query string) *sql.Stmt {
	if len(query) > compiledLength {
		return nil
	}
	c.mu.RLock()
	s, seen := c.statements[query]
	c.mu.RUnlock()
	switch {
	case !seen:
		c.see(query)
	case !s.wanted:
		c.want(query)
	}
	return s.Stmt
}

// see makes room by forgetting all others.
func (c *compiled) see(query string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.statements) >= compiledMost {
		for _, s := range c.statements {
			if s.Stmt != nil {
				c.forgotten = append(c.forgotten, s.Stmt)
			}
		}
		clear(c.statements)
		c.waiting.Store(true)
	}
	if _, seen := c.statements[query]; !seen {
		c.statements[strings.Clone(query)] = compiledStatement{}
	}
}

func (c *compiled) want(query string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s, seen := c.statements[query]; seen && !s.wanted {
		c.statements[query] = compiledStatement{wanted: true}
		c.waiting.Store(true)
	}
}

// compile compiles what is wanted and closes what is forgotten, which may wait
// for a connection: not under the lock, nor in a transaction that the connection
// waits for. It does not open one: that of a database in memory has another
// database.
func (c *compiled) compile(db *gorm.DB) {
	if c == nil || !c.waiting.Load() || inTransaction(db) {
		return
	}
	pool := c.pool.Load()
	if pool.Stats().Idle == 0 || !c.waiting.CompareAndSwap(true, false) {
		return
	}
	wanted, forgotten := c.work()
	for _, s := range forgotten {
		_ = s.Close() // once the transactions that use it have ended
	}
	for _, query := range wanted {
		if s, err := pool.PrepareContext(context.Background(), query); err == nil {
			c.keep(query, s)
		}
	}
}

func (c *compiled) work() (wanted []string, forgotten []*sql.Stmt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for query, s := range c.statements {
		if s.wanted && s.Stmt == nil {
			wanted = append(wanted, query)
		}
	}
	forgotten, c.forgotten = c.forgotten, nil
	return wanted, forgotten
}

func (c *compiled) keep(query string, compiled *sql.Stmt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s, seen := c.statements[query]; !seen || s.Stmt != nil {
		c.forgotten = append(c.forgotten, compiled)
		return
	}
	c.statements[query] = compiledStatement{compiled, true}
}

// compiledTx is a transaction that uses compiled statements.
type compiledTx struct {
	*sql.Tx
	compiled *compiled
}

func (t compiledTx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if s := t.compiled.of(query); s != nil {
		return t.StmtContext(ctx, s).ExecContext(ctx, args...)
	}
	return t.Tx.ExecContext(ctx, query, args...)
}

func (t compiledTx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if s := t.compiled.of(query); s != nil {
		return t.StmtContext(ctx, s).QueryContext(ctx, args...)
	}
	return t.Tx.QueryContext(ctx, query, args...)
}

// GetDBConn implements [gorm.GetDBConnector].
func (t compiledTx) GetDBConn() (*sql.DB, error) { return t.compiled.pool.Load(), nil }
