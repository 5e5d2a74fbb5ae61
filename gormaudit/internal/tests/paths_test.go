package tests

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// path is one way to write through GORM.
type path struct {
	line string // which of lines it belongs to
	call string // what users write; it names the test, and the line in writes.md
	run  func(db *gorm.DB) error
	// want are the rows that are not as before, by table and key: "5 7 -" for
	// created by user 5, updated by user 7 and deleted by nobody. User 5 wrote
	// all rows that were there before, 7 runs the path, and 66 is forged.
	want map[string]string
	// apart says that GORM's time columns and ours part here.
	apart bool
	// fails says that the path is an error and writes nothing.
	fails bool
	// not are the kinds of databases that the path can't run on, and why.
	not map[string]string
	// unordered says that GORM walks a map and sends statements in any order.
	unordered bool
	// minor paths are not listed in writes.md.
	minor bool
	// about is the row that the line in writes.md is about. By default a new row,
	// or else the first one that changed.
	about string
}

// section is a group of paths, as writes.md lists them.
type section struct {
	title string
	paths []path
}

// sections are all paths.
func sections[B bys]() []section {
	all, own := worldSections[B](), ownPaths[B]()
	for n := range all {
		all[n].paths = append(all[n].paths, own[all[n].title]...)
	}
	return append(all, section{"Columns with tags", columnPaths[B]()}, section{"Spellings of a forged column", spellingPaths[B]()})
}

// lines are all the ways in which GORM writes, or might be taken to.
var lines = []string{
	"create a struct", "create by value", "create a slice", "create an array", "create in batches",
	"create from a map", "create from maps", "create by table from a map", "create by table from another struct", "create with Select or Omit",
	"save a new row", "save a row", "save a row that is not there", "save a slice", "save by value", "save with Select",
	"FirstOrCreate", "FirstOrInit",
	"update with a map", "update with a struct", "update with another struct", "update with Select or Omit", "update with nothing", "update created_by only",
	"UpdateColumn", "update a slice", "update by condition", "update by table", "update with clause.Set",
	"upsert that does nothing", "upsert", "INSERT OR REPLACE",
	"delete", "delete for good", "delete by a flag", "optimistic lock", "delete with associations", "restore", "delete by hand",
	"append to or replace has-many", "append a map", "unlink has-one and has-many", "append to many2many", "unlink many2many", "belongs-to", "FullSaveAssociations",
	"nested create", "save with unchanged children",
	"embedded fields", "SkipHooks", "DryRun", "PrepareStmt", "transactions", "raw SQL", "reads", "migrations", "sessions",
	"G create", "G update", "G updates", "G set and update", "G set and create", "G associations", "G upsert", "G on DryRun",
	"Returning", "serializer", "permissions", "defaults", "spellings",
}

func TestWritePaths(t *testing.T) {
	less := dbtest.LessUnderRace(t)
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		t.Run("texts", func(t *testing.T) { runPaths[texts](t, d.Kind) })
		if less {
			return // another type runs nothing else beside it
		}
		t.Run("numbers", func(t *testing.T) { runPaths[numbers](t, d.Kind) })
		t.Run("pointers", func(t *testing.T) { runPaths[gormaudit.SoftBy[string]](t, d.Kind) })
	})
}

func runPaths[B bys](t *testing.T, kind string) {
	w := newWorld[B](t, kind, gormaudit.NewWithConfig(gormaudit.Config{Models: known[B]()}))
	for _, section := range sections[B]() {
		for _, p := range section.paths {
			t.Run(p.call, func(t *testing.T) {
				if why, ok := p.not[kind]; ok {
					t.Skip(why)
				}
				for _, problem := range w.try(t, p) {
					t.Errorf("%s: %s", p.call, problem)
				}
			})
		}
	}
}

// Without the plugin no path comes out right that names an actor: GORM alone
// and its tags are not what the other tests see.
func TestWritePathsNeedThePlugin(t *testing.T) {
	w := newWorld[texts](t, dbtest.SQLite)
	for _, section := range sections[texts]() {
		for _, p := range section.paths {
			stamps := strings.Contains(fmt.Sprint(slices.Collect(maps.Values(p.want))), "7")
			if stamps && len(w.try(t, p)) == 0 {
				t.Errorf("%s comes out right without the plugin", p.call)
			}
		}
	}
}

// try runs a path on fresh rows and returns what is wrong afterwards.
func (w *world) try(t *testing.T, p path) []string {
	t.Helper()
	w.reset(t)
	var wrong []string
	switch err := p.run(w.db.WithContext(acting(7))); {
	case p.fails && err == nil:
		wrong = append(wrong, "no error")
	case !p.fails && err != nil:
		wrong = append(wrong, err.Error())
	}
	old, got := before(), w.read(t)
	want := map[string]string{}
	for key, row := range old {
		want[key] = row.by
	}
	maps.Copy(want, p.want)
	for key, by := range want {
		if row, ok := got[key]; !ok && by != "gone" {
			wrong = append(wrong, fmt.Sprintf("%s is gone, want %q", key, by))
		} else if ok && row.by != by {
			wrong = append(wrong, fmt.Sprintf("%s = %q, want %q", key, row.by, by))
		}
	}
	for key, row := range got {
		if _, ok := want[key]; !ok {
			wrong = append(wrong, fmt.Sprintf("%s = %q, want no such row", key, row.by))
		}
		if !p.apart {
			wrong = append(wrong, apart(key, old[key], row)...)
		}
	}
	return wrong
}

// apart reports a row whose updated_by moved without updated_at, or whose
// deleted_by is there without deleted_at, or the other way round.
func apart(key string, old, now row) (wrong []string) {
	if old.by != "" {
		was, is := strings.Fields(old.by)[1], strings.Fields(now.by)[1]
		if (was != is) != now.moved {
			wrong = append(wrong, fmt.Sprintf("%s: updated_by went from %s to %s, updated_at moved: %t", key, was, is, now.moved))
		}
	}
	if deletedBy := strings.Fields(now.by)[2]; deletedBy != "-" != now.deleted {
		wrong = append(wrong, fmt.Sprintf("%s: deleted_by is %s, deleted: %t", key, deletedBy, now.deleted))
	}
	return wrong
}

func TestWritePathsAreComplete(t *testing.T) {
	has := map[string]bool{}
	calls := map[string]bool{}
	for _, section := range sections[texts]() {
		for _, p := range section.paths {
			has[p.line] = true
			if calls[p.call] {
				t.Errorf("two paths are called %s", p.call)
			}
			calls[p.call] = true
		}
	}
	for _, line := range lines {
		if !has[line] {
			t.Errorf("no path for %q", line)
		}
		delete(has, line)
	}
	for line := range has {
		t.Errorf("a path belongs to %q, which is not among lines", line)
	}
}

// withReturning are the kinds whose INSERT reads ids back.
func withReturning(why string) map[string]string {
	return map[string]string{dbtest.SQLite: why, "sqlite-cgo": why, dbtest.Postgres: why, dbtest.MariaDB: why}
}
