package history

import (
	"time"

	"gorm.io/gorm/schema"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// Action says what happened to a row.
type Action string

// The actions.
const (
	ActionCreate     Action = "create"      // the row was inserted
	ActionUpdate     Action = "update"      // columns changed
	ActionDelete     Action = "delete"      // the row is gone
	ActionSoftDelete Action = "soft_delete" // its deleted-at column was set
	ActionRestore    Action = "restore"     // its deleted-at column was cleared
	ActionTruncate   Action = "truncate"    // PostgreSQL: the whole table was emptied
	ActionRename     Action = "rename"      // the table got another name, as [Migrate] or [SQL] found; Table is the old one, and Key the new one
	ActionAnonymize  Action = "anonymize"   // [Anonymize] removed a person's metadata
)

// ChangeSet is what the changes of one transaction have in common: who, when
// and in which request.
type ChangeSet struct {
	// ID is the change set's id in its home, a positive number. On SQLite, the
	// changes of one millisecond that nobody attributed have a change set with a
	// negative id. ID is zero if a session named a set of another transaction: the
	// change then belongs to no set.
	ID int64 `json:"id,string"`
	// Transaction is the same for all change sets of one transaction, which has
	// several if actors take turns. MariaDB, MySQL and SQLite don't know the
	// transaction of changes that nobody attributed: there each change set has a
	// Transaction of its own.
	Transaction int64 `json:"transaction,string"`
	// At is when the first change of the set was recorded, in UTC, by the
	// database's clock. SQLite keeps milliseconds, the others microseconds.
	At time.Time `json:"at"`
	// Attributed is false when nobody said who acts: the write did not come through
	// the plugin, or its context held no actor. Actor is then the zero Actor. An
	// anonymous Actor is also zero, but then Attributed is true.
	Attributed bool `json:"attributed"`
	// Actor is who did it, with names as they were at the time.
	Actor actor.Actor `json:"actor"`
	// Request is the request in which it was done. It is zero without one.
	Request actor.Request `json:"request,omitzero"`
	// Metadata is what the program said of the changes, see
	// [actor.NewMetadataContext]. It is nil without any.
	Metadata map[string]string `json:"metadata,omitempty"`
	// DatabaseUser is the account that the connection was opened with. SQLite
	// has none.
	DatabaseUser string `json:"database_user,omitempty"`
	// DatabaseRole is the role that the connection had taken on PostgreSQL (SET
	// ROLE), or DatabaseUser if it had taken none. It is empty on other databases.
	DatabaseRole string `json:"database_role,omitempty"`
}

// Change is one change of one row.
type Change struct {
	// ID orders the changes of a row: a higher one is later.
	ID int64 `json:"id,string"`
	// At is when the change was recorded, in UTC, by the database's clock.
	At time.Time `json:"at"`
	// ChangeSet says who, when and in which request.
	ChangeSet ChangeSet `json:"change_set"`
	// Table is the table's name: that of the model that was asked for, also for changes
	// from before the table was renamed. If no model was asked for, it is the name that
	// the table had.
	Table string `json:"table"`
	// Key is the row's primary key in text form, one part per key column, in the
	// order of the columns' names, bytes in hexadecimal. An update that changes the
	// key is recorded under the old key, and found under both. Of a truncated table it
	// is empty.
	Key []string `json:"key"`
	// Action is what happened.
	Action Action `json:"action"`
	// Fields are the columns that differ, in the order of the model. NULLs of
	// a created or deleted row are left out.
	Fields []Field `json:"fields"`

	schema  *schema.Schema // of the model that Of was asked for
	rowKey  string         // the key as it is recorded
	movedTo any            // the key that an update moved the row to, as it is recorded
}

// Field is one column of a [Change].
type Field struct {
	// Column is the column's name in the database.
	Column string
	// Before is the value that was replaced. It is NULL for a created row.
	Before Value
	// After is the new value. It is NULL for a deleted row.
	After Value
	// Redacted is true for a column tagged history:redact. The column changed, but
	// Before and After are not known.
	Redacted bool
	// Bookkeeping is true for by- and at-columns. An update of updated_at and
	// updated_by alone is not recorded. An update of created_by and the like alone is
	// recorded, because only a forger changes these alone.
	Bookkeeping bool
	// Err says that all or part of the record can't be read, because somebody has
	// written to the history's tables. Before and After then hold what could be read.
	// [At] and [Revert] return Err. Other changes are not affected.
	Err error
}

// Field returns the field of a column. ok is false when the column did not
// change.
func (c Change) Field(column string) (f Field, ok bool) {
	for _, f := range c.Fields {
		if f.Column == column {
			return f, true
		}
	}
	return Field{}, false
}
