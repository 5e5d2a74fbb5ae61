package history

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"weak"

	"gorm.io/gorm"
)

// attributor tells one kind of database who acts.
type attributor interface {
	// setActor says in a transaction who acts from here on, in every home. The
	// ticket resumes it.
	setActor(ctx context.Context, in connection, a attribution) (ticket int64, err error)
	// resumeActor says again what a ticket was given for. ok is false when the
	// database does not know it any more.
	resumeActor(ctx context.Context, in connection, ticket int64, a attribution) (ok bool, err error)
	// checkpoint makes the change set hold what was done until now. The actor
	// stays.
	checkpoint(ctx context.Context, in connection, ticket int64) error
	// statements are those of setActor and clearActor, for others to run.
	statements(a attribution) (begin, end Statement)
	// clearActor ends what a ticket was given for.
	clearActor(ctx context.Context, in connection, ticket int64) error
	// perTransaction is true when an actor ends with the transaction, so that
	// clearActor has nothing to do.
	perTransaction() bool
	// lockForWrite waits for the right to write, where a transaction that is going
	// to write must ask for that before it reads: what it has read must not have
	// changed since. It fails where there is no history, too.
	lockForWrite(ctx context.Context, pool gorm.ConnPool) error
	// worksWithoutHistory is true if an actor may be set where there is no history.
	worksWithoutHistory() bool
	// compilesTriggers is true if a statement is compiled with the triggers of its
	// table.
	compilesTriggers() bool
}

// connection is where the statements of a transaction run. MariaDB and MySQL
// know several homes, beside the current one, that a statement may write to.
type connection struct {
	pool     gorm.ConnPool
	homes    []string
	recorded bool // the current one has triggers: it must take an actor

	first, last int64 // the tickets of the transaction's first and last actor, 0 if there was none
}

// deniedError says that the account may not tell the database who acts, or that there is
// no procedure for it.
type deniedError struct {
	err  error
	cure string
}

// Error names the cure.
func (e *deniedError) Error() string { return fmt.Sprintf("%v (%s)", e.err, e.cure) }

// Unwrap returns the database's error.
func (e *deniedError) Unwrap() error { return e.err }

// txState is what is remembered of a transaction, which goroutines may
// share.
type txState struct {
	cacheUses atomic.Int32 // statements that ran from the stmtCache

	mu     sync.Mutex
	known  bool // the transaction has an actor
	set    bool // there is one to clear, if setting it did not fail half way
	actor  attribution
	ticket int64
	first  int64    // the ticket of the first actor
	last   int64    // the ticket of the last one
	homes  []string // that have the actor, beside the current one
	open   int      // statements between begin and end, all by actor
	stale  bool     // a savepoint may have been rolled back, and the actor with it
}

// outer are the statements that one by another actor is nested in, by another
// plugin's callback. They go on when it has ended.
type outer struct {
	actor attribution
	homes []string
	open  int
}

// openTransactions is one for all plugins, and for [Dialect.Tell], which has none:
// who writes to a transaction in turn must know of one another.
var openTransactions transactions

// transactions is what is remembered of each, while it lasts.
type transactions struct {
	states sync.Map // weak.Pointer[sql.Tx] to *txState
}

// of is what is remembered of the transaction of pool. It is forgotten at
// once if there is none of database/sql.
func (ts *transactions) of(pool gorm.ConnPool) *txState {
	tx := transactionOf(pool)
	if tx == nil {
		return &txState{}
	}
	if t := ts.known(pool); t != nil {
		return t
	}
	key := weak.Make(tx)
	value, loaded := ts.states.LoadOrStore(key, &txState{})
	if !loaded {
		runtime.AddCleanup(tx, func(key weak.Pointer[sql.Tx]) { ts.states.Delete(key) }, key)
	}
	return value.(*txState)
}

// known is of, but nil if the transaction never had an actor.
func (ts *transactions) known(pool gorm.ConnPool) *txState {
	tx := transactionOf(pool)
	if tx == nil {
		return nil
	}
	value, _ := ts.states.Load(weak.Make(tx))
	t, _ := value.(*txState)
	return t
}

// isActing reports whether pool is a transaction in which a statement goes on that has
// an actor.
func (ts *transactions) isActing(pool gorm.ConnPool) bool {
	t := ts.known(pool)
	if t == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open > 0
}

// begin sets the actor of a statement. ends is true if end follows. Where it
// does not, nobody could say when the statements that are open go on.
func (t *txState) begin(ctx context.Context, by attributor, in connection, a attribution, ends bool) (o outer, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open > 0 && !ends {
		return outer{}, nil
	}
	if t.open > 0 && !t.actor.same(a) {
		o = outer{t.actor, t.homes, t.open}
		err = t.clearActor(ctx, by, in)
		t.open = 0
	}
	if err == nil && (t.open == 0 || !containsAll(t.homes, in.homes)) {
		err = t.setActor(ctx, by, in, a)
	}
	if ends {
		t.open++
	}
	return o, err
}

// end clears the actor that begin set, unless another statement goes on.
func (t *txState) end(ctx context.Context, by attributor, in connection, o outer) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open--; t.open > 0 {
		return by.checkpoint(ctx, in, t.ticket)
	}
	err := t.clearActor(ctx, by, in)
	if o.open > 0 && err == nil {
		in.homes = o.homes
		err = t.setActor(ctx, by, in, o.actor)
		t.open = o.open
	}
	return err
}

func (t *txState) setActor(ctx context.Context, by attributor, in connection, a attribution) (err error) {
	if t.open > 0 && t.actor.same(a) {
		in.homes = append(slices.Clone(t.homes), in.homes...)
	}
	t.set = true
	if t.known && t.actor.same(a) && (!t.stale || !by.perTransaction()) { // else the ticket is looked up
		t.homes = in.homes
		if done, err := by.resumeActor(ctx, in, t.ticket, t.actor); done || err != nil {
			return err
		}
	}
	first := !t.known
	t.known, t.actor, t.homes, t.ticket, t.stale = false, a, in.homes, 0, false
	if !first || !by.perTransaction() || a != (attribution{}) { // a transaction begins with nobody
		in.first, in.last = t.first, t.last
		if t.ticket, err = by.setActor(ctx, in, a); t.ticket != 0 {
			t.first, t.last = cmp.Or(t.first, t.ticket), t.ticket
		}
	}
	t.known = err == nil
	return err
}

func (t *txState) clearActor(ctx context.Context, by attributor, in connection) error {
	if !t.set {
		return nil
	}
	t.set, in.homes = false, t.homes
	return by.clearActor(ctx, in, t.ticket)
}

func containsAll(all, some []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
}

// savepoint comes before one is made: what it keeps must hold what was done.
func (t *txState) savepoint(ctx context.Context, by attributor, in connection) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == 0 {
		return nil
	}
	return by.checkpoint(ctx, in, t.ticket)
}

// distrust comes where a savepoint may have been rolled back past the plugin.
func (t *txState) distrust() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stale = true
}

// rolledBack comes after a savepoint was: the statements that it was nested in go
// on.
func (t *txState) rolledBack(ctx context.Context, by attributor, in connection) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stale = true
	if t.open == 0 {
		return nil
	}
	return t.setActor(ctx, by, in, t.actor)
}
