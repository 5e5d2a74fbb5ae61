//go:build cgo

package gormaudit_test

import (
	"encoding/json"
	"fmt"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit"
)

type Audit struct {
	AuthorID *uint   `gorm:"column:created_by;autoCreateBy" json:"created_by"`
	Author   *Person `gorm:"constraint:-" json:"-"`
	EditorID *uint   `gorm:"column:updated_by;autoUpdateBy" json:"updated_by"`
	Editor   *Person `gorm:"constraint:-" json:"-"`
}

type Person struct {
	ID        uint
	Name      string
	DeletedAt gorm.DeletedAt
	Audit
}

type Letter struct {
	ID uint
	Audit
}

// Where people have by-columns, too, a relation has no tag foreignKey: its name and
// that of its column are enough.
func ExampleBy_relationToStamped() {
	db := openMemory(gormaudit.Config{}, &Person{}, &Letter{})
	db.WithContext(signedIn("42")).Create(&Person{ID: 42, Name: "Ada"})
	db.WithContext(signedIn("42")).Create(&Person{ID: 43, Name: "Bea"})
	db.WithContext(signedIn("43")).Create(&Letter{ID: 1})

	var letter Letter
	db.Preload("Author.Author").Preload("Editor").Take(&letter)
	fmt.Println(letter.Author.Name, letter.Editor.Name, letter.Author.Author.Name)

	db.Delete(&Person{}, 43)
	letter = Letter{}
	db.Preload("Author").Take(&letter)
	text, err := json.Marshal(letter)
	fmt.Println(string(text), err)

	db.Preload("Author", func(db *gorm.DB) *gorm.DB { return db.Unscoped() }).Take(&letter)
	fmt.Println(letter.Author.Name)

	var bound Letter // a request can't insert a person
	err = json.Unmarshal([]byte(`{"author": {"name": "Eve"}, "Editor": {"name": "Eve"}}`), &bound)
	fmt.Println(bound.Author, bound.Editor, err)
	// Output:
	// Bea Bea Ada
	// {"ID":1,"created_by":43,"updated_by":43} <nil>
	// Bea
	// <nil> <nil> <nil>
}

// The join table of a many2many may have by-columns and a soft delete, as any table.
func ExampleSoftBy_joinTable() {
	type Tag struct{ ID uint }
	type Post struct {
		gorm.Model
		gormaudit.By[uint]
		Tags []Tag `gorm:"many2many:post_tags"`
	}
	type PostTag struct {
		PostID    uint `gorm:"primaryKey"`
		TagID     uint `gorm:"primaryKey"`
		DeletedAt gorm.DeletedAt
		gormaudit.SoftBy[uint]
	}
	db := openMemory(gormaudit.Config{})
	if err := db.SetupJoinTable(&Post{}, "Tags", &PostTag{}); err != nil {
		panic(err)
	}
	if err := db.AutoMigrate(&Post{}, &Tag{}, &PostTag{}); err != nil {
		panic(err)
	}
	post, tag := Post{}, Tag{ID: 5}
	db.WithContext(signedIn("42")).Create(&post)

	db = db.WithContext(signedIn("43"))
	check := func(err error) {
		if err != nil {
			panic(err)
		}
		fmt.Print(db.Model(&post).Association("Tags").Count(), " tags: ")
		printRow(db, "post_tags", "created_by", "updated_by", "deleted_by")
	}
	check(db.Model(&post).Association("Tags").Append(&tag))
	check(db.Model(&post).Association("Tags").Delete(&tag))
	check(db.Model(&post).Association("Tags").Append(&tag)) // does nothing
	err := db.Unscoped().Model(&PostTag{PostID: post.ID, TagID: tag.ID}).Update("deleted_at", nil).Error
	check(err)
	printRow(db, "posts", "created_by", "updated_by")
	// Output:
	// 1 tags: created_by 43, updated_by 43, deleted_by NULL
	// 0 tags: created_by 43, updated_by 43, deleted_by 43
	// 0 tags: created_by 43, updated_by 43, deleted_by 43
	// 1 tags: created_by 43, updated_by 43, deleted_by NULL
	// created_by 42, updated_by 43
}
