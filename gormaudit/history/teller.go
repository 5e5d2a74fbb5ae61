package history

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"runtime"
	"strings"
	"weak"

	"gorm.io/gorm"
)

// told is what the plugin remembers of a transaction.
type told struct {
	who    who
	ticket int64 // of a teller; of an encloser the change set
	serial int   // of an encloser: tells a nested statement's
	stale  bool  // a savepoint was rolled back, and perhaps what was told with it
}

// saying is a statement that untell has something to end for.
type saying struct {
	statement *gorm.Statement
	who       who
	newest    int64 // change before it, for an encloser
	told      told  // what the transaction was told until then
}

// The plugin's settings of a statement.
const (
	keyPool = "gormaudit/history:pool" // replaced, by begin
	keyTold = "gormaudit/history:told" // a saying
)

// replaced is a statement whose pool begin replaced by a transaction.
type replaced struct {
	statement *gorm.Statement
	pool      gorm.ConnPool
}

type registrar interface {
	Register(name string, fn func(*gorm.DB)) error
}

// register puts the plugin around the statements that write, as near as
// callbacks get. None is anchored on GORM's transaction callbacks: they are
// not there under SkipDefaultTransaction.
func (p *Plugin) register(db *gorm.DB) error {
	c := db.Callback()
	create, update, del, raw, query, row := c.Create(), c.Update(), c.Delete(), c.Raw(), c.Query(), c.Row()
	for _, step := range []struct {
		at   registrar
		name string
		do   func(*gorm.DB)
	}{
		{create.Before("gorm:before_create"), "gormaudit/history:begin", p.begin},
		{create.Before("gorm:create"), "gormaudit/history:tell", p.tell},
		{create.After("gorm:create").Before("gorm:save_after_associations"), "gormaudit/history:untell", p.untell},
		{create.After("gorm:after_create"), "gormaudit/history:end", p.end},
		{update.Before("gorm:setup_reflect_value"), "gormaudit/history:begin", p.begin},
		{update.Before("gorm:update"), "gormaudit/history:tell", p.tell},
		{update.After("gorm:update").Before("gorm:save_after_associations"), "gormaudit/history:untell", p.untell},
		{update.After("gorm:after_update"), "gormaudit/history:end", p.end},
		{del.Before("gorm:before_delete"), "gormaudit/history:begin", p.begin},
		{del.Before("gorm:delete"), "gormaudit/history:tell", p.tell},
		{del.After("gorm:delete").Before("gorm:after_delete"), "gormaudit/history:untell", p.untell},
		{del.After("gorm:after_delete"), "gormaudit/history:end", p.end},
		{raw.Before("gorm:raw"), "gormaudit/history:tell", p.tellExec},
		{raw.After("gorm:raw"), "gormaudit/history:untell", p.untellRaw},
		{query.Before("gorm:query"), "gormaudit/history:tell", p.tellQuery},
		{query.After("gorm:query"), "gormaudit/history:untell", p.untellRaw},
		{row.Before("gorm:row"), "gormaudit/history:tell", p.tellRow},
	} {
		if err := step.at.Register(step.name, step.do); err != nil {
			return fmt.Errorf("history: callback %s: %w", step.name, err)
		}
	}
	return nil
}

// begin opens the transaction that SkipDefaultTransaction left out: a write
// and its record happen together.
func (p *Plugin) begin(db *gorm.DB) {
	if !db.SkipDefaultTransaction || inTransaction(db) || !p.audited(db) {
		return
	}
	pool := db.Statement.ConnPool
	tx := db.Begin()
	if tx.Error != nil {
		_ = db.AddError(tx.Error)
		return
	}
	db.Statement.ConnPool = tx.Statement.ConnPool
	db.Statement.Settings.Store(keyPool, replaced{db.Statement, pool})
}

func (p *Plugin) end(db *gorm.DB) {
	if !db.SkipDefaultTransaction || !inTransaction(db) {
		return
	}
	value, _ := db.Statement.Settings.Load(keyPool)
	began, ok := value.(replaced)
	if !ok || began.statement != db.Statement {
		return // settings are handed down to nested statements
	}
	db.Statement.Settings.Delete(keyPool)
	if db.Error != nil {
		db.Rollback()
	} else {
		db.Commit()
	}
	db.Statement.ConnPool = began.pool
}

// tell says who acts, for the statement that follows.
func (p *Plugin) tell(db *gorm.DB) {
	if p.audited(db) && inTransaction(db) && contextOf(db).Value(maintenance{}) == nil {
		p.say(db)
	} else {
		p.correct(db)
	}
}

