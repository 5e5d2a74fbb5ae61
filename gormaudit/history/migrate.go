package history

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"gorm.io/gorm"
)

// Migrate runs AutoMigrate for the models in an order that is safe, and has their
// changes recorded from then on. It may run again at any time, by several programs at
// once: it does not touch or lock what is right already.
//
// What differs is replaced in place, so that what others write meanwhile is recorded.
// On PostgreSQL that is the table's function, in the transaction of AutoMigrate. To
// create triggers, and to alter a table, Migrate waits for the table's lock for a
// fifth of a second at a time, for a minute in all, so that it holds nobody up for
// longer. On MariaDB it waits for a second at a time. MySQL can't replace a trigger,
// and SQLite can't alter a column without losing the table's triggers: there, what
// other programs write meanwhile may go unrecorded.
//
// It honours [gorm.DB.Table], for one model, and [gorm.DB.Set]. A model without a
// primary key is an error before anything is changed, as is a table that has its rows
// told apart by more than the model's key ([ErrNotUnique]) or that another schema's
// history records ([ErrElsewhere]), and an account that lacks a right.
func Migrate(db *gorm.DB, models ...any) error { return Options{}.Migrate(db, models...) }

// SQL returns what [Migrate] runs around AutoMigrate, for those who migrate with
// another tool: run your own migration, then create, which makes or replaces the
// triggers. drop removes them. Where a column is dropped, MariaDB and SQLite need
// another order, which migrations.md has.
//
// SQL needs a database of the right kind, whose schema's name it asks for, and changes
// nothing. On SQLite the texts fit this database only, as it is now, because create
// adds columns that can't be added twice. The triggers are as exact as with
// [Options.Exact]. If a model's table was renamed and its triggers still record its old
// name, create records that, as migrations.md says. SQL returns [ErrNotUnique] and
// [ErrElsewhere] as Migrate does.
//
// A statement ends with a semicolon and an empty line. The triggers' bodies have
// semicolons of their own. So a tool must send a script as a whole
// (multiStatements=true for MySQL), or split it at the empty lines.
func SQL(db *gorm.DB, models ...any) (drop, create string, err error) {
	return Options{}.SQL(db, models...)
}

// Migrate is [Migrate] with options.
func (o Options) Migrate(db *gorm.DB, models ...any) error {
	db = db.Session(&gorm.Session{})
	m, err := newMigration(db, o, models)
	if err != nil {
		return err
	}
	if err := m.plan(db); err != nil {
		return err
	}
	if err := errors.Join(m.checkColumns(), checkUnique(db, m.dialect, m.tables)); err != nil {
		return err
	}
	err = m.dialect.mayMigrate(uncached(db), m)
	if err == nil {
		err = m.dialect.migrate(db, m)
	}
	if err == nil {
		err = m.dialect.warnOfCascades(uncached(db), m.tables)
	}
	if p := pluginOf(db); p != nil {
		p.pools.forget()
	}
	return err
}

// SQL is [SQL] with options.
func (o Options) SQL(db *gorm.DB, models ...any) (drop, create string, err error) {
	db = db.Session(&gorm.Session{})
	m, err := located(db, o, models)
	if err != nil {
		return "", "", err
	}
	m.stale = slices.Clone(m.tables)
	if err := errors.Join(m.checkHomes(db, true), m.checkRenamed(), checkUnique(db, m.dialect, m.tables)); err != nil {
		return "", "", err
	}
	var drops, creates []string
	for _, t := range m.stale {
		creates = append(creates, m.dialect.claim(t)...)
	}
	creates = append(creates, m.dialect.objects(o, m.tables)...)
	for _, t := range m.stale {
		drops = append(append(drops, m.dropFormer(t)...), m.dialect.drop(t)...)
		was := m.found.of(t.name).former(t)
		creates = slices.Concat(creates, m.dialect.renamed(t, was), m.dialect.record(t), m.dialect.attach(t))
	}
	return script(drops), script(creates), nil
}

func script(statements []string) string { return strings.Join(statements, ";\n\n") + ";\n" }

// Verify returns an error for each table whose triggers don't record what its model
// says. The errors are joined, and each is a [TableError] with [ErrMissing],
// [ErrOutdated], [ErrNotUnique], [ErrElsewhere], [ErrExposed], [ErrDefiner] or
// [ErrIncomplete]. What makes writes fail comes first. Call Verify as the last step of a
// migration, and at start where migrations run elsewhere. After Verify, the plugin of
// db looks for triggers again.
//
// Triggers that record more than the models say, such as those of a newer release,
// are right.
//
// Verify warns, through db's logger, of a column that neither the model nor the
// triggers know: its changes are not recorded. It warns of a column that has another
// type in the database than in the model, because the model decides how values are
// recorded. On MariaDB and MySQL it warns of foreign keys that change rows of a table
// with triggers without running the triggers. On MariaDB it warns of a table whose
// triggers the account of db may not read, because it lacks the right TRIGGER: Verify
// then can't know whether they record what they should. MySQL does not even show such
// an account that there are triggers: there the error is ErrMissing.
func Verify(db *gorm.DB, models ...any) error {
	db = db.Session(&gorm.Session{})
	m, err := located(db, Options{}, models)
	if err != nil {
		return err
	}
	if p := pluginOf(db); p != nil {
		p.pools.forget()
	}
	errs := []error{m.dialect.warnOfCascades(uncached(db), m.tables)}
	if recorded := m.recorded(); m.found.hasTables() || len(recorded) > 0 {
		errs = append(errs, m.dialect.verify(uncached(db), m.found, recorded))
	}
	for _, t := range m.tables {
		errs = append(errs, checkTypes(uncached(db), t), checkTable(db, m.dialect, m.found, t))
		if found := m.found.of(t.name); found.hidden {
			db.Logger.Warn(contextOf(db), "history: table %q: this account may not see what its triggers record (Verify by the account that migrates?)", t.name)
		} else {
			warnOfColumns(uncached(db), t, found)
		}
	}
	return errors.Join(append(errs, checkUnique(db, m.dialect, m.tables))...)
}

