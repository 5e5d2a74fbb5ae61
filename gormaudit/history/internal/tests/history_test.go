package tests

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

type Note struct {
	ID        uint
	Title     string
	Body      *string
	Stars     int
	Secret    string `gorm:"history:redact"`
	Draft     string `gorm:"history:-"`
	CreatedAt time.Time
	UpdatedAt time.Time
	DeletedAt gorm.DeletedAt
	CreatedBy *string
	UpdatedBy *string
}

var (
	ann = actor.Actor{Identity: actor.Identity{Kind: actor.KindUser, ID: "42", Name: "Ann"}}
	bob = actor.Actor{Identity: actor.Identity{Kind: actor.KindUser, ID: "7", Name: "Bob"}}
)

func as(a actor.Actor) context.Context { return actor.NewContext(context.Background(), a) }

// open returns a database with the plugin and triggers on Note, and one
// without the plugin.
func open(tb testing.TB, d *dbtest.Database, config ...*gorm.Config) (db, plain *gorm.DB) {
	tb.Helper()
	db = d.Open(tb, config...)
	if err := db.Use(history.New()); err != nil {
		tb.Fatal(err)
	}
	if err := history.Migrate(db, &Note{}); err != nil {
		tb.Fatal(err)
	}
	return db, d.Open(tb)
}

// signing gives db the plugins that it lacks to say who puts a row back.
func signing(tb testing.TB, db *gorm.DB) *gorm.DB {
	tb.Helper()
	for _, p := range []gorm.Plugin{gormaudit.New(), history.New()} {
		if db.Plugins[p.Name()] == nil {
			must(tb, db.Use(p))
		}
	}
	return db
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// trail is the changes of a note as lines, oldest first: action, who, columns.
func trail(tb testing.TB, db *gorm.DB, model any) []string {
	tb.Helper()
	changes := all(tb, db, history.Query{Rows: []any{model}})
	lines := make([]string, len(changes))
	for i, c := range changes {
		lines[len(changes)-1-i] = line(c)
	}
	return lines
}

// by is what somebody did, newest first.
func by(tb testing.TB, db *gorm.DB, who actor.Actor) []history.Change {
	tb.Helper()
	return all(tb, db, history.Query{Actors: []actor.Identity{who.Identity}})
}

// all is what [history.All] yields.
func all(tb testing.TB, db *gorm.DB, q history.Query) (changes []history.Change) {
	tb.Helper()
	for c, err := range history.All(db, q) {
		must(tb, err)
		changes = append(changes, c)
	}
	return changes
}

func line(c history.Change) string {
	text := func(v history.Value) string {
		if v.IsNull() {
			return "NULL"
		}
		return fmt.Sprintf("%q", v)
	}
	who := "nobody said"
	if c.ChangeSet.Attributed {
		who = c.ChangeSet.Actor.String()
	}
	parts := []string{string(c.Action), who}
	for _, f := range c.Fields {
		switch {
		case f.Bookkeeping:
		case f.Redacted:
			parts = append(parts, f.Column+" redacted")
		default:
			parts = append(parts, f.Column+" "+text(f.Before)+">"+text(f.After))
		}
	}
	return strings.Join(parts, "; ")
}

func sameLines(tb testing.TB, what string, got []string, want ...string) {
	tb.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		tb.Errorf("%s =\n  %s\nwant\n  %s", what, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestEveryWriteIsRecordedWithWhoDidIt(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		note := Note{Title: "a", Secret: "s1", Draft: "d"}
		must(t, db.WithContext(as(ann)).Create(&note).Error)
		must(t, db.WithContext(as(bob)).Model(&note).Update("title", "b").Error)
		must(t, db.WithContext(as(bob)).Model(&note).Updates(map[string]any{"secret": "s2", "draft": "e"}).Error)
		must(t, db.WithContext(as(bob)).Model(&note).Update("draft", "f").Error)
		must(t, db.Model(&note).Update("stars", 2).Error)
		must(t, plain.Exec("UPDATE notes SET body = '' WHERE id = ?", note.ID).Error)
		must(t, db.WithContext(as(actor.Actor{})).Model(&note).Update("stars", 3).Error)
		must(t, db.WithContext(as(ann)).Delete(&note).Error)
		must(t, db.WithContext(as(ann.As(bob))).Unscoped().Model(&note).Update("deleted_at", nil).Error)
		must(t, db.WithContext(as(ann)).Unscoped().Delete(&note).Error)
		changes, err := history.Of(plain, &note)
		must(t, err)
		restored := changes[1]
		if f, ok := restored.Field("deleted_at"); !ok || f.Before.IsNull() || !f.After.IsNull() {
			t.Errorf("Field(deleted_at) of %s = %v, %t, want a time before and NULL after", restored.Action, f, ok)
		}
		got := trail(t, plain, &note)
		for i := range got { // deletion times differ
			if at := strings.Index(got[i], "; deleted_at"); at >= 0 {
				got[i] = got[i][:at] + "; deleted_at"
			}
		}
		id := fmt.Sprint(note.ID)
		sameLines(t, "trail", got,
			`create; user:42; id NULL>"`+id+`"; title NULL>"a"; stars NULL>"0"; secret redacted`,
			`update; user:7; title "a">"b"`,
			`update; user:7; secret redacted`,
			`update; nobody said; stars "0">"2"`,
			`update; nobody said; body NULL>""`,
			`update; anonymous; stars "2">"3"`,
			`soft_delete; user:42; deleted_at`,
			`restore; user:7 (by user:42); deleted_at`,
			`delete; user:42; id "`+id+`">NULL; title "b">NULL; body "">NULL; stars "3">NULL; secret redacted`,
		)
	})
}
