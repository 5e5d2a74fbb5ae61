package tests

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// renamingOf is the statement of migrations.md that records a renaming.
func renamingOf(t *testing.T, db *gorm.DB, from, to string) string {
	t.Helper()
	page := string(must2(os.ReadFile("../../migrations.md")))
	engine := map[string]string{"postgres": "| PostgreSQL", "mysql": "| MariaDB, MySQL", "sqlite": "| SQLite"}[db.Name()]
	_, text, found := strings.Cut(page, engine+" | `INSERT")
	if !found {
		t.Fatalf("migrations.md has no statement for %s", engine)
	}
	text, _, _ = strings.Cut(text, "`")
	return "INSERT" + strings.NewReplacer("'notes'", "'"+from+"'", "'memos'", "'"+to+"'").Replace(text)
}

const (
	toNew = "ALTER TABLE old_names RENAME TO new_names"
	toOld = "ALTER TABLE new_names RENAME TO old_names"
)

// Changes of before a renaming are those of the table as it is called now, if its model was
// asked for. The renaming itself says both names.
func TestChangesOfARenamedTable(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &OldName{}))
		must(t, db.Create(&OldName{ID: 1, Name: "a"}).Error)
		must(t, db.Exec(toNew).Error)
		must(t, history.Migrate(db, &NewName{}))
		must(t, db.Model(&NewName{ID: 1}).Update("name", "b").Error)
		for what, got := range map[string][]history.Change{
			"Of": must2(history.Of(db, &NewName{ID: 1})), "Find": must2(history.Find(db, history.Query{Tables: []any{&NewName{}}})),
			"Last": must2(history.Last(db, []NewName{{ID: 1}})), "everything": must2(history.Find(db, history.Query{})),
		} {
			for _, c := range got {
				table, key := "new_names", "1"
				switch {
				case c.Action == history.ActionRename:
					table, key = "old_names", "new_names"
				case what == "everything" && c.Action == history.ActionCreate:
					table = "old_names" // as it was called
				}
				if c.Table != table || len(c.Key) != 1 || c.Key[0] != key {
					t.Errorf("%s: %s of table %q, key %q, want %q and %q", what, c.Action, c.Table, c.Key, table, key)
				}
			}
			if len(got) == 0 {
				t.Errorf("%s finds nothing", what)
			}
		}
		if n := len(must2(history.Find(db, history.Query{Tables: []any{&NewName{}}}))); n != 3 {
			t.Errorf("Find yields %d changes of the table, want 3", n)
		}
	})
}

