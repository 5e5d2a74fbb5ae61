//go:build cgo

package history_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
)

// Page is a model like any other. What its token was is nobody's business.
type Page struct {
	ID    uint
	Title string
	Stars int
	Token string `gorm:"history:redact"`
}

// openExample returns a database with a history of pages.
func openExample() (db *gorm.DB, end func()) {
	dir, err := os.MkdirTemp("", "history")
	if err != nil {
		panic(err)
	}
	dsn := "file:" + filepath.Join(dir, "example.db")
	db, err = gorm.Open(sqlite.Open(dsn), &gorm.Config{})
	if err != nil {
		panic(err)
	}
	if err := db.Use(history.New()); err != nil {
		panic(err)
	}
	if err := history.Migrate(db, &Page{}); err != nil {
		panic(err)
	}
	return db, func() {
		if pool, err := db.DB(); err == nil {
			_ = pool.Close()
		}
		_ = os.RemoveAll(dir)
	}
}

func show(changes []history.Change) {
	for _, c := range changes {
		fmt.Println(c.Action, "by", c.ChangeSet.Actor)
		for _, f := range c.Fields {
			if f.Redacted {
				fmt.Println(" ", f.Column, "changed")
				continue
			}
			fmt.Printf("  %s: %q > %q\n", f.Column, f.Before, f.After)
		}
	}
}

func Example() {
	db, end := openExample()
	defer end()

	ctx := actor.NewContext(context.Background(), actor.User(42))
	page := Page{Title: "Milk", Token: "s3cret"}
	db.WithContext(ctx).Create(&page)
	db.WithContext(ctx).Model(&page).Updates(Page{Title: "Milk, eggs", Token: "n3w"})

	changes, err := history.Of(db, &page)
	if err != nil {
		panic(err)
	}
	show(changes)
	// Output:
	// update by user:42
	//   title: "Milk" > "Milk, eggs"
	//   token changed
	// create by user:42
	//   id: "" > "1"
	//   title: "" > "Milk"
	//   stars: "" > "0"
	//   token changed
}

// Raw SQL is recorded too. In a transaction it has the actor of its context.
func Example_rawSQL() {
	db, end := openExample()
	defer end()
	db.Create(&Page{ID: 1, Title: "Milk"})

	ctx := actor.NewContext(context.Background(), actor.System("cleanup"))
	err := db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		return tx.Exec("UPDATE pages SET stars = stars + 1").Error
	})
	if err != nil {
		panic(err)
	}
	changes, err := history.Find(db, history.Query{Actors: []actor.Identity{actor.System("cleanup").Identity}})
	if err != nil {
		panic(err)
	}
	show(changes)
	// Output:
	// update by system:cleanup
	//   stars: "0" > "1"
}

func ExampleFind_paging() {
	db, end := openExample()
	defer end()
	page := Page{Title: "0"}
	db.Create(&page)
	for i := range 5 {
		db.Model(&page).Update("title", fmt.Sprint(i+1))
	}

	query := history.Query{Rows: []any{&page}, Limit: 2}
	changes, err := history.Find(db, query)
	if err != nil {
		panic(err)
	}
	query.Before = changes[len(changes)-1].ID
	changes, err = history.Find(db, query)
	if err != nil {
		panic(err)
	}
	for _, c := range changes {
		title, _ := c.Field("title")
		fmt.Println(title.Before, ">", title.After)
	}
	// Output:
	// 2 > 3
	// 1 > 2
}

func ExampleAt() {
	db, end := openExample()
	defer end()
	page := Page{Title: "Milk"}
	db.Create(&page)
	time.Sleep(2 * time.Millisecond)
	lunch := time.Now()
	time.Sleep(2 * time.Millisecond)
	db.Delete(&page)

	then, err := history.At[Page](db, page.ID, lunch)
	fmt.Println(then.Title, err)
	_, err = history.At[Page](db, page.ID, lunch.Add(-time.Hour))
	fmt.Println(errors.Is(err, history.ErrNotYet))
	_, err = history.At[Page](db, page.ID, time.Now().Add(time.Hour))
	fmt.Println(errors.Is(err, history.ErrDeleted))
	// Output:
	// Milk <nil>
	// true
	// true
}

func ExampleRevert() {
	db, end := openExample()
	defer end()
	page := Page{Title: "Milk"}
	db.Create(&page)
	db.Model(&page).Update("title", "Oops")

	changes, err := history.Of(db, &page)
	if err != nil {
		panic(err)
	}
	ctx := actor.NewContext(context.Background(), actor.User(7))
	if err := history.Revert(db.WithContext(ctx), changes[0]); err != nil {
		panic(err)
	}
	changes, err = history.Find(db, history.Query{Rows: []any{&page}, Limit: 1})
	if err != nil {
		panic(err)
	}
	show(changes)
	// Output:
	// update by user:7
	//   title: "Oops" > "Milk"
}

