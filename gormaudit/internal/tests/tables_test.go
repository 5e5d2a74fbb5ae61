package tests

import (
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
	"gorm.io/gorm/schema"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// memo is a model whose table and columns are named by the naming strategy.
type memo struct {
	ID        uint
	UpdatedAt time.Time
	Title     string
	gormaudit.By[string]
}

// memoTitle and memoRecord are the same table through other types: one without
// the by-columns, one that has them under other names.
type memoTitle struct {
	ID    uint
	Title string
}

func (memoTitle) TableName() string { return "memos" }

type memoRecord struct {
	ID      uint
	Title   string
	Author  string `gorm:"column:created_by"`
	Changer string `gorm:"column:updated_by"`
}

func (memoRecord) TableName() string { return "memos" }

func TestNamingStrategies(t *testing.T) {
	for name, naming := range map[string]schema.NamingStrategy{
		"prefix":      {TablePrefix: "t_"},
		"singular":    {SingularTable: true},
		"own case":    {NoLowerCase: true},
		"replacement": {NameReplacer: strings.NewReplacer("CreatedBy", "Author", "UpdatedBy", "Editor")},
	} {
		t.Run(name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
				config := func() *gorm.Config { return &gorm.Config{Logger: logger.Discard, NamingStrategy: naming} }
				db, plain := d.Open(t, config()), d.Open(t, config())
				must(t, plain.AutoMigrate(&memo{}))
				must(t, db.Use(gormaudit.New()))
				forged := gormaudit.By[string]{CreatedBy: pointer("66"), UpdatedBy: pointer("66")}
				m := memo{Title: "new", By: forged}
				must(t, wrote(db.WithContext(acting(5)).Create(&m)))
				check := func(what, want string) {
					t.Helper()
					var got memo
					must(t, plain.First(&got, m.ID).Error)
					if by := who(got.CreatedBy) + " " + who(got.UpdatedBy); by != want {
						t.Errorf("%s: %q, want %q", what, by, want)
					}
				}
				check("Create", "5 5")
				must(t, wrote(db.WithContext(acting(7)).Model(&m).Updates(map[string]any{"CreatedBy": "66", "UpdatedBy": "66"})))
				check("Updates", "5 7")
				table, column := naming.TableName("memo"), naming.ColumnName("", "CreatedBy")
				must(t, wrote(db.WithContext(acting(8)).Table(table).Where("1 = 1").Updates(map[string]any{column: "66"})))
				check("Table", "5 8")
				must(t, wrote(db.WithContext(acting(9)).Save(&memo{ID: m.ID, By: forged})))
				check("Save", "5 9")
			})
		})
	}
}

// A table may be named with its schema, by Table and by a naming strategy.
func TestTablesWithASchema(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		plain := d.Open(t)
		must(t, plain.AutoMigrate(&memo{}))
		space := map[string]string{dbtest.Postgres: "SELECT current_schema()", dbtest.MariaDB: "SELECT database()", dbtest.MySQL: "SELECT database()"}[d.Kind]
		name := "main"
		if space != "" {
			must(t, plain.Raw(space).Scan(&name).Error)
		}
		db := d.Open(t, &gorm.Config{Logger: logger.Discard, NamingStrategy: schema.NamingStrategy{TablePrefix: name + "."}})
		must(t, db.Use(gormaudit.NewWithConfig(gormaudit.Config{Models: []any{&memo{}}})))
		as := func(id int) *gorm.DB { return db.WithContext(acting(id)) }
		m := memo{}
		must(t, wrote(as(5).Create(&m)))
		for want, tx := range map[string]func() *gorm.DB{
			"5 7": func() *gorm.DB { return as(7).Model(&m).Updates(map[string]any{"title": "x", "created_by": "66"}) },
			"5 8": func() *gorm.DB {
				return as(8).Table(name+".memos").Where("id = ?", m.ID).Updates(map[string]any{"created_by": "66"})
			},
			"5 9": func() *gorm.DB {
				return as(9).Table(name+".memos").Model(&memo{}).Where("id = ?", m.ID).Updates(map[string]any{"created_by": "66"})
			},
			"5 4": func() *gorm.DB {
				return as(4).Table("memos").Where("id = ?", m.ID).Updates(map[string]any{"created_by": "66"})
			},
			"5 3": func() *gorm.DB {
				return as(3).Table("memos AS m").Where("m.id = ?", m.ID).Updates(map[string]any{"created_by": "66"})
			},
		} {
			must(t, wrote(tx()))
			if got := strings.TrimSuffix(memoStamps(t, plain, m.ID), " -"); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
	})
}

