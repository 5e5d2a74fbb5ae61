package history

import (
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"gorm.io/gorm"
	"gorm.io/gorm/schema"
)

// pools is what the plugin knows of the databases that it serves.
type pools struct {
	required sync.Map  // the tables of [Config.Models], by name
	states   sync.Map  // weak.Pointer[sql.DB] to *poolState
	nowhere  poolState // of what is no pool of database/sql
}

// poolState is what is known of the databases behind one connection pool.
type poolState struct {
	audited   atomic.Pointer[audited]
	catalogue atomic.Pointer[catalogue] // of the home where the first statement ran
	checked   sync.Map                  // *schema.Schema, once it was held against the catalogue
	before    sync.Map                  // names of tables that had triggers once
	counts    map[qualifiedName]int     // how many triggers tables had
	counting  sync.Mutex                // guards counts
	warned    sync.Map                  // what was logged once
	byHand    atomic.Bool               // somebody sends BEGIN without a transaction of database/sql

	statements *stmtCache // nil where there is nothing to compile
}

// of returns what is known of the pool that db's statement runs on.
func (p *pools) of(db *gorm.DB) *poolState {
	pool, err := db.DB()
	if err != nil || pool == nil {
		return &p.nowhere
	}
	key := weak.Make(pool)
	if known, ok := p.states.Load(key); ok {
		return known.(*poolState)
	}
	s := &poolState{}
	if d, err := dialectOf(db); err == nil && d.compilesTriggers() {
		s.statements = newStmtCache(pool)
	}
	known, loaded := p.states.LoadOrStore(key, s)
	if !loaded {
		runtime.AddCleanup(pool, func(key weak.Pointer[sql.DB]) { p.states.Delete(key) }, key)
	}
	return known.(*poolState)
}

// audited reports whether the statement writes to a table that has triggers, or
// may have some.
func (p *pools) audited(db *gorm.DB) bool {
	if db.Error != nil || db.DryRun {
		return false
	}
	s := p.of(db)
	known := p.known(db, s)
	ok := known.touches(db.Statement) || p.requires(db)
	if db.Statement.Schema != nil {
		p.check(db, s, db.Statement.Schema, ok)
	}
	return ok
}

// touched reports whether the actor may have been set for the statement. It is
// asked before anything that allocates.
func (p *pools) touched(db *gorm.DB) bool {
	known := p.of(db).audited.Load()
	return known == nil || known.touches(db.Statement) || p.requires(db)
}

// requires reports whether the statement's table must be recorded, so that its
// writes are attributed although it seems to have no triggers.
func (p *pools) requires(db *gorm.DB) bool {
	_, required := p.required.Load(db.Statement.Table)
	return required && attributorOf(db).worksWithoutHistory()
}

// auditedFor is how long the plugin believes what it knows of a pool: another
// program may create schemas, and tables with triggers.
const auditedFor = 10 * time.Second

// known is what the pool's databases have, asked anew from time to time. SQLite is
// not where there is no history: a transaction that reads first may not get to
// write.
func (p *pools) known(db *gorm.DB, s *poolState) *audited {
	known := s.audited.Load()
	if known != nil && (known.lasting || time.Since(known.at) < auditedFor) {
		return known
	}
	d, err := dialectOf(db)
	if err != nil {
		return &audited{}
	}
	lockForWrite(db, d)
	found, err := d.audited(db)
	switch {
	case err == nil:
		found.at, found.lasting = time.Now(), d.compilesTriggers() && !found.any()
		warnOfLost(db, d, found, s.remember(found))
		if !found.skipped(found.current) {
			p.warnOfNothing(db, s, d)
		}
		return found
	case d.perTransaction() && inTransaction(db): // which has failed with it
		_ = db.AddError(fmt.Errorf("history: looking for triggers: %w", err))
	}
	if known != nil {
		return known
	}
	return &audited{unknown: true}
}

// remember keeps what was found. Where a table has lost triggers, models are checked
// again. That check can't tell tables of one name apart, nor speak of a table whose
// triggers may be hidden: such tables are returned. Where there is no history any more, its
// procedures have gone, and the grants with them: a new one is warned of once more.
func (s *poolState) remember(found *audited) (lost []qualifiedName) {
	s.counting.Lock()
	defer s.counting.Unlock()
	for table := range s.counts {
		if found.skipped(table.schema) {
			found.names[table.table] = true
		}
	}
	s.audited.Store(found)
	if !found.any() {
		s.warned.Range(func(what, _ any) bool {
			if what != warnedOfNothing {
				s.warned.Delete(what)
			}
			return true
		})
	}
	for name := range found.names {
		s.before.Store(name, true)
	}
	for _, table := range found.lost(s.counts) {
		delete(s.counts, table)
		if found.unknown || found.sharesName(table) {
			lost = append(lost, table)
			continue
		}
		s.catalogue.Store(nil)
		s.checked.Clear()
	}
	if s.counts == nil {
		s.counts = map[qualifiedName]int{}
	}
	maps.Copy(s.counts, found.counts)
	return lost
}