// correct keeps what lasts from being said of a statement whose context says
// somebody else: a table without triggers may cascade to one that has some, a
// view may write to it, a query may call a function that does.
func (p *Plugin) correct(db *gorm.DB) {
	if !p.engine.lasting() || db.Error != nil || db.DryRun || !inTransaction(db) || contextOf(db).Value(maintenance{}) != nil {
		return
	}
	if known := p.catalog.Load(); known == nil || len(*known) == 0 {
		return // nothing was told
	}
	if _, known := p.remembered(transactionOf(db.Statement.ConnPool)); known {
		p.say(db)
	}
}

// tellExec does so for [gorm.DB.Exec] in a transaction. Which tables it writes
// is not known.
func (p *Plugin) tellExec(db *gorm.DB) {
	if db.Error != nil || db.DryRun || !inTransaction(db) || contextOf(db).Value(maintenance{}) != nil {
		return
	}
	switch verb := firstWord(db.Statement.SQL.String()); {
	case verb == "ROLLBACK":
		if tx := transactionOf(db.Statement.ConnPool); tx != nil {
			t, _ := p.remembered(tx)
			t.stale = true
			p.remember(tx, t)
		}
	case p.writes(verb) && len(p.installed(db)) > 0:
		p.say(db)
	}
}

// tellQuery does so for a raw query that writes, such as INSERT … RETURNING.
func (p *Plugin) tellQuery(db *gorm.DB) {
	if db.Error != nil || db.DryRun || !inTransaction(db) || contextOf(db).Value(maintenance{}) != nil {
		return
	}
	verb := firstWord(db.Statement.SQL.String()) // none if GORM builds it
	if verb != "" && verb != "SELECT" && p.writes(verb) && len(p.installed(db)) > 0 {
		p.say(db)
	} else {
		p.correct(db)
	}
}

// tellRow can't untell while the caller reads the rows.
func (p *Plugin) tellRow(db *gorm.DB) {
	if p.engine.lasting() {
		p.tellQuery(db)
	}
}

// writes reports whether a statement with that first word may change rows.
// Where what was told lasts, telling once more costs nothing, and a SELECT may
// call a function that writes.
func (p *Plugin) writes(verb string) bool {
	switch verb {
	case "INSERT", "UPDATE", "DELETE", "REPLACE", "WITH", "MERGE", "CALL", "LOAD":
		return true
	case "SAVEPOINT", "RELEASE", "BEGIN", "START", "COMMIT", "END", "ABORT", "SET":
		return false
	}
	return p.engine.lasting()
}

func (p *Plugin) say(db *gorm.DB) {
	ctx, pool := db.Statement.Context, db.Statement.ConnPool
	w, err := p.who(ctx)
	if err != nil {
		_ = db.AddError(fmt.Errorf("history: %w", err))
		return
	}
	s := saying{statement: db.Statement, who: w}
	switch e := p.engine.(type) {
	case teller:
		err = p.sayTo(ctx, pool, e, s.who)
	case encloser:
		if s.who == (who{}) {
			return // its changes are in no set
		}
		var known bool
		s.told, known = p.remembered(transactionOf(pool))
		s.newest, err = newestOf(ctx, pool, e, known && !s.told.stale)
	}
	if err != nil {
		_ = db.AddError(fmt.Errorf("history: telling the database who acts: %w", err))
		return
	}
	if !p.engine.lasting() {
		db.Statement.Settings.Store(keyTold, s)
	}
}

// newestOf looks for the newest change. Where the plugin has written to the
// transaction already, the right to write is the transaction's.
func newestOf(ctx context.Context, pool gorm.ConnPool, e encloser, claimed bool) (int64, error) {
	if !claimed {
		if err := e.claim(ctx, pool); err != nil {
			return 0, err
		}
	}
	return e.newest(ctx, pool)
}

// claim comes before what the plugin reads at first use, in the transaction of a
// statement that is going to write. Where it fails, for there is no history yet,
// there is nothing that needs it.
func (p *Plugin) claim(db *gorm.DB) {
	if e, ok := p.engine.(encloser); ok && inTransaction(db) {
		_ = e.claim(db.Statement.Context, db.Statement.ConnPool)
	}
}

func (p *Plugin) sayTo(ctx context.Context, pool gorm.ConnPool, e teller, w who) error {
	tx := transactionOf(pool)
	if tx != nil {
		before, known := p.remembered(tx)
		switch {
		case known && before.who == w && (!before.stale || !p.engine.lasting()): // what does not last has a ticket, which is looked up
			if done, err := e.resume(ctx, pool, before.ticket); done || err != nil {
				return err
			}
		case !known && p.engine.lasting() && w == who{}:
			return nil
		}
	}
	ticket, err := e.tell(ctx, pool, w)
	if err == nil && tx != nil {
		p.remember(tx, told{who: w, ticket: ticket})
	}
	return err
}