// A table that SQL files rename keeps its past if they are as migrations.md says, and
// Verify says so where they are not and it can know.
func TestATableThatFilesRename(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		file func(t *testing.T, db *gorm.DB, run func(scripts ...string))
	}{
		{"create of the renamed table", func(t *testing.T, db *gorm.DB, run func(scripts ...string)) {
			run(toNew)
			_, create := texts(t, db, &NewName{})
			run(create)
		}},
		{"drop and create of the renamed table", func(t *testing.T, db *gorm.DB, run func(scripts ...string)) {
			run(toNew)
			drop, create := texts(t, db, &NewName{})
			run(toOld, drop, toNew, create, create)
		}},
		{"an older create, and Migrate", func(t *testing.T, db *gorm.DB, run func(scripts ...string)) {
			drop, create := texts(t, db, &NewName{})
			run(drop, toNew, create)
			if err := history.Verify(db, &NewName{}); db.Name() != "postgres" && (!errors.Is(err, history.ErrOutdated) || !strings.Contains(err.Error(), `"old_names"`)) {
				t.Errorf("Verify of a table with triggers of two names = %v, want ErrOutdated that names old_names", err)
			}
			must(t, history.Migrate(db, &NewName{}))
		}},
		{"an older create, and another", func(t *testing.T, db *gorm.DB, run func(scripts ...string)) {
			drop, create := texts(t, db, &NewName{})
			run(drop, toNew, create)
			_, create = texts(t, db, &NewName{})
			run(create)
		}},
		{"the statement", func(t *testing.T, db *gorm.DB, run func(scripts ...string)) {
			drop, _ := texts(t, db, &OldName{})
			_, create := texts(t, db, &NewName{})
			run(drop, toNew, renamingOf(t, db, "old_names", "new_names"), create)
		}},
		{"the statement, and all triggers", func(t *testing.T, db *gorm.DB, run func(scripts ...string)) {
			_, create := texts(t, db, &NewName{})
			run(toNew, renamingOf(t, db, "old_names", "new_names"), create)
			must(t, history.Migrate(db, &NewName{}))
		}},
		{"the statement, later", func(t *testing.T, db *gorm.DB, run func(scripts ...string)) {
			drop, _ := texts(t, db, &OldName{})
			_, create := texts(t, db, &NewName{})
			run(drop, toNew, create)
			must(t, db.Exec("INSERT INTO new_names (id, name) VALUES (2, 'later')").Error)
			run(renamingOf(t, db, "old_names", "new_names"))
			sameLines(t, "the trail of a row of before the statement", trail(t, db, &NewName{ID: 2}), `create; nobody said; id NULL>"2"; name NULL>"later"`)
		}},
		{"and back, and again", func(t *testing.T, db *gorm.DB, run func(scripts ...string)) {
			run(toNew)
			drop, create := texts(t, db, &NewName{})
			run(create, drop, toOld, renamingOf(t, db, "new_names", "old_names"))
			dropOld, createOld := texts(t, db, &OldName{})
			run(createOld)
			must(t, history.Verify(db, &OldName{}))
			if n := len(trail(t, db, &OldName{ID: 1})); n != 1 {
				t.Errorf("after the way back the row has %d changes, want 1", n)
			}
			run(dropOld, toNew, renamingOf(t, db, "old_names", "new_names"), create)
		}},
		{"and back by create alone, and again", func(t *testing.T, db *gorm.DB, run func(scripts ...string)) {
			_, createNew := texts(t, db, &NewName{})
			_, createOld := texts(t, db, &OldName{})
			for range 2 {
				run(toNew, createNew, toOld, createOld)
				if db.Name() != "postgres" { // where create does not find out what the table was
					run(renamingOf(t, db, "old_names", "new_names"), renamingOf(t, db, "new_names", "old_names"))
				}
			}
			if db.Name() != "postgres" {
				run(toNew)
				must(t, history.Migrate(db, &NewName{}))
				return
			}
			runScript(t, db, "BEGIN; SELECT set_config('whodunit.actor', '{\"actor_kind\": \"system\", \"actor_id\": \"0006\"}', true);"+toNew+";"+createNew+";COMMIT")
			changes := must2(history.Find(db, history.Query{Actions: []history.Action{history.ActionRename}, Limit: 1}))
			if who := changes[0].ChangeSet.Actor.String(); who != "system:0006" {
				t.Errorf("the renaming is %s's, want system:0006", who)
			}
		}},
		{"and back without a word, and again", func(t *testing.T, db *gorm.DB, run func(scripts ...string)) {
			run(toNew)
			drop, create := texts(t, db, &NewName{})
			run(create, drop, toOld)
			dropOld, createOld := texts(t, db, &OldName{})
			run(createOld, "INSERT INTO old_names (id, name) VALUES (2, 'meanwhile')", dropOld, toNew, create)
			run(renamingOf(t, db, "old_names", "new_names"))
			sameLines(t, "the trail of a row of meanwhile", trail(t, db, &NewName{ID: 2}), `create; nobody said; id NULL>"2"; name NULL>"meanwhile"`)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
				db := d.Open(t)
				must(t, db.Use(history.New()))
				must(t, history.Migrate(db, &OldName{}))
				must(t, db.Create(&OldName{ID: 1, Name: "a"}).Error)
				created := pause()
				test.file(t, db, func(scripts ...string) {
					t.Helper()
					for _, script := range scripts {
						runScript(t, db, script)
					}
				})
				must(t, history.Verify(db, &NewName{}))
				must(t, db.Model(&NewName{ID: 1}).Update("name", "b").Error)
				keepsItsPast(t, db, created)
			})
		})
	}
}

