package tests

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// target is what attacks aim at: row 1 was created and updated by 5. Whatever
// 7 does, it was created by 5, it was updated by 5 or 7, and nowhere is 66.
type target struct {
	ID        uint
	Title     string `gorm:"uniqueIndex;size:50"`
	CreatedBy string
	UpdatedBy string
	DeletedBy string
	DeletedAt gorm.DeletedAt
	Parts     []part
}

type part struct {
	ID       uint
	TargetID uint
	Stamp
}

// Others share the database with it, and are not stamped, or otherwise.
type (
	gets struct { // its table's name is the end of "targets"
		ID    uint
		Title string
	}
	bystander struct {
		ID     uint
		Title  string
		Writer string `gorm:"autoCreateBy"`
	}
	narrowTarget struct { // the same table, without by-columns
		ID    uint
		Title string
	}
	shoutedTarget struct { // the same table, a by-column in capitals
		ID    uint
		Title string
		Maker string `gorm:"column:CREATED_BY"`
	}
)

func (gets) TableName() string          { return "gets" }
func (narrowTarget) TableName() string  { return "targets" }
func (shoutedTarget) TableName() string { return "targets" }

var attackModels = []any{&target{}, &part{}, &gets{}, &bystander{}}

// modifier changes a statement from within Clauses.
type modifier func(stmt *gorm.Statement)

func (modifier) Name() string                           { return "" }
func (modifier) Build(clause.Builder)                   {}
func (modifier) MergeClause(*clause.Clause)             {}
func (m modifier) ModifyStatement(stmt *gorm.Statement) { m(stmt) }

// modifyingMap is a destination that changes its own statement.
type modifyingMap map[string]any

func (modifyingMap) ModifyStatement(stmt *gorm.Statement) {
	stmt.AddClause(clause.Set{{Column: clause.Column{Name: "created_by"}, Value: "66"}, {Column: clause.Column{Name: "title"}, Value: "x"}})
}

type forged = map[string]any

func set(name string, value any) clause.Set {
	return clause.Set{{Column: clause.Column{Name: name}, Value: value}, {Column: clause.Column{Name: "title"}, Value: "x"}}
}

var onID = []clause.Column{{Name: "id"}}

