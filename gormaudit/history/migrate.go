package history

import (
	"errors"
	"fmt"
	"strings"

	"gorm.io/gorm"
)

// What [Verify] finds, wrapped in a [TableError].
var (
	// ErrMissing says that a table has no triggers: what changes in it is not
	// recorded.
	ErrMissing = errors.New("its triggers are missing (history.Migrate?)")
	// ErrOutdated says that a table's triggers are not those of its model, or that
	// one is lost: part of what changes is not recorded, or writes fail.
	ErrOutdated = errors.New("its triggers are outdated (history.Migrate?)")
)

// TableError names a table whose changes are not recorded as its model says.
type TableError struct {
	// Table is the table's name.
	Table string
	// Err is [ErrMissing] or [ErrOutdated].
	Err error
}

// Error names the table and what is wrong with it.
func (e *TableError) Error() string { return fmt.Sprintf("history: table %q: %v", e.Table, e.Err) }

// Unwrap returns Err.
func (e *TableError) Unwrap() error { return e.Err }

// generator generates one database's triggers and tables.
type generator interface {
	columnReader
	// locate completes the dialect by what is there already in db.
	locate(db *gorm.DB) (dialect, error)
	// tables returns the statements that create the history's own tables and
	// what protects them. Each may run again.
	tables(o Options, tables []table) []string
	// columns is the query for table and column of each table there is that has
	// the name of one of the history's.
	columns() string
	// triggers returns the statements that create the triggers of t, marked
	// with its fingerprint.
	triggers(t table) []string
	// dropTriggers removes the triggers of t, whichever exist.
	dropTriggers(t table) []string
	// installed asks the database which tables have triggers.
	installed(db *gorm.DB) (map[string]installation, error)
	// migrated runs after a migration and may warn.
	migrated(db *gorm.DB, tables []table) error
	// migratesInTransaction is true if a transaction takes back all that a
	// migration does.
	migratesInTransaction() bool
	// keepsRightTriggers is true if AutoMigrate leaves triggers alone that are
	// right.
	keepsRightTriggers() bool
	// hint adds to an error of creating triggers what to do about it.
	hint(err error) error
}

// Options say how the history is kept. The zero Options are those of [Migrate]
// and [SQL].
type Options struct {
	// AppendOnly makes the database refuse UPDATE and DELETE on the history's
	// tables, except from [Prune] and [Anonymize]. By default off, and switched off
	// again by a migration without it.
	//
	// Security: it stops mistakes, and programs that write through this
	// library. Whoever may run any SQL with the application's account can drop
	// the triggers, unless the tables belong to another account.
	AppendOnly bool
}

// Migrate runs AutoMigrate for the models in the one order that is safe, and
// has their changes recorded from then on: it drops their triggers, migrates,
// creates the history's tables if need be, and creates the triggers. It may run
// again at any time.
//
// On PostgreSQL all of that is one transaction, so no write goes unrecorded. It
// can't be on the others: MariaDB and MySQL end a transaction at each change of
// a table, and SQLite can't turn off foreign keys in one, without which the
// rebuilding of a table deletes what cascades from it. There, what other
// programs write between drop and create may go unrecorded, and if it fails,
// triggers are missing until it succeeds. So run it once, before they start, and
// [Verify] at the start of each. MariaDB and MySQL keep the triggers of models
// that have not changed.
func Migrate(db *gorm.DB, models ...any) error { return Options{}.Migrate(db, models...) }

// SQL returns what [Migrate] runs around AutoMigrate, for those who migrate with
// another tool: run drop, then their own migration, then create. It needs a
// database of the right kind to ask for its schema's name, and changes nothing.
//
// A statement ends with a semicolon and an empty line. The triggers' bodies have
// semicolons of their own: a tool must send a script whole (multiStatements=true
// for MySQL), or part it at the empty lines.
func SQL(db *gorm.DB, models ...any) (drop, create string, err error) {
	return Options{}.SQL(db, models...)
}

// Migrate is [Migrate] with options.
func (o Options) Migrate(db *gorm.DB, models ...any) error {
	db = db.Session(&gorm.Session{NewDB: true})
	d, tables, err := locate(db, models)
	if err != nil {
		return err
	}
	migrate := func(db *gorm.DB) error { return o.migrate(db, d, tables, models) }
	if _, transactional := d.(postgresDialect); transactional {
		err = db.Transaction(migrate)
	} else {
		err = migrate(db)
	}
	if p := pluginOf(db); p != nil {
		p.forget()
	}
	return err
}

