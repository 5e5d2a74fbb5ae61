package history

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit/internal/plugins"
)

// callbacks tell the database who acts, around the statements that write.
type callbacks struct {
	config Config
	pools  pools
}

// scope is a statement that has an actor, until that is cleared.
type scope struct {
	statement *gorm.Statement
	pool      gorm.ConnPool // the statement's, which beforeWrite replaces
	runner    gorm.ConnPool // what ran the setting of the actor
	state     *txState
	outer     outer
	recorded  bool // the connection's
}

// The plugin's settings of a statement.
const (
	keyPool  = plugins.History + ":pool"  // replaced, by beginTransaction
	keyScope = plugins.History + ":scope" // a scope
)

// replaced is a statement whose pool beginTransaction replaced.
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
func (p *callbacks) register(db *gorm.DB) error {
	const begin, set, clear, end, compile = plugins.History + ":begin", plugins.History + ":set_actor", plugins.History + ":clear_actor",
		plugins.History + ":end", plugins.History + ":compile"
	c := db.Callback()
	create, update, del, raw, query, row := c.Create(), c.Update(), c.Delete(), c.Raw(), c.Query(), c.Row()
	for _, step := range []struct {
		at   registrar
		name string
		do   func(*gorm.DB)
	}{
		{create.Before("gorm:before_create"), begin, p.beginTransaction},
		{create.Before("gorm:create"), set, p.beforeWrite},
		{create.After("gorm:create").Before("gorm:save_after_associations"), clear, p.afterWrite},
		{create.After("gorm:after_create"), end, p.endTransaction},
		{update.Before("gorm:setup_reflect_value"), begin, p.beginTransaction},
		{update.Before("gorm:update"), set, p.beforeWrite},
		{update.After("gorm:update").Before("gorm:save_after_associations"), clear, p.afterWrite},
		{update.After("gorm:after_update"), end, p.endTransaction},
		{del.Before("gorm:before_delete"), begin, p.beginTransaction},
		{del.Before("gorm:delete"), set, p.beforeWrite},
		{del.After("gorm:delete").Before("gorm:after_delete"), clear, p.afterWrite},
		{del.After("gorm:after_delete"), end, p.endTransaction},
		{create.After("*"), compile, p.compile},
		{update.After("*"), compile, p.compile},
		{del.After("*"), compile, p.compile},
		{raw.Before("gorm:raw"), set, p.beforeExec},
		{raw.After("gorm:raw"), clear, p.afterRaw},
		{query.Before("gorm:query"), set, p.beforeQuery},
		{query.After("gorm:query"), clear, p.afterRaw},
		{row.Before("gorm:row"), set, func(tx *gorm.DB) { p.beforeRow(tx, db.Logger) }},
		{row.After("gorm:row"), clear, p.afterRow},
	} {
		if err := step.at.Register(step.name, step.do); err != nil {
			return fmt.Errorf("history: callback %s: %w", step.name, err)
		}
	}
	return nil
}

// beginTransaction opens the transaction that SkipDefaultTransaction left out: a
// write and its record happen together.
func (p *callbacks) beginTransaction(db *gorm.DB) {
	if db.SkipDefaultTransaction && !inTransaction(db) && (p.pools.audited(db) || p.attributesAll(db)) {
		p.begin(db)
	}
}

// attributesAll reports whether the statement must have an actor, whatever it does.
func (p *callbacks) attributesAll(db *gorm.DB) bool {
	return p.config.AttributeAll && db.Error == nil && !db.DryRun && lasts(db) && contextOf(db).Value(maintenance{}) == nil
}

// attributesAlone is attributesAll of one that is in no transaction. A fixedPool only
// seems to be one.
func (p *callbacks) attributesAlone(db *gorm.DB) bool {
	if !p.attributesAll(db) {
		return false
	}
	_, fixed := db.Statement.ConnPool.(fixedPool)
	return fixed || !inTransaction(db)
}

// beginAlone opens a transaction for raw SQL that is in none and must have an actor,
// or has one to record.
func (p *callbacks) beginAlone(db *gorm.DB) {
	text := db.Statement.SQL.String()
	if p.attributesAlone(db) && mayBeAlone(firstWord(text)) || !inTransaction(db) && p.changesAlone(db, text) {
		p.begin(db)
	}
}

