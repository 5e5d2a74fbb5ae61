// Command sqlfiles writes the two files of a migration of tables that have a
// history, for golang-migrate and tools like it. Where the files say so, write the
// migration itself. Commit both, and history.sql, which the next migration needs.
// To write the same files once more, get back the history.sql of before. Files that
// rename a table need more: see "A renamed table" in migrations.md.
//
//	DATABASE_URL=postgres://… go run ./example/sqlfiles 0007_history
//
// The database is only read, for the name of the tables' schema. For MariaDB and
// MySQL, use their GORM driver. What SQLite needs depends on what is there: run the
// texts as ../sqlc does.
package main

import (
	"errors"
	"io/fs"
	"log"
	"os"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
)

// Note and Tag say what the tables are after the migration.
type Note struct {
	ID    uint
	Title string
}

type Tag struct {
	ID   uint
	Name string
}

// write writes the files of a migration, such as "migrations/0007_history". models are
// those of all tables with a history: history.sql, and so the next way back, has no
// others.
func write(db *gorm.DB, name string, models ...any) error {
	drop, create, err := history.SQL(db, models...)
	if err != nil {
		return err
	}
	former, err := os.ReadFile("history.sql") // what the migration before created
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return errors.Join(
		os.WriteFile(name+".up.sql", []byte("-- ALTER TABLE …\n\n"+create), 0o600),
		os.WriteFile(name+".down.sql", []byte(drop+"\n-- and back …\n\n"+string(former)), 0o600),
		os.WriteFile("history.sql", []byte(create), 0o600),
	)
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: sqlfiles NAME")
	}
	db, err := gorm.Open(postgres.Open(os.Getenv("DATABASE_URL")))
	if err != nil {
		log.Fatal(err)
	}
	if err := write(db, os.Args[1], &Note{}, &Tag{}); err != nil {
		log.Fatal(err)
	}
}
