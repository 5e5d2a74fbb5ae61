package tests

import (
	"fmt"
	"testing"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

func TestACascadeIsNotByWhoeverWroteBefore(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		if d.Kind == dbtest.MariaDB || d.Kind == dbtest.MySQL {
			return // they hide cascades
		}
		db := d.Open(t)
		must(t, db.Use(history.New()))
		must(t, db.AutoMigrate(&parent{}))
		must(t, history.Migrate(db, &child{}, &Note{}))
		p := parent{Children: []child{{}}}
		must(t, db.Create(&p).Error)
		must(t, db.Transaction(func(tx *gorm.DB) error {
			must(t, tx.WithContext(as(ann)).Create(&Note{Title: "a"}).Error)
			return tx.WithContext(as(bob)).Delete(&p).Error
		}))
		c := last(t, db, &p.Children[0])
		if c.Action != history.ActionDelete || c.ChangeSet.Attributed && c.ChangeSet.Actor != bob {
			t.Errorf("%s by %v, want a delete by %v or nobody", c.Action, c.ChangeSet.Actor, bob)
		}
	})
}

type liveNote struct {
	ID    uint
	Title string
}

func TestFunctionsAndViewsAreNotByWhoeverWroteBefore(t *testing.T) {
	d := dbtest.New(t, dbtest.Postgres)
	_, plain := open(t, d)
	must(t, plain.Exec("CREATE FUNCTION star(n bigint) RETURNS int LANGUAGE sql AS 'UPDATE notes SET stars = stars + 1 WHERE id = n RETURNING stars'").Error)
	must(t, plain.Exec("CREATE VIEW live_notes AS SELECT * FROM notes WHERE deleted_at IS NULL").Error)
	db, trips := counting(t, d)
	must(t, db.Use(history.New()))
	note := Note{Title: "a"}
	must(t, db.WithContext(as(ann)).Create(&note).Error)
	var n []int
	for name, write := range map[string]func(tx *gorm.DB) error{
		"Raw.Scan": func(tx *gorm.DB) error { return tx.Raw("SELECT star(?)", note.ID).Scan(&n).Error },
		"Raw.Find": func(tx *gorm.DB) error { return tx.Raw("SELECT star(?)", note.ID).Find(&n).Error },
		"Pluck":    func(tx *gorm.DB) error { return tx.Model(&note).Pluck("star(id)", &n).Error },
		"view": func(tx *gorm.DB) error {
			return tx.Model(&liveNote{ID: note.ID}).Update("title", fmt.Sprint(trips.Load())).Error
		},
	} {
		cost := map[bool]int64{}
		for _, same := range []bool{true, false} {
			who := bob
			if same {
				who = ann
			}
			must(t, db.Transaction(func(tx *gorm.DB) error {
				must(t, tx.WithContext(as(ann)).Create(&Note{Title: "other"}).Error)
				before := trips.Load()
				err := write(tx.WithContext(as(who)))
				cost[same] = trips.Load() - before
				return err
			}))
			if c := last(t, plain, &note); c.Action != history.ActionUpdate || c.ChangeSet.Actor != who {
				t.Errorf("%s: %s by %v, want an update by %v", name, c.Action, c.ChangeSet.Actor, who)
			}
		}
		if cost[true] >= cost[false] {
			t.Errorf("%s took %d round trips for the same actor and %d for another, want fewer", name, cost[true], cost[false])
		}
	}
}
