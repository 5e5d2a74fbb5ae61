package tests

import (
	"fmt"
	"testing"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/audittest"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// suite are all models of a world, as a user would name them.
func suite[B bys]() []audittest.Option {
	name := func(i int) string { return fmt.Sprint("row ", i) }
	return []audittest.Option{
		audittest.Model(func(i int) *note[B] { return &note[B]{Title: name(i), Size: i} }),
		audittest.Model(func(i int) *writer[B] { return &writer[B]{Name: name(i)} }),
		audittest.Model(func(i int) *cover[B] { return &cover[B]{Name: name(i)} }),
		audittest.Model(func(i int) *comment[B] { return &comment[B]{Name: name(i)} }),
		audittest.Model(func(i int) *file[B] { return &file[B]{Name: name(i)} }),
		audittest.Model(func(i int) *post { return &post{Title: name(i)} }),
		audittest.Model(func(i int) *tag { return &tag{Name: name(i)} }),
		audittest.Model(func(i int) *postTag[B] { return &postTag[B]{PostID: uint(i), TagID: uint(i)} }),
		audittest.Model(func(i int) *prefixed[B] { return &prefixed[B]{Name: name(i)} }),
		audittest.Model(func(i int) *boxed[B] { return &boxed[B]{Name: name(i)} }),
		audittest.Model(func(i int) *paper[B] { return &paper[B]{Name: name(i), Version: 1} }),
		audittest.Model(func(i int) *guarded { return &guarded{Name: name(i)} }),
		audittest.Model(func(i int) *defaulted { return &defaulted{Name: name(i)} }),
		audittest.Model(func(i int) *packed { return &packed{Name: name(i)} }),
	}
}

var _ = time.Now

func runSuite[B bys](t *testing.T, kind string) {
	d := dbtest.New(t, kind)
	db := d.Open(t, &gorm.Config{Logger: logger.Discard, DisableForeignKeyConstraintWhenMigrating: true})
	must(t, db.SetupJoinTable(&post{}, "Tags", &postTag[B]{}))
	must(t, db.Use(gormaudit.NewWithConfig(gormaudit.Config{Models: known[B]()})))
	must(t, db.AutoMigrate(models[B]()...))
	audittest.Run(t, db, suite[B]()...)
}

func TestSuiteOnOurModels(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		t.Parallel()
		t.Run("texts", func(t *testing.T) { runSuite[texts](t, d.Kind) })
		t.Run("numbers", func(t *testing.T) { runSuite[numbers](t, d.Kind) })
		t.Run("pointers", func(t *testing.T) { runSuite[gormaudit.SoftBy[string]](t, d.Kind) })
	})
}
