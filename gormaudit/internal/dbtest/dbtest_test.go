package dbtest_test

import (
	"testing"

	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

func TestEachDatabaseIsEmptyAndItsOwn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		type Thing struct{ ID uint }
		if err := d.Open(t).AutoMigrate(&Thing{}); err != nil {
			t.Fatal(err)
		}
		if other := dbtest.New(t, d.Kind).Open(t); other.Migrator().HasTable(&Thing{}) {
			t.Errorf("a second %s database has the first one's table", d.Kind)
		}
		if !d.Open(t).Migrator().HasTable(&Thing{}) {
			t.Errorf("a second pool of the same %s database does not see its table", d.Kind)
		}
	})
}

func TestANameWithSignsOfAURINamesADatabase(t *testing.T) {
	for _, name := range []string{"what?x=1", "a#b", "100%", "%41", "a b&c=d;e"} {
		t.Run(name, func(t *testing.T) { TestEachDatabaseIsEmptyAndItsOwn(t) })
	}
}
