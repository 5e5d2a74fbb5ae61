package history

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"gorm.io/gorm"
)

// saying is a statement that was told about, until it is untold.
type saying struct {
	statement *gorm.Statement
	pool      gorm.ConnPool // the statement's, which tell replaces
	teller    gorm.ConnPool // what ran what was told
	told      *told
	outer     outer
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
		{create.After("*"), "gormaudit/history:compile", p.compiled.compile},
		{update.After("*"), "gormaudit/history:compile", p.compiled.compile},
		{del.After("*"), "gormaudit/history:compile", p.compiled.compile},
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
		db.Statement.ConnPool = p.say(db, true)
	} else {
		p.correct(db, true)
	}
}

// correct keeps what lasts from being said of a statement whose context says
// somebody else: a table without triggers may cascade to one that has some, a
// view may write to it, a query may call a function that does.
func (p *Plugin) correct(db *gorm.DB, ends bool) {
	if !p.engine.lasting() || db.Error != nil || db.DryRun || !inTransaction(db) || contextOf(db).Value(maintenance{}) != nil {
		return
	}
	if known := p.catalog.Load(); known == nil || len(*known) == 0 {
		return // nothing was told
	}
	if p.recall(db.Statement.ConnPool) != nil {
		p.say(db, ends)
	}
}

// tellExec does so for [gorm.DB.Exec] in a transaction. Which tables it writes
// is not known.
func (p *Plugin) tellExec(db *gorm.DB) {
	if db.Error != nil || db.DryRun || !inTransaction(db) || contextOf(db).Value(maintenance{}) != nil {
		return
	}
	switch verb := firstWord(db.Statement.SQL.String()); {
	case verb == "SAVEPOINT":
		if t := p.recall(db.Statement.ConnPool); t != nil {
			_ = db.AddError(t.savepoint(db.Statement.Context, p.engine, db.Statement.ConnPool))
		}
	case p.writes(verb) && len(p.installed(db)) > 0:
		p.say(db, true)
	}
}

// tellQuery does so for a raw query that writes, such as INSERT … RETURNING.
func (p *Plugin) tellQuery(db *gorm.DB) {
	p.compiled.compile(db)
	p.tellRaw(db, true)
}

func (p *Plugin) tellRaw(db *gorm.DB, ends bool) {
	if db.Error != nil || db.DryRun || !inTransaction(db) || contextOf(db).Value(maintenance{}) != nil {
		return
	}
	verb := firstWord(db.Statement.SQL.String()) // none if GORM builds it
	if verb != "" && verb != "SELECT" && p.writes(verb) && len(p.installed(db)) > 0 {
		p.say(db, ends)
	} else {
		p.correct(db, ends)
	}
}

// tellRow can't untell while the caller reads the rows.
func (p *Plugin) tellRow(db *gorm.DB) {
	if p.engine.lasting() {
		p.tellRaw(db, false)
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

// say says who acts. ends is true if untell follows. What it returns can run the
// statement too.
func (p *Plugin) say(db *gorm.DB, ends bool) gorm.ConnPool {
	w, err := p.who(db.Statement.Context)
	if err != nil {
		_ = db.AddError(fmt.Errorf("history: %w", err))
		return db.Statement.ConnPool
	}
	s := saying{statement: db.Statement, pool: db.Statement.ConnPool, told: p.toldOf(db.Statement.ConnPool)}
	s.teller = p.compiled.in(db, s.told)
	if s.outer, err = s.told.begin(db.Statement.Context, p.engine, s.teller, w, ends); err != nil {
		_ = db.AddError(fmt.Errorf("history: telling the database who acts: %w", err))
	}
	if ends {
		db.Statement.Settings.Store(keyTold, s)
	}
	return s.teller
}

// claim comes before what the plugin reads at first use, in the transaction of a
// statement that is going to write. Where it fails, for there is no history yet,
// there is nothing that needs it.
func (p *Plugin) claim(db *gorm.DB) {
	if e, ok := p.engine.(claimer); ok && inTransaction(db) {
		_ = e.claim(db.Statement.Context, db.Statement.ConnPool)
	}
}

// untell ends what tell said.
func (p *Plugin) untell(db *gorm.DB) {
	if p.touched(db) || p.engine.lasting() { // which correct may have told
		p.unsay(db)
	}
}

// untellRaw ends what tellExec and tellQuery said, and says again what a
// savepoint's rollback may have taken back.
func (p *Plugin) untellRaw(db *gorm.DB) {
	if !inTransaction(db) {
		return
	}
	p.unsay(db)
	if t := p.recall(db.Statement.ConnPool); t != nil && db.Error == nil && !db.DryRun && firstWord(db.Statement.SQL.String()) == "ROLLBACK" {
		_ = db.AddError(t.rolledBack(db.Statement.Context, p.engine, db.Statement.ConnPool))
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
	db.Statement.ConnPool = s.pool
	if c, ok := s.teller.(*compiledTx); ok {
		c.release()
	}
	if err := s.told.end(context.WithoutCancel(db.Statement.Context), p.engine, s.teller, s.outer); err != nil && db.Error == nil {
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
	switch pool := pool.(type) {
	case *sql.Tx:
		return pool
	case *compiledTx:
		return pool.Tx
	case *gorm.PreparedStmtTX:
		return transactionOf(pool.Tx)
	}
	return nil
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
