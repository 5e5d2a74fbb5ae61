package tests

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// Kept is a note of which everything is recorded.
type Kept struct {
	ID        uint
	Title     string
	Body      *string
	Slug      string `gorm:"<-:create"`
	CreatedAt time.Time
	UpdatedAt time.Time
	DeletedAt gorm.DeletedAt
	gormaudit.SoftBy[string]
}

func openKept(t *testing.T, d *dbtest.Database) (db, plain *gorm.DB) {
	t.Helper()
	db = d.Open(t)
	must(t, db.Use(gormaudit.New()))
	must(t, db.Use(history.New()))
	must(t, history.Migrate(db, &Kept{}, &Note{}))
	return db, d.Open(t)
}

// moment is the database's time, between two writes.
func moment(t *testing.T, d *dbtest.Database, db *gorm.DB) (now time.Time) {
	t.Helper()
	time.Sleep(3 * time.Millisecond)
	now = time.Now()
	if d.Kind == dbtest.Postgres {
		must(t, db.Raw("SELECT clock_timestamp()").Scan(&now).Error)
	}
	time.Sleep(3 * time.Millisecond)
	return now
}

// A row is put back whole, over whatever others have written, whether it is there,
// in the trash or gone; and that is a change of who did it.
func TestRestoreWritesARowAsItWas(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := openKept(t, d)
		me, you := db.WithContext(as(ann)), db.WithContext(as(bob))
		body := "b"
		must(t, me.Create(&Kept{ID: 1, Title: "a", Body: &body, Slug: "s"}).Error)
		must(t, me.Model(&Kept{ID: 1}).Update("body", nil).Error)
		then := moment(t, d, plain)
		var was Kept
		must(t, plain.First(&was, 1).Error)
		for _, spoil := range []struct {
			name  string
			takes int // changes: created_by is written by a statement of its own
			do    func()
		}{
			{"updates", 2, func() {
				must(t, you.Model(&Kept{ID: 1}).Updates(map[string]any{"title": "x", "body": "y"}).Error)
				must(t, you.Model(&Kept{ID: 1}).Update("title", "z").Error)
				must(t, plain.Exec("UPDATE kepts SET slug = 'forged', created_by = '666' WHERE id = 1").Error)
			}},
			{"trash", 1, func() { must(t, you.Delete(&Kept{ID: 1}).Error) }},
			{"deletion", 1, func() { must(t, you.Unscoped().Delete(&Kept{ID: 1}).Error) }},
			{"update of a row deleted later", 1, func() {
				must(t, you.Model(&Kept{ID: 1}).Update("body", "y").Error)
				must(t, you.Unscoped().Delete(&Kept{ID: 1}).Error)
			}},
			{"update after that", 1, func() { must(t, you.Model(&Kept{ID: 1}).Update("body", "y").Error) }},
		} {
			spoil.do()
			made, err := history.Restore[Kept](me, 1, then)
			must(t, err)
			if made.ID == 0 || made.ChangeSet.Actor != ann || made.Key[0] != "1" {
				t.Errorf("Restore after %s = %+v, want a change by ann", spoil.name, made)
			}
			changes, err := history.Of(db, &Kept{ID: 1})
			must(t, err)
			changes = slices.DeleteFunc(changes, func(c history.Change) bool { return c.ChangeSet.ID != made.ChangeSet.ID })
			if len(changes) != spoil.takes || changes[0].ID != made.ID {
				t.Errorf("Restore after %s made %d changes, want %d, and the last one returned", spoil.name, len(changes), spoil.takes)
			}
			var now Kept
			must(t, plain.Unscoped().First(&now, 1).Error)
			if now.Title != "a" || now.Body != nil || now.Slug != "s" || now.DeletedAt.Valid || now.DeletedBy != nil ||
				!now.CreatedAt.Equal(was.CreatedAt) || *now.CreatedBy != "42" || *now.UpdatedBy != "42" {
				t.Errorf("after Restore over %s: %+v by %s and %s, want %+v", spoil.name, now, *now.CreatedBy, *now.UpdatedBy, was)
			}
			if !now.UpdatedAt.After(was.UpdatedAt) {
				t.Errorf("after Restore over %s updated_at = %v, want a later one than %v", spoil.name, now.UpdatedAt, was.UpdatedAt)
			}
			if again, err := history.Restore[Kept](you, 1, time.Now().Add(time.Hour)); err != nil || again.ID != 0 {
				t.Errorf("Restore of what is there = %+v, %v, want nothing", again, err)
			}
		}
	})
}

