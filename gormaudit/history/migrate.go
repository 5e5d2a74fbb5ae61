package history

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"gorm.io/gorm"
)

// What [Verify] finds, wrapped in a [TableError].
var (
	// ErrMissing says that a table has no triggers: what changes in it is not
	// recorded.
	ErrMissing = errors.New("its triggers are missing (history.Migrate?)")
	// ErrOutdated says that a table's triggers don't record all that its model
	// says, or that one is lost: part of what changes is not recorded, or writes
	// fail. Triggers that record more, those of a newer release, are not outdated.
	ErrOutdated = errors.New("its triggers are outdated (history.Migrate?)")
	// ErrExposed says that others than their owner may run the functions that
	// record on PostgreSQL, and so record what they like. A restore without
	// privileges (pg_dump -x) does that.
	ErrExposed = errors.New("others than its owner may execute the functions that record it (history.Migrate?)")
	// ErrDefiner says that the account that MariaDB's or MySQL's triggers run as is
	// gone or lacks a right: every write of an audited table fails.
	ErrDefiner = errors.New("the definer of its triggers is missing, or lacks a right (Options.Definer?)")
)

// TableError names a table whose changes are not recorded as its model says.
type TableError struct {
	// Table is the table's name.
	Table string
	// Err is [ErrMissing], [ErrOutdated], [ErrExposed] or [ErrDefiner].
	Err error
}

// Error names the table and what is wrong with it.
func (e *TableError) Error() string { return fmt.Sprintf("history: table %q: %v", e.Table, e.Err) }

// Unwrap returns Err.
func (e *TableError) Unwrap() error { return e.Err }

// generator generates one database's triggers and tables.
type generator interface {
	columnReader
	// catalogue asks what there is in the current home.
	catalogue(db *gorm.DB) (*catalogue, error)
	// in is the dialect in a home, which knows what is there.
	in(c *catalogue, o Options) dialect
	// objects returns the statements that create the history's own tables, and
	// what protects them. Each may run again.
	objects(o Options, tables []table) []string
	// room returns the statements that the history's own tables need, so that the
	// widest of tables fits.
	room(tables []table) []string
	// record returns the statements that replace what records the changes of t,
	// with its mark. attach are those that hang it on the table, where that is
	// something else.
	record(t table) []string
	attach(t table) []string
	// drop removes the triggers of t, whichever exist.
	drop(t table) []string
	// triggerCount is how many triggers a table has, refusals how many protect the
	// history's own tables.
	triggerCount() int
	refusals() int
	// mayMigrate is an error for an account that lacks a right that m needs. It
	// changes nothing that stays.
	mayMigrate(db *gorm.DB, m *migration) error
	// migrate runs m in the order that is safe.
	migrate(db *gorm.DB, m *migration) error
	// migrated runs after a migration and may warn.
	migrated(db *gorm.DB, tables []table) error
	// verify finds what is wrong with the history's own objects.
	verify(db *gorm.DB, c *catalogue) error
}

// Options say how the history is kept. The zero Options are those of [Migrate]
// and [SQL].
type Options struct {
	// AppendOnly makes the database refuse UPDATE and DELETE on the history's
	// tables, except from [Prune] and [Anonymize]. By default off. A migration
	// without it leaves it on, unless it is Exact.
	//
	// Security: it stops mistakes, and programs that write through this
	// library. Whoever may run any SQL with the application's account can drop
	// the triggers, unless the tables belong to another account.
	AppendOnly bool
	// Exact makes the triggers record what the models say, no more. By default a
	// migration takes nothing away: columns that the models don't know stay
	// recorded, columns that were redacted or left out stay so, as does AppendOnly.
	// So an older release that is started once more takes nothing from a newer one.
	Exact bool
	// Definer is the account or role that MariaDB's and MySQL's triggers and
	// procedures run as: a role, or 'user@host'. It needs the rights that schema.md
	// names, and the migrating account that of choosing it (SET USER). By default
	// the account that migrates, or the role that an earlier migration chose. If a
	// definer is dropped, every write fails.
	Definer string
}