// warnOfLost warns of tables that have lost triggers, unless they are gone too.
func warnOfLost(db *gorm.DB, d dialect, found *audited, lost []qualifiedName) {
	for _, p := range lost {
		is, err := readNames(db, "SELECT table_name FROM information_schema.tables WHERE table_schema = "+d.literal(p.schema)+" AND table_name = "+d.literal(p.table))
		if err != nil || len(is) == 0 {
			continue
		}
		problem := ErrMissing
		if found.counts[p] > 0 {
			problem = ErrOutdated
		}
		db.Logger.Warn(db.Statement.Context, "%v", &TableError{Table: p.String(), Err: problem})
	}
}

const warnedOfNothing = "nothing"

// warnOfNothing says once that the home of the first write has no history. Other
// schemas of the database may have one.
func (p *pools) warnOfNothing(db *gorm.DB, s *poolState, d dialect) {
	if db.Statement.Schema == nil || !s.once(warnedOfNothing) {
		return
	}
	if found, err := s.home(db, d); err == nil && !found.inUse() {
		if _, elsewhere, err := d.elsewhere(db, []string{db.Statement.Table}, false); err != nil || elsewhere != "" {
			return
		}
		db.Logger.Warn(db.Statement.Context, "history: nothing is recorded in %q, it has no history (history.Migrate, or history.SQL?)", found.home)
	}
}

// recordsNothing reports whether no table has triggers. MySQL does not show them to an
// account that writes.
func (p *pools) recordsNothing(db *gorm.DB, s *poolState) bool {
	d, err := dialectOf(db)
	known := s.audited.Load()
	if err != nil || known == nil || known.any() {
		return false
	}
	found, err := s.home(db, d)
	return err == nil && found.mariadb
}

// home is what there is in the home where the pool's first statement ran.
func (s *poolState) home(db *gorm.DB, d generator) (*catalogue, error) {
	if found := s.catalogue.Load(); found != nil {
		return found, nil
	}
	found, err := d.catalogue(db)
	if err == nil {
		s.catalogue.Store(found)
	}
	return found, err
}

// once reports whether it is the first time that it is asked for what.
func (s *poolState) once(what string) bool {
	_, done := s.warned.LoadOrStore(what, true)
	return !done
}

// check warns, once per model, of triggers that are not what they should be.
func (p *pools) check(db *gorm.DB, s *poolState, model *schema.Schema, audited bool) {
	_, had := s.before.Load(model.Table)
	_, required := p.required.Load(model.Table)
	if !audited && !had && !required {
		return
	}
	if _, done := s.checked.Load(model); done {
		return
	}
	if known := s.audited.Load(); known != nil && known.skipped(known.current) {
		return // to look closer would wait
	}
	if _, done := s.checked.LoadOrStore(model, true); done {
		return
	}
	d, err := dialectOf(db)
	if err != nil {
		return
	}
	lockForWrite(db, d)
	found, err := s.home(db, d)
	if err != nil {
		return
	}
	t, err := describeSchema(db, d, model)
	if err == nil {
		err = checkTable(db, d.in(found, Options{}), found, t)
	}
	if err == nil || errors.Is(err, ErrElsewhere) || errors.Is(err, ErrMissing) && audited && !required { // another schema has that table
		return
	}
	db.Logger.Warn(db.Statement.Context, "%v", err)
}

// forget makes the plugin ask again, after a migration.
func (p *pools) forget() {
	p.states.Range(func(_, known any) bool {
		known.(*poolState).forget()
		return true
	})
	p.nowhere.forget()
}

func (s *poolState) forget() {
	s.audited.Store(nil)
	s.catalogue.Store(nil)
	s.checked.Clear()
}

// lockForWrite comes before what the plugin reads at first use, in the
// transaction of a statement that is going to write.
func lockForWrite(db *gorm.DB, by attributor) {
	if inTransaction(db) {
		_ = by.lockForWrite(db.Statement.Context, poolOf(db)) // it fails where there is no history yet
	}
}