// enclose puts what a statement changed into a change set: that of the
// statement before, if it is the same one's.
func (p *Plugin) enclose(ctx context.Context, pool gorm.ConnPool, e encloser, s saying) error {
	tx := transactionOf(pool)
	if now, _ := p.remembered(tx); tx == nil || now != s.told {
		return p.encloseRest(ctx, pool, e, s)
	}
	if s.told.who == s.who {
		extended, err := e.extend(ctx, pool, span{First: s.told.ticket, Last: s.newest})
		if extended || err != nil {
			return err
		}
	}
	first := s.newest + 1
	p.remember(tx, told{who: s.who, ticket: first, serial: s.told.serial + 1})
	return e.enclose(ctx, pool, s.who, span{First: first, Last: math.MaxInt64})
}

// encloseRest is enclose for a statement that others may be nested in, by
// another plugin's callback: they have their change sets, and it has what is
// left.
func (p *Plugin) encloseRest(ctx context.Context, pool gorm.ConnPool, e encloser, s saying) error {
	nested, err := e.enclosed(ctx, pool, s.newest+1)
	if err != nil {
		return err
	}
	first := s.newest + 1
	for _, n := range nested {
		if err := e.enclose(ctx, pool, s.who, span{First: first, Last: n.First - 1}); err != nil {
			return err
		}
		first = n.Last + 1
	}
	return e.enclose(ctx, pool, s.who, span{First: first, Last: math.MaxInt64})
}

// remembered is what a transaction was told, if tx is one.
func (p *Plugin) remembered(tx *sql.Tx) (t told, known bool) {
	if tx == nil {
		return told{}, false
	}
	value, known := p.told.Load(weak.Make(tx))
	t, _ = value.(told)
	return t, known
}

// remember keeps what a transaction was told for as long as it lives.
func (p *Plugin) remember(tx *sql.Tx, t told) {
	key := weak.Make(tx)
	if _, known := p.told.Swap(key, t); !known {
		runtime.AddCleanup(tx, func(key weak.Pointer[sql.Tx]) { p.told.Delete(key) }, key)
	}
}

// untell ends what tell said.
func (p *Plugin) untell(db *gorm.DB) {
	if p.touched(db) {
		p.unsay(db)
	}
}

// untellRaw ends what tellExec and tellQuery said.
func (p *Plugin) untellRaw(db *gorm.DB) {
	if inTransaction(db) {
		p.unsay(db)
	}
}

// unsay runs after a failed statement too, and must reach the database although
// the statement's context may be done.
func (p *Plugin) unsay(db *gorm.DB) {
	value, _ := db.Statement.Settings.Load(keyTold)
	s, ok := value.(saying)
	if !ok || s.statement != db.Statement {
		return // settings are handed down to nested statements
	}
	db.Statement.Settings.Delete(keyTold)
	ctx, pool := context.WithoutCancel(db.Statement.Context), db.Statement.ConnPool
	var err error
	switch e := p.engine.(type) {
	case teller:
		err = e.untell(ctx, pool)
	case encloser:
		err = p.enclose(ctx, pool, e, s)
	}
	if err != nil && db.Error == nil {
		_ = db.AddError(fmt.Errorf("history: ending what was told: %w", err))
	}
}

func inTransaction(db *gorm.DB) bool {
	_, ok := db.Statement.ConnPool.(gorm.TxCommitter)
	return ok
}

// transactionOf returns the transaction behind pool, nil if it is not one of
// database/sql.
func transactionOf(pool gorm.ConnPool) *sql.Tx {
	if prepared, ok := pool.(*gorm.PreparedStmtTX); ok {
		pool = prepared.Tx
	}
	tx, _ := pool.(*sql.Tx)
	return tx
}

// firstWord is the first word of a statement in upper case, past comments and
// parentheses.
func firstWord(statement string) string {
	for {
		statement = strings.TrimLeft(statement, " \t\r\n(;")
		switch {
		case strings.HasPrefix(statement, "--"):
			_, statement, _ = strings.Cut(statement, "\n")
		case strings.HasPrefix(statement, "/*"):
			_, statement, _ = strings.Cut(statement, "*/")
		default:
			end := strings.IndexFunc(statement, func(r rune) bool { return r|0x20 < 'a' || r|0x20 > 'z' })
			if end < 0 {
				end = len(statement)
			}
			return strings.ToUpper(statement[:end])
		}
	}
}