// changesAlone reports whether raw SQL outside a transaction may have one of its own,
// so that what it changes has the context's actor.
func (p *callbacks) changesAlone(db *gorm.DB, text string) bool {
	verb := firstWord(text)
	if begins(db, verb) && !endsTransaction.MatchString(text) {
		p.pools.of(db).byHand.Store(true)
	}
	switch {
	case !mayBegin(db.Statement.ConnPool) || !changesRows(verb, text, lasts(db)) || !p.actsOnRecorded(db):
		return false
	case p.pools.of(db).byHand.Load() || !isOneChange(text, lasts(db)):
		p.warnOfNobody(db, db.Logger, "outside a transaction", "db.Transaction?")
		return false
	}
	return true
}

// actsOnRecorded reports whether the statement's context has an actor, or more to
// record, and the database tables with triggers.
func (p *callbacks) actsOnRecorded(db *gorm.DB) bool {
	if db.Error != nil || db.DryRun || contextOf(db).Value(maintenance{}) != nil {
		return false
	}
	if !p.pools.known(db, p.pools.of(db)).any() {
		return false
	}
	a, err := p.config.attribution(db.Statement.Context)
	return err != nil || a != attribution{}
}

// warnOfNobody says, once for a line of the program, that changes by raw SQL are
// recorded without the actor that their context has.
func (p *callbacks) warnOfNobody(db *gorm.DB, log logger.Interface, how, cure string) {
	if line := callersLine(); p.pools.of(db).once(line) {
		log.Warn(db.Statement.Context, "history: %s: what this SQL changes is recorded without the actor of its context, because it runs %s (%s)", line, how, cure)
	}
}

// begin opens a transaction for one statement, and what is nested in it.
func (p *callbacks) begin(db *gorm.DB) {
	pool := db.Statement.ConnPool
	db.Statement.ConnPool = unfixed(pool)
	tx := db.Begin()
	if tx.Error != nil {
		db.Statement.ConnPool = pool
		_ = db.AddError(tx.Error)
		return
	}
	db.Statement.ConnPool = tx.Statement.ConnPool
	db.Statement.Settings.Store(keyPool, replaced{db.Statement, pool})
}

func (p *callbacks) endTransaction(db *gorm.DB) {
	if !inTransaction(db) {
		return
	}
	value, _ := db.Statement.Settings.Load(keyPool)
	began, ok := value.(replaced)
	if !ok || began.statement != db.Statement {
		return // settings are handed down to nested statements
	}
	db.Statement.Settings.Delete(keyPool)
	if err := db.Error; err != nil {
		db.Rollback()
		db.Error = err // not that the context has rolled back already
	} else if db.Commit().Error != nil {
		db.RowsAffected = 0
	}
	db.Statement.ConnPool = began.pool
}

// beforeWrite sets the actor for the statement that follows.
func (p *callbacks) beforeWrite(db *gorm.DB) {
	if p.pools.audited(db) && inTransaction(db) && contextOf(db).Value(maintenance{}) == nil {
		db.Statement.ConnPool = p.setActor(db, true)
	} else {
		p.correctActor(db, true)
	}
}

// afterWrite clears the actor that beforeWrite set.
func (p *callbacks) afterWrite(db *gorm.DB) {
	db.Error = explained(db)
	if p.pools.touched(db) || lasts(db) { // which correctActor may have set
		p.clearActor(db)
	}
}

// correctActor keeps an actor that lasts from getting a statement whose context
// has another one: a table without triggers may cascade to one that has some, a
// view may write to it, a query may call a function that does.
func (p *callbacks) correctActor(db *gorm.DB, ends bool) {
	if !lasts(db) || db.Error != nil || db.DryRun || !inTransaction(db) || contextOf(db).Value(maintenance{}) != nil {
		return
	}
	if p.config.AttributeAll || openTransactions.known(db.Statement.ConnPool) != nil {
		p.setActor(db, ends)
	}
}

