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
	// ErrOutdated says that a table's triggers don't record all that its model
	// says, that one of them is gone, or a column that they record: part of what
	// changes is not recorded, or writes fail. Triggers that record more, those of a
	// newer release, are not outdated.
	ErrOutdated = errors.New("its triggers are outdated (history.Migrate, or history.SQL?)")
	// ErrExposed says that accounts other than the owner may run the functions that
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
