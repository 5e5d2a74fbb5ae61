// Package history records who changed what, from what to what.
//
//	db.Use(history.New())
//	history.Migrate(db, &Note{}, &Tag{})
//
//	db.WithContext(ctx).Model(&note).Update("title", "Milk, eggs")
//
//	changes, err := history.Of(db.WithContext(ctx), &note)
//	// update by user:42: title "Milk" > "Milk, eggs"
//
// # Design
//
// The database records, the library tells it who. [Migrate] generates row
// triggers for each table from its GORM model. They write the changed columns,
// before and after, into the table changes. The [Plugin] tells the transaction
// who acts and in which request, from [actor.FromContext] and
// [actor.RequestFromContext]; the first change puts that into change_sets.
//
// So what changes is recorded whoever changes it: bulk updates, upserts,
// savepoints, raw SQL, another program, psql. It is recorded in the same
// transaction, and rolled back with it. If it can't be recorded, the write
// fails.
//
// All changes of a transaction share a [ChangeSet], one for each actor where
// there are several in turn. A write that the plugin did not see, such as one
// from psql or a [gorm.DB.Exec] outside a transaction, is recorded as nobody
// said, with the database user. Exec in a transaction has the actor of its
// context. Under SkipDefaultTransaction the plugin opens a transaction for
// tables that have triggers.
//
// An update that changes nothing is no change, nor is one of by- and at-columns
// alone, such as updated_at and updated_by. Along with other columns they are
// recorded, see [Field.Bookkeeping]. Setting and clearing the soft-delete column is
// [ActionSoftDelete] and [ActionRestore].
//
// Leave a column out with the tag gorm:"history:-". With gorm:"history:redact"
// it is recorded that it changed, not what: for secrets. Large blobs are best
// left out, each change holds them twice. SQLite's changes also hold numbers,
// times and texts of a size of at most 255 that did not change: to compare them
// takes longer.
//
// # Migrations
//
// Triggers name their table's columns, so they and the table must change
// together: a column that a trigger names can't be dropped on SQLite, and on
// PostgreSQL and MariaDB every UPDATE fails once it is. SQLite's AlterColumn
// rebuilds the table and loses its triggers. [Migrate] does it in the one order
// that works: drop the triggers, AutoMigrate, create them. On PostgreSQL that is one
// transaction. On the others, what is written meanwhile may go unrecorded: run it
// once, before the programs that write are started. With golang-migrate,
// atlas and the like, put the two halves that [SQL] returns around each
// migration that changes an audited table:
//
//	drop, create, err := history.SQL(db, &Note{}, &Tag{})
//
// The history's tables are change_sets and changes, on SQLite also
// change_layouts, on MariaDB and MySQL also history_context. These names must be
// free: Migrate and SQL refuse a table of the application that has one of them.
//
// Call [Verify] at the start of each program: it says which tables' triggers are missing or
// outdated. The plugin warns of them at first use, of missing ones for
// [Config.Models] only. It looks for triggers once: another reason to migrate
// before.
//
// MariaDB and MySQL refuse to create triggers while the binary log is on, unless
// the account has SUPER or log_bin_trust_function_creators is 1.
//
// # Gaps
//
//   - MariaDB and MySQL hide cascades of foreign keys from triggers, and
//     TRUNCATE. [Migrate] warns of foreign keys that cascade into an audited
//     table.
//   - SQLite hides the deletion by REPLACE, unless PRAGMA recursive_triggers is
//     on: the new row is recorded as created.
//   - PostgreSQL records that a table was truncated ([ActionTruncate]), not
//     what was in it.
//   - The join table of a many2many is a table of its own: give its model to
//     [Migrate].
//   - Tables of other schemas than the current one work on PostgreSQL, as
//     "schema.table". On MariaDB, MySQL and SQLite a table must be in the
//     database of the history.
//   - SQLite takes 1 and 1.0 in a column without type, and 0.0 and -0.0, for no
//     difference.
//
// Who it was is not known to the triggers, nobody said, where
//
//   - rows are deleted by a cascade from a table without triggers,
//   - on SQLite, MariaDB and MySQL, raw SQL that writes is run by [gorm.DB.Row],
//     [gorm.DB.Rows] or Raw(…).Scan. Raw(…).Find and Exec have the actor in a
//     transaction, but not for what a function called by SELECT or DO writes. In
//     a plugin's callback on PostgreSQL it is by whoever the callback's statement
//     is by.
//
// It may be somebody else where
//
//   - goroutines of several actors share a transaction,
//   - on MariaDB and MySQL a statement panics, as in a Valuer, and the panic is
//     recovered inside a transaction that is then committed: SQL past the plugin,
//     on that connection, is by that actor until another transaction tells,
//   - on PostgreSQL SQL past the plugin comes after a statement that told: that is
//     the transaction's.
//
// Writes that nobody told about share a change set by transaction on PostgreSQL,
// by statement on MariaDB and MySQL and by millisecond on SQLite, where it has
// a negative [ChangeSet.ID] and no row in change_sets.
//
// A savepoint is rolled back through GORM ([gorm.DB.RollbackTo], a nested
// Transaction): the plugin then tells again. On PostgreSQL it can't know of one
// that was rolled back past it, through the *sql.Tx itself, and would take for
// told what was rolled back.
//
// # Security
//
// The history says what the database did, and who the application said it was.
// Whoever may run any SQL with the application's account can say somebody else,
// as they can change the tables. [Options.AppendOnly] stops mistakes, not them.
// For more, let the tables and triggers belong to another account. The database
// user of a change set is the database's own word.
//
// On PostgreSQL an account that writes to audited tables needs INSERT on
// change_sets and changes, and SELECT on change_sets. Those who read the history
// need SELECT on both, [Anonymize] takes UPDATE on change_sets besides, and [Prune]
// DELETE on both. A test holds that with a role that has no other rights. It
// can't migrate, so let another account own the tables.
//
// A history keeps what was deleted: passwords, tokens and personal data too,
// unless their columns are left out or redacted. [Anonymize] replaces a person's name
// and metadata in change_sets, [Prune] deletes what is old. Request metadata is
// the client's word, see [actor.Request].
//
// # Costs
//
// Tables without triggers cost nothing. A write to one that has them costs one
// round trip more in a transaction on PostgreSQL, two more for each statement
// on MariaDB and MySQL, two local statements on SQLite where somebody acts, and
// the triggers' work for each row. The README has the ratios; measure them with
//
//	go test ./gormaudit/history/internal/tests -run TestSpeed -speed -v
//
// SQLite compiles a table's triggers with each statement that writes to it, which
// takes longer than to run them once. So the plugin keeps up to 64 statements
// compiled, of those that GORM builds for tables with triggers and its own, once
// they have come twice. They are compiled after a write or before a query that is
// in no transaction: where all are, nothing is. The first local statement takes
// the write lock, as the update itself would, so that concurrent writers wait for
// one another as long as their busy_timeout says. A row of change_sets says there
// from which change (id) to which (last) it goes. [ChangeSetOf] with a negative
// id, of writes that nobody told about, reads the whole table changes.
//
// # Versions
//
// Tested with SQLite, PostgreSQL 15 and MariaDB 10.11, and with MariaDB in the
// mode that GORM uses for MySQL.
package history