// attacks are all ways to a by-column that we know of. db acts as 7. Errors
// are fine.
var attacks = []struct {
	name string
	run  func(db *gorm.DB) *gorm.DB
}{
	{"Update", func(db *gorm.DB) *gorm.DB { return db.Model(&target{ID: 1}).Update("created_by", "66") }},
	{"UpdateColumn", func(db *gorm.DB) *gorm.DB { return db.Model(&target{ID: 1}).UpdateColumn("created_by", "66") }},
	{"UpdateColumn of updated_by", func(db *gorm.DB) *gorm.DB { return db.Model(&target{ID: 1}).UpdateColumn("updated_by", "66") }},
	{"UpdateColumn of deleted_by", func(db *gorm.DB) *gorm.DB { return db.Model(&target{ID: 1}).UpdateColumn("DeletedBy", "66") }},
	{"map of several spellings", func(db *gorm.DB) *gorm.DB {
		return db.Model(&target{ID: 1}).Updates(forged{
			"title": "x", "created_by": "66", "CreatedBy": "66", "CREATED_BY": "66", "Created_By": "66", "updated_by": "66", "UpdatedBy": "66", "UPDATED_BY": "66",
		})
	}},
	{"map of several spellings, one by one", func(db *gorm.DB) *gorm.DB {
		return db.Table("targets").Where("id = 1").Updates(forged{"title": "x", "UPDATED_BY": "66", "Updated_By": "66", "updated_by": "66"})
	}},
	{"struct", func(db *gorm.DB) *gorm.DB {
		return db.Updates(&target{ID: 1, Title: "x", CreatedBy: "66", UpdatedBy: "66", DeletedBy: "66"})
	}},
	{"Select", func(db *gorm.DB) *gorm.DB {
		return db.Select("created_by", "CreatedBy", "CREATED_BY", "targets.created_by").Updates(&target{ID: 1, Title: "x", CreatedBy: "66"})
	}},
	{"Select of all", func(db *gorm.DB) *gorm.DB {
		return db.Select("*").Updates(&target{ID: 1, Title: "x", CreatedBy: "66", UpdatedBy: "66", DeletedBy: "66"})
	}},
	{"Select with an expression", func(db *gorm.DB) *gorm.DB {
		return db.Model(&target{ID: 1}).Select("title, created_by").Updates(forged{"title": "x", "created_by": "66"})
	}},
	{"Omit what would be stamped", func(db *gorm.DB) *gorm.DB {
		return db.Model(&target{ID: 1}).Omit("updated_by").Updates(forged{"UPDATED_BY": "66", "updated_by": "66", "Created_By": "66"})
	}},
	{"Omit everything", func(db *gorm.DB) *gorm.DB {
		return db.Model(&target{ID: 1}).Omit("*").Clauses(set("created_by", "66")).Updates(forged{})
	}},
	{"Save", func(db *gorm.DB) *gorm.DB {
		return db.Save(&target{ID: 1, Title: "x", CreatedBy: "66", UpdatedBy: "66"})
	}},
	{"Save of zero", func(db *gorm.DB) *gorm.DB { return db.Save(&target{ID: 1, Title: "x"}) }},
	{"Save by value", func(db *gorm.DB) *gorm.DB { return db.Save(target{ID: 1, Title: "x", CreatedBy: "66"}) }},
	{"Save of slice", func(db *gorm.DB) *gorm.DB { return db.Save([]*target{{ID: 1, Title: "x", CreatedBy: "66"}}) }},
	{"FirstOrCreate with Assign", func(db *gorm.DB) *gorm.DB {
		return db.Assign(forged{"title": "x", "created_by": "66"}).FirstOrCreate(&target{}, 1)
	}},
	{"DTO", func(db *gorm.DB) *gorm.DB {
		return db.Model(&target{ID: 1}).Updates(struct{ Title, CreatedBy, UpdatedBy string }{"x", "66", "66"})
	}},
	{"zero through a DTO", func(db *gorm.DB) *gorm.DB {
		return db.Model(&target{ID: 1}).Select("title", "created_by").Updates(struct{ Title, CreatedBy string }{"x", ""})
	}},
	{"expression", func(db *gorm.DB) *gorm.DB {
		return db.Model(&target{ID: 1}).Updates(forged{"title": "x", "created_by": gorm.Expr("66"), "updated_by": gorm.Expr("? || ?", "6", "6")})
	}},
	{"subquery", func(db *gorm.DB) *gorm.DB {
		return db.Model(&target{ID: 1}).Update("created_by", db.Session(&gorm.Session{NewDB: true}).Model(&gets{}).Select("'66'"))
	}},
	{"clause.Set", func(db *gorm.DB) *gorm.DB {
		return db.Model(&target{}).Where("id = 1").Clauses(set("created_by", "66")).Updates(forged{})
	}},
	{"clause.Set with table", func(db *gorm.DB) *gorm.DB {
		return db.Model(&target{}).Where("id = 1").Clauses(clause.Set{{Column: clause.Column{Table: "targets", Name: "created_by"}, Value: "66"}}).Updates(forged{})
	}},
	{"clause.Set with current table and alias", func(db *gorm.DB) *gorm.DB {
		return db.Model(&target{}).Where("id = 1").Clauses(clause.Set{{Column: clause.Column{Table: clause.CurrentTable, Name: "created_by", Alias: "x"}, Value: "66"}}).Updates(forged{})
	}},
	{"raw column", func(db *gorm.DB) *gorm.DB {
		return db.Model(&target{}).Where("id = 1").Clauses(clause.Set{{Column: clause.Column{Name: "created_by", Raw: true}, Value: "66"}}).Updates(forged{})
	}},
	{"raw column with table", func(db *gorm.DB) *gorm.DB {
		return db.Model(&target{}).Where("id = 1").Clauses(clause.Set{{Column: clause.Column{Name: "targets.CREATED_BY ", Raw: true}, Value: "66"}}).Updates(forged{})
	}},
	{"gorm.G Set", func(db *gorm.DB) *gorm.DB {
		_, err := gorm.G[target](db).Where("id = 1").Set(clause.Assignment{Column: clause.Column{Name: "created_by"}, Value: "66"}).Update(db.Statement.Context)
		return &gorm.DB{Error: err}
	}},
	{"gorm.G Updates", func(db *gorm.DB) *gorm.DB {
		_, err := gorm.G[target](db).Where("id = 1").Select("*").Updates(db.Statement.Context, target{ID: 1, CreatedBy: "66"})
		return &gorm.DB{Error: err}
	}},
	{"Scopes", func(db *gorm.DB) *gorm.DB {
		return db.Model(&gets{ID: 1}).Scopes(func(db *gorm.DB) *gorm.DB { return db.Table("targets").Clauses(set("created_by", "66")) }).Updates(forged{"title": "x"})
	}},
	{"Scopes of a model", func(db *gorm.DB) *gorm.DB {
		return db.Table("gets").Scopes(func(db *gorm.DB) *gorm.DB { return db.Model(&target{ID: 1}).Table("targets") }).Updates(forged{"title": "x", "CREATED_BY": "66"})
	}},
	{"destination that modifies", func(db *gorm.DB) *gorm.DB {
		return db.Model(&target{}).Where("id = 1").Updates(modifyingMap{"title": "x"})
	}},
	{"clause that forges", func(db *gorm.DB) *gorm.DB {
		return db.Model(&target{ID: 1}).Clauses(modifier(func(stmt *gorm.Statement) {
			stmt.AddClause(set("created_by", "66"))
			stmt.Clauses["WHERE"] = clause.Clause{Name: "WHERE", Expression: clause.Where{Exprs: []clause.Expression{clause.Eq{Column: "id", Value: 1}}}}
		})).Updates(forged{})
	}},
	{"clause with a builder", func(db *gorm.DB) *gorm.DB {
		return db.Model(&target{}).Where("id = 1").Clauses(modifier(func(stmt *gorm.Statement) {
			stmt.Clauses["SET"] = clause.Clause{Name: "SET", Expression: set("title", "x"), Builder: func(_ clause.Clause, b clause.Builder) {
				_, _ = b.WriteString("SET created_by = 66")
			}}
		})).Updates(forged{})
	}},
	{"assignment to the primary key", func(db *gorm.DB) *gorm.DB {
		return db.Model(&target{}).Where("id = 1").Clauses(clause.Set{{Column: clause.Column{Name: clause.PrimaryKey}, Value: 1}, {Column: clause.Column{Name: "created_by"}, Value: "66"}}).Updates(forged{})
	}},
	{"Set as a value", func(db *gorm.DB) *gorm.DB { return db.Model(&target{ID: 1}).Update("title", set("created_by", "66")) }},
	{"breakout key", func(db *gorm.DB) *gorm.DB {
		return db.Model(&target{ID: 1}).Updates(forged{"title`='x', `created_by": "66", `title"='x', "created_by`: "66", "title = 'x', created_by": "66"})
	}},
	{"other model, Table", func(db *gorm.DB) *gorm.DB {
		return db.Model(&bystander{}).Table("targets").Where("id = 1").Updates(forged{"title": "x", "created_by": "66"})
	}},
	{"model whose table is an ending, Table", func(db *gorm.DB) *gorm.DB {
		return db.Model(&gets{}).Table("targets").Where("id = 1").Updates(forged{"title": "x", "created_by": "66"})
	}},
	{"Statement.Table", func(db *gorm.DB) *gorm.DB {
		return db.Model(&gets{}).Clauses(modifier(func(stmt *gorm.Statement) { stmt.Table = "targets" })).Where("1 = 1").Updates(forged{"created_by": "66"})
	}},
	{"Statement.TableExpr", func(db *gorm.DB) *gorm.DB {
		return db.Model(&gets{}).Clauses(modifier(func(stmt *gorm.Statement) {
			stmt.TableExpr = &clause.Expr{SQL: "targets"}
		})).Where("1 = 1").Updates(forged{"created_by": "66"})
	}},
	{"clause.Update of another table", func(db *gorm.DB) *gorm.DB {
		return db.Model(&gets{}).Clauses(clause.Update{Table: clause.Table{Name: "targets"}}).Where("1 = 1").Updates(forged{"created_by": "66"})
	}},
	{"clause.Update, stamped model", func(db *gorm.DB) *gorm.DB {
		return db.Model(&bystander{}).Clauses(clause.Update{Table: clause.Table{Name: "targets"}}).Where("1 = 1").Updates(forged{"created_by": "66"})
	}},
	{"clause.Insert into another table", func(db *gorm.DB) *gorm.DB {
		upsert := clause.OnConflict{Columns: onID, DoUpdates: clause.Assignments(forged{"created_by": "66"})}
		return db.Model(&gets{}).Clauses(clause.Insert{Table: clause.Table{Name: "targets"}}, upsert).Create(forged{"id": 1, "title": "x"})
	}},
	{"clause.Insert into another table, new row", func(db *gorm.DB) *gorm.DB {
		return db.Model(&gets{}).Clauses(clause.Insert{Table: clause.Table{Name: "targets"}}).Create(forged{"id": 2, "title": "x", "created_by": "66"})
	}},
	{"quoted, qualified and aliased tables", func(db *gorm.DB) *gorm.DB {
		for _, table := range []string{
			"TARGETS", "`targets`", `"targets"`, "targets AS t", "targets t", "main.targets", "`main`.`targets`", `"main"."targets"`, "main . targets", " targets", "targets ",
		} {
			db.Session(&gorm.Session{NewDB: true, Context: db.Statement.Context}).Table(table).Where("1 = 1").Updates(forged{"created_by": "66", "title": "x"})
		}
		return db
	}},
	{"several tables", func(db *gorm.DB) *gorm.DB {
		return db.Table("bystanders b, targets t").Where("t.id = 1").Updates(forged{"t.created_by": "66", "t.title": "x"})
	}},
	{"several tables, a model of one", func(db *gorm.DB) *gorm.DB {
		return db.Model(&bystander{}).Table("bystanders JOIN targets ON targets.id = 1").Where("1 = 1").Updates(forged{"targets.created_by": "66"})
	}},
	{"Joins", func(db *gorm.DB) *gorm.DB {
		return db.Model(&bystander{}).Joins("JOIN targets ON targets.id = 1").Where("1 = 1").Updates(forged{"targets.created_by": "66"})
	}},
	{"a narrow type", func(db *gorm.DB) *gorm.DB {
		return db.Model(&narrowTarget{ID: 1}).Updates(forged{"title": "x", "created_by": "66", "UPDATED_BY": "66"})
	}},
	{"a type in capitals, Save", func(db *gorm.DB) *gorm.DB { return db.Save(&shoutedTarget{ID: 1, Title: "x", Maker: "66"}) }},
	{"a type in capitals, Updates", func(db *gorm.DB) *gorm.DB { return db.Updates(&shoutedTarget{ID: 1, Title: "x", Maker: "66"}) }},
	{"a type in capitals, Create", func(db *gorm.DB) *gorm.DB { return db.Create(&shoutedTarget{ID: 2, Title: "x", Maker: "66"}) }},
	{"a type made here", func(db *gorm.DB) *gorm.DB {
		type Anonymous struct {
			ID    uint
			Maker string `gorm:"column:created_by;autoCreateBy:false"`
		}
		return db.Table("targets").Model(&Anonymous{ID: 1}).Updates(&Anonymous{Maker: "66"})
	}},
	{"UpdateAll", func(db *gorm.DB) *gorm.DB {
		return db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&target{ID: 1, Title: "x", CreatedBy: "66", UpdatedBy: "66", DeletedBy: "66"})
	}},
	{"DoUpdates", func(db *gorm.DB) *gorm.DB {
		upsert := clause.OnConflict{Columns: onID, DoUpdates: clause.Assignments(forged{
			"created_by": "66", "CREATED_BY": gorm.Expr("66"), "updated_by": "66", "deleted_by": "66", "title": "x",
		})}
		return db.Clauses(upsert).Create(&target{ID: 1, CreatedBy: "66"})
	}},
	{"DoUpdates of what is offered", func(db *gorm.DB) *gorm.DB {
		upsert := clause.OnConflict{Columns: onID, DoUpdates: clause.Set{
			{Column: clause.Column{Table: "targets", Name: "created_by"}, Value: clause.Column{Table: "excluded", Name: "title"}},
			{Column: clause.Column{Name: "updated_by"}, Value: clause.Column{Table: "excluded", Name: "title"}},
		}}
		return db.Clauses(upsert).Create(&target{ID: 1, Title: "66"})
	}},
	{"DoUpdates beside DoNothing", func(db *gorm.DB) *gorm.DB { // MySQL's dialect writes both
		upsert := clause.OnConflict{Columns: onID, DoNothing: true, DoUpdates: clause.Assignments(forged{"created_by": "66"})}
		return db.Clauses(upsert).Create(&target{ID: 1})
	}},
	{"DoUpdates on another constraint", func(db *gorm.DB) *gorm.DB {
		upsert := clause.OnConflict{Columns: []clause.Column{{Name: "title"}}, DoUpdates: clause.AssignmentColumns([]string{"created_by", "updated_by"})}
		return db.Clauses(upsert).Create(&target{ID: 9, Title: "first", CreatedBy: "66", UpdatedBy: "66"})
	}},
	{"upsert into a table", func(db *gorm.DB) *gorm.DB {
		upsert := clause.OnConflict{Columns: onID, DoUpdates: clause.Assignments(forged{"created_by": "66", "title": "x"})}
		return db.Table("targets").Clauses(upsert).Create(forged{"id": 1, "created_by": "66", "title": "x"})
	}},
	{"Create of struct", func(db *gorm.DB) *gorm.DB {
		return db.Create(&target{ID: 2, Title: "x", CreatedBy: "66", UpdatedBy: "66", DeletedBy: "66"})
	}},
	{"Create of map", func(db *gorm.DB) *gorm.DB {
		return db.Model(&target{}).Create(forged{"id": 2, "title": "x", "created_by": "66", "CREATED_BY": "66", "`created_by`": "66", `"created_by"`: "66", "targets.created_by": "66"})
	}},
	{"Create into a table", func(db *gorm.DB) *gorm.DB {
		return db.Table("targets").Create(&[]forged{{"id": 2, "title": "x", "Created_By": "66", "updated_by": gorm.Expr("66")}})
	}},
	{"Create selecting", func(db *gorm.DB) *gorm.DB {
		return db.Select("id", "title", "created_by").Create(&target{ID: 2, Title: "x", CreatedBy: "66"})
	}},
	{"Create omitting", func(db *gorm.DB) *gorm.DB {
		return db.Omit("created_by").Create(&target{ID: 2, Title: "x", CreatedBy: "66"})
	}},
	{"Create with SkipHooks", func(db *gorm.DB) *gorm.DB {
		return db.Session(&gorm.Session{SkipHooks: true}).Create(&target{ID: 2, Title: "x", CreatedBy: "66"})
	}},
	{"association", func(db *gorm.DB) *gorm.DB {
		return &gorm.DB{Error: db.Model(&target{ID: 1}).Association("Parts").Append(&part{ID: 1, Stamp: Stamp{"66", "66"}}, &part{ID: 2, Stamp: Stamp{"66", "66"}})}
	}},
	{"association of maps", func(db *gorm.DB) *gorm.DB {
		return &gorm.DB{Error: db.Model(&target{ID: 1}).Association("Parts").Append(forged{"id": 3, "created_by": "66", "CREATED_BY": "66"})}
	}},
	{"FullSaveAssociations", func(db *gorm.DB) *gorm.DB {
		return db.Session(&gorm.Session{FullSaveAssociations: true}).Updates(&target{ID: 1, Title: "x", Parts: []part{{ID: 1, Stamp: Stamp{"66", "66"}}}})
	}},
	{"Settings", func(db *gorm.DB) *gorm.DB {
		return db.Set("gormaudit:remembered", "x").Set("gormaudit", 1).Model(&target{ID: 1}).Updates(forged{"title": "x", "created_by": "66"})
	}},
	{"the plugin's own clauses", func(db *gorm.DB) *gorm.DB {
		return db.Clauses(modifier(func(stmt *gorm.Statement) {
			stmt.Clauses["gormaudit:remembered"] = clause.Clause{Expression: clause.Expr{SQL: "66"}}
		})).Model(&target{ID: 1}).Updates(forged{"title": "x", "created_by": "66"})
	}},
	{"an upsert dressed as one of associations", func(db *gorm.DB) *gorm.DB {
		upsert := clause.OnConflict{Columns: onID, DoUpdates: clause.Assignments(forged{"title": "x"})}
		return db.Session(&gorm.Session{DisableNestedTransaction: true}).Set("gorm:saved_association_map", &map[reflect.Value]bool{}).
			Clauses(upsert).Create(&target{ID: 1})
	}},
	{"a delete that updates", func(db *gorm.DB) *gorm.DB {
		return db.Clauses(set("created_by", "66")).Delete(&target{ID: 1})
	}},
	{"a delete by value with a forged field", func(db *gorm.DB) *gorm.DB { return db.Delete(&target{ID: 1, DeletedBy: "66", CreatedBy: "66"}) }},
	{"deleted by hand", func(db *gorm.DB) *gorm.DB {
		return db.Model(&target{ID: 1}).Updates(forged{"deleted_at": db.NowFunc(), "deleted_by": "66"})
	}},
	{"update modifier", func(db *gorm.DB) *gorm.DB {
		return db.Model(&target{ID: 1}).Clauses(clause.Update{Modifier: "OR REPLACE"}).Updates(forged{"title": "x", "created_by": "66"})
	}},
	{"prepared statement", func(db *gorm.DB) *gorm.DB {
		return db.Session(&gorm.Session{PrepareStmt: true}).Model(&target{ID: 1}).Updates(forged{"title": "x", "created_by": "66"})
	}},
	{"hand-made statement", func(db *gorm.DB) *gorm.DB {
		tx := db.Session(&gorm.Session{NewDB: true, Context: db.Statement.Context}).Table("targets").Where("id = 1")
		tx.Statement.Dest = forged{"created_by": "66"}
		return tx.Callback().Update().Execute(tx)
	}},
}

