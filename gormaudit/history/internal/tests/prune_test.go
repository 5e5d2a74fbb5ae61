package tests

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

func TestPruneDeletesWhatIsOld(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		note := Note{Title: "0"}
		must(t, db.WithContext(as(ann)).Create(&note).Error)
		must(t, plain.Exec("UPDATE notes SET title = 'raw'").Error)
		cut := last(t, db, &note).At.Add(time.Millisecond)
		time.Sleep(4 * time.Millisecond)
		must(t, db.WithContext(as(ann)).Model(&note).Update("title", "1").Error)
		must(t, plain.Exec("UPDATE notes SET title = 'raw 2'").Error)
		n, err := history.Prune(db, cut)
		if n != 2 || err != nil {
			t.Errorf("Prune = %d, %v, want 2", n, err)
		}
		sameLines(t, "trail", trail(t, plain, &note), `update; user:42; title "raw">"1"`, `update; nobody said; title "1">"raw 2"`)
		if d.Kind == dbtest.MariaDB {
			if _, err := history.Prune(db, time.Now().Add(-time.Hour)); err != nil || count(t, plain, "whodunit_context") == 0 {
				t.Errorf("Prune forgot connections of this hour, or failed: %v", err)
			}
			if _, err := history.Prune(plain, time.Now().Add(time.Hour)); err != nil || count(t, plain, "whodunit_context") != 0 {
				t.Errorf("Prune forgot no connections, or failed: %v", err)
			}
			return
		}
		if n, err := history.Prune(db, cut); n != 0 || err != nil {
			t.Errorf("Prune again = %d, %v, want 0", n, err)
		}
	})
}

// What was pruned is gone: an earlier time is answered from the oldest that is
// left.
func TestAtOfATimeThatWasPruned(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		wait := func() time.Time {
			time.Sleep(3 * time.Millisecond) // SQLite keeps milliseconds
			defer time.Sleep(3 * time.Millisecond)
			return time.Now()
		}
		start := wait()
		must(t, db.Create(&[]Note{{ID: 1, Title: "a"}, {ID: 2, Title: "deleted"}}).Error)
		must(t, db.Model(&Note{ID: 1}).Update("title", "b").Error)
		must(t, db.Unscoped().Delete(&Note{ID: 2}).Error)
		before := wait()
		must(t, db.Model(&Note{ID: 1}).Update("title", "c").Error)
		must(t, db.Create(&Note{ID: 3}).Error)
		must2(history.Prune(plain, before))
		if then, err := history.At[Note](plain, 1, start); err != nil || then.Title != "b" {
			t.Errorf("At before it was created = %q, %v, want b", then.Title, err)
		}
		if _, err := history.At[Note](plain, 2, start); !errors.Is(err, gorm.ErrRecordNotFound) {
			t.Errorf("At of a row whose deletion was pruned = %v, want ErrRecordNotFound", err)
		}
		if _, err := history.At[Note](plain, 3, start); !errors.Is(err, history.ErrNotYet) {
			t.Errorf("At of a row created since = %v, want ErrNotYet", err)
		}
	})
}

func TestPruneWorksInBatches(t *testing.T) {
	db, plain := open(t, dbtest.New(t, dbtest.SQLite))
	must(t, db.Transaction(func(tx *gorm.DB) error {
		for i := range 1050 {
			must(t, tx.WithContext(as(actor.User(i%2+1))).Create(&Note{Title: fmt.Sprint(i)}).Error)
		}
		return nil
	}))
	if n, err := history.Prune(db, time.Now().Add(time.Hour)); n != 1050 || err != nil {
		t.Errorf("Prune = %d, %v, want 1050", n, err)
	}
	if n := count(t, plain, "whodunit_changes") + count(t, plain, "whodunit_change_sets"); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

func TestEraseReplacesOnePersonsMetadata(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		request := actor.Request{ID: "r-1", IP: "192.0.2.1", UserAgent: "curl", Method: "PUT", Route: "/notes/:id"}
		note := Note{Title: "0"}
		for i, who := range []actor.Actor{ann, bob, bob.As(ann), ann.As(bob)} {
			me := db.WithContext(actor.NewRequestContext(as(who), request))
			must(t, me.Save(&note).Error)
			must(t, me.Model(&note).Update("title", fmt.Sprint(i+1)).Error)
		}
		ids := len(by(t, plain, ann))
		n, err := history.Anonymize(db.WithContext(as(actor.System("privacy"))), actor.User(42))
		if n == 0 || err != nil {
			t.Fatalf("Erase = %d, %v", n, err)
		}
		for _, c := range must2(history.Of(plain, &note)) {
			set := c.ChangeSet
			mine := set.Actor.ID == "42" || set.Actor.Impersonator.ID == "42"
			for _, who := range []actor.Identity{set.Actor.Identity, set.Actor.Impersonator} {
				want := map[string]string{"42": "anonymized", "7": "Bob", "": ""}[who.ID]
				if who.Name != want {
					t.Errorf("%v is called %q, want %q", who, who.Name, want)
				}
			}
			if mine != (set.Request == actor.Request{Method: "PUT", Route: "/notes/:id"}) || !mine && set.Request != request {
				t.Errorf("the request of %v is %+v", set.Actor, set.Request)
			}
		}
		if got := len(by(t, plain, ann)); got != ids {
			t.Errorf("By finds %d changes after Erase, want %d", got, ids)
		}
		recorded := by(t, plain, actor.System("privacy"))
		if len(recorded) != 1 || recorded[0].Action != history.ActionAnonymize || recorded[0].Key[0] != "user:42" {
			t.Errorf("the erasure is recorded as %+v", recorded)
		}
		if _, err := history.Anonymize(db, actor.Actor{}); err == nil {
			t.Error("Erase of the anonymous succeeded")
		}
	})
}

// A program that has the id of a person is somebody else.
func TestEraseLeavesOthersOfTheSameID(t *testing.T) {
	db, plain := open(t, dbtest.New(t, dbtest.SQLite))
	bot := actor.Actor{Identity: actor.Identity{Kind: actor.KindService, ID: "42", Name: "Bot"}}
	must(t, db.WithContext(as(bot)).Create(&Note{ID: 1}).Error)
	if n, err := history.Anonymize(db, ann); n != 0 || err != nil {
		t.Errorf("Erase = %d, %v, want 0", n, err)
	}
	if got := last(t, plain, &Note{ID: 1}).ChangeSet.Actor; got != bot {
		t.Errorf("the actor is %+v, want %+v", got, bot)
	}
}
