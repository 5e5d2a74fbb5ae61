package tests

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// order and item are two tables with by-columns that one UPDATE can change.
type (
	order struct {
		ID    uint
		Label string
		gormaudit.SoftBy[string]
		DeletedAt gorm.DeletedAt
	}
	item struct {
		ID      uint
		OrderID uint
		Name    string
		gormaudit.SoftBy[string]
		DeletedAt gorm.DeletedAt
	}
)

func (order) TableName() string { return "purchases" }

// MySQL and MariaDB change several tables in one UPDATE: those whose columns it
// sets. The others are only joined.
func TestUpdateOfSeveralTables(t *testing.T) {
	const untouched = "5 5 NULL"
	on := " ON i.order_id = o.id"
	tests := []struct {
		name        string
		update      func(db *gorm.DB) *gorm.DB
		order, item string
	}{
		{
			"both", func(db *gorm.DB) *gorm.DB {
				return db.Table("purchases o JOIN items i" + on).Where("o.id = 1").Updates(forged{"o.label": "x", "i.name": "y", "o.created_by": "66", "i.updated_by": "66"})
			}, "5 7 NULL", "5 7 NULL",
		},
		{
			"the first", func(db *gorm.DB) *gorm.DB {
				return db.Table("purchases AS o INNER JOIN items AS i" + on).Where("o.id = 1").Updates(forged{"o.label": "x"})
			}, "5 7 NULL", untouched,
		},
		{
			"the second, without its alias before the column", func(db *gorm.DB) *gorm.DB {
				return db.Table("purchases o JOIN items i" + on).Where("o.id = 1").Updates(forged{"name": "y"})
			}, untouched, "5 7 NULL",
		},
		{
			"names in full", func(db *gorm.DB) *gorm.DB {
				return db.Table("`purchases`, `items`").Where("purchases.id = 1 AND items.order_id = 1").
					Updates(forged{"purchases.label": "x", "`items`.`name`": "y", "items.CREATED_BY": "66"})
			}, "5 7 NULL", "5 7 NULL",
		},
		{
			"one that is not known", func(db *gorm.DB) *gorm.DB {
				return db.Table("bills b JOIN purchases o ON o.id = b.id").Where("b.id = 1").Updates(forged{"total": 3})
			}, untouched, untouched,
		},
		{
			"one that is not known, by its alias", func(db *gorm.DB) *gorm.DB {
				return db.Table("purchases o LEFT JOIN bills b ON o.id = b.id").Where("b.id = 1").Updates(forged{"b.total": 3})
			}, untouched, untouched,
		},
		{
			"one that is not known, and its model", func(db *gorm.DB) *gorm.DB {
				return db.Model(&bill{}).Table("bills b JOIN purchases o ON o.id = b.id").Where("b.id = 1").Updates(forged{"o.label": "x", "o.created_by": "66", "b.total": 3})
			}, "5 7 NULL", untouched,
		},
		{
			"a model", func(db *gorm.DB) *gorm.DB {
				return db.Model(&item{}).Unscoped().Table("items i JOIN purchases o" + on).Where("o.id = 1").Updates(forged{"name": "y", "created_by": "66"})
			}, untouched, "5 7 NULL",
		},
		{
			"a model that is only joined", func(db *gorm.DB) *gorm.DB {
				return db.Model(&item{}).Unscoped().Table("items i JOIN purchases o" + on).Where("o.id = 1").Updates(forged{"o.label": "y", "i.created_by": "66"})
			}, "5 7 NULL", "5 7 NULL", // an assignment to a by-column alone is a touch
		},
		{
			"forgeries alone", func(db *gorm.DB) *gorm.DB {
				return db.Table("purchases o JOIN items i" + on).Where("o.id = 1").Updates(forged{"o.created_by": "66"})
			}, "5 7 NULL", untouched,
		},
		{
			"nobody said, forgeries alone", func(db *gorm.DB) *gorm.DB {
				return db.WithContext(context.Background()).Table("purchases o JOIN items i" + on).Where("o.id = 1").Updates(forged{"o.created_by": "66", "i.updated_by": "66"})
			}, untouched, untouched,
		},
		{
			"deleted by hand", func(db *gorm.DB) *gorm.DB {
				return db.Table("purchases o JOIN items i" + on).Where("o.id = 1").Updates(forged{"i.deleted_at": now(), "o.label": "x"})
			}, "5 7 NULL", "5 7 7",
		},
		{
			"Omit", func(db *gorm.DB) *gorm.DB {
				return db.Table("purchases o JOIN items i" + on).Omit("updated_by").Where("o.id = 1").Updates(forged{"o.label": "x", "i.name": "y"})
			}, untouched, untouched,
		},
		{
			"Preserve", func(db *gorm.DB) *gorm.DB {
				return db.WithContext(gormaudit.Preserve(acting(7))).Table("purchases o JOIN items i" + on).Where("o.id = 1").
					Updates(forged{"o.label": "x", "o.updated_by": "8", "i.name": "y", "i.updated_by": "9"})
			}, "5 8 NULL", "5 9 NULL",
		},
		{
			"clause.Set", func(db *gorm.DB) *gorm.DB {
				to := func(table, name string) clause.Column { return clause.Column{Table: table, Name: name} }
				set := clause.Set{{Column: to("i", "updated_by"), Value: "66"}, {Column: to("i", "name"), Value: "y"}, {Column: to("i", "created_by"), Value: "66"}}
				return db.Table("purchases o JOIN items i" + on).Clauses(set).Where("o.id = 1").Updates(forged{})
			}, untouched, "5 7 NULL",
		},
		{
			"clause.Update", func(db *gorm.DB) *gorm.DB {
				table := clause.Table{Name: "purchases o JOIN items i" + on, Raw: true}
				return db.Model(&bill{}).Clauses(clause.Update{Table: table}).Where("o.id = 1").Updates(forged{"i.name": "y", "i.created_by": "66"})
			}, untouched, "5 7 NULL",
		},
	}
	for _, kind := range []string{dbtest.MariaDB, dbtest.MySQL} {
		s := newStage(t, dbtest.New(t, kind), gormaudit.Config{Models: []any{&order{}, &item{}}}, &order{}, &item{}, &bill{})
		by := gormaudit.SoftBy[string]{CreatedBy: ptr("5"), UpdatedBy: ptr("5")}
		for _, test := range tests {
			t.Run(fmt.Sprintf("%s, %s", kind, test.name), func(t *testing.T) {
				for _, table := range []string{"purchases", "items", "bills"} {
					must(t, s.plain.Exec("DELETE FROM "+table).Error)
				}
				ok(t, s.plain.Create(&order{ID: 1, SoftBy: by}))
				ok(t, s.plain.Create(&item{ID: 1, OrderID: 1, SoftBy: by}))
				ok(t, s.plain.Create(&bill{ID: 1}))
				must(t, test.update(s.user(7)).Error)
				columns := []string{"created_by", "updated_by", "deleted_by"}
				if got := s.cells(t, "purchases", 1, columns...); got != test.order {
					t.Errorf("the order holds %q, want %q", got, test.order)
				}
				if got := s.cells(t, "items", 1, columns...); got != test.item {
					t.Errorf("the item holds %q, want %q", got, test.item)
				}
			})
		}
	}
}