func TestAttacks(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		s := newStage(t, d, gormaudit.Config{Models: attackModels}, attackModels...)
		for _, attack := range attacks {
			t.Run(attack.name, func(t *testing.T) {
				s.resetTarget(t)
				tx := attack.run(s.user(7))
				s.holdsOut(t)
				s.idle(t, fmt.Sprint(tx.Error))
			})
		}
	})
}

// resetTarget leaves one row in each table.
func (s *stage) resetTarget(t *testing.T) {
	t.Helper()
	for _, table := range []string{"parts", "targets", "gets", "bystanders"} {
		ok(t, s.plain.Exec("DELETE FROM "+table))
	}
	ok(t, s.plain.Create(&target{ID: 1, Title: "first", CreatedBy: "5", UpdatedBy: "5", Parts: []part{{ID: 1, Stamp: Stamp{"5", "5"}}}}))
	ok(t, s.plain.Create(&gets{ID: 1}))
	ok(t, s.plain.Create(&bystander{ID: 1, Writer: "5"}))
}

// holdsOut checks that no by-column was forged or lost.
func (s *stage) holdsOut(t *testing.T) {
	t.Helper()
	var targets []target
	ok(t, s.plain.Unscoped().Find(&targets))
	for _, row := range targets {
		created, updated := "7", row.UpdatedBy == "7"
		if row.ID == 1 {
			created, updated = "5", row.UpdatedBy == "7" || row.UpdatedBy == "5" && (row.Title == "first" || row.DeletedBy == "7")
		}
		if omitted := row.ID == 2 && row.CreatedBy == "" && updated; row.CreatedBy != created && !omitted || !updated || row.DeletedBy != "" && row.DeletedBy != "7" {
			t.Errorf("row %d holds created_by %q, updated_by %q, deleted_by %q", row.ID, row.CreatedBy, row.UpdatedBy, row.DeletedBy)
		}
		if row.DeletedAt.Valid != (row.DeletedBy == "7") {
			t.Errorf("row %d is deleted: %v, by %q", row.ID, row.DeletedAt.Valid, row.DeletedBy)
		}
	}
	for _, table := range []string{"parts", "bystanders"} {
		for _, row := range s.rows(t, table) {
			if strings.Contains(row, ":66") {
				t.Errorf("%s hold %s", table, row)
			}
		}
	}
}