// keepsItsPast looks under the new name, and has another table take the old one.
func keepsItsPast(t *testing.T, db *gorm.DB, created time.Time) {
	t.Helper()
	a, b := `create; nobody said; id NULL>"1"; name NULL>"a"`, `update; nobody said; name "a">"b"`
	sameLines(t, "the trail", trail(t, db, &NewName{ID: 1}), a, b)
	wantAt(t, db, "under the old name", 1, created, NewName{1, "a"}, nil)
	must(t, history.Migrate(db, &OldName{}))
	must(t, db.Create(&OldName{ID: 1, Name: "another"}).Error)
	sameLines(t, "the trail beside another table", trail(t, db, &NewName{ID: 1}), a, b)
	sameLines(t, "the trail of the other table", trail(t, db, &OldName{ID: 1}), `create; nobody said; id NULL>"1"; name NULL>"another"`)
	must(t, history.Verify(db, &NewName{}, &OldName{}))
}

func texts(t *testing.T, db *gorm.DB, models ...any) (drop, create string) {
	t.Helper()
	drop, create, err := history.SQL(db, models...)
	must(t, err)
	return drop, create
}

// Two tables have the same two names, one after the other.
func TestTheNamesOfARenamedTableTwice(t *testing.T) {
	t.Parallel()
	type ArchivedName OldName
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.Use(history.New()))
		for i, name := range []string{"a", "another"} {
			must(t, history.Migrate(db, &OldName{}))
			must(t, db.Create(&OldName{ID: 1, Name: name}).Error)
			must(t, db.Exec(toNew).Error)
			must(t, history.Migrate(db, &NewName{}))
			if i == 0 {
				must(t, db.Migrator().RenameTable("new_names", "archived_names"))
				must(t, history.Migrate(db, &ArchivedName{}))
			}
		}
		sameLines(t, "the trail of the first", trail(t, db, &ArchivedName{ID: 1}), `create; nobody said; id NULL>"1"; name NULL>"a"`)
		sameLines(t, "the trail of the second", trail(t, db, &NewName{ID: 1}), `create; nobody said; id NULL>"1"; name NULL>"another"`)
	})
}

// The old name is not another table's while triggers record under it.
func TestTheOldNameOfARenamedTable(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &OldName{}))
		must(t, db.Create(&OldName{ID: 1, Name: "a"}).Error)
		must(t, db.Exec(toNew).Error)
		must(t, db.Migrator().CreateTable(&OldName{}))
		if _, _, err := history.SQL(db, &OldName{}); err == nil || !strings.Contains(err.Error(), `new_names"`) {
			t.Errorf("SQL = %v, want an error that names new_names", err)
		}
		drop, create := texts(t, db, &OldName{}, &NewName{})
		runScript(t, db, drop)
		runScript(t, db, create)
		must(t, history.Verify(db, &OldName{}, &NewName{}))
		must(t, db.Model(&NewName{ID: 1}).Update("name", "b").Error)
		must(t, db.Create(&OldName{ID: 1, Name: "another"}).Error)
		if n, m := len(trail(t, db, &NewName{ID: 1})), len(trail(t, db, &OldName{ID: 1})); n != 2 || m != 1 {
			t.Errorf("the renamed table has %d changes, the other one %d, want 2 and 1", n, m)
		}
		must(t, db.Migrator().DropTable(&OldName{}))
		must(t, db.Exec(toOld).Error)
		must(t, history.Drop(db, &OldName{}))
		before := count(t, db, "whodunit_changes")
		must(t, db.Exec("UPDATE old_names SET name = 'c'").Error)
		if n := count(t, db, "whodunit_changes"); n != before {
			t.Errorf("after Drop of a renamed table %d changes were recorded", n-before)
		}
	})
}