// warnOfColumns warns of columns that are neither recorded nor left out.
func warnOfColumns(db *gorm.DB, t table, found installation) {
	known := t.covering(found.mark, found.columns)
	for _, name := range slices.Sorted(maps.Keys(found.columns)) {
		if !slices.ContainsFunc(known.columns, func(c column) bool { return c.name == name }) && !slices.Contains(known.leftOut, name) {
			db.Logger.Warn(contextOf(db), "history: table %q: column %q is not in the model, and its changes are not recorded (add a field for it, or one with the tag history:-?)", t.name, name)
		}
	}
}

// checkTypes warns of columns whose values may be recorded in a form that is not
// exact, and is an error for a uuid that would be recorded as bytes: PostgreSQL fails
// each write. SQLite's are recorded as they are.
func checkTypes(db *gorm.DB, t table) error {
	d, err := dialectOf(db)
	if err != nil || t.native {
		return err
	}
	stored, err := d.stored(db, t.name)
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	var failing []string
	for _, c := range t.columns {
		at := slices.IndexFunc(stored, func(s storedColumn) bool { return s.name == c.name })
		switch {
		case at < 0 || c.redact || recordsAlike(d, c, strings.ToLower(stored[at].dbType)):
		case stored[at].dbType == "uuid" && c.dbType == "bytea":
			failing = append(failing, c.name)
		default:
			db.Logger.Warn(contextOf(db), "history: table %q: column %q is of type %s, and is recorded as the %s that its model says: what is recorded may be wrong, or a write may fail (a tag type:%s?)",
				t.name, c.name, stored[at].dbType, c.dbType, stored[at].dbType)
		}
	}
	if len(failing) > 0 {
		return &TableError{Table: t.name, Err: fmt.Errorf("%w: they record as bytea what is a uuid (%s), so every write fails (a tag type:uuid?)", ErrOutdated, strings.Join(failing, ", "))}
	}
	return nil
}

// recordsAlike reports whether the values of a type can be recorded as those of c.
func recordsAlike(d columnReader, c column, dbType string) bool {
	number := func(k kind) bool { return k == kindInteger || k == kindBool }
	stored := d.kindOf(dbType)
	if stored != c.kind && (!number(stored) || !number(c.kind)) {
		return false
	}
	for _, setting := range strings.Split(d.settings(dbType), " SET ") {
		if !strings.Contains(d.settings(c.dbType), setting) {
			return false
		}
	}
	return true
}

// Drop removes the triggers of the models: their changes are not recorded any
// more. The history's tables stay, with what they hold. The error is [ErrElsewhere] if
// another schema's history records a table.
func Drop(db *gorm.DB, models ...any) error {
	db = db.Session(&gorm.Session{})
	m, err := located(db, Options{}, models)
	if err != nil {
		return err
	}
	if err := m.checkHomes(db, false); err != nil {
		return err
	}
	for _, t := range m.tables {
		if err := execAll(uncached(db), append(m.dropFormer(t), m.dialect.drop(t)...)); err != nil {
			return fmt.Errorf("history: table %q: dropping triggers: %w", t.name, err)
		}
	}
	if p := pluginOf(db); p != nil {
		p.pools.forget()
	}
	return nil
}

// autoMigrate runs AutoMigrate for each of models. GORM itself leaves a model out where
// an association has another type for the model's table: the type that GORM makes up
// for a join table, unless SetupJoinTable names the model.
func autoMigrate(db *gorm.DB, models ...any) error {
	if err := db.AutoMigrate(models...); err != nil {
		return err
	}
	r, ok := db.Migrator().(interface {
		ReorderModels(values []any, autoAdd bool) []any
	})
	if !ok {
		return nil
	}
	migrated := map[reflect.Type]bool{}
	for _, model := range r.ReorderModels(models, true) {
		migrated[reflect.Indirect(reflect.ValueOf(model)).Type()] = true
	}
	alone := db.Session(&gorm.Session{}) // has a Config of its own
	alone.IgnoreRelationshipsWhenMigrating = true
	for _, model := range models {
		if !migrated[reflect.Indirect(reflect.ValueOf(model)).Type()] {
			if err := alone.AutoMigrate(model); err != nil {
				return err
			}
		}
	}
	return nil
}

// newMigration is one that has not looked yet what there is.
func newMigration(db *gorm.DB, o Options, models []any) (*migration, error) {
	d, err := dialectOf(db)
	return &migration{dialect: d, options: o, models: models}, err
}

// located is one that has.
func located(db *gorm.DB, o Options, models []any) (*migration, error) {
	m, err := newMigration(db, o, models)
	if err != nil {
		return nil, err
	}
	return m, m.locate(db)
}