// Every spelling that quotes, qualifies or decorates a name.
func TestDecoratedNamesDoNotReachAByColumn(t *testing.T) {
	before := []string{"", "`", `"`, "[", " ", "\t", "\n", "\x00", "'", "(", "\\", ".", "..", "targets.", "`targets`.", `"targets".`, "x.targets.", "``", `""`, "/**/", "`\"", "targets.`", "TARGETS.", "\ufeff", "\u00a0"}
	after := []string{"", "`", `"`, "]", " ", "\t", "\n", "\x00", "'", ")", "\\", ".", "..", "``", `""`, "/**/", "--", "\"`", "\ufeff", "\u00a0", "#"}
	names := []string{"created_by", "CREATED_BY", "cReated_By", "created`_by", "CreatedBy"}
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		s := newStage(t, d, gormaudit.Config{Models: attackModels}, attackModels...)
		s.resetTarget(t)
		for _, pre := range before {
			for _, post := range after {
				for _, name := range names {
					if d.Kind != dbtest.SQLite && name != "created_by" && pre+post != "" {
						continue
					}
					key := pre + name + post
					db := s.user(7).Session(&gorm.Session{SkipDefaultTransaction: true})
					one := db.Table("targets").Where("id = 1").UpdateColumns(forged{key: "66"})
					two := db.Model(&target{}).Where("id = 1").Clauses(clause.Set{{Column: clause.Column{Name: key}, Value: "66"}}).UpdateColumns(forged{})
					if one.Error == nil || two.Error == nil {
						if got := s.cell(t, "targets", "created_by", 1); got != "5" {
							t.Fatalf("%q: created_by = %q, want 5", key, got)
						}
					}
				}
			}
		}
	})
}

