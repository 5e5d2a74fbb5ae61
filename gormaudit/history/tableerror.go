package history

import (
	"errors"
	"fmt"
)

// What [Verify] finds, wrapped in a [TableError].
var (
	// ErrMissing says that a table has no triggers: what changes in it is not
	// recorded.
	ErrMissing = errors.New("its triggers are missing (history.Migrate, or history.SQL?)")
	// ErrOutdated says that a table's triggers don't record all that its model says,
	// that one of the triggers is gone, or that a column that they record is gone.
	// Then part of what changes is not recorded, or writes fail. Triggers that record
	// more, such as those of a newer release, are not outdated.
	ErrOutdated = errors.New("its triggers are outdated (history.Migrate, or history.SQL?)")
	// ErrNotUnique says that two rows of a table can have the model's key, because the
	// table's own key has more columns, or because there is none. They would share one
	// history. [Migrate] and [SQL] return it too.
	ErrNotUnique = errors.New("the database does not keep the model's key unique")
	// ErrElsewhere says that on PostgreSQL, the history of another schema than the
	// current one records the table. [Migrate], [SQL] and [Drop] return it too, and
	// change nothing.
	ErrElsewhere = errors.New("another schema's history records it")
	// ErrExposed says that on PostgreSQL, accounts other than the owner may run the
	// functions that record, and so record what they like. That is so after a restore
	// without privileges (pg_dump -x).
	ErrExposed = errors.New("accounts other than its owner may execute the functions that record it (history.Migrate, or history.SQL?)")
	// ErrDefiner says that the account that a table's triggers run as is gone or lacks a
	// right: on MariaDB and MySQL their definer, on PostgreSQL the owner of their
	// function. Then every write to the table fails.
	ErrDefiner = errors.New("the account that its triggers run as is missing, or lacks a right")
	// ErrIncomplete says that a table, function or procedure of the history itself is
	// missing, although there are triggers. Then every write fails, or, if a procedure is
	// missing, changes are recorded without an actor. That is so after a restore from a
	// mariadb-dump without --routines.
	ErrIncomplete = errors.New("the history itself lacks a part (history.Migrate, or history.SQL?)")
)

// TableError names a table whose changes are not recorded as its model says.
type TableError struct {
	// Table is the table's name.
	Table string
	// Err is or wraps [ErrMissing], [ErrOutdated], [ErrNotUnique], [ErrElsewhere],
	// [ErrExposed], [ErrDefiner] or [ErrIncomplete]. What it adds are names, such as
	// those of columns, or of the right that an account lacks.
	Err error
}

// Error names the table and what is wrong with it.
func (e *TableError) Error() string { return fmt.Sprintf("history: table %q: %v", e.Table, e.Err) }

// Unwrap returns Err.
func (e *TableError) Unwrap() error { return e.Err }