// beforeExec sets the actor for [gorm.DB.Exec]. Which tables it writes is not known.
func (p *callbacks) beforeExec(db *gorm.DB) {
	p.beginAlone(db)
	if db.Error != nil || db.DryRun || !inTransaction(db) || contextOf(db).Value(maintenance{}) != nil {
		return
	}
	switch verb := firstWord(db.Statement.SQL.String()); {
	case verb == "SAVEPOINT":
		if t := openTransactions.known(db.Statement.ConnPool); t != nil {
			_ = db.AddError(t.savepoint(db.Statement.Context, attributorOf(db), connection{pool: poolOf(db)}))
		}
	case writes(db, verb) && (p.attributesAll(db) || p.pools.known(db, p.pools.of(db)).any()):
		p.setActor(db, true)
		if tx, ok := db.Statement.ConnPool.(*gorm.PreparedStmtTX); ok && attributorOf(db).compilesTriggers() && returnsRows.MatchString(db.Statement.SQL.String()) {
			db.Statement.ConnPool = tx.Tx // go-sqlite3 does not end what is prepared, and then can't end the transaction
		}
	}
}

// beforeQuery does so for a raw query that writes, such as INSERT … RETURNING.
func (p *callbacks) beforeQuery(db *gorm.DB) {
	p.compile(db)
	p.beginAlone(db)
	p.beforeRaw(db, true)
}

func (p *callbacks) beforeRaw(db *gorm.DB, ends bool) {
	if db.Error != nil || db.DryRun || !inTransaction(db) || contextOf(db).Value(maintenance{}) != nil {
		return
	}
	verb := firstWord(db.Statement.SQL.String()) // none if GORM builds it
	if verb != "" && verb != "SELECT" && writes(db, verb) && p.pools.known(db, p.pools.of(db)).any() {
		p.setActor(db, ends)
	} else {
		p.correctActor(db, ends)
	}
}

// beforeRow can't clear the actor while the caller reads the rows.
func (p *callbacks) beforeRow(db *gorm.DB, log logger.Interface) {
	switch {
	case readsHistory(db): // on a pool
	case p.attributesAlone(db) && !byMigrator():
		refuseRows(db)
	default:
		p.warnOfRows(db, log)
		if lasts(db) {
			p.beforeRaw(db, false)
		}
	}
}

// warnOfRows is warnOfNobody where the plugin would need to know when the rows have
// been read. In a transaction it need not where an actor lasts. log is in place of the
// statement's logger, which under Scan prints to the standard error.
func (p *callbacks) warnOfRows(db *gorm.DB, log logger.Interface) {
	text := db.Statement.SQL.String()
	if inTransaction(db) && (lasts(db) || openTransactions.isActing(db.Statement.ConnPool)) || !changesRows(firstWord(text), text, lasts(db)) {
		return
	}
	if p.actsOnRecorded(db) {
		p.warnOfNobody(db, log, "by Row, Rows or Scan", "Raw(…).Find?")
	}
}

func (p *callbacks) afterRow(db *gorm.DB) {
	if refused, ok := db.Statement.ConnPool.(refusedRows); ok {
		db.Statement.ConnPool = refused.ConnPool
	}
}

// writes reports whether a statement with that first word may change rows.
// Where an actor lasts, to set it once more costs nothing, and a SELECT may call a
// function that writes.
func writes(db *gorm.DB, verb string) bool {
	switch verb {
	case "INSERT", "UPDATE", "DELETE", "REPLACE", "WITH", "MERGE", "CALL", "LOAD":
		return true
	case "SAVEPOINT", "RELEASE", "BEGIN", "START", "COMMIT", "END", "ABORT", "SET",
		"ROLLBACK": // which must run, too, where nothing else can: after a statement that failed
		return false
	}
	return lasts(db)
}

