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

// Options say how the history is kept. The zero Options are those of [Migrate]
// and [SQL].
type Options struct {
	// AppendOnly makes the database refuse UPDATE and DELETE on the history's
	// tables, except from [Prune] and [Erase]. By default off, and switched off
	// again by a migration without it.
	//
	// Security: it stops mistakes, and programs that write through this
	// library. Whoever may run any SQL with the application's account can drop
	// the triggers, unless the tables belong to another account.
	AppendOnly bool
	// PartitionByMonth partitions the history's tables by month, on PostgreSQL
	// only. A table that is there already stays as it is: choose at the first
	// migration. Each migration makes the partitions of the next twelve months;
	// what falls outside goes to a default partition. By default off.
	PartitionByMonth bool
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
	dialect, tables, err := locate(db, models)
	if err != nil {
		return err
	}
	migrate := func(db *gorm.DB) error { return o.migrate(db, dialect, tables, models) }
	if _, transactional := dialect.(postgresEngine); transactional {
		err = db.Transaction(migrate)
	} else {
		err = migrate(db)
	}
	if p := pluginOf(db); p != nil {
		p.forget()
	}
	return err
}

func (o Options) migrate(db *gorm.DB, dialect engine, tables []table, models []any) error {
	stale, err := staleOf(db, dialect, tables)
	if err != nil {
		return err
	}
	for _, t := range stale {
		if err := execAll(db, dialect.dropTriggers(t)); err != nil {
			return fmt.Errorf("history: table %q: dropping triggers: %w", t.name, err)
		}
	}
	if err := db.AutoMigrate(models...); err != nil {
		return err
	}
	if err := checkNames(db, dialect); err != nil {
		return err
	}
	if err := execAll(db, dialect.tables(o, tables)); err != nil {
		return fmt.Errorf("history: creating its tables: %w", hint(dialect, err))
	}
	for _, t := range stale {
		if err := execAll(db, dialect.triggers(t)); err != nil {
			return fmt.Errorf("history: table %q: creating triggers: %w", t.name, hint(dialect, err))
		}
	}
	return dialect.migrated(db, tables)
}

// staleOf are the tables whose triggers are dropped for AutoMigrate and created
// after it. MariaDB and MySQL need that only where the model has changed:
// AutoMigrate drops no column, and what a right trigger names it leaves alone.
// PostgreSQL alters no column that a trigger names, SQLite loses the triggers.
func staleOf(db *gorm.DB, dialect engine, tables []table) ([]table, error) {
	if _, ok := dialect.(mysqlEngine); !ok {
		return tables, nil
	}
	installed, err := dialect.installed(db)
	if err != nil {
		return nil, fmt.Errorf("history: looking for triggers: %w", err)
	}
	var stale []table
	for _, t := range tables {
		if compare(dialect, t, lookUp(installed, t.name)) != nil {
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
func checkNames(db *gorm.DB, dialect engine) error {
	found, err := tableColumns(db, dialect)
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

func tableColumns(db *gorm.DB, dialect engine) (map[string]map[string]bool, error) {
	rows, err := db.Statement.ConnPool.QueryContext(db.Statement.Context, dialect.columns())
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

func hint(dialect engine, err error) error {
	if e, ok := dialect.(mysqlEngine); ok {
		return e.hint(err)
	}
	return err
}

// SQL is [SQL] with options.
func (o Options) SQL(db *gorm.DB, models ...any) (drop, create string, err error) {
	db = db.Session(&gorm.Session{NewDB: true})
	dialect, tables, err := locate(db, models)
	if err == nil {
		err = checkNames(db, dialect)
	}
	if err != nil {
		return "", "", err
	}
	var drops []string
	creates := dialect.tables(o, tables)
	for _, t := range tables {
		drops = append(drops, dialect.dropTriggers(t)...)
		creates = append(creates, dialect.triggers(t)...)
	}
	return script(drops), script(creates), nil
}

func script(statements []string) string { return strings.Join(statements, ";\n\n") + ";\n" }

// Verify returns an error for each table that has missing or outdated triggers,
// joined: a [TableError] with [ErrMissing] or [ErrOutdated]. Call it at start
// where migrations run elsewhere. The plugin of db looks for triggers again.
func Verify(db *gorm.DB, models ...any) error {
	db = db.Session(&gorm.Session{NewDB: true})
	dialect, tables, err := locate(db, models)
	if err != nil {
		return err
	}
	installed, err := dialect.installed(db)
	if err != nil {
		return fmt.Errorf("history: looking for triggers: %w", err)
	}
	if p := pluginOf(db); p != nil {
		p.forget()
	}
	var errs []error
	for _, t := range tables {
		errs = append(errs, compare(dialect, t, lookUp(installed, t.name)))
	}
	return errors.Join(errs...)
}

// Drop removes the triggers of the models: their changes are not recorded any
// more. The history's tables stay, with what they hold.
func Drop(db *gorm.DB, models ...any) error {
	db = db.Session(&gorm.Session{NewDB: true})
	dialect, tables, err := locate(db, models)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if err := execAll(db, dialect.dropTriggers(t)); err != nil {
			return fmt.Errorf("history: table %q: dropping triggers: %w", t.name, err)
		}
	}
	if p := pluginOf(db); p != nil {
		p.forget()
	}
	return nil
}

// locate returns the engine of db and what its generator needs.
func locate(db *gorm.DB, models []any) (engine, []table, error) {
	dialect, err := engineOf(db)
	if err != nil {
		return nil, nil, err
	}
	if dialect, err = located(db, dialect); err != nil {
		return nil, nil, err
	}
	tables, err := parseModels(db, dialect, models)
	return dialect, tables, err
}

// located completes the engine by what is there already: the schema that its
// objects live in, for a trigger must find them whatever search path its session
// has, and SQLite's columns.
func located(db *gorm.DB, dialect engine) (engine, error) {
	switch dialect.(type) {
	case postgresEngine:
		var home *string
		row := db.Statement.ConnPool.QueryRowContext(db.Statement.Context, "SELECT current_schema()")
		if err := row.Scan(&home); err != nil {
			return nil, fmt.Errorf("history: asking for the current schema: %w", err)
		}
		if home == nil {
			return nil, errors.New("history: the connection has no current schema (search_path?)")
		}
		return postgresEngine{home: *home}, nil
	case sqliteEngine:
		var e sqliteEngine
		row := db.Statement.ConnPool.QueryRowContext(db.Statement.Context, "SELECT count(*) FROM pragma_table_info('changes') WHERE name LIKE 'before_%'")
		if err := row.Scan(&e.pairs); err != nil {
			return nil, fmt.Errorf("history: asking for the columns of %s: %w", changesTable, err)
		}
		return e, nil
	}
	return dialect, nil
}

func lookUp(installed map[string]installation, table string) installation {
	if found, ok := installed[table]; ok {
		return found
	}
	return installed[table[strings.LastIndexByte(table, '.')+1:]]
}

// compare holds what is installed against what the model says now.
func compare(dialect engine, t table, found installation) error {
	want := installation{}
	mark := ""
	for _, statement := range dialect.triggers(t) {
		if m := markIn(statement); m != "" {
			mark = m
		}
		if strings.HasPrefix(statement, "CREATE TRIGGER") {
			want = want.with("")
		}
	}
	want.fingerprint = mark
	switch {
	case found.triggers == 0:
		return &TableError{Table: t.name, Err: ErrMissing}
	case found != want:
		return &TableError{Table: t.name, Err: ErrOutdated}
	}
	return nil
}