func memoStamps(t *testing.T, plain *gorm.DB, id uint) string {
	t.Helper()
	var m memo
	must(t, plain.First(&m, id).Error)
	return who(m.CreatedBy) + " " + who(m.UpdatedBy)
}

// What is known of a table is known whatever type writes to it, from the
// start for Config.Models and else from the first write through the model.
func TestTwoTypesOfOneTable(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		for name, models := range map[string][]any{"known from the start": {&memo{}}, "known from the first write": nil} {
			t.Run(name, func(t *testing.T) {
				db, plain := d.Open(t), d.Open(t)
				must(t, plain.AutoMigrate(&memo{}))
				must(t, db.Use(gormaudit.NewWithConfig(gormaudit.Config{Models: models})))
				as := func(id int) *gorm.DB { return db.WithContext(acting(id)) }
				m := memo{}
				if models == nil {
					must(t, wrote(as(6).Create(&memoTitle{}))) // nobody knows better yet
					must(t, wrote(as(6).Create(&memoRecord{Author: "6"})))
				}
				must(t, wrote(as(5).Create(&m)))
				check := func(what string, id uint, want string) {
					t.Helper()
					if got := memoStamps(t, plain, id); got != want {
						t.Errorf("%s: %q, want %q", what, got, want)
					}
				}
				must(t, wrote(as(7).Model(&memoTitle{ID: m.ID}).Update("title", "x")))
				check("an update without by-fields", m.ID, "5 7")
				must(t, wrote(as(8).Model(&memoRecord{ID: m.ID}).Updates(memoRecord{Title: "y", Author: "66", Changer: "66"})))
				check("an update with fields of other names", m.ID, "5 8")
				must(t, wrote(as(9).Save(&memoRecord{ID: m.ID, Author: "66", Changer: "66"})))
				check("Save with fields of other names", m.ID, "5 9")
				must(t, wrote(as(4).Clauses(clause.OnConflict{UpdateAll: true}).Create(&memoRecord{ID: m.ID, Author: "66", Changer: "66"})))
				check("an upsert with fields of other names", m.ID, "5 4")
				title, record := memoTitle{}, memoRecord{Author: "66", Changer: "66"}
				must(t, wrote(as(7).Create(&title)))
				check("Create without by-fields", title.ID, "7 7")
				must(t, wrote(as(7).Create(&record)))
				check("Create with fields of other names", record.ID, "7 7")
				must(t, wrote(as(8).Table("memos").Where("id = ?", m.ID).Updates(map[string]any{"created_by": "66"})))
				check("Table", m.ID, "5 8")
			})
		}
	})
}

// Of a table that no model was written to and Config.Models does not name,
// nothing is known.
func TestTableOfAnUnknownModel(t *testing.T) {
	d := dbtest.New(t, dbtest.SQLite)
	db, plain := d.Open(t), d.Open(t)
	must(t, plain.AutoMigrate(&memo{}))
	must(t, db.Use(gormaudit.New()))
	must(t, wrote(db.WithContext(acting(7)).Table("memos").Create(map[string]any{"id": 1, "created_by": "6"})))
	if got, want := memoStamps(t, plain, 1), "6 -"; got != want {
		t.Errorf("before the first write through the model: %q, want %q", got, want)
	}
	must(t, wrote(db.WithContext(acting(7)).Create(&memo{})))
	must(t, wrote(db.WithContext(acting(7)).Table("memos").Where("id = 1").Update("title", "x")))
	if got, want := memoStamps(t, plain, 1), "6 7"; got != want {
		t.Errorf("after it: %q, want %q", got, want)
	}
}

// An update of nothing is no statement in GORM, and stays none.
func TestUpdateOfNothingSendsNothing(t *testing.T) {
	w := newWorld[texts](t, dbtest.SQLite, gormaudit.NewWithConfig(gormaudit.Config{Models: []any{&memoRecord{}, &memo{}}}))
	w.log.take()
	for _, tx := range []*gorm.DB{
		w.db.WithContext(acting(7)).Model(&memoTitle{ID: 1}).Updates(map[string]any{}),
		w.db.WithContext(acting(7)).Model(&memoTitle{ID: 1}).Updates(memoTitle{}),
	} {
		must(t, tx.Error)
	}
	for _, s := range w.log.take() {
		if s.sql != "BEGIN" && s.sql != "COMMIT" {
			t.Errorf("sent %s", s.sql)
		}
	}
}

