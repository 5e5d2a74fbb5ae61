package main

import (
	"database/sql"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/example/internal/exampletest"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
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
	// Where ALTER TABLE fails and nothing is rolled back, as on MariaDB, the triggers are still there.
	if before, _, _ := strings.Cut(read(t, "0001_history.up.sql"), "-- ALTER TABLE …"); before != "" {
		t.Errorf("before ALTER TABLE there is %s", before)
	}
}

// The files lead up two migrations and down again.
func TestFiles(t *testing.T) {
	db, pool := connect(t)
	t.Chdir(t.TempDir())
	run := func(file, own string) {
		t.Helper()
		_, err := pool.Exec(strings.NewReplacer("-- ALTER TABLE …", own, "-- and back …", own).Replace(read(t, file)))
		must(t, err)
	}

	must(t, db.AutoMigrate(&Note{}, &Tag{}))
	must(t, write(db, "0001_history", &Note{}, &Tag{}))
	must(t, write(db, "0002_body", &changed{}, &Tag{}))

	run("0001_history.up.sql", "")
	must(t, history.Verify(db, &Note{}, &Tag{}))
	run("0002_body.up.sql", "ALTER TABLE notes ADD COLUMN body text;")
	must(t, history.Verify(db, &changed{}, &Tag{}))
	must(t, db.Create(&changed{ID: 1, Body: "b"}).Error)
	run("0002_body.down.sql", "ALTER TABLE notes DROP COLUMN body;")
	must(t, history.Verify(db, &Note{}, &Tag{}))
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

// What is recorded can't be changed under AppendOnly.
func TestAppendOnly(t *testing.T) {
	db, pool := connect(t)
	must(t, db.AutoMigrate(&Note{}, &Tag{}))
	drop, create, err := history.Options{AppendOnly: true}.SQL(db, &Note{}, &Tag{})
	must(t, err)
	for range 2 {
		must(t, errors.Join(exec(pool, drop), exec(pool, create), db.Create(&Note{}).Error))
		for _, statement := range []string{"DELETE FROM whodunit_changes", "UPDATE whodunit_change_sets SET actor_id = '7'"} {
			if err := exec(pool, statement); err == nil || !strings.Contains(err.Error(), "WD002") {
				t.Errorf("%s = %v, want WD002", statement, err)
			}
		}
	}
	pruned, err := history.Prune(db, time.Now().Add(time.Hour))
	if err != nil || pruned != 2 {
		t.Errorf("Prune = %d, %v, want both change sets gone", pruned, err)
	}
}

// Grants outlive drop and create.
func TestGrantsStay(t *testing.T) {
	db, pool := connect(t)
	must(t, db.AutoMigrate(&Note{}))
	drop, create, err := history.SQL(db, &Note{})
	must(t, err)
	must(t, exec(pool, create+"GRANT SELECT ON whodunit_changes TO PUBLIC;"+drop+create))
	var allowed bool
	must(t, pool.QueryRow("SELECT has_table_privilege('pg_monitor', 'whodunit_changes', 'SELECT')").Scan(&allowed))
	if !allowed {
		t.Error("the grant is gone")
	}
}

// shrunk is changed after the third migration.
type shrunk struct {
	ID    uint
	Title int
}

func (shrunk) TableName() string { return "notes" }

// The file of migrations.md does without the first half, and records its own UPDATE.
func TestFileWithAnUpdate(t *testing.T) {
	const mine = "-- here create, as history.SQL returned it\n"
	_, text, _ := strings.Cut(read(t, "../../gormaudit/history/migrations.md"), "```sql\nSET LOCAL lock_timeout")
	text, _, _ = strings.Cut("SET LOCAL lock_timeout"+text, "```")
	if !strings.Contains(text, mine) {
		t.Fatalf("migrations.md has no place for create: %s", text)
	}
	db, pool := connect(t)
	must(t, errors.Join(history.Migrate(db, &Note{}), db.Create(&Note{ID: 1, Title: "t"}).Error))
	_, create, err := history.SQL(db, &changed{})
	must(t, err)
	must(t, exec(pool, strings.Replace(text, mine, create, 1)))
	must(t, history.Verify(db, &changed{}))
	changes, err := history.Of(db, &changed{ID: 1})
	must(t, err)
	if body, _ := changes[0].Field("body"); changes[0].ChangeSet.Actor != actor.System("0002_body") || body.After.String() != "t" {
		t.Errorf("the change is by %v, of %v", changes[0].ChangeSet.Actor, changes[0].Fields)
	}

	_, create, err = history.SQL(db, &shrunk{})
	must(t, err)
	must(t, exec(pool, "ALTER TABLE notes DROP COLUMN body, ALTER COLUMN title TYPE integer USING 1;"+create))
	must(t, errors.Join(history.Verify(db, &shrunk{}), db.Model(&shrunk{ID: 1}).Update("title", 2).Error))
}

// What migrations.md says of those who read meanwhile.
func TestWhatWaitsForReaders(t *testing.T) {
	db, pool := connect(t)
	must(t, history.Migrate(db, &Note{}))
	drop, create, err := history.SQL(db, &Note{})
	must(t, err)
	reader, err := pool.Begin()
	must(t, err)
	defer func() { _ = reader.Rollback() }()
	_, err = reader.Exec("SELECT * FROM notes")
	must(t, err)
	const timeout = "SET LOCAL lock_timeout = '200ms';"
	must(t, exec(pool, timeout+create))
	for _, statement := range []string{drop, "ALTER TABLE notes ADD COLUMN body text"} {
		if err := exec(pool, timeout+statement); err == nil || !strings.Contains(err.Error(), "lock timeout") {
			t.Errorf("%q beside a reader = %v, want a timeout", statement, err)
		}
	}
}

func connect(t *testing.T) (*gorm.DB, *sql.DB) {
	t.Helper()
	db, err := gorm.Open(postgres.Open(exampletest.Postgres(t)))
	must(t, err)
	pool, err := db.DB()
	must(t, err)
	t.Cleanup(func() { _ = pool.Close() })
	return db, pool
}

// exec runs a file as golang-migrate does: all of it at once.
func exec(pool *sql.DB, text string) error {
	_, err := pool.Exec(text)
	return err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
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

// memo is Note after a migration that renames its table.
type memo struct {
	ID    uint
	Title string
}

func (memo) TableName() string { return "memos" }

// The files of a renamed table keep its past, there and back.
func TestFilesOfARenamedTable(t *testing.T) {
	const there, back = "ALTER TABLE notes RENAME TO memos;", "ALTER TABLE memos RENAME TO notes;"
	_, wayBack, found := strings.Cut(read(t, "../../gormaudit/history/migrations.md"), "```sql\n-- here drop of the new model")
	_, wayBack, _ = strings.Cut(wayBack, "\n\n")
	wayBack, _, _ = strings.Cut(wayBack, "\n\n")
	if !found || !strings.HasPrefix(wayBack, back) {
		t.Fatalf("migrations.md has no way back: %s", wayBack)
	}
	db, pool := connect(t)
	t.Chdir(t.TempDir())
	must(t, errors.Join(db.AutoMigrate(&Note{}, &Tag{}), write(db, "0001_history", &Note{}, &Tag{})))
	must(t, exec(pool, read(t, "0001_history.up.sql")))
	must(t, db.Create(&Note{ID: 1, Title: "a"}).Error)
	must(t, exec(pool, there)) // in one's own database first
	must(t, write(db, "0002_memos", &memo{}, &Tag{}))
	must(t, exec(pool, back))

	must(t, exec(pool, strings.Replace(read(t, "0002_memos.up.sql"), "-- ALTER TABLE …", there, 1)))
	must(t, errors.Join(history.Verify(db, &memo{}, &Tag{}), db.Model(&memo{ID: 1}).Update("title", "b").Error))
	if changes, err := history.Of(db, &memo{ID: 1}); err != nil || len(changes) != 2 {
		t.Errorf("under the new name there are %d changes, %v, want 2", len(changes), err)
	}
	must(t, exec(pool, strings.Replace(read(t, "0002_memos.down.sql"), "-- and back …", wayBack, 1)))
	must(t, errors.Join(history.Verify(db, &Note{}, &Tag{}), db.Model(&Note{ID: 1}).Update("title", "c").Error))
	if changes, err := history.Of(db, &Note{ID: 1}); err != nil || len(changes) != 3 {
		t.Errorf("under the old name there are %d changes, %v, want 3", len(changes), err)
	}
}
