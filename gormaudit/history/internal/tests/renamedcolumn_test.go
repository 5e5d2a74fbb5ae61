package tests

import (
	"slices"
	"testing"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// earlierArticle is Article before its column was renamed.
type earlierArticle struct {
	ID    uint
	Title string
}

func (earlierArticle) TableName() string { return "articles" }

type Article struct {
	ID      uint
	Heading string `gorm:"history:was:title"`
}

// renameTitle is the migration of migrations.md's "A renamed column".
func renameTitle(db *gorm.DB) error {
	err := db.Transaction(func(tx *gorm.DB) error {
		if tx.Migrator().HasColumn(&Article{}, "title") {
			if err := tx.Migrator().RenameColumn(&Article{}, "title", "heading"); err != nil {
				return err
			}
		}
		return history.Migrate(tx, &Article{})
	})
	return err
}

// A column that is renamed keeps its past, by a program and by SQL files. An earlier
// release then can't write, and reads nothing in the column.
func TestARenamedColumn(t *testing.T) {
	t.Parallel()
	for name, rename := range map[string]func(t *testing.T, db *gorm.DB){
		"by Migrate": func(t *testing.T, db *gorm.DB) {
			for range 2 {
				must(t, renameTitle(db))
			}
		},
		"by a file": func(t *testing.T, db *gorm.DB) {
			_, create := texts(t, db, &Article{})
			runScript(t, db, "ALTER TABLE articles RENAME COLUMN title TO heading")
			runScript(t, db, create)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
				db := d.Open(t)
				must(t, db.Use(history.New()))
				must(t, history.Migrate(db, &earlierArticle{}))
				must(t, db.WithContext(as(ann)).Create(&earlierArticle{ID: 1, Title: "a"}).Error)
				then := pause()
				rename(t, db)
				must(t, history.Verify(db, &Article{}))
				must(t, db.WithContext(as(bob)).Model(&Article{ID: 1}).Update("heading", "b").Error)
				sameLines(t, "the trail", trail(t, db, &Article{ID: 1}), `create; user:42; id NULL>"1"; heading NULL>"a"`, `update; user:7; heading "a">"b"`)
				wantAt(t, db, "before the renaming", 1, then, Article{1, "a"}, nil)

				var earlier earlierArticle
				must(t, db.First(&earlier).Error)
				if earlier.Title != "" {
					t.Errorf("an earlier release reads %q, want nothing", earlier.Title)
				}
				if err := db.Model(&earlier).Update("title", "c").Error; err == nil {
					t.Error("an earlier release can write")
				}
				must(t, history.Migrate(db, &earlierArticle{}))
				if err := renameTitle(db); err == nil {
					t.Error("the column that an earlier release's Migrate added is renamed, too")
				}
				must(t, db.Migrator().DropColumn(&earlierArticle{}, "title"))
				must(t, renameTitle(db))
				must(t, history.Verify(db, &Article{}))
				must(t, db.WithContext(as(ann)).Model(&Article{ID: 1}).Update("heading", "c").Error)
				wantAt(t, db, "before the renaming, in the end", 1, then, Article{1, "a"}, nil)
			})
		})
	}
}

// An earlier release that starts again adds a column of the old name, and changes may have
// both. Once that column is dropped, the renamed one is recorded once, and read once.
func TestAColumnThatAnEarlierReleaseAddedAgain(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &earlierArticle{}))
		must(t, renameTitle(db))
		me := db.WithContext(as(ann))
		must(t, me.Create([]Article{{1, "one"}, {2, "one"}}).Error)
		must(t, history.Migrate(db, &earlierArticle{}))
		must(t, me.Model(&earlierArticle{ID: 2}).Update("title", "theirs").Error)
		must(t, me.Delete(&Article{ID: 2}).Error)
		if err := renameTitle(db); err == nil {
			t.Error("the column that an earlier release's Migrate added is renamed, too")
		}
		must(t, db.Migrator().DropColumn(&earlierArticle{}, "title"))
		must(t, renameTitle(db))
		must(t, history.Verify(db, &Article{}))

		must(t, me.Model(&Article{ID: 1}).Update("heading", "two").Error)
		must(t, me.Delete(&Article{ID: 1}).Error)
		sameLines(t, "the trail", trail(t, d.Open(t), &Article{ID: 1}), `create; user:42; id NULL>"1"; heading NULL>"one"`,
			`update; user:42; heading "one">"two"`, `delete; user:42; id "1">NULL; heading "two">NULL`)
		sameLines(t, "the trail of a row with both", trail(t, d.Open(t), &Article{ID: 2})[2:], `delete; user:42; id "2">NULL; heading "one">NULL; title "theirs">NULL`)
		for _, id := range []uint{1, 2} {
			must(t, history.Revert(me, last(t, db, &Article{ID: id})))
		}
		var now []Article
		must(t, d.Open(t).Order("id").Find(&now).Error)
		if want := []Article{{1, "two"}, {2, "one"}}; !slices.Equal(now, want) {
			t.Errorf("the rows are %v, want %v", now, want)
		}
	})
}

// A column that is recorded under its new name stays so, although the earlier release left
// the column of the old name out, which it has added again.
func TestAColumnThatIsRecordedUnderItsNewNameOnly(t *testing.T) {
	t.Parallel()
	type articles struct {
		ID    uint
		Title string `gorm:"history:-"`
	}
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, history.Migrate(db, &articles{}))
		must(t, db.Migrator().RenameColumn(&Article{}, "title", "heading"))
		must(t, history.Options{Exact: true}.Migrate(db, &Article{}))
		must(t, history.Migrate(db, &articles{}))
		must(t, history.Options{RequireActor: true}.Migrate(db, &articles{})) // which writes the triggers anew
		must(t, db.Migrator().DropColumn(&articles{}, "title"))
		must(t, renameTitle(db))
		must(t, db.Use(history.New()))
		must(t, db.WithContext(as(ann)).Create(&Article{1, "a"}).Error)
		sameLines(t, "the trail", trail(t, d.Open(t), &Article{ID: 1}), `create; user:42; id NULL>"1"; heading NULL>"a"`)
	})
}

// On the way back of SQL files, the old field needs a tag too, or it has none of the
// values that were recorded under the new name.
func TestTheWayBackOfARenamedColumn(t *testing.T) {
	t.Parallel()
	type untagged struct {
		ID    uint
		Title string
	}
	type tagged struct {
		ID    uint
		Title string `gorm:"history:was:heading"`
	}
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &earlierArticle{}))
		must(t, renameTitle(db))
		me := db.WithContext(as(ann))
		must(t, me.Create(&Article{1, "a"}).Error)
		then := pause()
		must(t, me.Model(&Article{ID: 1}).Update("heading", "b").Error)

		drop, _ := texts(t, db, &Article{})
		runScript(t, db, drop)
		runScript(t, db, "ALTER TABLE articles RENAME COLUMN heading TO title")
		_, create := texts(t, db, &earlierArticle{})
		runScript(t, db, create)
		table := d.Open(t).Table("articles")
		if got := must2(history.At[untagged](table, 1, then)); got.Title != "b" {
			t.Errorf("without the tag the title was %q, want %q, as migrations.md warns", got.Title, "b")
		}
		if got := must2(history.At[tagged](table, 1, then)); got.Title != "a" {
			t.Errorf("with the tag the title was %q, want %q", got.Title, "a")
		}
	})
}