// A table that moves to another schema is renamed, too.
func TestATableThatMovesToAnotherSchema(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"Migrate", "SQL"} {
		t.Run(way, func(t *testing.T) {
			db := dbtest.New(t, dbtest.Postgres).Open(t)
			other := homeOf(t, dbtest.New(t, dbtest.Postgres).Open(t))
			there := db.Table(other + ".old_names").Session(&gorm.Session{})
			must(t, history.Migrate(db, &OldName{}))
			must(t, db.Create(&OldName{ID: 1, Name: "a"}).Error)
			must(t, db.Exec("ALTER TABLE old_names SET SCHEMA "+other).Error)
			if err := history.Verify(there, &OldName{}); !errors.Is(err, history.ErrOutdated) || !strings.Contains(err.Error(), `as "old_names"`) {
				t.Errorf("Verify = %v, want ErrOutdated that names old_names", err)
			}
			if n := len(trail(t, there, &OldName{ID: 1})); n != 1 {
				t.Errorf("the row has %d changes, want 1", n)
			}
			if way == "Migrate" {
				must(t, history.Migrate(there, &OldName{}))
			} else {
				_, create := texts(t, there, &OldName{})
				runScript(t, db, create)
			}
			must(t, history.Verify(there, &OldName{}))
			must(t, there.Where("id = 1").Update("name", "b").Error)
			sameLines(t, "the trail", trail(t, there, &OldName{ID: 1}), `create; nobody said; id NULL>"1"; name NULL>"a"`, `update; nobody said; name "a">"b"`)
			must(t, history.Migrate(db, &OldName{})) // another table
			must(t, history.Verify(db, &OldName{}))
			if n := len(trail(t, db, &OldName{ID: 1})); n != 0 {
				t.Errorf("the new table has %d changes, want none", n)
			}
		})
	}
}

// A table keeps its past under its name with and without that of its schema.
func TestATableWithItsSchemasName(t *testing.T) {
	t.Parallel()
	dbtest.Beside(t, []string{dbtest.Postgres, dbtest.MariaDB}, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, history.Migrate(db, &OldName{}))
		must(t, db.Create(&OldName{ID: 1, Name: "a"}).Error)
		qualified := db.Table(homeOf(t, db) + ".old_names").Session(&gorm.Session{})
		for i, as := range []*gorm.DB{qualified, db, qualified} {
			if n := len(trail(t, as, &OldName{ID: 1})); n != i+1 {
				t.Errorf("under another name %d changes, want %d", n, i+1)
			}
			must(t, history.Migrate(as, &OldName{}))
			must(t, history.Verify(as, &OldName{}))
			must(t, db.Exec("UPDATE old_names SET name = ?", fmt.Sprint(i)).Error)
			if n := len(trail(t, as, &OldName{ID: 1})); n != i+2 {
				t.Errorf("after Migrate %d changes, want %d", n, i+2)
			}
		}
	})
}

// A column that SQL files rename keeps its past by its tag.
func TestAColumnThatFilesRename(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, history.Migrate(db, &firstForm{}))
		must(t, db.Create(&firstForm{Zip: "1010", No: 1, Title: "a", Secret: "s", Draft: "d"}).Error)
		created := pause()
		drop, create := texts(t, db, &secondForm{})
		runScript(t, db, drop)
		for from, to := range map[string]string{"zip": "code", "title": "name", "secret": "hidden", "draft": "sketch"} {
			runScript(t, db, "ALTER TABLE forms RENAME COLUMN "+from+" TO "+to)
		}
		runScript(t, db, create)
		must(t, history.Verify(db, &secondForm{}))
		row := secondForm{Code: "1010", No: 1}
		must(t, db.Model(&row).Update("name", "b").Error)
		sameLines(t, "the trail", trail(t, db, &row)[1:], `update; nobody said; name "a">"b"`)
		wantAt(t, db, "before its columns were renamed", row, created, secondForm{Code: "1010", No: 1, Name: "a", Hidden: "s", Sketch: "d"}, nil)
	})
}