func TestRestoreRefusesWhatIsNotRecorded(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := openKept(t, d)
		long := moment(t, d, plain)
		must(t, db.Create(&[]Note{{ID: 1, Title: "a", Secret: "s", Draft: "d"}, {ID: 2, Title: "a"}}).Error)
		must(t, db.Create(&Kept{ID: 1, Title: "a"}).Error)
		then := moment(t, d, plain)
		must(t, db.Model(&Note{ID: 1}).Updates(map[string]any{"title": "b", "draft": "e"}).Error)
		must(t, db.Model(&Note{ID: 1}).Update("secret", "t").Error)
		must(t, db.Unscoped().Delete(&Note{ID: 2}).Error)
		must(t, db.Unscoped().Delete(&Kept{ID: 1}).Error)
		refused := func(what string, err, want error) {
			t.Helper()
			if !errors.Is(err, want) {
				t.Errorf("Restore %s = %v, want %v", what, err, want)
			}
		}
		refused("over a redacted column", second(history.Restore[Note](db, 1, then)), history.ErrNotReversible)
		refused("of a gone row with columns that are left out", second(history.Restore[Note](db, 2, then)), history.ErrNotReversible)
		refused("to before there was a row", second(history.Restore[Note](db, 1, long)), history.ErrNotYet)
		refused("of what never was", second(history.Restore[Note](db, 9, then)), gorm.ErrRecordNotFound)
		refused("to after the deletion", second(history.Restore[Kept](db, 1, time.Now().Add(time.Hour))), history.ErrDeleted)
		must(t, db.Create(&Kept{ID: 1, Title: "another", Body: ptr("body")}).Error)
		must2(history.Restore[Kept](db, 1, then))
		var kept Kept
		must(t, plain.First(&kept, 1).Error)
		if kept.Title != "a" || kept.Body != nil {
			t.Errorf("after Restore over another row: %+v, want what was deleted", kept)
		}
		if err := second(history.Restore[Kept](db.Where("id = 1"), 1, then)); err == nil || !strings.Contains(err.Error(), "WHERE") {
			t.Errorf("Restore with conditions = %v, want an error", err)
		}
		// What is left out stays, and a redacted column that has not changed since too.
		var note Note
		must(t, plain.First(&note, 1).Error)
		if note.Title != "b" || note.Secret != "t" {
			t.Errorf("after refused Restores: %+v", note)
		}
		must(t, db.Model(&note).Update("title", "c").Error)
		must(t, db.Model(&Note{ID: 1}).Update("secret", "t").Error)
		before := moment(t, d, plain)
		must(t, db.Model(&Note{ID: 1}).Update("title", "d").Error)
		must2(history.Restore[Note](db, &Note{ID: 1}, before))
		must(t, plain.First(&note, 1).Error)
		if got := fmt.Sprint(note.Title, note.Secret, note.Draft); got != "cte" {
			t.Errorf("after Restore: title, secret, draft = %q, want cte", got)
		}
	})
}