// MySQL may fold more than ASCII; PostgreSQL cuts names off after 63 bytes.
func TestNamesThatADatabaseFolds(t *testing.T) {
	long := "a_column_whose_name_is_as_long_as_names_can_be_in_postgresql_63"
	type folded struct {
		ID     uint
		Title  string
		Linker string `gorm:"column:linked_by;autoCreateBy"`
		Long   string `gorm:"column:a_column_whose_name_is_as_long_as_names_can_be_in_postgresql_63;autoCreateBy"`
		Wide   string `gorm:"column:ⱥuthor_by;autoCreateBy"`
	}
	eachStage(t, gormaudit.Config{}, []any{&folded{}}, func(t *testing.T, s *stage) {
		ok(t, s.user(5).Create(&folded{ID: 1}))
		for _, key := range []string{
			"LINKED_BY", "l\u0130nked_by", "lin\u212aed_by", "L\u0130N\u212aED_BY", "linked_b\u00fd", "\uff4cinked_by",
			long + "4", long + "_and_more", strings.ToUpper(long) + "X", "Ⱥuthor_by", "ⱥUTHOR_BY",
		} {
			for _, db := range []*gorm.DB{s.user(7).Model(&folded{ID: 1}), s.user(7).Table("foldeds").Where("id = 1")} {
				_ = db.Updates(forged{key: "66"})
				if got := s.cells(t, "foldeds", 1, "linked_by", long, "ⱥuthor_by"); got != "5 5 5" {
					t.Fatalf("Updates(%q): row holds %s, want 5 5 5", key, got)
				}
			}
		}
	})
}

