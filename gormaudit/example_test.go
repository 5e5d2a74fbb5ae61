//go:build cgo

package gormaudit_test

import (
	"context"
	"fmt"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// Note is the model of the examples.
type Note struct {
	gorm.Model
	gormaudit.SoftBy[string]
	Title string
}

// openMemory opens an empty database in memory, with the plugin.
func openMemory(config gormaudit.Config, models ...any) *gorm.DB {
	db, err := gorm.Open(sqlite.Open(":memory:"), &gorm.Config{Logger: logger.Discard})
	if err != nil {
		panic(err)
	}
	pool, err := db.DB()
	if err != nil {
		panic(err)
	}
	pool.SetMaxOpenConns(1) // each connection has a memory of its own
	if err := db.AutoMigrate(models...); err != nil {
		panic(err)
	}
	if err := db.Use(gormaudit.NewWithConfig(config)); err != nil {
		panic(err)
	}
	return db
}

// signedIn is what a middleware does: it puts the actor into the context.
func signedIn(id string) context.Context {
	return actor.NewContext(context.Background(), actor.User(id))
}

// printRow prints a row's columns as the database holds them.
func printRow(db *gorm.DB, table string, columns ...string) {
	row := map[string]any{}
	if err := db.Table(table).Take(&row).Error; err != nil {
		panic(err)
	}
	for n, column := range columns {
		if n > 0 {
			fmt.Print(", ")
		}
		if row[column] == nil {
			row[column] = "NULL"
		}
		fmt.Print(column, " ", row[column])
	}
	fmt.Println()
}

func Example() {
	db := openMemory(gormaudit.Config{}, &Note{})

	note := Note{Title: "Hello"}
	db.WithContext(signedIn("ada")).Create(&note)
	printRow(db, "notes", "created_by", "updated_by", "deleted_by")

	db.WithContext(signedIn("grace")).Model(&note).Update("title", "Hello, world")
	printRow(db, "notes", "created_by", "updated_by", "deleted_by")

	db.WithContext(signedIn("linus")).Delete(&note)
	printRow(db, "notes", "created_by", "updated_by", "deleted_by")
	// Output:
	// created_by ada, updated_by ada, deleted_by NULL
	// created_by ada, updated_by grace, deleted_by NULL
	// created_by ada, updated_by grace, deleted_by linus
}

func ExampleNew() {
	db, err := gorm.Open(sqlite.Open(":memory:"), &gorm.Config{})
	if err != nil {
		panic(err)
	}
	fmt.Println(db.Use(gormaudit.New()))
	fmt.Println(db.Use(gormaudit.New()))
	// Output:
	// <nil>
	// registered
}
