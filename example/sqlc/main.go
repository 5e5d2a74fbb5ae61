// Command sqlc keeps a history in a service that writes with database/sql and
// sqlc. GORM installs and reads the history, and is nowhere else. It prints what
// happened to a note.
//
//	go run ./example/sqlc
//
// On other databases, history.PostgreSQL or history.MySQL stand for
// history.SQLite. With pgx, see gormaudit/history/attribution.md.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	_ "modernc.org/sqlite" // the driver "sqlite", which needs no C compiler

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
)

// Note says what the table is, as in schema.sql: the triggers follow from it.
type Note struct {
	ID    int64
	Title string
}

const schema = `CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, title TEXT NOT NULL)`

// migrate is one migration of yours: the history's text goes around it.
func migrate(pool *sql.DB, db *gorm.DB) error {
	drop, create, err := history.SQL(db, &Note{})
	if err != nil {
		return err
	}
	for _, text := range []string{drop, schema, create} {
		if _, err := pool.Exec(text); err != nil {
			return err
		}
	}
	return history.Verify(db, &Note{})
}

// inTransaction runs queries by whoever acts under ctx.
func inTransaction(ctx context.Context, pool *sql.DB, run func(*Queries) error) error {
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if err := history.SQLite.Tell(ctx, tx, func() error { return run(&Queries{tx}) }); err != nil {
		return err
	}
	return tx.Commit()
}

// work is what a handler of a request would do.
func work(ctx context.Context, pool *sql.DB) (id int64, err error) {
	err = inTransaction(actor.NewContext(ctx, actor.User(42)), pool, func(q *Queries) error {
		id, err = q.CreateNote(ctx, "Milk")
		return err
	})
	return id, errors.Join(err, inTransaction(actor.NewContext(ctx, actor.System("shopper")), pool, func(q *Queries) error {
		return q.RenameNote(ctx, RenameNoteParams{Title: "Milk, eggs", ID: id})
	}))
}

func main() {
	pool, err := sql.Open("sqlite", "notes.db?_pragma=busy_timeout(10000)&_txlock=immediate")
	if err != nil {
		log.Fatal(err)
	}
	db, err := gorm.Open(sqlite.New(sqlite.Config{Conn: pool})) // reads the history
	if err != nil {
		log.Fatal(err)
	}
	if err := migrate(pool, db); err != nil {
		log.Fatal(err)
	}
	id, err := work(context.Background(), pool)
	if err != nil {
		log.Fatal(err)
	}
	changes, err := history.Of(db, &Note{ID: id})
	if err != nil {
		log.Fatal(err)
	}
	for _, change := range changes {
		title, _ := change.Field("title")
		fmt.Printf("%s by %s: title %q > %q\n", change.Action, change.ChangeSet.Actor, title.Before, title.After)
	}
}
