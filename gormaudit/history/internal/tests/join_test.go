package tests

import (
	"fmt"
	"testing"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// doc and label name each other, through one join table. doc has friends of its
// own kind, and stickers through a join table without a model.
type (
	doc struct {
		ID       uint
		Labels   []label   `gorm:"many2many:doc_labels"`
		Friends  []doc     `gorm:"many2many:friendships"`
		Stickers []sticker `gorm:"many2many:doc_stickers"`
	}
	label struct {
		ID   uint
		Docs []doc `gorm:"many2many:doc_labels"`
	}
	sticker    struct{ ID uint }
	docLabelV1 struct {
		DocID   uint `gorm:"primaryKey"`
		LabelID uint `gorm:"primaryKey"`
		Why     string
	}
	docLabelV2 struct {
		DocID   uint `gorm:"primaryKey"`
		LabelID uint `gorm:"primaryKey"`
		Why     string
		More    string
	}
	friendshipV1 struct {
		DocID    uint `gorm:"primaryKey"`
		FriendID uint `gorm:"primaryKey"`
		Why      string
	}
	friendshipV2 struct {
		DocID    uint `gorm:"primaryKey"`
		FriendID uint `gorm:"primaryKey"`
		Why      string
		More     string
	}
)

func (docLabelV1) TableName() string   { return "doc_labels" }
func (docLabelV2) TableName() string   { return "doc_labels" }
func (friendshipV1) TableName() string { return "friendships" }
func (friendshipV2) TableName() string { return "friendships" }

// openJoined opens a database whose associations go through these join models,
// if any.
func openJoined(t *testing.T, d *dbtest.Database, labels, friends any) *gorm.DB {
	t.Helper()
	db := d.Open(t)
	must(t, db.Use(history.New()))
	if labels != nil {
		must(t, db.SetupJoinTable(&doc{}, "Labels", labels))
		must(t, db.SetupJoinTable(&label{}, "Docs", labels))
		must(t, db.SetupJoinTable(&doc{}, "Friends", friends))
	}
	return db
}

// The models of join tables may stand anywhere among the others, whether
// SetupJoinTable knows them or not.
func TestMigrateOfJoinTablesInAnyOrder(t *testing.T) {
	orders := [][]int{{2, 3, 0, 1}, {0, 1, 2, 3}, {1, 0, 3, 2}, {3, 1, 2, 0}}
	if dbtest.LessUnderRace(t) {
		orders = orders[:1]
	}
	for _, setup := range []bool{true, false} {
		for _, order := range orders {
			t.Run(fmt.Sprint("setup ", setup, order), func(t *testing.T) {
				dbtest.Beside(t, []string{dbtest.SQLite, dbtest.Postgres, dbtest.MariaDB}, func(t *testing.T, d *dbtest.Database) { migrateJoined(t, d, setup, order) })
			})
		}
	}
}

func migrateJoined(t *testing.T, d *dbtest.Database, setup bool, order []int) {
	t.Helper()
	var db *gorm.DB
	for _, join := range [][2]any{{&docLabelV1{}, &friendshipV1{}}, {&docLabelV2{}, &friendshipV2{}}} {
		labels, friends := join[0], join[1]
		if db = openJoined(t, d, nil, nil); setup {
			db = openJoined(t, d, labels, friends)
		}
		all := []any{&doc{}, &label{}, labels, friends}
		var models []any
		for _, at := range order {
			models = append(models, all[at])
		}
		for range 2 {
			must(t, history.Migrate(db, models...))
			must(t, history.Verify(d.Open(t), models...))
		}
	}
	must(t, db.WithContext(as(ann)).Create(&doc{ID: 1, Labels: []label{{ID: 2}}}).Error)
	must(t, db.WithContext(as(ann)).Model(&docLabelV2{DocID: 1, LabelID: 2}).Update("more", "m").Error)
	got := trail(t, db, &docLabelV2{DocID: 1, LabelID: 2})
	if len(got) != 2 || got[1] != `update; user:42; more NULL>"m"` && got[1] != `update; user:42; more "">"m"` {
		t.Errorf("trail = %q, want a create and an update of more", got)
	}
}