// What is told of an UPDATE of several tables names the table of its column.
func TestUpdateOfSeveralTablesIsToldOfTheRightOne(t *testing.T) {
	var w witness
	config := gormaudit.Config{Models: []any{&order{}, &item{}}, Observe: w.observe, Missing: gormaudit.Reject}
	s := newStage(t, dbtest.New(t, dbtest.MariaDB), config, &order{}, &item{})
	const join = "purchases o JOIN items i ON i.order_id = o.id"
	ok(t, s.user(7).Table(join).Where("o.id = 1").Updates(forged{"i.name": "y", "i.created_by": "66"}))
	err := s.Table(join).Where("o.id = 1").Updates(forged{"i.name": "y"}).Error
	if !errors.Is(err, gormaudit.ErrNoActor) || !strings.Contains(err.Error(), `"items"`) {
		t.Errorf("error is %v, want ErrNoActor that names items", err)
	}
	want := []string{"dropped update items.created_by", "no_context update items."}
	if got := w.takeTexts(gormaudit.EventDropped, gormaudit.EventNoContext); !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
	var wrong *gormaudit.ColumnError
	err = s.user(7).WithContext(contextOf(actor.User(strings.Repeat("x", 300)))).Table(join).Where("o.id = 1").Updates(forged{"i.name": "y"}).Error
	if !errors.As(err, &wrong) || wrong.Table != "items" {
		t.Errorf("error is %v, want a ColumnError about items", err)
	}
}

// Two tables of one name are told apart by the schemas before their columns.
func TestUpdateOfTablesOfOneNameInTwoSchemas(t *testing.T) {
	for _, kind := range []string{dbtest.MariaDB, dbtest.MySQL} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, dbtest.New(t, kind), gormaudit.Config{Models: []any{&item{}}}, &item{})
			other := &stage{plain: dbtest.New(t, kind).Open(t)}
			must(t, other.plain.AutoMigrate(&item{}))
			own, tenant := schemaName(t, s.plain)+".items", schemaName(t, other.plain)+".items"
			update := func(values forged) {
				t.Helper()
				ok(t, s.user(7).Table(own+", "+tenant).Where(own+".id = 1 AND "+tenant+".id = 1").Updates(values))
			}
			by := gormaudit.SoftBy[string]{CreatedBy: ptr("5"), UpdatedBy: ptr("5")}
			ok(t, s.plain.Create(&item{ID: 1, SoftBy: by}))

			ok(t, other.plain.Create(&item{ID: 1, SoftBy: by}))
			update(forged{tenant + ".name": "x", tenant + ".created_by": "66"}) // of a table that is not known
			if got := s.by(t, "items", 1) + ", " + other.by(t, "items", 1); got != "5 5, 66 5" {
				t.Errorf("before the other is known, rows hold %q, want 5 5, 66 5", got)
			}

			ok(t, s.user(5).Table(tenant).Create(&item{ID: 2}))
			update(forged{tenant + ".name": "y", tenant + ".created_by": "67", tenant + ".updated_by": "67"})
			if got := s.by(t, "items", 1) + ", " + other.by(t, "items", 1); got != "5 5, 66 7" {
				t.Errorf("rows hold %q, want 5 5, 66 7", got)
			}
			update(forged{own + ".name": "z", own + ".created_by": "67"})
			if got := s.by(t, "items", 1); got != "5 7" {
				t.Errorf("row holds %q, want 5 7", got)
			}
		})
	}
}
