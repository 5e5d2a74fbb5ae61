package tests

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"

	"gorm.io/driver/sqlserver"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// offline is a connection that counts what it is asked to send and sends
// nothing.
type offline struct{ sent int }

var errOffline = errors.New("offline")

func (o *offline) PrepareContext(context.Context, string) (*sql.Stmt, error) {
	o.sent++
	return nil, errOffline
}

func (o *offline) ExecContext(context.Context, string, ...any) (sql.Result, error) {
	o.sent++
	return nil, errOffline
}

func (o *offline) QueryContext(context.Context, string, ...any) (*sql.Rows, error) {
	o.sent++
	return nil, errOffline
}

func (o *offline) QueryRowContext(context.Context, string, ...any) *sql.Row {
	o.sent++
	return nil
}

func openSQLServer(t *testing.T) (*gorm.DB, *offline) {
	t.Helper()
	conn := &offline{}
	db, err := gorm.Open(sqlserver.New(sqlserver.Config{Conn: conn}), &gorm.Config{SkipDefaultTransaction: true, Logger: logger.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Use(gormaudit.New()); err != nil {
		t.Fatal(err)
	}
	return db, conn
}

// SQL Server's dialect writes INSERT and MERGE itself, around the clauses of
// GORM that the plugin guards.
func TestSQLServerCreatesFailClosed(t *testing.T) {
	db, conn := openSQLServer(t)
	as := db.WithContext(contextOf(actor.User(7)))
	upsert := clause.OnConflict{Columns: []clause.Column{{Name: "id"}}, UpdateAll: true}
	for name, tx := range map[string]*gorm.DB{
		"Create":          as.Create(&page{}),
		"Create of many":  as.Create(&[]page{{}, {}}),
		"Create of map":   as.Model(&page{}).Create(map[string]any{"created_by": "66"}),
		"CreateInBatches": as.CreateInBatches(&[]page{{}, {}}, 1),
		"Save new":        as.Save(&page{}),
		"upsert":          as.Clauses(upsert).Create(&page{ID: 1}),
		"Table":           as.Table("pages").Create(map[string]any{"created_by": "66"}),
		"Skip":            db.WithContext(gormaudit.Skip(context.Background())).Create(&page{}),
		"another's table": as.Clauses(clause.Insert{Table: clause.Table{Name: "pages"}}).Create(&freePage{}),
		"DryRun":          as.Session(&gorm.Session{DryRun: true}).Create(&page{}),
	} {
		if tx.Error == nil || !strings.Contains(tx.Error.Error(), `create on "pages": the dialect sqlserver builds INSERT statements around`) {
			t.Errorf("%s = %v, want an error that names the dialect", name, tx.Error)
		}
	}
	if conn.sent != 0 {
		t.Errorf("%d statements sent, want 0", conn.sent)
	}
	if err := as.Create(&freePage{}).Error; !errors.Is(err, errOffline) || conn.sent != 1 {
		t.Errorf("Create without by-columns = %v, %d sent, want it sent", err, conn.sent)
	}
}

func TestSQLServerUpdatesAreStamped(t *testing.T) {
	db, _ := openSQLServer(t)
	dry := db.WithContext(contextOf(actor.User(7))).Session(&gorm.Session{DryRun: true})
	tests := []struct {
		name string
		tx   *gorm.DB
		want string
	}{
		{"Update", dry.Model(&page{ID: 1}).Update("title", "x"), `UPDATE "pages" SET "title"=@p1,"updated_by"=@p2 WHERE "pages"."deleted_at" IS NULL AND "id" = @p3`},
		{
			"Updates", dry.Model(&page{ID: 1}).Updates(map[string]any{"title": "x", "created_by": "66", "[created_by]": "66", "UPDATED_BY": "66"}),
			`UPDATE "pages" SET "title"=@p1,"updated_by"=@p2 WHERE "pages"."deleted_at" IS NULL AND "id" = @p3`,
		},
		{"Delete", dry.Delete(&page{ID: 1}), `UPDATE "pages" SET "deleted_at"=@p1,"deleted_by"=@p2 WHERE "pages"."id" = @p3 AND "pages"."deleted_at" IS NULL`},
	}
	for _, test := range tests {
		if got := test.tx.Statement.SQL.String(); test.tx.Error != nil || got != test.want {
			t.Errorf("%s = %s, %v, want %s", test.name, got, test.tx.Error, test.want)
		}
		if vars := test.tx.Statement.Vars; len(vars) < 2 || vars[1] != "7" {
			t.Errorf("%s binds %v, want 7 second", test.name, vars)
		}
	}
}

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
