package tests

import (
	"slices"
	"strings"
	"testing"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// fuzzPaths write what the fuzzer thought of under a name that it thought of.
var fuzzPaths = []func(db *gorm.DB, name string, value any) *gorm.DB{
	func(db *gorm.DB, name string, value any) *gorm.DB {
		return db.Model(&target{ID: 1}).Update(name, value)
	},
	func(db *gorm.DB, name string, value any) *gorm.DB {
		return db.Model(&target{ID: 1}).UpdateColumn(name, value)
	},
	func(db *gorm.DB, name string, value any) *gorm.DB {
		return db.Model(&target{ID: 1}).Updates(forged{"title": "x", name: value, "UpdatedBy": value})
	},
	func(db *gorm.DB, name string, value any) *gorm.DB {
		return db.Model(&target{ID: 1}).Updates(&forged{"title": "x", name: value})
	},
	func(db *gorm.DB, name string, value any) *gorm.DB {
		return db.Table("targets").Where("id = 1").Updates(forged{"title": "x", name: value})
	},
	func(db *gorm.DB, name string, value any) *gorm.DB {
		return db.Model(&target{ID: 1}).Select(name, "title").Updates(forged{"title": "x", name: value, "created_by": value})
	},
	func(db *gorm.DB, name string, value any) *gorm.DB {
		return db.Model(&target{}).Where("id = 1").Clauses(set(name, value)).Updates(forged{})
	},
	func(db *gorm.DB, name string, value any) *gorm.DB {
		column := clause.Column{Table: clause.CurrentTable, Name: name}
		return db.Model(&target{}).Where("id = 1").Clauses(clause.Set{{Column: column, Value: value}}).Updates(forged{})
	},
	func(db *gorm.DB, name string, value any) *gorm.DB {
		upsert := clause.OnConflict{Columns: onID, DoUpdates: clause.Assignments(forged{name: value, "title": "x"})}
		return db.Clauses(upsert).Create(&target{ID: 1, Title: "y", CreatedBy: "66"})
	},
	func(db *gorm.DB, name string, value any) *gorm.DB {
		upsert := clause.OnConflict{Columns: onID, DoUpdates: clause.AssignmentColumns([]string{name, "created_by"})}
		return db.Model(&target{}).Clauses(upsert).Create(forged{"id": 1, "title": "x", name: value})
	},
	func(db *gorm.DB, name string, value any) *gorm.DB {
		return db.Model(&target{}).Create(forged{"id": 2, "title": "y", name: value, "CREATED_BY": value})
	},
	func(db *gorm.DB, name string, value any) *gorm.DB {
		return db.Table("targets").Create(&[]forged{{"id": 2, "title": "y", name: value}, {"id": 3, "title": "z", name: value}})
	},
	func(db *gorm.DB, name string, value any) *gorm.DB {
		return db.Model(&narrowTarget{ID: 1}).Updates(forged{"title": "x", name: value})
	},
	func(db *gorm.DB, name string, value any) *gorm.DB {
		return db.Model(&gets{}).Clauses(clause.Update{Table: clause.Table{Name: "targets"}}).Where("id = 1").Updates(forged{name: value})
	},
	func(db *gorm.DB, name string, value any) *gorm.DB {
		return db.Table(name).Where("id = 1").Updates(forged{"created_by": value, "title": "x"})
	},
	func(db *gorm.DB, name string, value any) *gorm.DB {
		return db.Model(&gets{}).Table(name).Where("id = 1").Updates(forged{"created_by": value, "title": "x"})
	},
	func(db *gorm.DB, name string, value any) *gorm.DB {
		return db.Assign(forged{name: value, "title": "x"}).FirstOrCreate(&target{}, 1)
	},
	func(db *gorm.DB, name string, value any) *gorm.DB {
		return db.Session(&gorm.Session{SkipHooks: true}).Model(&target{ID: 1}).Updates(forged{"title": "x", name: value})
	},
	func(db *gorm.DB, name string, value any) *gorm.DB {
		return db.Clauses(set(name, value)).Delete(&target{ID: 1, CreatedBy: "66", DeletedBy: "66"})
	},
	func(db *gorm.DB, name string, value any) *gorm.DB {
		_, err := gorm.G[target](db).Where("id = 1").Set(clause.Assignment{Column: clause.Column{Name: name}, Value: value}).Update(db.Statement.Context)
		return &gorm.DB{Error: err}
	},
	func(db *gorm.DB, name string, _ any) *gorm.DB {
		return db.Omit(name).Save(&target{ID: 1, Title: "x", CreatedBy: "66", DeletedBy: "66"})
	},
}

// fuzzValues are the shapes in which a forged value comes.
var fuzzValues = []func(value string) any{
	func(value string) any { return value },
	func(value string) any { return &value },
	func(value string) any { return []byte(value) },
	func(value string) any { return gorm.Expr("?", value) },
	func(value string) any { return badge{value} },
	func(string) any { return 66 },
	func(string) any { return nil },
	func(string) any { return clause.Column{Name: "title"} },
}

// FuzzStatements holds that no statement, whatever it calls a column and
// whatever it assigns, changes who created a row or writes a value of its own
// into a by-column.
func FuzzStatements(f *testing.F) {
	f.Add(uint8(0), uint8(0), false, "created_by", "66")
	f.Add(uint8(6), uint8(3), true, "`targets`.`created_by`", "66")
	stages := map[bool]*stage{}
	for _, last := range []bool{false, true} {
		stages[last] = fuzzStage(f, last)
	}
	f.Fuzz(func(t *testing.T, path, shape uint8, last bool, name, value string) {
		if value == "5" || value == "7" || strings.ContainsAny(name, "=-") && int(path)%len(fuzzPaths) > 13 {
			return // true anyway; Table() with more than a name is raw SQL
		}
		s := stages[last]
		ok(t, s.plain.Exec("DELETE FROM targets"))
		ok(t, s.plain.Exec("INSERT INTO targets (id, title, created_by, updated_by, deleted_by) VALUES (1, 'first', '5', '5', '')"))
		tx := fuzzPaths[int(path)%len(fuzzPaths)](s.user(7), name, fuzzValues[int(shape)%len(fuzzValues)](value))
		var rows []struct{ CreatedBy, UpdatedBy, DeletedBy *string }
		ok(t, s.plain.Table("targets").Find(&rows))
		fives := 0
		for _, row := range rows {
			by := []string{asText(row.CreatedBy), asText(row.UpdatedBy), asText(row.DeletedBy)}
			if by[0] == "5" {
				fives++
			} else if by[0] != "7" {
				t.Errorf("created_by = %q, %v", by[0], tx.Error)
			}
			if by[1] != "5" && by[1] != "7" || by[2] != "" && by[2] != "7" && by[2] != "NULL" {
				t.Errorf("updated_by, deleted_by = %q, %v", by[1:], tx.Error)
			}
		}
		if fives != 1 {
			t.Errorf("%d rows were created by 5, want 1: %v", fives, tx.Error)
		}
	})
}

// fuzzStage registers gormaudit before or after all other plugins.
func fuzzStage(f *testing.F, last bool) *stage {
	f.Helper()
	d := dbtest.New(f, dbtest.SQLite)
	s := &stage{DB: d.Open(f), plain: d.Open(f), kind: d.Kind}
	plugins := []gorm.Plugin{gormaudit.NewWithConfig(gormaudit.Config{Models: attackModels})}
	plugins = slices.Insert(plugins, map[bool]int{true: 0, false: 1}[last], fuzzCompany()...)
	for _, plugin := range plugins {
		if err := s.Use(plugin); err != nil {
			f.Fatal(err)
		}
	}
	if err := s.AutoMigrate(attackModels...); err != nil {
		f.Fatal(err)
	}
	return s
}

// fuzzCompany are the other plugins that suit a table without tenants.
func fuzzCompany() []gorm.Plugin {
	return slices.DeleteFunc(otherPlugins(), func(p gorm.Plugin) bool { return p.Name() == "tenant" })
}

// FuzzIDs holds that a column reads back as the id that was stamped, or that
// the write fails.
func FuzzIDs(f *testing.F) {
	for _, id := range []string{"42", "010", "-1", "300", "9007199254740993", ownUUID, "Zoë\x00"} {
		f.Add(id)
	}
	schema.RegisterSerializer("reversed", reversed{})
	s := newSQLiteStage(f, gormaudit.Config{})
	models := []any{
		holder[string]{},
		holder[*userID]{},
		holder[[]byte]{},
		holder[badge]{},
		holder[int8]{},
		holder[*int64]{},
		holder[uint16]{},
		holder[uint64]{},
		jsonNumberHolder{},
	}
	for _, model := range models {
		if err := s.plain.Migrator().CreateTable(newOf(model)); err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, id string) {
		for _, model := range models {
			row := newOf(model)
			table := tableOf(t, s.plain, row)
			ok(t, s.plain.Exec("DELETE FROM "+table))
			if s.as(actor.User(id)).Create(row).Error != nil {
				if got := s.cell(t, table, "created_by", 1); got != "no row" {
					t.Errorf("%s: failed and wrote %q", table, got)
				}
				continue
			}
			want := id + " " + id
			if id == "" {
				zero := newOf(model)
				ok(t, s.plain.Delete(row))
				ok(t, s.plain.Create(zero))
				want = s.by(t, table, 1)
			}
			if got := s.by(t, table, 1); got != want {
				t.Errorf("%s holds %q, want %q", table, got, want)
			}
		}
	})
}
