package tests

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"testing"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// capped is a number whose type makes a great one smaller.
type capped int64

func (c capped) Value() (driver.Value, error) { return int64(c), nil }

func (c *capped) Scan(src any) error {
	n, ok := src.(int64)
	if !ok {
		return fmt.Errorf("capped: %T", src)
	}
	*c = capped(min(n, 99))
	return nil
}

// pair is a model whose two by-columns differ.
type pair[C, U any] struct {
	ID        uint
	CreatedBy C
	UpdatedBy U
}

func (pair[C, U]) TableName() string { return "pairs" }

type (
	short struct {
		ID        uint
		CreatedBy string `gorm:"size:10"`
		UpdatedBy string `gorm:"size:2"`
	}
	creator interface {
		pair[string, int8] | pair[string, uint8] | pair[int64, uint64] | pair[int64, string] | pair[string, capped] | short
	}
)

// An id that fits one column and not the one beside it is an error, and not
// written into the model either.
func TestAnIDMustFitBothColumns(t *testing.T) {
	refused[pair[string, int8]](t, "128")
	refused[pair[string, uint8]](t, "256")
	refused[pair[int64, uint64]](t, "-1")
	refused[pair[int64, string]](t, "abc")
	refused[pair[string, capped]](t, "100")
	refused[short](t, "abc")
	db := pairs[short](t)
	if err := db.WithContext(actor.NewContext(t.Context(), actor.User("üü"))).Create(&short{}).Error; err != nil {
		t.Errorf("Create by a user of two letters = %v, want nil", err)
	}
}

func pairs[T creator](t *testing.T) *gorm.DB {
	t.Helper()
	db := dbtest.New(t, dbtest.SQLite).Open(t)
	must(t, db.AutoMigrate(new(T)))
	must(t, db.Use(gormaudit.New()))
	return db
}

func refused[T creator](t *testing.T, id string) {
	t.Helper()
	var row, none T
	err := pairs[T](t).WithContext(actor.NewContext(t.Context(), actor.User(id))).Create(&row).Error
	var column *gormaudit.ColumnError
	if !errors.As(err, &column) || any(row) != any(none) {
		t.Errorf("Create of %T by user %s = %v, and left %+v, want a ColumnError and nothing", row, id, err, row)
	}
}

// Rows and columns of bytes don't share them.
func TestBytesAreNotShared(t *testing.T) {
	type bytesRow struct {
		ID                   uint
		CreatedBy, UpdatedBy []byte
	}
	db := dbtest.New(t, dbtest.SQLite).Open(t)
	must(t, db.AutoMigrate(&bytesRow{}))
	must(t, db.Use(gormaudit.New()))
	rows := []bytesRow{{}, {}}
	must(t, db.WithContext(acting(7)).Create(&rows).Error)
	rows[0].CreatedBy[0] = 'x'
	if rows[0].UpdatedBy[0] != '7' || rows[1].CreatedBy[0] != '7' {
		t.Errorf("after a change to one field: %+v", rows)
	}
}

// A column without NULL holds its type's zero for nobody.
func TestNobodyIsTheZeroWithoutNULL(t *testing.T) {
	w := newWorld[texts](t, dbtest.SQLite, gormaudit.New())
	w.reset(t)
	must(t, w.db.WithContext(actor.NewContext(t.Context(), actor.Actor{})).Create(&note[texts]{Title: "new"}).Error)
	var nulls int64
	must(t, w.plain.Table("notes").Where("title = 'new' AND (created_by IS NULL OR updated_by IS NULL)").Count(&nulls).Error)
	if nulls != 0 {
		t.Error("created_by or updated_by is NULL, want the empty text")
	}
}

// What the caller had in memory is put back beside a column that Preserve
// keeps, where a zero was selected, and behind an embedded pointer.
func TestForgedNeighboursArePutBack(t *testing.T) {
	w := newWorld[texts](t, dbtest.SQLite, gormaudit.New())
	w.reset(t)
	had := texts{CreatedBy: "5", UpdatedBy: "6", DeletedBy: "4"}
	n := note[texts]{Model: gorm.Model{ID: 1}, By: had}
	must(t, wrote(w.db.WithContext(gormaudit.Preserve(acting(7))).Model(&n).Updates(map[string]any{"updated_by": "66", "deleted_by": ""})))
	if want := (texts{"5", "66", "4"}); n.By != want {
		t.Errorf("under Preserve: %+v, want %+v", n.By, want)
	}
	n.By = had
	must(t, wrote(w.db.WithContext(acting(7)).Model(&n).Select("title", "created_by").Updates(note[texts]{Title: "x"})))
	if want := (texts{"5", "7", "4"}); n.By != want {
		t.Errorf("with a zero selected: %+v, want %+v", n.By, want)
	}
}