// A table without a primary key, or with a by-column in it, calls a by-column
// its primary key.
func TestPrimaryKeyThatIsAByColumn(t *testing.T) {
	type keyless struct {
		CreatedBy string
		Title     string
	}
	type keyed struct {
		Owner string `gorm:"primaryKey;autoCreateBy"`
		Title string
	}
	s := newSQLiteStage(t, gormaudit.Config{}, &keyless{}, &keyed{})
	ok(t, s.user(5).Create(&keyless{Title: "a"}))
	ok(t, s.user(5).Create(&keyed{Title: "a"}))
	evil := clause.Set{{Column: clause.PrimaryColumn, Value: "66"}, {Column: clause.Column{Name: "title"}, Value: "x"}}
	short := clause.Set{{Column: clause.Column{Name: clause.PrimaryKey}, Value: "66"}}
	for _, model := range []any{&keyless{}, &keyed{}} {
		_ = s.user(7).Model(model).Where("1 = 1").Clauses(evil).Updates(forged{})
		_ = s.user(7).Model(model).Where("1 = 1").Clauses(short).Updates(forged{})
		_ = s.user(7).Clauses(clause.OnConflict{DoUpdates: short}).Create(model)
	}
	for _, table := range []string{"keylesses", "keyeds"} {
		if got := fmt.Sprint(s.rows(t, table)); strings.Contains(got, "66") {
			t.Errorf("%s hold %s", table, got)
		}
	}
}

