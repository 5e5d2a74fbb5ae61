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
// # How it works
//
// The database records the changes, and the library tells it who acts. [Migrate]
// generates row triggers for each table from its GORM model. They write the changed
// columns, before and after. The [Plugin] attributes each transaction to the actor of
// [actor.FromContext], in the request of [actor.RequestFromContext], with the
// metadata of [actor.NewMetadataContext], such as a reason.
//
// So a change is recorded whoever makes it: bulk updates, upserts, savepoints, raw
// SQL, another program, psql. It is recorded in the same transaction, and rolled
// back with it. If it can't be recorded, the write fails.
//
// The changes of a transaction share a [ChangeSet]. If several actors take turns in
// the transaction, each has a change set, all with the same [ChangeSet.Transaction].
// A write that the plugin did not see, such as one from psql, is not attributed: it
// has only the database's user. [gorm.DB.Exec] and Raw with Find have the actor of
// their context, gaps.md says with which SQL. Raw with Scan, Row or Rows has it in a
// transaction on PostgreSQL only. If you write without GORM, say who acts with
// [Dialect.Tell].
//
// For a change by raw SQL outside a transaction, the plugin opens one. Under
// SkipDefaultTransaction it does so for each write to a table that has triggers.
//
// An update that changes nothing is not recorded. An update of updated_at and
// updated_by alone is not recorded either: these columns are recorded along with
// others. An update of created_at, created_by or deleted_by alone is recorded,
// because whoever writes these by hand may be a forger. See [Field.Bookkeeping]. To
// set the soft-delete column is [ActionSoftDelete], and to clear it is
// [ActionRestore].
//
// Leave a column out with the tag gorm:"history:-". With gorm:"history:redact", for
// secrets, the history records that the column changed, but not its values. Leave
// large blobs out: each change of one holds it twice. A renamed column keeps its past
// by the tag gorm:"history:was:old_name". The parts of a tag are joined by commas, as
// in gorm:"history:redact,was:pin". An older release of the application that migrates
// once more takes nothing away: see [Options.Exact].
//
// # Security
//
// Whoever writes with the application's account can say that anybody acted, as the
// application itself does. The database itself records its user, the time and, on
// PostgreSQL, the transaction of a change. An account that has only the rights that
// schema.md grants can't forge these.
//
// A history keeps what was deleted: passwords, tokens and personal data too, unless
// their columns are left out or redacted. [Anonymize] removes a person's name,
// request and metadata, and [Prune] deletes what is old. What is recorded of the
// request is what the client says, see [actor.Request].
//
// These pages are beside this file: start.md is the introduction. questions.md has
// what to ask and how. schema.md has the tables, the rights as GRANT lines, and how
// to restore dumps. attribution.md says how to name the actor without GORM, rls.md is
// about row-level security, and migrations.md says what [Migrate] does on each
// database. gaps.md says what is not recorded or not attributed, and costs.md what
// the history costs. Tested with SQLite, PostgreSQL 15 to 18 and MariaDB 10.11, also in
// the mode that GORM uses for MySQL. Later versions of MariaDB, and MySQL 8 itself, are
// tested only by the project's workflow on GitHub. PostgreSQL must be 14 or later.
package history
