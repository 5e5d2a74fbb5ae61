package tests

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// stage is one database seen twice: through the plugin, and plainly, to read
// what its rows hold.
type stage struct {
	*gorm.DB
	plain *gorm.DB
	kind  string
}

// newStage migrates the models and registers the plugin.
func newStage(tb testing.TB, d *dbtest.Database, config gormaudit.Config, models ...any) *stage {
	tb.Helper()
	s := &stage{DB: d.Open(tb), plain: d.Open(tb), kind: d.Kind}
	if err := s.Use(gormaudit.NewWithConfig(config)); err != nil {
		tb.Fatalf("Use: %v", err)
	}
	if err := s.AutoMigrate(models...); err != nil {
		tb.Fatalf("AutoMigrate: %v", err)
	}
	return s
}

// newSQLiteStage is for what no database has a say in.
func newSQLiteStage(tb testing.TB, config gormaudit.Config, models ...any) *stage {
	tb.Helper()
	return newStage(tb, dbtest.New(tb, dbtest.SQLite), config, models...)
}

// eachStage runs f as a subtest on every kind of database.
func eachStage(t *testing.T, config gormaudit.Config, models []any, f func(t *testing.T, s *stage)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) { f(t, newStage(t, d, config, models...)) })
}

func contextOf(a actor.Actor) context.Context { return actor.NewContext(context.Background(), a) }

// as returns the plugin's side with somebody acting.
func (s *stage) as(a actor.Actor) *gorm.DB { return s.WithContext(contextOf(a)) }

func (s *stage) user(id uint) *gorm.DB { return s.as(actor.User(id)) }

// cell reads one column of the row with an id, as text: "NULL" for NULL,
// "no row" where there is none.
func (s *stage) cell(tb testing.TB, table, column string, id any) string {
	tb.Helper()
	rows, err := s.plain.Table(table).Select(s.plain.Statement.Quote(column)).Where("id = ?", id).Rows()
	if err != nil {
		tb.Fatalf("read %s.%s: %v", table, column, err)
	}
	defer func() { _ = rows.Close() }()
	if !rows.Next() {
		return "no row"
	}
	var held any
	if err := rows.Scan(&held); err != nil {
		tb.Fatalf("scan %s.%s: %v", table, column, err)
	}
	return asText(held)
}

// cells reads several columns of one row, separated by spaces.
func (s *stage) cells(tb testing.TB, table string, id any, columns ...string) string {
	tb.Helper()
	texts := make([]string, len(columns))
	for i, column := range columns {
		texts[i] = s.cell(tb, table, column, id)
	}
	return strings.Join(texts, " ")
}

// by reads created_by and updated_by of one row.
func (s *stage) by(tb testing.TB, table string, id any) string {
	tb.Helper()
	return s.cells(tb, table, id, "created_by", "updated_by")
}

// rows returns everything a table holds.
func (s *stage) rows(tb testing.TB, table string) []string {
	tb.Helper()
	var rows []map[string]any
	if err := s.plain.Table(table).Find(&rows).Error; err != nil {
		tb.Fatalf("read %s: %v", table, err)
	}
	var texts []string
	for _, row := range rows {
		for column, held := range row {
			row[column] = asText(held)
		}
		texts = append(texts, fmt.Sprint(row))
	}
	slices.Sort(texts)
	return texts
}

// unchanged returns a check that the table holds what it does now and that
// every connection is back in its pool.
func (s *stage) unchanged(tb testing.TB, table string) func(what string) {
	tb.Helper()
	before := s.rows(tb, table)
	return func(what string) {
		tb.Helper()
		if after := s.rows(tb, table); !slices.Equal(after, before) {
			tb.Errorf("%s: %s holds %.200v, want %.200v", what, table, after, before)
		}
		s.idle(tb, what)
	}
}

// idle checks that every connection is back in its pool.
func (s *stage) idle(tb testing.TB, what string) {
	tb.Helper()
	pool, err := s.DB.DB()
	if err != nil {
		tb.Fatal(err)
	}
	if n := pool.Stats().InUse; n != 0 {
		tb.Errorf("%s: %d connections in use, want 0", what, n)
	}
}

// asText writes a value that a driver returned.
func asText(held any) string {
	switch v := held.(type) {
	case nil:
		return "NULL"
	case []byte:
		return string(v)
	case sql.RawBytes:
		return string(v)
	}
	if rv := reflect.ValueOf(held); rv.Kind() == reflect.Pointer {
		if rv.IsNil() {
			return "NULL"
		}
		return asText(rv.Elem().Interface())
	}
	return fmt.Sprint(held)
}

// ok fails the test when a statement did.
func ok(tb testing.TB, tx *gorm.DB) {
	tb.Helper()
	if tx.Error != nil {
		tb.Fatalf("statement failed: %v", tx.Error)
	}
}

func ptr[T any](v T) *T { return &v }

// journal is a GORM logger that keeps warnings.
type journal struct {
	logger.Interface
	mu       sync.Mutex
	warnings []string
}

func newJournal() *journal { return &journal{Interface: logger.Discard} }

func (j *journal) LogMode(logger.LogLevel) logger.Interface { return j }

func (j *journal) Warn(_ context.Context, format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.warnings = append(j.warnings, fmt.Sprintf(format, args...))
}

// take returns the warnings since the last take.
func (j *journal) take() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	taken := j.warnings
	j.warnings = nil
	return taken
}

func reflectType(model any) reflect.Type { return reflect.TypeOf(model) }

func indirect(model any) any { return reflect.ValueOf(model).Elem().Interface() }
