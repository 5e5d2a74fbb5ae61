package tests

import (
	"runtime"
	"strconv"
	"strings"
	"testing"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
)

// The history writes for its caller.
func TestMissingNamesTheCallerOfRevert(t *testing.T) {
	s := newSQLiteStage(t, gormaudit.Config{}, policyModels...)
	j := newJournal()
	db := s.Session(&gorm.Session{Logger: j})
	if err := s.Use(history.New()); err != nil {
		t.Fatal(err)
	}
	if err := history.Migrate(s.plain, &page{}); err != nil {
		t.Fatal(err)
	}
	ok(t, s.plain.Create(&page{ID: 1, Title: "a"}))
	ok(t, s.plain.Model(&page{ID: 1}).Update("title", "b"))
	changes, err := history.Of(db, &page{ID: 1})
	if err != nil {
		t.Fatal(err)
	}
	j.take()
	_, file, line, _ := runtime.Caller(0)
	if err := history.Revert(db, changes[0]); err != nil {
		t.Fatal(err)
	}
	want := " at " + file + ":" + strconv.Itoa(line+1) + ", "
	if got := j.take(); len(got) != 1 || !strings.Contains(got[0], want) {
		t.Errorf("warnings = %q, want one with %q", got, want)
	}
}
