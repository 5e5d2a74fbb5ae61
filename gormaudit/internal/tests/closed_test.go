package tests

import (
	"context"
	"strings"
	"testing"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// handmade is a clause of the application's own.
type handmade struct {
	clause.Expression
	name string
}

func (h handmade) Name() string                 { return h.name }
func (h handmade) MergeClause(c *clause.Clause) { c.Expression = h.Expression }

func TestStatementsThatCannotKeepTheRulesAreErrors(t *testing.T) {
	eachStage(t, gormaudit.Config{}, policyModels, func(t *testing.T, s *stage) {
		ok(t, s.user(5).Create(&page{ID: 1}))
		ok(t, s.plain.Create(&freePage{ID: 1}))
		same := s.unchanged(t, "pages")
		db := s.user(7)
		raw := clause.Expr{SQL: "SET created_by = 66"}
		build := func(clause.Clause, clause.Builder) {}
		withBuilder := func(name string) *gorm.DB {
			tx := db.Session(&gorm.Session{})
			tx = tx.Where("1 = 1")
			tx.Statement.Clauses[name] = clause.Clause{Name: name, Builder: build, Expression: clause.Set{{Column: clause.Column{Name: "title"}, Value: "x"}}}
			return tx
		}
		for name, tx := range map[string]*gorm.DB{
			"INSERT OR REPLACE": db.Clauses(clause.Insert{Modifier: "OR REPLACE"}).Create(&page{ID: 1}),
			"insert or replace": db.Clauses(clause.Insert{Modifier: "or replace"}).Create(&page{ID: 1}),
			"REPLACE, Skip":     db.WithContext(gormaudit.Skip(context.Background())).Clauses(clause.Insert{Modifier: "OR REPLACE"}).Create(&page{ID: 1}),
			"REPLACE of map":    db.Table("pages").Clauses(clause.Insert{Modifier: "OR REPLACE"}).Create(map[string]any{"id": 1}),
			"SET":               db.Model(&page{ID: 1}).Clauses(handmade{raw, "SET"}).Updates(map[string]any{}),
			"ON CONFLICT":       db.Clauses(handmade{raw, "ON CONFLICT"}).Create(&page{ID: 1}),
			"SET builder":       withBuilder("SET").Model(&page{}).Updates(map[string]any{}),
			"VALUES builder":    withBuilder("VALUES").Create(&page{ID: 2}),
		} {
			if tx.Error == nil || !strings.HasPrefix(tx.Error.Error(), "gormaudit: ") {
				t.Errorf("%s = %v, want an error of gormaudit's", name, tx.Error)
			}
			same(name)
		}
		if tx := db.Clauses(renamedInsert{}).Create(&page{ID: 1}); tx.Error == nil { // SQLite's dialect writes INSERT all the same
			t.Error("REPLACE INTO = nil, want an error")
		}
		same("REPLACE INTO")
		if s.kind == dbtest.SQLite {
			ok(t, db.Clauses(clause.Insert{Modifier: "OR REPLACE"}).Create(&freePage{ID: 1, Title: "x"}))
		}
	})
}

// renamedInsert makes GORM write REPLACE INTO.
type renamedInsert struct{ clause.Insert }

func (renamedInsert) ModifyStatement(stmt *gorm.Statement) {
	stmt.Clauses["INSERT"] = clause.Clause{Name: "REPLACE", Expression: clause.Insert{}}
}

// A table's name may hold the word.
func TestTablesNamedForReplacements(t *testing.T) {
	type Replacement struct {
		ID uint
		gormaudit.By[string]
	}
	s := newSQLiteStage(t, gormaudit.Config{}, &Replacement{})
	ok(t, s.user(5).Clauses(clause.Insert{Modifier: "OR IGNORE"}).Create(&Replacement{ID: 1}))
	if got := s.by(t, "replacements", 1); got != "5 5" {
		t.Errorf("row holds %q, want 5 5", got)
	}
}
