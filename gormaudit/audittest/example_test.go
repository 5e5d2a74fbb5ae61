package audittest_test

import (
	"fmt"
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
	if err := db.AutoMigrate(&Invoice{}, &Line{}); err != nil {
		t.Fatal(err)
	}
	return db
}
