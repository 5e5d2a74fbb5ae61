package tests

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// kept are the texts in GORM's cache of prepared statements.
func kept(db *gorm.DB) []string {
	return slices.Sorted(slices.Values(db.ConnPool.(*gorm.PreparedStmtDB).Stmts.Keys()))
}

// Each text stays in GORM's cache of prepared statements for a day, and in each
// connection. So the history's own stay out of it, and those of the application's
// tables don't become more by who acts, on which row and when.
func TestTheHistoryFillsNoCacheOfStatements(t *testing.T) {
	t.Parallel()
	type Visit struct {
		ID    uint
		Title string
		At    time.Time `gorm:"type:timestamp"`
		Score float32
	}
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		for _, skip := range []bool{false, true} {
			db := d.Open(t, &gorm.Config{Logger: logger.Discard, PrepareStmt: true, SkipDefaultTransaction: skip})
			must(t, db.Use(history.New()))
			for range 2 {
				must(t, history.Migrate(db, &Visit{}))
				must(t, history.Verify(db, &Visit{}))
			}
			day := func(id uint) {
				who := actor.User(id).As(actor.User(id + 1000))
				me := db.WithContext(because(as(who), map[string]string{"reason": fmt.Sprint("ticket ", id)}))
				visit := Visit{ID: id, Title: fmt.Sprint("visit ", id), At: time.Unix(int64(1_700_000_000+id), 0), Score: 0.1}
				must(t, me.Transaction(func(tx *gorm.DB) error {
					must(t, tx.Create(&visit).Error)
					must(t, tx.SavePoint("here").Error)
					must(t, tx.WithContext(as(bob)).Model(&visit).Update("title", "taken back").Error)
					must(t, tx.RollbackTo("here").Error)
					return tx.Exec("UPDATE visits SET title = ? WHERE id = ?", who.ID, id).Error
				}))
				created := pause()
				must(t, me.Model(&visit).Updates(map[string]any{"title": "b", "at": time.Unix(int64(id), 0), "score": id}).Error)
				must2(history.At[Visit](db, id, created))
				for _, err := range history.AllAt[Visit](db, created) {
					must(t, err)
				}
				rows := make([]Visit, id)
				for i := range rows {
					rows[i].ID = uint(i + 1)
				}
				must2(history.Last(db, rows))
				must2(history.Find(db, history.Query{Limit: int(id), Actors: []actor.Identity{who.Identity}, Since: created}))
				changes := must2(history.Of(db, &visit))
				_, _, err := history.ChangeSetOf(db, changes[0].ChangeSet.ID)
				must(t, err)
				must(t, history.Revert(me, changes[0]))
				must(t, db.Delete(&visit).Error)
				must2(history.Restore[Visit](me, id, created))
				must2(history.Anonymize(me, who))
			}
			for id := range uint(2) {
				day(id + 1)
			}
			must2(history.Prune(db, time.Now().Add(-time.Hour)))
			before := kept(db)
			for id := range uint(3) {
				day(id + 3)
			}
			must2(history.Prune(db, time.Now().Add(time.Hour)))
			must(t, history.Migrate(db, &Visit{}))
			must(t, history.Drop(db, &Visit{}))
			after := kept(db)
			sameLines(t, "the cache after more days", after, before...)
			for _, text := range after {
				if strings.Contains(text, "whodunit") {
					t.Errorf("the cache has %.200s", text)
				}
			}
			must(t, db.Migrator().DropTable(&Visit{}))
		}
	})
}

// What was prepared before another program migrates records what that says.
func TestAPreparedWriteAfterAMigration(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d, &gorm.Config{Logger: logger.Discard, PrepareStmt: true})
		note := Note{Title: "a"}
		must(t, db.WithContext(as(ann)).Create(&note).Error)
		created := pause()
		write := func(title string) {
			t.Helper()
			must(t, db.WithContext(as(ann)).Model(&note).Update("title", title).Error)
			must(t, db.WithContext(as(bob)).Exec("UPDATE notes SET stars = stars + 1 WHERE id = ?", note.ID).Error)
			must2(history.Of(db, &note))
			if err := db.First(&Note{}).Error; err != nil && d.Kind == dbtest.Postgres {
				return // GORM can't read a row any more: cached plan must not change result type
			}
			if row, err := history.At[Note](db, note.ID, created); err != nil || row.Title != "a" {
				t.Errorf("At, once the title is %s, = %+v, %v", title, row, err)
			}
		}
		write("b")
		must(t, history.Migrate(plain, &noteWithMood{}))
		must(t, plain.Exec("UPDATE notes SET mood = 'gay'").Error)
		write("c")
		must(t, plain.Migrator().DropColumn(&noteWithMood{}, "Body"))
		must(t, history.Migrate(plain, &noteWithMood{}))
		write("d")
		sameLines(t, "trail", trail(t, plain, &note)[1:],
			`update; user:42; title "a">"b"`, `update; user:7; stars "0">"1"`, `update; nobody said; mood NULL>"gay"`,
			`update; user:42; title "b">"c"`, `update; user:7; stars "1">"2"`,
			`update; user:42; title "c">"d"`, `update; user:7; stars "2">"3"`)
	})
}
