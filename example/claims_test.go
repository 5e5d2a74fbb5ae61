package main_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// What the README says in a sentence of GORM and the databases.

// TestSaveOverwritesCreatedAt holds that created_at stays GORM's, and that a
// tag keeps it.
func TestSaveOverwritesCreatedAt(t *testing.T) {
	type bare struct {
		ID        uint
		CreatedAt time.Time
		gormaudit.By[uint]
	}
	type tagged struct {
		ID        uint
		CreatedAt time.Time `gorm:"<-:create"`
		gormaudit.By[uint]
	}
	db := openEmpty(t)
	as := func(id uint) *gorm.DB { return db.WithContext(actor.NewContext(context.Background(), actor.User(id))) }
	then := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, statement := range []error{
		db.Use(gormaudit.New()),
		db.AutoMigrate(&bare{}, &tagged{}),
		as(1).Create(&bare{ID: 1, CreatedAt: then}).Error,
		as(1).Create(&tagged{ID: 1, CreatedAt: then}).Error,
		as(2).Save(&bare{ID: 1}).Error, // not read first
		as(2).Save(&tagged{ID: 1}).Error,
	} {
		if statement != nil {
			t.Fatal(statement)
		}
	}
	expectRow(t, pool(t, db), "SELECT (created_at LIKE '2020%') || ' ' || created_by || ' ' || updated_by FROM bares", "0 1 2")
	expectRow(t, pool(t, db), "SELECT (created_at LIKE '2020%') || ' ' || created_by || ' ' || updated_by FROM taggeds", "1 1 2")
}

// TestUUIDColumns holds that PostgreSQL's own type takes Config.Models.
func TestUUIDColumns(t *testing.T) {
	type note struct {
		ID uint
		gormaudit.By[uuid.UUID]
	}
	for want, config := range map[string]gormaudit.Config{
		"character varying": {},
		"uuid":              {Models: []any{&note{}}},
	} {
		d := newPostgres(t)
		db, err := gorm.Open(postgres.New(postgres.Config{DriverName: d.driver, DSN: d.dsn}), &gorm.Config{Logger: logger.Discard})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = pool(t, db).Close() })
		for _, step := range []error{db.Use(gormaudit.NewWithConfig(config)), db.AutoMigrate(&note{})} {
			if step != nil {
				t.Fatal(step)
			}
		}
		expectRow(t, pool(t, db), "SELECT data_type FROM information_schema.columns "+
			"WHERE table_schema = current_schema() AND column_name = 'created_by'", want)
	}
}
