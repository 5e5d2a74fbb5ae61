package main

import (
	"errors"
	"os"
	"strings"
	"testing"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/example/internal/exampletest"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
)

// changed is Note after the second migration.
type changed struct {
	ID    uint
	Title string
	Body  string
}

func (changed) TableName() string { return "notes" }

func TestProgram(t *testing.T) {
	t.Setenv("DATABASE_URL", exampletest.Postgres(t))
	t.Chdir(t.TempDir())
	args := os.Args
	t.Cleanup(func() { os.Args = args })
	os.Args = []string{"sqlfiles", "0001_history"}
	main()
	for _, name := range []string{"0001_history.up.sql", "0001_history.down.sql", "history.sql"} {
		if text := read(t, name); !strings.Contains(text, "whodunit_record_notes") || !strings.Contains(text, "whodunit_record_tags") {
			t.Errorf("%s lacks a table: %s", name, text)
		}
	}
}

// The files lead up two migrations and down again.
func TestFiles(t *testing.T) {
	dsn := exampletest.Postgres(t)
	t.Chdir(t.TempDir())
	db, err := gorm.Open(postgres.Open(dsn))
	if err != nil {
		t.Fatal(err)
	}
	pool, err := db.DB()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pool.Close() })
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	run := func(file, own string) {
		t.Helper()
		_, err := pool.Exec(strings.NewReplacer("-- ALTER TABLE …", own, "-- and back …", own).Replace(read(t, file)))
		must(err)
	}

	must(db.AutoMigrate(&Note{}, &Tag{}))
	must(write(db, "0001_history", &Note{}, &Tag{}))
	must(write(db, "0002_body", &changed{}, &Tag{}))

	run("0001_history.up.sql", "")
	must(history.Verify(db, &Note{}, &Tag{}))
	run("0002_body.up.sql", "ALTER TABLE notes ADD COLUMN body text;")
	must(history.Verify(db, &changed{}, &Tag{}))
	must(db.Create(&changed{ID: 1, Body: "b"}).Error)
	run("0002_body.down.sql", "ALTER TABLE notes DROP COLUMN body;")
	must(history.Verify(db, &Note{}, &Tag{}))
	if err := history.Verify(db, &changed{}); !errors.Is(err, history.ErrOutdated) {
		t.Errorf("Verify of the later model = %v, want ErrOutdated", err)
	}
	run("0001_history.down.sql", "")
	if err := history.Verify(db, &Note{}); !errors.Is(err, history.ErrMissing) {
		t.Errorf("Verify on the way back = %v, want ErrMissing", err)
	}
	if changes, err := history.Of(db, &Note{ID: 1}); err != nil || len(changes) != 1 {
		t.Errorf("after it %d changes are there, %v, want the one that was recorded", len(changes), err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