// Another plugin may put a map in the place of a struct that is created.
func TestCreateWhoseDestinationIsSwapped(t *testing.T) {
	s := newSQLiteStage(t, gormaudit.Config{}, attackModels...)
	if err := s.Callback().Create().Before("gorm:create").Register("swap", func(db *gorm.DB) {
		db.Statement.Dest = forged{"title": "x", "`created_by`": "66", "UPDATED_BY": "66"}
	}); err != nil {
		t.Fatal(err)
	}
	_ = s.user(7).Create(&target{ID: 1})
	for _, row := range s.rows(t, "targets") {
		if strings.Contains(row, ":66") {
			t.Errorf("row holds %s", row)
		}
	}
}

// A hook may change what the statement is about.
type turncoat struct {
	ID    uint
	Title string
	Turn  func(tx *gorm.DB) `gorm:"-"`
	Stamp
}

func (c *turncoat) BeforeSave(tx *gorm.DB) error {
	if c.Turn != nil {
		c.Turn(tx)
	}
	return nil
}

func TestHooksThatChangeTheStatement(t *testing.T) {
	s := newSQLiteStage(t, gormaudit.Config{Models: []any{&turncoat{}}}, &turncoat{}, &gets{})
	for name, turn := range map[string]func(tx *gorm.DB){
		"other schema": func(tx *gorm.DB) { _ = tx.Statement.Parse(&gets{}); tx.Statement.Dest = forged{"created_by": "66"} },
		"other context, without an actor": func(tx *gorm.DB) {
			tx.Statement.Context = context.Background()
			tx.Statement.SetColumn("CreatedBy", "66")
		},
		"Omit":      func(tx *gorm.DB) { tx.Statement.Omits = []string{"*"}; tx.Statement.SetColumn("created_by", "66") },
		"SkipHooks": func(tx *gorm.DB) { tx.Statement.SkipHooks = true; tx.Statement.SetColumn("created_by", "66") },
		"a write of its own": func(tx *gorm.DB) {
			tx.Session(&gorm.Session{NewDB: true, SkipHooks: true}).Model(&turncoat{}).Where("id = 1").UpdateColumn("created_by", "66")
		},
	} {
		ok(t, s.plain.Exec("DELETE FROM turncoats"))
		ok(t, s.user(5).Create(&turncoat{ID: 1}))
		_ = s.user(7).Model(&turncoat{ID: 1, Turn: turn}).Where("id = 1").Update("title", "y")
		_ = s.user(7).Create(&turncoat{ID: 2, Turn: turn})
		for _, row := range s.rows(t, "turncoats") {
			if strings.Contains(row, ":66") {
				t.Errorf("%s: row holds %s", name, row)
			}
		}
		if got := s.cell(t, "turncoats", "created_by", 1); got != "5" {
			t.Errorf("%s: created_by = %q, want 5", name, got)
		}
	}
}

