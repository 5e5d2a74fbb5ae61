package tests

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

func TestAnIDThatCantBeStoredFailsTheWrite(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		for _, id := range []string{"42\x00", "4\xff2"} {
			for _, a := range []actor.Actor{actor.User(id), bob.As(actor.User(id)), actor.User(id).As(bob)} {
				err := db.WithContext(as(a)).Create(&Note{Title: "a"}).Error
				if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", a)) {
					t.Errorf("Create by %q = %v, want an error that names the actor", a, err)
				}
			}
		}
		if n := count(t, plain, "notes") + count(t, plain, "whodunit_changes"); n != 0 {
			t.Errorf("%d notes and changes were written, want none", n)
		}
		named := actor.Actor{Identity: actor.Identity{Kind: actor.KindUser, ID: "42", Name: "A\xffnn\x00"}}
		note := Note{Title: "a"}
		must(t, db.WithContext(as(named)).Create(&note).Error)
		if got := last(t, plain, &note).ChangeSet.Actor; got != ann {
			t.Errorf("user 42 with a name that can't be stored is recorded as %#v, want %#v", got, ann)
		}
	})
}

func TestASpaceAtTheEndMakesAnotherIDAndKey(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		must(t, history.Migrate(db, &textKey{}))
		must(t, db.WithContext(as(ann)).Create(&textKey{ID: "a"}).Error)
		spaced := actor.User("42 ")
		if got := by(t, plain, spaced); len(got) != 0 {
			t.Errorf("By(%q) found %d changes of %v, want none", spaced, len(got), got[0].ChangeSet.Actor)
		}
		if n := must2(history.Anonymize(db, spaced)); n != 0 {
			t.Errorf("Erase(%q) = %d, want 0", spaced, n)
		}
		if n := len(by(t, plain, ann)); n != 1 {
			t.Errorf("By(%q) found %d changes, want 1", ann, n)
		}
		spacedKey := 0
		if d.Kind == dbtest.MariaDB {
			spacedKey = 1 // it finds the row by that
		}
		for id, want := range map[string]int{"a": 1, "a ": spacedKey} {
			if got := len(must2(history.Of(plain, &textKey{ID: id}))); got != want {
				t.Errorf("Of(%q) found %d changes, want %d", id, got, want)
			}
		}
	})
}