// What others have written since stays.
func ExampleConflictError() {
	db, end := openExample()
	defer end()
	page := Page{Title: "Milk"}
	db.Create(&page)
	db.Model(&page).Update("title", "Oops")
	changes, err := history.Of(db, &page)
	if err != nil {
		panic(err)
	}
	db.Model(&page).Update("title", "Oat milk")

	var conflict *history.ConflictError
	if err := history.Revert(db, changes[0]); errors.As(err, &conflict) {
		fmt.Println("somebody has changed", conflict.Columns)
	}
	// Output:
	// somebody has changed [title]
}

func ExampleChangeSetOf() {
	db, end := openExample()
	defer end()
	ctx := actor.NewContext(context.Background(), actor.User(42).As(actor.User(7)))
	ctx = actor.NewRequestContext(ctx, actor.Request{ID: "r-1", Method: "POST", Route: "/pages"})
	pages := []Page{{Title: "Milk"}, {Title: "Eggs"}}
	db.WithContext(ctx).Create(&pages)

	changes, err := history.Of(db, &pages[0])
	if err != nil {
		panic(err)
	}
	set, all, err := history.ChangeSetOf(db, changes[0].ChangeSet.ID)
	if err != nil {
		panic(err)
	}
	fmt.Println(len(all), "changes by", set.Actor, "in", set.Request.Method, set.Request.Route)
	// Output:
	// 2 changes by user:7 (by user:42) in POST /pages
}

func ExampleVerify() {
	db, end := openExample()
	defer end()
	fmt.Println(history.Verify(db, &Page{}))
	if err := history.Drop(db, &Page{}); err != nil {
		panic(err)
	}
	fmt.Println(history.Verify(db, &Page{}))
	// Output:
	// <nil>
	// history: table "pages": its triggers are missing (history.Migrate, or history.SQL?)
}

// The halves go around a migration of another tool.
func ExampleSQL() {
	db, end := openExample()
	defer end()
	drop, _, err := history.SQL(db, &Page{})
	if err != nil {
		panic(err)
	}
	fmt.Print(drop)
	// Output:
	// DROP TRIGGER IF EXISTS "whodunit_record_pages_insert";
	//
	// DROP TRIGGER IF EXISTS "whodunit_record_pages_update";
	//
	// DROP TRIGGER IF EXISTS "whodunit_record_pages_delete";
}

func ExampleOptions() {
	db, end := openExample()
	defer end()
	if err := (history.Options{AppendOnly: true}).Migrate(db, &Page{}); err != nil {
		panic(err)
	}
	db.Create(&Page{Title: "Milk"})
	err := db.Session(&gorm.Session{Logger: db.Logger.LogMode(1)}).Exec("DELETE FROM whodunit_changes").Error
	fmt.Println(err)
	// Output:
	// whodunit: the history is append-only
}

func ExamplePrune() {
	db, end := openExample()
	defer end()
	ctx := actor.NewContext(context.Background(), actor.User(42))
	db.WithContext(ctx).Create(&Page{Title: "Milk"})

	n, err := history.Prune(db, time.Now().AddDate(-2, 0, 0))
	fmt.Println(n, err)
	// Output:
	// 0 <nil>
}

func ExampleAnonymize() {
	db, end := openExample()
	defer end()
	ann := actor.User(42)
	ann.Name = "Ann"
	page := Page{Title: "Milk"}
	db.WithContext(actor.NewContext(context.Background(), ann)).Create(&page)

	privacy := actor.NewContext(context.Background(), actor.System("privacy"))
	n, err := history.Anonymize(db.WithContext(privacy), ann)
	fmt.Println(n, err)
	changes, err := history.Of(db, &page)
	if err != nil {
		panic(err)
	}
	fmt.Println(changes[0].ChangeSet.Actor, changes[0].ChangeSet.Actor.Name)
	// Output:
	// 1 <nil>
	// user:42 anonymized
}

func ExampleAs() {
	db, end := openExample()
	defer end()
	page := Page{Stars: 5}
	db.Create(&page)
	changes, err := history.Of(db, &page)
	if err != nil {
		panic(err)
	}
	f, _ := changes[0].Field("stars")
	stars, err := history.ValueAs[int](f.After)
	fmt.Println(stars+1, err)
	// Output:
	// 6 <nil>
}

// What writes with database/sql, such as the code that sqlc generates, says who
// acts in its transaction.
func ExampleDialect_Tell() {
	db, end := openExample()
	defer end()
	page := Page{Title: "Milk"}
	db.Create(&page)
	pool, err := db.DB()
	if err != nil {
		panic(err)
	}

	ctx := actor.NewContext(context.Background(), actor.User(42))
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		panic(err)
	}
	defer func() { _ = tx.Rollback() }()
	err = history.SQLite.Tell(ctx, tx, func() error {
		_, err := tx.ExecContext(ctx, "UPDATE pages SET stars = 5 WHERE id = ?", page.ID)
		return err
	})
	if err != nil {
		panic(err)
	}
	if err := tx.Commit(); err != nil {
		panic(err)
	}

	changes, err := history.Find(db, history.Query{Rows: []any{page}, Limit: 1})
	if err != nil {
		panic(err)
	}
	show(changes)
	// Output:
	// update by user:42
	//   stars: "0" > "5"
}