// setActor sets the actor of a statement. ends is true if clearActor follows.
// What it returns can run the statement too.
func (p *callbacks) setActor(db *gorm.DB, ends bool) gorm.ConnPool {
	a, err := p.config.attribution(db.Statement.Context)
	if err != nil {
		_ = db.AddError(err)
		return db.Statement.ConnPool
	}
	pool := p.pools.of(db)
	s := scope{statement: db.Statement, pool: db.Statement.ConnPool, state: openTransactions.of(db.Statement.ConnPool)}
	s.runner = pool.statements.in(db, &s.state.cacheUses)
	in := connection{pool: unprepared(s.runner)}
	if known := pool.audited.Load(); known != nil {
		in.homes, in.recorded = known.otherHomes(db.Statement), known.recorded
	}
	s.recorded = in.recorded
	if s.outer, err = s.state.begin(db.Statement.Context, attributorOf(db), in, a, ends); err != nil {
		p.failed(db, pool, err)
	}
	if ends {
		db.Statement.Settings.Store(keyScope, s)
	}
	return s.runner
}

// failed adds the error of an actor that could not be set to its statement's. An
// account that lacks a right for it writes as nobody, which is logged once, as soon as
// there is a history: a missing procedure may be denied, too.
func (p *callbacks) failed(db *gorm.DB, pool *poolState, err error) {
	var denied *deniedError
	switch {
	case !errors.As(err, &denied):
		_ = db.AddError(fmt.Errorf("history: telling the database who acts: %w", err))
	case p.pools.recordsNothing(db, pool):
	case pool.once(denied.cure):
		db.Logger.Warn(db.Statement.Context, "history: changes are recorded without who made them: %v", err)
	}
}

// clearActor runs after a failed statement too, and must reach the database
// although the statement's context may be done.
func (p *callbacks) clearActor(db *gorm.DB) {
	value, _ := db.Statement.Settings.Load(keyScope)
	s, ok := value.(scope)
	if !ok || s.statement != db.Statement {
		return // settings are handed down to nested statements
	}
	db.Statement.Settings.Delete(keyScope)
	db.Statement.ConnPool = s.pool
	if c, ok := s.runner.(*cachedTx); ok {
		c.release()
	}
	if err := s.state.end(context.WithoutCancel(db.Statement.Context), attributorOf(db), connection{pool: unprepared(s.runner), recorded: s.recorded}, s.outer); err != nil && db.Error == nil {
		p.failed(db, p.pools.of(db), err)
	}
}

// explained is the error of a statement, with the sentinel of what it says. Raw SQL
// does not name its table.
func explained(db *gorm.DB) error {
	switch err := refusal(db.Error); {
	case !isOutdated(err):
		return err
	case db.Statement.Table == "":
		return fmt.Errorf("history: a table that was written: %w: %w", ErrOutdated, err)
	default:
		return fmt.Errorf("%w: %w", &TableError{Table: db.Statement.Table, Err: ErrOutdated}, err)
	}
}

// isOutdated is true of the errors by which a write fails whose table was changed
// past its triggers.
func isOutdated(err error) bool {
	return containsAny(err, `record "old" has no field`, `record "new" has no field`, "does not match that when preparing the plan",
		"in 'OLD'", "in 'NEW'", "no such column: OLD.", "no such column: NEW.")
}

// afterRaw clears the actor that beforeExec and beforeQuery set, and sets again
// what a savepoint's rollback may have taken back.
func (p *callbacks) afterRaw(db *gorm.DB) {
	db.Error = explained(db)
	verb := firstWord(db.Statement.SQL.String())
	switch verb {
	case "ALTER", "RENAME":
		p.pools.forget() // SQLite's Migrator ends so where a table has lost its triggers
	}
	if !inTransaction(db) {
		if db.Error != nil && begins(db, verb) { // maybe before it ended what it began
			p.pools.of(db).byHand.Store(true)
		}
		return
	}
	p.clearActor(db)
	if t := openTransactions.known(db.Statement.ConnPool); t != nil && db.Error == nil && !db.DryRun && verb == "ROLLBACK" {
		_ = db.AddError(t.rolledBack(db.Statement.Context, attributorOf(db), connection{pool: poolOf(db)}))
	}
	p.endTransaction(db)
}

func (p *callbacks) compile(db *gorm.DB) { p.pools.of(db).statements.compile(db) }

// lasts is true where an actor lasts until its transaction ends.
func lasts(db *gorm.DB) bool { return attributorOf(db).perTransaction() }
