//go:build cgo

package gormaudit_test

import (
	"context"
	"encoding/json"
	"fmt"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

func ExampleBy() {
	type Invoice struct {
		ID uint `json:"id"`
		gormaudit.By[uint]
	}
	db := openMemory(gormaudit.Config{}, &Invoice{})

	ctx := actor.NewContext(context.Background(), actor.User(42))
	invoice := Invoice{ID: 1}
	db.WithContext(ctx).Create(&invoice)

	out, _ := json.Marshal(invoice)
	fmt.Println(string(out))
	// Output: {"id":1,"created_by":42,"updated_by":42}
}

func ExampleSoftBy() {
	type Draft struct {
		ID uint
		gormaudit.SoftBy[uint]
		DeletedAt gorm.DeletedAt
	}
	db := openMemory(gormaudit.Config{}, &Draft{})

	ctx := actor.NewContext(context.Background(), actor.User(42))
	db.WithContext(ctx).Create(&Draft{ID: 1})
	db.WithContext(ctx).Delete(&Draft{}, 1)
	printRow(db, "drafts", "created_by", "updated_by", "deleted_by")

	// Bringing the row back clears deleted_by.
	db.WithContext(ctx).Unscoped().Model(&Draft{ID: 1}).Update("deleted_at", nil)
	printRow(db, "drafts", "created_by", "updated_by", "deleted_by")
	// Output:
	// created_by 42, updated_by 42, deleted_by 42
	// created_by 42, updated_by 42, deleted_by NULL
}

// Tags make any field a by-column, and turn off one that is found by its name.
func Example_tags() {
	type Article struct {
		ID        uint
		Author    string `gorm:"autoCreateBy"`
		Editor    string `gorm:"autoUpdateBy;column:last_editor"`
		UpdatedBy string `gorm:"autoUpdateBy:false"` // the application's own business
	}
	db := openMemory(gormaudit.Config{}, &Article{})

	db.WithContext(signedIn("ada")).Create(&Article{ID: 1, UpdatedBy: "a script"})
	db.WithContext(signedIn("grace")).Save(&Article{ID: 1, UpdatedBy: "another script"})
	printRow(db, "articles", "author", "last_editor", "updated_by")
	// Output: author ada, last_editor grace, updated_by another script
}

// The id of an actor who is not a user fits a text column only. There it can't
// be taken for a user's.
func Example_kinds() {
	type Ticket struct {
		ID        uint
		CreatedBy string
		UpdatedBy *uint
	}
	db := openMemory(gormaudit.Config{}, &Ticket{})

	ctx := actor.NewContext(context.Background(), actor.Service(7))
	db.WithContext(ctx).Create(&Ticket{ID: 1})
	printRow(db, "tickets", "created_by", "updated_by")
	// Output: created_by service:7, updated_by NULL
}

func ExampleColumnError() {
	type Seat struct {
		ID        uint
		CreatedBy uint8
	}
	db := openMemory(gormaudit.Config{}, &Seat{})

	ctx := actor.NewContext(context.Background(), actor.User(300))
	fmt.Println(db.WithContext(ctx).Create(&Seat{ID: 1}).Error)
	// Output: gormaudit: seats.created_by is of type uint8 and can't hold the id "300" of the actor "user:300": value out of range
}
