package history

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// Dialect names a kind of database, for those who write to it past GORM: with
// database/sql, sqlc, pgx or another language.
type Dialect string

// The dialects, by the names that GORM has for them.
const (
	PostgreSQL Dialect = "postgres"
	MySQL      Dialect = "mysql" // MariaDB too
	SQLite     Dialect = "sqlite"
)

// Tell runs write, and attributes what write changes in tx to the actor of ctx, in
// its request and with its metadata, as the [Plugin] does for GORM's statements. The
// actor is that of [actor.FromContext]: Tell does not use a [Config].
//
//	err := history.PostgreSQL.Tell(ctx, tx, func() error {
//		return queries.WithTx(tx).RenameNote(ctx, params)
//	})
//
// On SQLite, MariaDB and MySQL the attribution ends with write, even if write panics.
// On PostgreSQL it lasts until the next call of Tell, the next statement of GORM or
// the end of the transaction: until then, what is written in tx after write has the
// same actor. Within write, GORM's statements in the same transaction and further
// calls of Tell have the actors of their own contexts. After them, the actor of ctx
// acts again. Under a context without an actor, the changes are unattributed.
//
// write must not commit tx, nor roll back to a savepoint that was made before it.
// If it commits, its changes may be unattributed, and Tell returns an error, except
// on PostgreSQL, where a commit does no harm. On MariaDB and MySQL the attribution
// holds for the tables of the connection's current database.
//
// Tell returns the error of write, with [ErrRequired] or [ErrAppendOnly] if the
// database refused it, and with [ErrOutdated] if a table has lost a column that its
// triggers record. If Tell can't tell the database who acts, it returns an error
// and does not call write: [ErrMetadata], or on SQLite that the history's tables are
// missing, on MariaDB and MySQL that the procedures are missing or that the account
// lacks the right that schema.md names.
func (d Dialect) Tell(ctx context.Context, tx *sql.Tx, write func() error) (err error) {
	by, a, err := d.attribution(ctx)
	if err != nil {
		return err
	}
	if tx == nil {
		return errors.New("history: Tell without a transaction (db.BeginTx?)")
	}
	t, in := openTransactions.of(tx), connection{pool: tx, recorded: true}
	t.distrust()
	o, err := t.begin(ctx, by, in, a, true)
	defer func() {
		ended := t.end(context.WithoutCancel(ctx), by, in, o)
		t.distrust() // there may be savepoints that the plugin does not see
		if err == nil && ended != nil {
			err = fmt.Errorf("history: Tell: what was changed may be unattributed: %w", ended)
		}
	}()
	if err != nil {
		return fmt.Errorf("history: telling the database who acts: %w", hintOfTables(err))
	}
	err = refusal(write())
	if isOutdated(err) {
		err = fmt.Errorf("history: a table that was written: %w: %w", ErrOutdated, err)
	}
	return err
}

// TellSQL returns the statements that [Dialect.Tell] runs before and after write, for
// those who have no [sql.Tx]. Run begin in the transaction before its first write.
// Run end after its last write, before it commits. On PostgreSQL end is empty,
// because the end of the transaction is enough. A rollback to a savepoint takes back
// what was told after the savepoint was made. A release of the savepoint does not. On
// MariaDB and MySQL, begin fails in a read-only transaction: leave it out there.
//
//	begin, _, err := history.PostgreSQL.TellSQL(ctx)
//	…
//	_, err = tx.Exec(ctx, begin.SQL, begin.Args...) // tx is a pgx.Tx
//
// The error is [ErrMetadata], or that of an actor whose id can't be stored.
//
// attribution.md has the protocol, for other languages.
//
// Security: begin holds until end. On MariaDB, MySQL and SQLite, if you don't run
// end, what is written later may be taken for the actor's as well. So run end, or
// roll the transaction back.
func (d Dialect) TellSQL(ctx context.Context) (begin, end Statement, err error) {
	by, a, err := d.attribution(ctx)
	if err != nil {
		return Statement{}, Statement{}, err
	}
	begin, end = by.statements(a)
	return begin, end, nil
}

// attribution is that of ctx, for a database of the kind.
func (d Dialect) attribution(ctx context.Context) (attributor, attribution, error) {
	by, err := dialectNamed(string(d))
	if err != nil {
		return nil, attribution{}, err
	}
	a, err := Config{Actor: actor.FromContext}.attribution(ctx)
	if err != nil {
		return nil, attribution{}, err
	}
	return by, a, nil
}