// A column that something else than gormaudit writes is put back like any other.
func TestPuttingBackWithAnotherWriterOfItsColumns(t *testing.T) {
	t.Parallel()
	type Bill struct {
		ID        uint
		Amount    int
		UpdatedBy string `gorm:"autoUpdateBy:false"`
		DeletedBy string `gorm:"autoDeleteBy:false"`
	}
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := d.Open(t), d.Open(t)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &Bill{}))
		must(t, db.Create(&Bill{ID: 1, Amount: 1, UpdatedBy: "a"}).Error)
		then := moment(t, d, plain)
		must(t, db.Model(&Bill{ID: 1}).Updates(&Bill{Amount: 2, UpdatedBy: "b"}).Error)
		must(t, db.Model(&Bill{ID: 1}).Updates(&Bill{Amount: 3, UpdatedBy: "c"}).Error)
		must(t, history.Revert(db, last(t, plain, &Bill{ID: 1})))
		var now Bill
		must(t, plain.First(&now).Error)
		if want := (Bill{ID: 1, Amount: 2, UpdatedBy: "b"}); now != want {
			t.Errorf("after Revert the row is %+v, want %+v", now, want)
		}
		must2(history.Restore[Bill](db.WithContext(as(bob)), 1, then))
		must(t, plain.First(&now).Error)
		if now.Amount != 1 || now.UpdatedBy != "a" || last(t, plain, &now).ChangeSet.Actor != bob {
			t.Errorf("after Restore the row is %+v, by %v", now, last(t, plain, &now).ChangeSet.Actor)
		}
	})
}

// Without its plugins, what is put back would be nobody's.
func TestPuttingBackNeedsThePlugins(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := openKept(t, d)
		must(t, history.Migrate(db, &OldName{}))
		half := d.Open(t)
		must(t, half.Use(history.New()))
		stamping := d.Open(t)
		must(t, stamping.Use(gormaudit.New()))
		me := db.WithContext(as(ann))
		must(t, me.Create(&Kept{ID: 1, Title: "a"}).Error)
		must(t, me.Create(&OldName{ID: 1, Name: "a"}).Error)
		then := moment(t, d, plain)
		must(t, me.Model(&Kept{ID: 1}).Update("title", "b").Error)
		must(t, me.Model(&OldName{ID: 1}).Update("name", "b").Error)
		kept, bare := last(t, plain, &Kept{ID: 1}), last(t, plain, &OldName{ID: 1})
		before := count(t, plain, "whodunit_changes")
		for _, test := range []struct {
			name string
			db   *gorm.DB
			want string // of a row with by-columns
			bare string // of one without
		}{
			{"no plugin", plain, "history.New()", "history.New()"},
			{"only gormaudit's", stamping, "history.New()", "history.New()"},
			{"only the history's", half, `gormaudit.New()`, ""},
		} {
			on := test.db.WithContext(as(bob))
			for what, err := range map[string]error{
				"Revert": history.Revert(on, kept), "Restore": second(history.Restore[Kept](on, 1, then)),
				"Revert in a dry run": history.Revert(on.Session(&gorm.Session{DryRun: true}), kept),
			} {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("%s with %s = %v, want an error that names %s", what, test.name, err, test.want)
				}
			}
			if test.bare == "" {
				continue
			}
			for what, err := range map[string]error{"Revert": history.Revert(on, bare), "Restore": second(history.Restore[OldName](on, 1, then))} {
				if err == nil || !strings.Contains(err.Error(), test.bare) {
					t.Errorf("%s of a row without by-columns with %s = %v, want an error that names %s", what, test.name, err, test.bare)
				}
			}
		}
		if n := count(t, plain, "whodunit_changes"); n != before {
			t.Errorf("%d changes were made all the same", n-before)
		}
		must(t, history.Revert(half.WithContext(as(bob)), bare))
		must(t, history.Revert(db.WithContext(as(bob)), kept))
		var now Kept
		must(t, plain.First(&now, 1).Error)
		for what, c := range map[string]history.Change{"bare": last(t, plain, &OldName{ID: 1}), "kept": last(t, plain, &Kept{ID: 1})} {
			if c.ChangeSet.Actor != bob || *now.UpdatedBy != "7" {
				t.Errorf("the row %s was put back by %v, updated_by %q, want bob", what, c.ChangeSet.Actor, *now.UpdatedBy)
			}
		}
	})
}