// MySQL says of an UPDATE that leaves a row as it was that it affected none,
// and GORM's Save then falls back to an upsert. created_by survives that.
func TestSaveOfAnUnchangedRow(t *testing.T) {
	each(t, func(t *testing.T, w *world, _ *gorm.DB) {
		for _, session := range []gorm.Session{{}, {SkipHooks: true}} {
			for user, hooked := range map[int]string{5: "5 5 -", 7: "5 7 -"} {
				w.reset(t)
				want := hooked
				if session.SkipHooks && w.db.Name() != "mysql" {
					want = "5 5 -" // the row was affected, and that was all
				}
				var n note[soft]
				must(t, w.plain.Exec("UPDATE notes SET created_at = ?, updated_at = ?", longAgo, now()).Error)
				must(t, w.plain.First(&n, 1).Error)
				w.dirty["notes"] = true
				n.By = said[soft](66)
				must(t, w.db.WithContext(acting(user)).Session(&session).Save(&n).Error)
				if got := w.read(t)["notes 1"].by; got != want {
					t.Errorf("SkipHooks %t, user %d: %q, want %q", session.SkipHooks, user, got, want)
				}
			}
		}
	})
}

// archived and shelved are other tables of the same name in other schemas: one
// without by-columns, one with.
type archived struct {
	ID    uint
	Title string
}

func (archived) TableName() string { return "archive.memos" }

type shelved struct {
	ID    uint
	Title string
	gormaudit.By[string]
}

func (shelved) TableName() string { return "shelf.memos" }

func TestTablesOfOneNameInTwoSchemas(t *testing.T) {
	statements := func(db *gorm.DB) []string {
		dry := db.Session(&gorm.Session{DryRun: true, SkipDefaultTransaction: true}).WithContext(acting(7))
		var sql []string
		for _, tx := range []*gorm.DB{
			dry.Create(&archived{ID: 1, Title: "t"}),
			dry.Model(&archived{ID: 1}).Update("title", "t"),
			dry.Save(&archived{ID: 1, Title: "t"}),
		} {
			must(t, tx.Error)
			sql = append(sql, tx.Statement.SQL.String())
		}
		return sql
	}
	// SQLite is not among them: there GORM leaves the schema out of an INSERT,
	// which therefore writes to the table that is known.
	for _, kind := range []string{dbtest.Postgres, dbtest.MariaDB} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t, kind)
			db, plain := d.Open(t), d.Open(t)
			must(t, db.Use(gormaudit.NewWithConfig(gormaudit.Config{Models: []any{&memo{}, &shelved{}}})))
			got, want := statements(db), statements(plain)
			for n := range want {
				if got[n] != want[n] {
					t.Errorf("on a model without by-columns: %s, want %s", got[n], want[n])
				}
			}
			dry := db.Session(&gorm.Session{DryRun: true}).WithContext(acting(7))
			for _, tx := range []*gorm.DB{
				dry.Create(&shelved{ID: 1}), dry.Model(&shelved{ID: 1}).Update("title", "t"),
				dry.Table("shelf.memos").Where("id = 1").Update("title", "t"),
			} {
				if sql := tx.Statement.SQL.String(); !strings.Contains(sql, "updated_by") {
					t.Errorf("on one with by-columns: %s, %v", sql, tx.Error)
				}
			}
		})
	}
}

type bill struct {
	ID    uint
	Total int
}

// The alias of a table without by-columns is the name of one that has some.
func TestAliasThatIsAKnownTable(t *testing.T) {
	for _, kind := range []string{dbtest.SQLite, dbtest.Postgres, dbtest.MariaDB} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, dbtest.New(t, kind), gormaudit.Config{Models: attackModels}, append(attackModels, &bill{})...)
			ok(t, s.user(5).Create(&bill{ID: 1}))
			tx := s.user(7).Table("bills AS targets").Where("id = 1").Updates(forged{"total": 3})
			if tx.Error != nil {
				t.Errorf("alias: %v", tx.Error)
			}
		})
	}
}