// What is raw SQL is sent as it is. These get through, and only a trigger
// stops them.
func TestRawSQLGetsThrough(t *testing.T) {
	s := newSQLiteStage(t, gormaudit.Config{}, attackModels...)
	column := clause.Column{Name: "title = 'x', created_by", Raw: true}
	for name, run := range map[string]func(db *gorm.DB) *gorm.DB{
		"Exec": func(db *gorm.DB) *gorm.DB { return db.Exec("UPDATE targets SET created_by = '66'") },
		"gorm.Expr": func(db *gorm.DB) *gorm.DB {
			return db.Model(&target{ID: 1}).Update("title", gorm.Expr("'x', created_by = '66'"))
		},
		"expressions with a comma": func(db *gorm.DB) *gorm.DB {
			return db.Model(&target{ID: 1}).Update("title", clause.CommaExpression{Exprs: []clause.Expression{
				clause.Expr{SQL: "'x'"}, clause.Eq{Column: "created_by", Value: "66"},
			}})
		},
		"raw clause.Column": func(db *gorm.DB) *gorm.DB {
			return db.Model(&target{}).Where("id = 1").Clauses(clause.Set{{Column: column, Value: "66"}}).Updates(forged{})
		},
		"Clause.AfterExpression": func(db *gorm.DB) *gorm.DB {
			return db.Model(&target{}).Where("id = 1").Clauses(modifier(func(stmt *gorm.Statement) {
				stmt.Clauses["SET"] = clause.Clause{Name: "SET", AfterExpression: clause.Expr{SQL: ", created_by = '66'"}, Expression: clause.Set{{Column: clause.Column{Name: "title"}, Value: "x"}}}
			})).Updates(forged{})
		},
		"Clause.AfterExpression and BuildClauses": func(db *gorm.DB) *gorm.DB {
			return db.Model(&target{}).Where("id = 1").Clauses(modifier(func(stmt *gorm.Statement) {
				stmt.Clauses["SET"] = clause.Clause{Name: "SET", Expression: set("title", "x"), AfterExpression: clause.Expr{SQL: ","}}
				stmt.Clauses["FROM"] = clause.Clause{Expression: clause.Set{{Column: clause.Column{Name: "created_by"}, Value: "66"}}}
				stmt.BuildClauses = []string{"UPDATE", "SET", "FROM", "WHERE"}
			})).Updates(forged{})
		},
		"expression in an upsert": func(db *gorm.DB) *gorm.DB {
			return db.Clauses(clause.OnConflict{Columns: onID, DoUpdates: clause.Assignments(forged{"title": gorm.Expr("'x', created_by = '66'")})}).Create(&target{ID: 1})
		},
		"Statement.SQL": func(db *gorm.DB) *gorm.DB {
			tx := db.Session(&gorm.Session{}).Where("1 = 1")
			_, _ = tx.Statement.SQL.WriteString("UPDATE targets SET created_by = '66'")
			return tx.Model(&target{}).Updates(forged{"title": "x"})
		},
		"Table": func(db *gorm.DB) *gorm.DB {
			return db.Table("targets SET created_by = '66' WHERE 1 --").Where("1 = 1").Updates(forged{"x": "y"})
		},
	} {
		s.resetTarget(t)
		tx := run(s.user(7))
		if got := s.cell(t, "targets", "created_by", 1); got != "66" {
			t.Errorf("%s: created_by = %q, %v: it is safer than the documentation says", name, got, tx.Error)
		}
	}
}
