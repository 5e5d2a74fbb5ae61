package audittest_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	_ "modernc.org/sqlite"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/audittest"
)

type Invoice struct {
	gorm.Model
	gormaudit.SoftBy[uint]
	Number string `gorm:"unique"`
	Lines  []Line
}

type Line struct {
	gorm.Model
	gormaudit.SoftBy[uint]
	InvoiceID *uint
	Text      string
}

// TestAudit is a test of the application's: func TestAudit(t *testing.T).
func Example() {
	TestAudit := func(t *testing.T) {
		db := openTestDB(t) // as the application opens it, with all its plugins
		audittest.Run(t, db,
			audittest.Model(func(i int) *Invoice { return &Invoice{Number: fmt.Sprint("invoice ", i)} }),
			audittest.Model(func(i int) *Line { return &Line{Text: fmt.Sprint("line ", i)} }),
		)
	}
	_ = TestAudit
}

func TestAudit(t *testing.T) {
	db := openTestDB(t) // as the application opens it, with all its plugins
	audittest.Run(t, db,
		audittest.Model(func(i int) *Invoice { return &Invoice{Number: fmt.Sprint("invoice ", i)} }),
		audittest.Model(func(i int) *Line { return &Line{Text: fmt.Sprint("line ", i)} }),
	)
}

func openTestDB(t *testing.T) *gorm.DB {
	t.Helper()
	dsn := "file:" + t.TempDir() + "/test.db?_pragma=foreign_keys(1)"
	db, err := gorm.Open(sqlite.New(sqlite.Config{DriverName: "sqlite", DSN: dsn}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if pool, err := db.DB(); err == nil {
			_ = pool.Close()
		}
	})
	if err := db.Use(gormaudit.New()); err != nil {
		t.Fatal(err)
	}
	if err := db.SetupJoinTable(&Post{}, "Tags", &PostTag{}); err != nil {
		t.Fatal(err)
	}
	if err := db.AutoMigrate(&Invoice{}, &Line{}, &Post{}, &Tag{}, &PostTag{}); err != nil {
		t.Fatal(err)
	}
	return db
}

type Post struct {
	gorm.Model
	Title string
	Tags  []Tag `gorm:"many2many:post_tags"`
}

type Tag struct {
	ID   uint
	Name string
}

type PostTag struct {
	PostID uint `gorm:"primaryKey"`
	TagID  uint `gorm:"primaryKey"`
	gormaudit.By[uint]
	Place int
}

// The foreign keys of a join table need rows in other tables. The function makes
// these, in a transaction in which Run tries everything.
func ExampleModel_joinTable() {
	TestPostTags := func(t *testing.T) {
		tx := openTestDB(t).Begin()
		defer tx.Rollback()
		audittest.Run(t, tx, audittest.Model(func(i int) *PostTag {
			post, tag := Post{Title: fmt.Sprint("post ", i)}, Tag{Name: fmt.Sprint("tag ", i)}
			if err := errors.Join(tx.Create(&post).Error, tx.Create(&tag).Error); err != nil {
				t.Fatal(err)
			}
			return &PostTag{PostID: post.ID, TagID: tag.ID, Place: i}
		}))
	}
	_ = TestPostTags
}

func TestPostTags(t *testing.T) {
	tx := openTestDB(t).Begin()
	defer tx.Rollback()
	audittest.Run(t, tx, audittest.Model(func(i int) *PostTag {
		post, tag := Post{Title: fmt.Sprint("post ", i)}, Tag{Name: fmt.Sprint("tag ", i)}
		if err := errors.Join(tx.Create(&post).Error, tx.Create(&tag).Error); err != nil {
			t.Fatal(err)
		}
		return &PostTag{PostID: post.ID, TagID: tag.ID, Place: i}
	}))
	if err := tx.Create(&PostTag{PostID: 4711, TagID: 4711}).Error; !strings.Contains(fmt.Sprint(err), "FOREIGN KEY") {
		t.Errorf("a link of rows that are not there = %v, want an error", err)
	}
}
