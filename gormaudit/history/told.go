package history

import (
	"context"
	"database/sql"
	"runtime"
	"sync"
	"sync/atomic"
	"weak"

	"gorm.io/gorm"
)

// told is what the plugin remembers of a transaction, which goroutines may share.
type told struct {
	compiled atomic.Int32 // statements that ran compiled

	mu     sync.Mutex
	known  bool // the transaction was told who
	who    who
	ticket int64
	open   int  // statements between tell and untell, all by who
	stale  bool // a savepoint was rolled back, and perhaps what was told with it
}

// outer are the statements that one by somebody else is nested in, by another
// plugin's callback. They go on when it has ended.
type outer struct {
	who  who
	open int
}

// toldOf is what is remembered of the transaction of pool. It is forgotten at
// once if there is none of database/sql.
func (p *Plugin) toldOf(pool gorm.ConnPool) *told {
	tx := transactionOf(pool)
	if tx == nil {
		return &told{}
	}
	if t := p.recall(pool); t != nil {
		return t
	}
	key := weak.Make(tx)
	value, loaded := p.told.LoadOrStore(key, &told{})
	if !loaded {
		runtime.AddCleanup(tx, func(key weak.Pointer[sql.Tx]) { p.told.Delete(key) }, key)
	}
	return value.(*told)
}

// recall is toldOf, but nil if the transaction was told nothing.
func (p *Plugin) recall(pool gorm.ConnPool) *told {
	tx := transactionOf(pool)
	if tx == nil {
		return nil
	}
	value, _ := p.told.Load(weak.Make(tx))
	t, _ := value.(*told)
	return t
}

// begin says who acts in a statement. ends is true if end follows. Where it does
// not, nobody could say when the statements that are open go on.
func (t *told) begin(ctx context.Context, e engine, pool gorm.ConnPool, w who, ends bool) (o outer, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open > 0 && !ends {
		return outer{}, nil
	}
	if t.open > 0 && t.who != w {
		o = outer{t.who, t.open}
		err = e.untell(ctx, pool, t.ticket)
		t.open = 0
	}
	if t.open == 0 && err == nil {
		err = t.tell(ctx, e, pool, w)
	}
	if ends {
		t.open++
	}
	return o, err
}

// end ends what begin said, unless another statement goes on.
func (t *told) end(ctx context.Context, e engine, pool gorm.ConnPool, o outer) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open--; t.open > 0 {
		return e.keep(ctx, pool, t.ticket)
	}
	err := e.untell(ctx, pool, t.ticket)
	if o.open > 0 && err == nil {
		err = t.tell(ctx, e, pool, o.who)
		t.open = o.open
	}
	return err
}

func (t *told) tell(ctx context.Context, e engine, pool gorm.ConnPool, w who) (err error) {
	if t.known && t.who == w && (!t.stale || !e.lasting()) { // what does not last has a ticket, which is looked up
		if done, err := e.resume(ctx, pool, t.ticket); done || err != nil {
			return err
		}
	}
	first := !t.known
	t.known, t.who, t.ticket, t.stale = false, w, 0, false
	if !first || !e.lasting() || w != (who{}) { // who lasts is nobody at first
		t.ticket, err = e.tell(ctx, pool, w)
	}
	t.known = err == nil
	return err
}

// savepoint comes before one is made: what it keeps must hold what was done.
func (t *told) savepoint(ctx context.Context, e engine, pool gorm.ConnPool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == 0 {
		return nil
	}
	return e.keep(ctx, pool, t.ticket)
}

// rolledBack comes after a savepoint was: the statements that it was nested in go
// on.
func (t *told) rolledBack(ctx context.Context, e engine, pool gorm.ConnPool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stale = true
	if t.open == 0 {
		return nil
	}
	return t.tell(ctx, e, pool, t.who)
}
