package main_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
)

// TestREADMEsHistory holds that what the README says of the history's output is
// what Example_history prints.
func TestREADMEsHistory(t *testing.T) {
	_, readme, _ := strings.Cut(read(t, "../README.md"), "## History\n```go\n")
	readme, _, _ = strings.Cut(readme, "```")
	program := strings.ReplaceAll(read(t, "history_example_test.go"), "\n\t", "\n")
	if readme == "" || !strings.Contains(program, readme) {
		t.Errorf("Example_history does not end with the README's block:\n%s", readme)
	}
}

func openNew() (db *gorm.DB, end func()) {
	dir, err := os.MkdirTemp("", "history")
	if err != nil {
		panic(err)
	}
	dsn := "file:" + filepath.ToSlash(filepath.Join(dir, "example.db"))
	if db, err = gorm.Open(sqlite.New(sqlite.Config{DriverName: "sqlite", DSN: dsn})); err != nil {
		panic(err)
	}
	return db, func() {
		if pool, err := db.DB(); err == nil {
			_ = pool.Close()
		}
		_ = os.RemoveAll(dir)
	}
}

//nolint:errcheck // as in the README, on a page; programs check
func Example_history() {
	type Page struct {
		ID    uint
		Title string
	}
	db, end := openNew()
	defer end()

	db.Use(history.New())
	history.Migrate(db, &Page{})                                  // AutoMigrate, and triggers that record
	ctx := actor.NewContext(context.Background(), actor.User(42)) // for a request, echoauth does this
	page := Page{Title: "Milk"}
	db.WithContext(ctx).Create(&page)
	db.WithContext(ctx).Model(&page).Update("title", "Milk, eggs")
	changes, _ := history.Of(db, &page) // newest first
	for _, c := range changes {
		title, _ := c.Field("title")
		fmt.Printf("%s by %s: %q > %q\n", c.Action, c.ChangeSet.Actor, title.Before, title.After)
	}
	// Output:
	// update by user:42: "Milk" > "Milk, eggs"
	// create by user:42: "" > "Milk"
}