type stampsBehindAPointer struct{ CreatedBy, UpdatedBy string }

func TestForgedValuesBehindAnEmbeddedPointer(t *testing.T) {
	type row struct {
		ID    uint
		Title string
		Stamp *stampsBehindAPointer `gorm:"embedded"`
	}
	db := dbtest.New(t, dbtest.SQLite).Open(t)
	must(t, db.AutoMigrate(&row{}))
	must(t, db.Use(gormaudit.New()))
	must(t, db.WithContext(acting(5)).Create(&row{ID: 1, Title: "a"}).Error)
	r := row{ID: 1, Stamp: &stampsBehindAPointer{CreatedBy: "5"}}
	must(t, wrote(db.WithContext(acting(7)).Model(&r).Updates(row{Title: "x", Stamp: &stampsBehindAPointer{CreatedBy: "66"}})))
	if *r.Stamp != (stampsBehindAPointer{"5", "7"}) {
		t.Errorf("in memory %+v, want 5 and 7", *r.Stamp)
	}
}

// Types that say in a way of their own what a column holds.
type (
	shouted    string // a Value without a Scan
	scannedNum uint64 // a Scan without a Value
	octets     []byte
	fragile    struct{ id string }
)

func (s shouted) Value() (driver.Value, error) { return string(s) + "!", nil }

func (c *scannedNum) Scan(src any) error {
	n, ok := src.(int64)
	if !ok {
		return fmt.Errorf("scannedNum: %T", src)
	}
	*c = scannedNum(n)
	return nil
}

func (o octets) Value() (driver.Value, error) { return []byte(o), nil }

func (o *octets) Scan(src any) error { *o = octets(fmt.Sprint(src)); return nil }

func (fragile) GormDataType() string { return "string" }

func (f fragile) Value() (driver.Value, error) { return f.id, nil }

func (f *fragile) Scan(src any) error {
	f.id = src.(string)
	if f.id == "bad" {
		panic("out of range")
	}
	return nil
}

func TestTypesThatSpeakForThemselves(t *testing.T) {
	type row struct {
		ID        uint
		CreatedBy shouted
		UpdatedBy scannedNum
		ByOctets  octets  `gorm:"autoCreateBy"`
		ByFragile fragile `gorm:"autoUpdateBy"`
	}
	db := dbtest.New(t, dbtest.SQLite).Open(t)
	must(t, db.AutoMigrate(&row{}))
	plain := db.Session(&gorm.Session{NewDB: true})
	must(t, db.Use(gormaudit.New()))
	r := row{ID: 1}
	must(t, db.WithContext(acting(7)).Create(&r).Error)
	if r.CreatedBy != "7" || r.UpdatedBy != 7 || string(r.ByOctets) != "7" || r.ByFragile.id != "7" {
		t.Errorf("in memory %+v, want 7 everywhere", r)
	}
	var held string
	must(t, plain.Raw("SELECT created_by || ' ' || updated_by || ' ' || CAST(by_octets AS text) || ' ' || by_fragile FROM rows").Scan(&held).Error)
	if held != "7! 7 7 7" {
		t.Errorf("the row holds %q, want 7! 7 7 7", held)
	}
	type broken struct {
		ID        uint
		CreatedBy fragile
	}
	must(t, plain.AutoMigrate(&broken{}))
	var column *gormaudit.ColumnError
	if err := db.WithContext(actor.NewContext(t.Context(), actor.User("bad"))).Create(&broken{}).Error; !errors.As(err, &column) {
		t.Errorf("Create where the type panics = %v, want a ColumnError", err)
	}
}

// A row of which nothing is written but its stamps.
func TestCreateOfDefaultValues(t *testing.T) {
	db := pairs[short](t)
	var row short
	must(t, db.WithContext(acting(7)).Select("nothing").Create(&row).Error)
	var held short
	must(t, db.First(&held).Error)
	if held.CreatedBy != "7" || held.UpdatedBy != "7" {
		t.Errorf("the row holds %+v, want 7", held)
	}
}
