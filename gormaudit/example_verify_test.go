//go:build cgo

package gormaudit_test

import (
	"fmt"

	"gorm.io/gorm/clause"

	"github.com/seed-3826ef92/whodunit/gormaudit"
)

// A test or a program's start compares the models with the tables.
func ExampleVerify() {
	type Invoice struct {
		ID uint
		gormaudit.By[uint]
	}
	db := openMemory(gormaudit.Config{})
	db.Exec("CREATE TABLE invoices (id integer PRIMARY KEY, created_by integer NOT NULL)")

	fmt.Println(gormaudit.Verify(db, &Invoice{}))

	db.Exec("DROP TABLE invoices")
	if err := db.AutoMigrate(&Invoice{}); err != nil {
		panic(err)
	}
	fmt.Println(gormaudit.Verify(db, &Invoice{}))
	// Output:
	// gormaudit: invoices.created_by is of type *uint: the database's column is NOT NULL, but a write by nobody puts NULL there: drop NOT NULL
	// gormaudit: invoices.updated_by is of type *uint: the table has no such column: migrate it, or turn the field off with the tag gorm:"autoUpdateBy:false"
	// <nil>
}

// By has no index. Fields of one's own in its place have one.
func ExampleBy_index() {
	type Post struct {
		ID        uint
		CreatedBy *uint `gorm:"index"` // WHERE created_by = ?
		UpdatedBy *uint
	}
	db := openMemory(gormaudit.Config{}, &Post{})
	fmt.Println(db.Migrator().HasIndex(&Post{}, "CreatedBy"))
	// Output: true
}

// A relation gives the person behind an id. Where rows are to outlive their
// people it has no foreign key.
func ExampleBy_relation() {
	type Person struct {
		ID   uint
		Name string
	}
	type Letter struct {
		ID uint
		gormaudit.By[uint]
		Creator *Person `gorm:"foreignKey:CreatedBy;references:ID;constraint:-" json:"-"`
	}
	db := openMemory(gormaudit.Config{}, &Person{}, &Letter{})
	db.Create(&Person{ID: 42, Name: "Ada"})
	db.WithContext(signedIn("42")).Create(&Letter{ID: 1})

	var letter Letter
	db.Preload("Creator").Take(&letter)
	fmt.Println(letter.Creator.Name, db.Migrator().HasConstraint(&Letter{}, "Creator"))

	db.Omit(clause.Associations).Create(&Letter{ID: 2, Creator: &Person{Name: "Eve"}})
	var people int64
	db.Model(&Person{}).Count(&people)
	fmt.Println(people, "person")

	db.Delete(&Person{}, 42)
	printRow(db, "letters", "created_by")
	// Output:
	// Ada false
	// 1 person
	// created_by 42
}

// A foreign key needs a column that can hold nobody, and a rule for the day on
// which a person is deleted.
func ExampleBy_foreignKey() {
	type Person struct{ ID uint }
	type Letter struct {
		ID          uint
		CreatedByID *uint
		CreatedBy   *Person `gorm:"constraint:OnDelete:SET NULL" json:"-"`
	}
	db := openMemory(gormaudit.Config{}, &Person{}, &Letter{})
	fmt.Println(gormaudit.Verify(db, &Letter{}))
	// Output: <nil>
}
