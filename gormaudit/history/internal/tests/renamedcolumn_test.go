package tests

import (
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
