package history

import (
	"context"
	"database/sql"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"gorm.io/gorm"
)

// stmtCache keeps statements compiled, for SQLite: to compile one with its table's
// triggers takes longer than to run it for one row. GORM's cache of prepared
// statements can't: what was prepared in one transaction, database/sql prepares
// anew in the next. So here it is done between transactions, for texts that have
// come twice.
type stmtCache struct {
	pool    weak.Pointer[sql.DB] // that has the statements
	waiting atomic.Bool          // for statements to be compiled or closed

	mu         sync.RWMutex
	statements map[string]*cachedStmt
	forgotten  []*sql.Stmt // to be closed
}

type cachedStmt struct {
	stmt   *sql.Stmt   // nil until it is compiled, and if it can't be
	rows   bool        // it returns some
	wanted bool        // its text has come twice
	busy   atomic.Bool // its rows are being read, so that it can't be used
}

// Limits. What is compiled takes memory in each connection, as does each use in
// its transaction, and drivers keep the last values.
const (
	cacheStatements         = 64        // statements
	cacheTextLength         = 4096      // bytes of text: longer ones have more values than a row
	cacheValueSize          = 16 * 1024 // bytes of a value
	cacheUsesPerTransaction = 1000      // in a transaction
	cacheWait               = 10 * time.Millisecond
)

func newStmtCache(pool *sql.DB) *stmtCache {
	return &stmtCache{pool: weak.Make(pool), statements: map[string]*cachedStmt{}}
}

// in returns what runs statements in db's transaction: what does already, if
// there is nothing to compile.
func (c *stmtCache) in(db *gorm.DB, uses *atomic.Int32) gorm.ConnPool {
	tx := transactionOf(db.Statement.ConnPool)
	if c == nil || tx == nil {
		return db.Statement.ConnPool
	}
	return &cachedTx{Tx: tx, cache: c, uses: uses}
}

// of returns a statement if it is compiled.
func (c *stmtCache) of(query string, args []any) *cachedStmt {
	if len(query) > cacheTextLength || slices.ContainsFunc(args, isLarge) {
		return nil
	}
	c.mu.RLock()
	s, seen := c.statements[query]
	done := seen && s.stmt != nil
	c.mu.RUnlock()
	switch {
	case done:
		return s
	case !seen:
		c.see(query)
	default:
		c.want(query)
	}
	return nil
}

// see makes room by forgetting all others.
func (c *stmtCache) see(query string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.statements) >= cacheStatements {
		for _, s := range c.statements {
			if s.stmt != nil {
				c.forgotten = append(c.forgotten, s.stmt)
			}
		}
		clear(c.statements)
		c.waiting.Store(true)
	}
	if _, seen := c.statements[query]; !seen {
		c.statements[strings.Clone(query)] = &cachedStmt{rows: strings.Contains(strings.ToUpper(query), "RETURNING")}
	}
}

func (c *stmtCache) want(query string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s, seen := c.statements[query]; seen && !s.wanted {
		s.wanted = true
		c.waiting.Store(true)
	}
}

// compile compiles what is wanted and closes what is forgotten, neither under the
// lock nor in a transaction: they may have to wait for a connection.
func (c *stmtCache) compile(db *gorm.DB) {
	if c == nil || inTransaction(db) || !c.waiting.CompareAndSwap(true, false) {
		return
	}
	wanted, forgotten := c.work()
	if len(forgotten) > 0 {
		go func() {
			for _, s := range forgotten {
				_ = s.Close() // once the transactions that use it have ended
			}
		}()
	}
	for _, query := range wanted {
		if !c.prepare(contextOf(db), query) {
			c.waiting.Store(true)
			return
		}
	}
}

func (c *stmtCache) work() (wanted []string, forgotten []*sql.Stmt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for query, s := range c.statements {
		if s.wanted && s.stmt == nil {
			wanted = append(wanted, query)
		}
	}
	forgotten, c.forgotten = c.forgotten, nil
	return wanted, forgotten
}

// prepare needs an idle connection. It does not open one: that of a database in
// memory has another database. It reports whether it had one.
func (c *stmtCache) prepare(ctx context.Context, query string) bool {
	pool := c.pool.Value()
	if pool == nil || pool.Stats().Idle == 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, cacheWait)
	defer cancel()
	stmt, err := pool.PrepareContext(ctx, query)
	if err != nil {
		return ctx.Err() == nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s, seen := c.statements[query]; seen && s.stmt == nil {
		s.stmt = stmt
	} else {
		c.forgotten = append(c.forgotten, stmt)
		c.waiting.Store(true)
	}
	return true
}

// isLarge reports whether a value takes much room. What a Valuer makes
// of itself is not asked.
func isLarge(value any) bool {
	switch v := value.(type) {
	case nil, time.Time, bool, int, int64, uint, uint64, float64:
		return false
	case string:
		return len(v) > cacheValueSize
	case []byte:
		return len(v) > cacheValueSize
	}
	v := reflect.Indirect(reflect.ValueOf(value))
	return (v.Kind() == reflect.String || v.Kind() == reflect.Slice) && v.Len() > cacheValueSize
}

// cachedTx is how one of GORM's statements uses what is compiled, in its
// transaction.
type cachedTx struct {
	*sql.Tx
	cache   *stmtCache
	uses    *atomic.Int32              // of what is compiled, in the transaction
	reading atomic.Pointer[cachedStmt] // until release
}

// returning is how GORM writes it.
const returning = " RETURNING "

// ExecContext leaves out statements that return rows: drivers may not end those
// when nobody reads the rows.
func (t *cachedTx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if s := t.of(query, args); s != nil && !s.rows {
		return t.StmtContext(ctx, s.stmt).ExecContext(ctx, args...)
	}
	return t.Tx.ExecContext(ctx, query, args...)
}

// QueryContext uses a compiled statement for one reader at a time: a second one
// would begin it anew. Of RETURNING * a driver may not see that the table has
// another column.
func (t *cachedTx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if strings.Contains(query, returning) && !strings.Contains(query, returning+"*") && t.reading.Load() == nil {
		if s := t.of(query, args); s != nil && s.busy.CompareAndSwap(false, true) {
			t.reading.Store(s)
			return t.StmtContext(ctx, s.stmt).QueryContext(ctx, args...)
		}
	}
	return t.Tx.QueryContext(ctx, query, args...)
}

func (t *cachedTx) of(query string, args []any) *cachedStmt {
	if t.uses.Load() >= cacheUsesPerTransaction {
		return nil
	}
	s := t.cache.of(query, args)
	if s != nil {
		t.uses.Add(1)
	}
	return s
}

// release comes when the rows have been read.
func (t *cachedTx) release() {
	if s := t.reading.Swap(nil); s != nil {
		s.busy.Store(false)
	}
}

// GetDBConn implements [gorm.GetDBConnector].
func (t *cachedTx) GetDBConn() (*sql.DB, error) { return t.cache.pool.Value(), nil }

// transactionOf returns the transaction behind pool, nil if it is not one of
// database/sql.
func transactionOf(pool gorm.ConnPool) *sql.Tx {
	switch pool := pool.(type) {
	case *sql.Tx:
		return pool
	case *cachedTx:
		return pool.Tx
	case *gorm.PreparedStmtTX:
		return transactionOf(pool.Tx)
	}
	return nil
}
