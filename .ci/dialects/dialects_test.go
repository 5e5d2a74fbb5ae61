// Package dialects_test tries gormaudit with the real drivers of databases that
// nobody has to have, over a connection that keeps what is sent. It is a
// module of its own, so that these drivers are in nobody's go.sum.
package dialects_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"gorm.io/driver/clickhouse"
	"gorm.io/driver/sqlserver"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

type page struct {
	ID    uint
	Title string
	gormaudit.SoftBy[string]
	DeletedAt gorm.DeletedAt
}

type freePage struct {
	ID    uint
	Title string
}

// recorder is a connection that keeps what it is asked to send and fails.
type recorder struct{ sent []string }

var errOffline = errors.New("offline")

func (r *recorder) PrepareContext(_ context.Context, query string) (*sql.Stmt, error) {
	r.sent = append(r.sent, query)
	return nil, errOffline
}

func (r *recorder) ExecContext(_ context.Context, query string, args ...any) (sql.Result, error) {
	r.sent = append(r.sent, fmt.Sprint(query, " ", args))
	return nil, errOffline
}

func (r *recorder) QueryContext(_ context.Context, query string, args ...any) (*sql.Rows, error) {
	r.sent = append(r.sent, fmt.Sprint(query, " ", args))
	return nil, errOffline
}

func (r *recorder) QueryRowContext(_ context.Context, query string, args ...any) *sql.Row {
	r.sent = append(r.sent, fmt.Sprint(query, " ", args))
	return &sql.Row{}
}

// dialects are those whose creates are refused, with the UPDATE and the soft
// delete that they send all the same.
var dialects = []struct {
	name           string
	open           func(conn gorm.ConnPool) gorm.Dialector
	update, delete string
}{
	{
		"sqlserver", func(conn gorm.ConnPool) gorm.Dialector { return sqlserver.New(sqlserver.Config{Conn: conn}) },
		`UPDATE "pages" SET "title"=@p1,"updated_by"=@p2 WHERE "pages"."deleted_at" IS NULL AND "id" = @p3 [x 7 1]`,
		`UPDATE "pages" SET "deleted_at"=@p1,"deleted_by"=@p2 WHERE "pages"."id" = @p3 AND "pages"."deleted_at" IS NULL`,
	},
	{
		"clickhouse", func(conn gorm.ConnPool) gorm.Dialector {
			return clickhouse.New(clickhouse.Config{Conn: conn, SkipInitializeWithVersion: true})
		},
		"ALTER TABLE `pages` UPDATE `title`=?,`updated_by`=? WHERE `deleted_at` IS NULL AND `id` = ? [x 7 1]",
		"ALTER TABLE `pages` UPDATE `deleted_at`=?,`deleted_by`=? WHERE `id` = ? AND `deleted_at` IS NULL",
	},
}

func open(t *testing.T, dialector gorm.Dialector, plugins ...gorm.Plugin) *gorm.DB {
	t.Helper()
	db, err := gorm.Open(dialector, &gorm.Config{SkipDefaultTransaction: true, Logger: logger.Discard})
	if err != nil {
		t.Fatal(err)
	}
	for _, plugin := range plugins {
		if err := db.Use(plugin); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

func TestCreatesFailClosed(t *testing.T) {
	ctx := actor.NewContext(context.Background(), actor.User(7))
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			var conn recorder
			db := open(t, d.open(&conn), gormaudit.NewWithConfig(gormaudit.Config{Models: []any{&page{}}}))
			if len(conn.sent) != 0 {
				t.Errorf("db.Use sent %q, want nothing", conn.sent)
			}
			as := db.WithContext(ctx)
			upsert := clause.OnConflict{Columns: []clause.Column{{Name: "id"}}, UpdateAll: true}
			for name, tx := range map[string]*gorm.DB{
				"Create":          as.Create(&page{}),
				"Create of many":  as.Create(&[]page{{}, {}}),
				"Create of map":   as.Model(&page{}).Create(map[string]any{"created_by": "66"}),
				"Create of maps":  as.Model(&page{}).Create([]map[string]any{{"created_by": "66"}, {"created_by": "66"}}),
				"CreateInBatches": as.CreateInBatches(&[]page{{}, {}}, 1),
				"Save new":        as.Save(&page{}),
				"upsert":          as.Clauses(upsert).Create(&page{ID: 1}),
				"Table":           as.Table("pages").Create(map[string]any{"created_by": "66"}),
				"Skip":            db.WithContext(gormaudit.Skip(context.Background())).Create(&page{}),
				"another's table": as.Clauses(clause.Insert{Table: clause.Table{Name: "pages"}}).Create(&freePage{}),
				"DryRun":          as.Session(&gorm.Session{DryRun: true}).Create(&page{}),
			} {
				if want := `create on "pages": the dialect ` + d.name + ` builds`; tx.Error == nil || !strings.Contains(tx.Error.Error(), want) {
					t.Errorf("%s = %v, want … %s …", name, tx.Error, want)
				}
			}
			if len(conn.sent) != 0 {
				t.Errorf("%q sent, want nothing", conn.sent)
			}
		})
	}
}

func TestUpdatesAreStamped(t *testing.T) {
	ctx := actor.NewContext(context.Background(), actor.User(7))
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			var conn recorder
			db := open(t, d.open(&conn), gormaudit.New()).WithContext(ctx)
			db.Model(&page{ID: 1}).Update("title", "x")
			db.Model(&page{ID: 1}).Updates(map[string]any{"title": "x", "created_by": "66", "[created_by]": "66", "UPDATED_BY": "66"})
			db.Delete(&page{ID: 1})
			if len(conn.sent) != 3 {
				t.Fatalf("sent %q, want three statements", conn.sent)
			}
			if conn.sent[0] != d.update || conn.sent[1] != d.update {
				t.Errorf("sent %q, want %q twice", conn.sent[:2], d.update)
			}
			if sent := conn.sent[2]; !strings.HasPrefix(sent, d.delete) || !strings.HasSuffix(sent, " 7 1]") {
				t.Errorf("sent %q, want %q by 7", sent, d.delete)
			}
		})
	}
}

// A model without by-columns is sent what GORM alone would.
func TestOthersAreLeftAlone(t *testing.T) {
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			var with, without recorder
			for _, db := range []*gorm.DB{open(t, d.open(&with), gormaudit.New()), open(t, d.open(&without))} {
				for _, tx := range []*gorm.DB{
					db.Create(&freePage{}), db.Create(&[]freePage{{}, {}}), db.Create(&freePage{ID: 1}),
					db.Model(&freePage{}).Create(map[string]any{"title": "x"}), db.Model(&freePage{ID: 1}).Update("title", "x"), db.Delete(&freePage{ID: 1}),
				} {
					if !errors.Is(tx.Error, errOffline) {
						t.Errorf("error %v, want what the connection says", tx.Error)
					}
				}
			}
			if got, want := strings.Join(with.sent, "\n"), strings.Join(without.sent, "\n"); got != want || got == "" {
				t.Errorf("sent\n%s\nwant\n%s", got, want)
			}
		})
	}
}