// Migrate runs AutoMigrate for the models in an order that is safe, and has their
// changes recorded from then on. It may run again at any time, by several
// programs at once: what is right already is not touched, and takes no lock.
//
// What differs is replaced in place, so that what others write meanwhile is
// recorded. On PostgreSQL that is the table's function, in the transaction of
// AutoMigrate; to create triggers, and to alter a table, Migrate waits for its
// lock for a fifth of a second at a time, for a minute in all, so that it holds
// nobody up for longer. It does likewise on MariaDB, for a second at a time. MySQL can't
// replace a trigger, nor can SQLite alter a column without losing the table's
// triggers: there, what other programs write meanwhile may go unrecorded.
//
// It honours [gorm.DB.Table], for one model, and [gorm.DB.Set]. A model without a
// primary key is an error, as is an account that lacks a right, before anything is
// changed.
func Migrate(db *gorm.DB, models ...any) error { return Options{}.Migrate(db, models...) }

// SQL returns what [Migrate] runs around AutoMigrate, for those who migrate with
// another tool: run drop, then their own migration, then create. It needs a
// database of the right kind to ask for its schema's name, and changes nothing.
// It is as exact as with [Options.Exact].
//
// A statement ends with a semicolon and an empty line. The triggers' bodies have
// semicolons of their own: a tool must send a script whole (multiStatements=true
// for MySQL), or part it at the empty lines.
func SQL(db *gorm.DB, models ...any) (drop, create string, err error) {
	return Options{}.SQL(db, models...)
}

// Migrate is [Migrate] with options.
func (o Options) Migrate(db *gorm.DB, models ...any) error {
	db = db.Session(&gorm.Session{})
	m := &migration{options: o, models: models}
	if err := m.plan(db); err != nil {
		return err
	}
	err := m.dialect.mayMigrate(m.quiet(db), m)
	if err == nil {
		err = m.dialect.migrate(db, m)
	}
	if err == nil {
		err = m.dialect.migrated(m.quiet(db), m.tables)
	}
	if p := pluginOf(db); p != nil {
		p.pools.forget()
	}
	return err
}

// migration is what [Migrate] has to do.
type migration struct {
	options Options
	models  []any

	dialect dialect
	found   *catalogue
	tables  []table
	stale   []table  // of those, whose triggers are written
	objects []string // the statements for the history's own objects, if any
}

// plan holds what there is against what there should be. It runs again once the
// others, who may have migrated too, are done.
func (m *migration) plan(db *gorm.DB) error {
	d, found, tables, err := locate(db, m.options, m.models)
	if err != nil {
		return err
	}
	m.dialect, m.found, m.tables, m.stale, m.objects = d, found, tables, nil, nil
	for i, t := range tables {
		have := found.of(t.name)
		m.tables[i] = m.options.covering(t, have)
		if m.options.stale(d, t, have) {
			m.stale = append(m.stale, m.tables[i])
		}
	}
	m.planObjects()
	return nil
}

func (m *migration) planObjects() {
	o := m.options
	o.AppendOnly = o.AppendOnly || m.found.mark.AppendOnly && !o.Exact
	objects := m.dialect.objects(o, m.tables)
	whole := m.found.hasTables() && (!o.AppendOnly || m.found.refusals >= m.dialect.refusals()) && !m.found.exposed
	switch {
	case !whole, o.definesAnew(m.found.definer), m.found.mark.Generation <= generation && !m.found.mark.same(markOf(objects)):
		m.objects = objects
	default:
		m.objects = m.dialect.room(m.tables)
	}
}

// pending reports whether there is anything to do beside AutoMigrate.
func (m *migration) pending() bool { return len(m.stale) > 0 || len(m.objects) > 0 }

// quiet is db for statements that are not the models'.
func (m *migration) quiet(db *gorm.DB) *gorm.DB { return db.Session(&gorm.Session{NewDB: true}) }

// writeObjects creates the history's own objects.
func (m *migration) writeObjects(db *gorm.DB) error {
	if err := execAll(m.quiet(db), m.objects); err != nil {
		return fmt.Errorf("history: creating its tables: %w", err)
	}
	return nil
}

// writeRecord replaces what records the stale tables.
func (m *migration) writeRecord(db *gorm.DB) error {
	for _, t := range m.stale {
		if err := execAll(m.quiet(db), m.dialect.record(t)); err != nil {
			return fmt.Errorf("history: table %q: creating triggers: %w", t.name, err)
		}
	}
	return nil
}

