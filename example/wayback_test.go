package main_test

import (
	"context"
	"errors"
	"testing"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
)

func removeHistory(db *gorm.DB) error {
	return history.Drop(db, &Note{}, &Tag{})
}

// TestTheWayBack goes the way that gormaudit/upgrading.md describes.
func TestTheWayBack(t *testing.T) {
	db := openEmpty(t)
	demanding := history.Options{RequireActor: true}
	if err := errors.Join(db.Use(gormaudit.New()), db.Use(history.New()), demanding.Migrate(db, &Note{}, &Tag{})); err != nil {
		t.Fatal(err)
	}
	note := Note{Title: "Milk"}
	if err := db.WithContext(actor.NewContext(context.Background(), actor.User(42))).Create(&note).Error; err != nil {
		t.Fatal(err)
	}
	plain, err := gorm.Open(db.Dialector, &gorm.Config{Logger: logger.Discard})
	if err != nil {
		t.Fatal(err)
	}
	rename := func() error { return plain.Exec("UPDATE notes SET title = 'Eggs'").Error }
	if rename() == nil {
		t.Error("a write that nobody signs is let through before the history is gone")
	}
	if err := errors.Join(removeHistory(db), rename()); err != nil {
		t.Error(err)
	}
	changes, err := history.Of(plain, &note)
	if err != nil || len(changes) != 1 || changes[0].ChangeSet.Actor.ID != "42" {
		t.Errorf("history.Of = %+v, %v, want what was recorded", changes, err)
	}

	type Note struct { // without its by-columns
		gorm.Model
		Title string
	}
	if err := errors.Join(plain.AutoMigrate(&Note{}), plain.Create(&Note{Title: "Tea"}).Error); err != nil {
		t.Error(err)
	}
	expectRow(t, pool(t, plain), "SELECT group_concat(title || ' ' || coalesce(created_by, 'NULL'), ', ') FROM notes", "Eggs 42, Tea NULL")
}
