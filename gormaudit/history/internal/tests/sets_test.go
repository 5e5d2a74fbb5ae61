package tests

import (
	"errors"
	"fmt"
	"testing"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// SQLite gives an id again once the newest rows are deleted.
func TestWhatIsDeletedByHandLeavesNoActorBehind(t *testing.T) {
	for _, deletion := range []string{"DELETE FROM whodunit_changes WHERE id > 1", "DELETE FROM whodunit_changes"} {
		db, plain := open(t, dbtest.New(t, dbtest.SQLite))
		me := db.WithContext(as(ann))
		note := Note{Title: "0"}
		must(t, db.Create(&note).Error)
		must(t, me.Transaction(func(tx *gorm.DB) error {
			for i := range 3 {
				must(t, tx.Model(&note).Update("title", fmt.Sprint(i+1)).Error)
			}
			return nil
		}))
		must(t, me.Model(&note).Update("title", "4").Error)
		must(t, plain.Exec(deletion).Error)
		must(t, plain.Exec("UPDATE notes SET title = 'raw'").Error)
		must(t, db.WithContext(as(bob)).Model(&note).Update("title", "5").Error)
		got := trail(t, plain, &note)
		sameLines(t, "trail after "+deletion, got[len(got)-2:], `update; nobody said; title "4">"raw"`, `update; user:7; title "raw">"5"`)
		if n := len(by(t, plain, ann)); n != 0 {
			t.Errorf("By(ann) after %s has %d changes, want 0", deletion, n)
		}
	}
}

func TestWritesThatNobodyToldAboutShareAChangeSet(t *testing.T) {
	db, plain := open(t, dbtest.New(t, dbtest.SQLite))
	must(t, db.WithContext(as(ann)).Create(&[]Note{{Title: "a"}, {Title: "b"}}).Error)
	must(t, plain.Exec("UPDATE notes SET title = 'raw'").Error)
	id := last(t, plain, &Note{ID: 1}).ChangeSet.ID
	set, changes, err := history.ChangeSetOf(plain, id)
	must(t, err)
	if id >= 0 || set.ID != id || set.Attributed || len(changes) != 2 {
		t.Errorf("ChangeSetOf(%d) = %+v with %d changes, want one that nobody said, with 2", id, set, len(changes))
	}
}

func TestAnAppendOnlyChangeSetTakesInNothingElse(t *testing.T) {
	db, plain := open(t, dbtest.New(t, dbtest.SQLite))
	must(t, history.Options{AppendOnly: true}.Migrate(db, &Note{}))
	must(t, db.WithContext(as(ann)).Create(&Note{Title: "a"}).Error)
	must(t, plain.Exec("UPDATE notes SET title = 'raw'").Error)
	for _, statement := range []string{"UPDATE whodunit_change_sets SET last = 0", "UPDATE whodunit_change_sets SET last = last + 5"} {
		if err := plain.Exec(statement).Error; err == nil {
			t.Errorf("%s succeeded, want refused", statement)
		}
	}
}

func TestAnUnknownChangeSetIsNotFound(t *testing.T) {
	_, plain := open(t, dbtest.New(t, dbtest.SQLite))
	if _, _, err := history.ChangeSetOf(plain, 1<<40); !errors.Is(err, gorm.ErrRecordNotFound) {
		t.Errorf("ChangeSetOf an unknown id = %v, want ErrRecordNotFound", err)
	}
}