// patience is how long a migration tries to get its locks.
const patience = time.Minute

// retry runs f again while others hold its locks.
func retry(ctx context.Context, busy func(err error) bool, f func() error) error {
	until := time.Now().Add(patience)
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := f()
		if err == nil || !busy(err) {
			return err
		}
		if time.Now().After(until) {
			return fmt.Errorf("history: others have held its locks for %v, is there a long transaction?: %w", patience, err)
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause + rand.N(pause)):
		}
	}
}

// containsAny reports whether an error's text has one of some.
func containsAny(err error, some ...string) bool {
	if err == nil {
		return false
	}
	text := err.Error()
	for _, s := range some {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// distinctive are columns by which the history's tables differ from others of the
// same name.
var distinctive = map[string][]string{
	changeSetsTable: {"actor_kind", "impersonator_kind", "database_user"},
	changesTable:    {"table_name", "row_key", "composite"},
	layoutsTable:    {"columns"},
	contextTable:    {"connection", "ticket"},
}

// checkNames looks whether tables that the history would take for its own are
// somebody else's. CREATE TABLE IF NOT EXISTS does not.
func (c *catalogue) checkNames() error {
	for table, columns := range c.own {
		for _, column := range distinctive[table] {
			if !columns[column] {
				return fmt.Errorf("history: the table %q is not the history's, which needs that name", table)
			}
		}
	}
	return nil
}

// SQL is [SQL] with options.
func (o Options) SQL(db *gorm.DB, models ...any) (drop, create string, err error) {
	d, _, tables, err := locate(db.Session(&gorm.Session{}), o, models)
	if err != nil {
		return "", "", err
	}
	var drops []string
	creates := d.objects(o, tables)
	for _, t := range tables {
		drops = append(drops, d.drop(t)...)
		creates = append(append(creates, d.record(t)...), d.attach(t)...)
	}
	return script(drops), script(creates), nil
}

func script(statements []string) string { return strings.Join(statements, ";\n\n") + ";\n" }

// Verify returns an error for each table whose triggers don't record what its
// model says, joined: a [TableError] with [ErrMissing], [ErrOutdated],
// [ErrExposed] or [ErrDefiner]. Call it at start where migrations run elsewhere. The
// plugin of db looks for triggers again.
//
// Triggers that record more than the models say are right: those of a newer
// release.
func Verify(db *gorm.DB, models ...any) error {
	db = db.Session(&gorm.Session{})
	d, found, tables, err := locate(db, Options{}, models)
	if err != nil {
		return err
	}
	if p := pluginOf(db); p != nil {
		p.pools.forget()
	}
	var errs []error
	for _, t := range tables {
		errs = append(errs, found.check(d, t))
	}
	if found.hasTables() {
		errs = append(errs, d.verify(db.Session(&gorm.Session{NewDB: true}), found))
	}
	return errors.Join(errs...)
}

// Drop removes the triggers of the models: their changes are not recorded any
// more. The history's tables stay, with what they hold.
func Drop(db *gorm.DB, models ...any) error {
	db = db.Session(&gorm.Session{})
	d, _, tables, err := locate(db, Options{}, models)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if err := execAll(db.Session(&gorm.Session{NewDB: true}), d.drop(t)); err != nil {
			return fmt.Errorf("history: table %q: dropping triggers: %w", t.name, err)
		}
	}
	if p := pluginOf(db); p != nil {
		p.pools.forget()
	}
	return nil
}

// locate returns the dialect in the current home, with what is there, and what
// its generator needs.
func locate(db *gorm.DB, o Options, models []any) (dialect, *catalogue, []table, error) {
	d, err := dialectOf(db)
	if err != nil {
		return nil, nil, nil, err
	}
	tables, err := parseModels(db, d, models)
	if err != nil {
		return nil, nil, nil, err
	}
	found, err := d.catalogue(db.Session(&gorm.Session{NewDB: true}))
	if err != nil {
		return nil, nil, nil, fmt.Errorf("history: %w", err)
	}
	return d.in(found, o), found, tables, found.checkNames()
}