func (o Options) migrate(db *gorm.DB, d dialect, tables []table, models []any) error {
	stale, err := staleOf(db, d, tables)
	if err != nil {
		return err
	}
	for _, t := range stale {
		if err := execAll(db, d.dropTriggers(t)); err != nil {
			return fmt.Errorf("history: table %q: dropping triggers: %w", t.name, err)
		}
	}
	if err := db.AutoMigrate(models...); err != nil {
		return err
	}
	if err := checkNames(db, d); err != nil {
		return err
	}
	if err := execAll(db, d.tables(o, tables)); err != nil {
		return fmt.Errorf("history: creating its tables: %w", d.hint(err))
	}
	for _, t := range stale {
		if err := execAll(db, d.triggers(t)); err != nil {
			return fmt.Errorf("history: table %q: creating triggers: %w", t.name, d.hint(err))
		}
	}
	return d.migrated(db, tables)
}

// staleOf are the tables whose triggers are dropped for AutoMigrate and created
// after it. MariaDB and MySQL need that only where the model has changed:
// AutoMigrate drops no column, and what a right trigger names it leaves alone.
// PostgreSQL alters no column that a trigger names, SQLite loses the triggers.
func staleOf(db *gorm.DB, d dialect, tables []table) ([]table, error) {
	if !d.keepsRightTriggers() {
		return tables, nil
	}
	installed, err := d.installed(db)
	if err != nil {
		return nil, fmt.Errorf("history: looking for triggers: %w", err)
	}
	var stale []table
	for _, t := range tables {
		if compare(d, t, lookUp(installed, t.name)) != nil {
			stale = append(stale, t)
		}
	}
	return stale, nil
}

// telling are columns by which the history's tables are told from others of the
// same name.
var telling = map[string][]string{
	changeSetsTable: {"actor_kind", "impersonator_kind", "database_user"},
	changesTable:    {"table_name", "row_key", "composite"},
	layoutsTable:    {"columns"},
	contextTable:    {"connection", "ticket"},
}

// checkNames looks whether tables that the history would take for its own are
// somebody else's. CREATE TABLE IF NOT EXISTS does not.
func checkNames(db *gorm.DB, d dialect) error {
	found, err := tableColumns(db, d)
	if err != nil {
		return fmt.Errorf("history: looking for its tables: %w", err)
	}
	for table, columns := range found {
		for _, column := range telling[table] {
			if !columns[column] {
				return fmt.Errorf("history: the table %q is not the history's, which needs that name", table)
			}
		}
	}
	return nil
}

func tableColumns(db *gorm.DB, d dialect) (map[string]map[string]bool, error) {
	rows, err := db.Statement.ConnPool.QueryContext(db.Statement.Context, d.columns())
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	found := map[string]map[string]bool{}
	for rows.Next() {
		var table, column string
		if err := rows.Scan(&table, &column); err != nil {
			return nil, err
		}
		if found[table] == nil {
			found[table] = map[string]bool{}
		}
		found[table][column] = true
	}
	return found, rows.Err()
}

// SQL is [SQL] with options.
func (o Options) SQL(db *gorm.DB, models ...any) (drop, create string, err error) {
	db = db.Session(&gorm.Session{NewDB: true})
	d, tables, err := locate(db, models)
	if err == nil {
		err = checkNames(db, d)
	}
	if err != nil {
		return "", "", err
	}
	var drops []string
	creates := d.tables(o, tables)
	for _, t := range tables {
		drops = append(drops, d.dropTriggers(t)...)
		creates = append(creates, d.triggers(t)...)
	}
	return script(drops), script(creates), nil
}

func script(statements []string) string { return strings.Join(statements, ";\n\n") + ";\n" }

// Verify returns an error for each table that has missing or outdated triggers,
// joined: a [TableError] with [ErrMissing] or [ErrOutdated]. Call it at start
// where migrations run elsewhere. The plugin of db looks for triggers again.
func Verify(db *gorm.DB, models ...any) error {
	db = db.Session(&gorm.Session{NewDB: true})
	d, tables, err := locate(db, models)
	if err != nil {
		return err
	}
	installed, err := d.installed(db)
	if err != nil {
		return fmt.Errorf("history: looking for triggers: %w", err)
	}
	if p := pluginOf(db); p != nil {
		p.forget()
	}
	var errs []error
	for _, t := range tables {
		errs = append(errs, compare(d, t, lookUp(installed, t.name)))
	}
	return errors.Join(errs...)
}

// Drop removes the triggers of the models: their changes are not recorded any
// more. The history's tables stay, with what they hold.
func Drop(db *gorm.DB, models ...any) error {
	db = db.Session(&gorm.Session{NewDB: true})
	d, tables, err := locate(db, models)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if err := execAll(db, d.dropTriggers(t)); err != nil {
			return fmt.Errorf("history: table %q: dropping triggers: %w", t.name, err)
		}
	}
	if p := pluginOf(db); p != nil {
		p.forget()
	}
	return nil
}

// locate returns the dialect of db, with what is there already, and what its
// generator needs.
func locate(db *gorm.DB, models []any) (dialect, []table, error) {
	d, err := dialectOf(db)
	if err != nil {
		return nil, nil, err
	}
	if d, err = d.locate(db); err != nil {
		return nil, nil, err
	}
	tables, err := parseModels(db, d, models)
	return d, tables, err
}
