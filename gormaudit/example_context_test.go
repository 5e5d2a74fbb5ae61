//go:build cgo

package gormaudit_test

import (
	"context"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// An import keeps who created a row elsewhere, and says who imported the rest.
func ExamplePreserve() {
	db := openMemory(gormaudit.Config{}, &Note{})
	ctx := gormaudit.Preserve(signedIn("importer"))

	author := "ada"
	db.WithContext(ctx).Create(&Note{SoftBy: gormaudit.SoftBy[string]{CreatedBy: &author}})
	printRow(db, "notes", "created_by", "updated_by")
	// Output: created_by ada, updated_by importer
}

// Nobody did it: a counter goes up and updated_by stays.
func ExampleSkip() {
	type Page struct {
		ID    uint
		Views int
		gormaudit.By[string]
	}
	db := openMemory(gormaudit.Config{}, &Page{})
	db.WithContext(signedIn("ada")).Create(&Page{ID: 1})

	ctx := gormaudit.Skip(signedIn("visitor"))
	db.WithContext(ctx).Model(&Page{ID: 1}).Update("views", gorm.Expr("views + 1"))
	printRow(db, "pages", "views", "updated_by")
	// Output: views 1, updated_by ada
}

// A job has no request. It says itself who it is.
func Example_job() {
	db := openMemory(gormaudit.Config{Missing: gormaudit.Reject}, &Note{})
	db.WithContext(signedIn("ada")).Create(&Note{Title: "Old"})

	archive := func(ctx context.Context) error {
		ctx = actor.NewContext(ctx, actor.System("archiver"))
		return db.WithContext(ctx).Where("title = ?", "Old").Delete(&Note{}).Error
	}
	fmt.Println(archive(context.Background()))
	printRow(db, "notes", "created_by", "deleted_by")
	// Output:
	// <nil>
	// created_by ada, deleted_by system:archiver
}

// GORM's generic functions take the context with each call.
func Example_generics() {
	db := openMemory(gormaudit.Config{}, &Note{})

	if err := gorm.G[Note](db).Create(signedIn("ada"), &Note{Title: "Hello"}); err != nil {
		panic(err)
	}
	_, err := gorm.G[Note](db).Where("title = ?", "Hello").Update(signedIn("grace"), "title", "Hello, world")
	fmt.Println(err)
	printRow(db, "notes", "title", "created_by", "updated_by")
	// Output:
	// <nil>
	// title Hello, world, created_by ada, updated_by grace
}

// An upsert that finds a row keeps who created it.
func Example_upsert() {
	db := openMemory(gormaudit.Config{}, &Note{})
	upsert := func(ctx context.Context, title string) {
		note := Note{Model: gorm.Model{ID: 1}, Title: title}
		db.WithContext(ctx).Clauses(clause.OnConflict{UpdateAll: true}).Create(&note)
	}
	upsert(signedIn("ada"), "Hello")
	upsert(signedIn("grace"), "Hello, world")
	printRow(db, "notes", "title", "created_by", "updated_by")
	// Output: title Hello, world, created_by ada, updated_by grace
}

// A forged created_by is dropped, and the rest of the update runs.
func Example_forged() {
	db := openMemory(gormaudit.Config{}, &Note{})
	db.WithContext(signedIn("ada")).Create(&Note{Model: gorm.Model{ID: 1}})

	body := map[string]any{"title": "Hi", "created_by": "mallory", "UPDATED_BY": "mallory"}
	db.WithContext(signedIn("grace")).Model(&Note{Model: gorm.Model{ID: 1}}).Updates(body)
	printRow(db, "notes", "title", "created_by", "updated_by")
	// Output: title Hi, created_by ada, updated_by grace
}
