package tests

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// acting returns a context in which the user id acts.
func acting(id int) context.Context {
	return actor.NewContext(context.Background(), actor.User(id))
}

// bys are the three kinds of by-columns that every write path is tried with:
// text without NULL, numbers without NULL, and text with NULL. A fourth is
// none at all.
type bys interface {
	texts | numbers | gormaudit.SoftBy[string] | none
}

type none struct{}

type texts struct{ CreatedBy, UpdatedBy, DeletedBy string }

type numbers struct{ CreatedBy, UpdatedBy, DeletedBy uint }

// said returns by-fields that all name one user, as a forged request body
// would set them.
func said[B bys](id int) (b B) {
	text := strconv.Itoa(id)
	switch p := any(&b).(type) {
	case *texts:
		*p = texts{text, text, text}
	case *numbers:
		*p = numbers{uint(id), uint(id), uint(id)}
	case *gormaudit.SoftBy[string]:
		*p = gormaudit.SoftBy[string]{CreatedBy: pointer(text), UpdatedBy: pointer(text), DeletedBy: pointer(text)}
	}
	return b
}

// value returns a user as a single by-column holds it.
func value[B bys](id int) any {
	var b B
	if _, ok := any(b).(numbers); ok {
		return uint(id)
	}
	return strconv.Itoa(id)
}

// with returns a map of values together with forged ones for all by-columns,
// if there are any.
func with[B bys](values map[string]any) map[string]any {
	if _, ok := any(*new(B)).(none); ok {
		return maps.Clone(values)
	}
	forged := map[string]any{"created_by": value[B](66), "updated_by": value[B](66), "deleted_by": value[B](66)}
	maps.Copy(forged, values)
	return forged
}

// wrote returns the error of a statement, or one that says it wrote nothing.
func wrote(tx *gorm.DB) error {
	if tx.Error == nil && tx.RowsAffected == 0 {
		return fmt.Errorf("no row was written")
	}
	return tx.Error
}

func now() time.Time { return time.Date(2026, 7, 8, 9, 10, 11, 0, time.UTC) }

// longAgo is when the rows of a fresh world were written.
var longAgo = time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)

// world is one database with a table for every model, some rows in each that
// user 5 wrote, and two connections to it: one with the plugin and one
// without.
type world struct {
	kind      string
	db, plain *gorm.DB
	log       *recorder
	// bare worlds have no by-columns.
	bare bool
	// dirty are the tables that statements of db have named since the last
	// reset: all that need another one.
	dirty map[string]bool
}

// spy is the logger of a world's db. It sees every statement.
type spy struct {
	logger.Interface
	world *world
}

func (s spy) LogMode(logger.LogLevel) logger.Interface { return s }

func (s spy) Trace(_ context.Context, _ time.Time, statement func() (string, int64), _ error) {
	sql, _ := statement()
	for _, table := range worldTables {
		if strings.Contains(strings.ToLower(sql), table.name) {
			s.world.dirty[table.name] = true
		}
	}
}

// newWorld makes one with by-columns of the type B and the given plugins.
func newWorld[B bys](t *testing.T, kind string, plugins ...gorm.Plugin) *world {
	t.Helper()
	d := dbtest.New(t, kind)
	open := func(log logger.Interface) *gorm.DB {
		db := d.Open(t, &gorm.Config{Logger: log, DisableForeignKeyConstraintWhenMigrating: true, NowFunc: now})
		if err := db.SetupJoinTable(&post{}, "Tags", &postTag[B]{}); err != nil {
			t.Fatalf("SetupJoinTable: %v", err)
		}
		return db
	}
	w := &world{kind: kind, plain: open(logger.Discard), dirty: map[string]bool{}}
	for _, table := range worldTables {
		w.dirty[table.name] = true
	}
	w.db = open(spy{logger.Discard, w})
	w.log = record(w.db)
	_, w.bare = any(*new(B)).(none)
	if err := w.plain.AutoMigrate(models[B]()...); err != nil {
		t.Fatalf("AutoMigrate: %v", err)
	}
	if kind == dbtest.Postgres {
		for _, table := range worldTables {
			if table.key == "id" {
				w.exec(t, "SELECT setval(pg_get_serial_sequence('"+table.name+"', 'id'), 1000)")
			}
		}
	}
	for _, plugin := range plugins {
		if err := w.db.Use(plugin); err != nil {
			t.Fatalf("db.Use: %v", err)
		}
	}
	return w
}

// quiet returns the DB with the plugin, for use by many goroutines at once:
// nothing is recorded.
func (w *world) quiet(ctx context.Context) *gorm.DB {
	db := w.db.Session(&gorm.Session{Context: ctx, Logger: logger.Discard})
	db.Statement.ConnPool = w.log.ConnPool
	return db
}

func (w *world) exec(t *testing.T, sql string, vars ...any) {
	t.Helper()
	if err := w.plain.Exec(sql, vars...).Error; err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// reset empties the tables that were written to and writes the rows of user 5
// again, without the plugin.
func (w *world) reset(t *testing.T) {
	t.Helper()
	err := w.plain.Transaction(func(tx *gorm.DB) error {
		for _, table := range worldTables {
			if !w.dirty[table.name] {
				continue
			}
			if err := tx.Exec("DELETE FROM " + table.name).Error; err != nil {
				return err
			}
			for _, row := range table.seed {
				if err := tx.Table(table.name).Create(table.row(row, w.bare)).Error; err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("reset: %v", err)
	}
	clear(w.dirty)
}

// row is what a test looks at in a row: the by-columns as in "5 7 -", and
// whether the time columns have moved.
type row struct {
	by             string
	moved, deleted bool
}

// read returns the rows of every table by table and key, as in "notes 1". Rows
// that were not there from the start are "notes +1", "notes +2" and so on.
func (w *world) read(t *testing.T) map[string]row {
	t.Helper()
	kind := "VARCHAR(20)"
	if w.plain.Name() == "mysql" {
		kind = "CHAR(20)"
	}
	var queries []string
	for n, table := range worldTables {
		query := fmt.Sprintf("SELECT %d AS n, %s AS k", n, table.key)
		for _, by := range []string{"created_by", "updated_by", "deleted_by"} {
			query += fmt.Sprintf(", CAST(%s%s AS %s) AS %s", table.prefix, by, kind, by)
		}
		query += ", CASE WHEN updated_at < '2020' THEN 0 ELSE 1 END AS moved, " + table.isDeleted() + " AS deleted FROM " + table.name
		queries = append(queries, strings.ReplaceAll(query, "'2020'", "'2020-01-01 00:00:00'"))
	}
	var found []struct {
		N, K                            int
		CreatedBy, UpdatedBy, DeletedBy *string
		Moved, Deleted                  int
	}
	if err := w.plain.Raw(strings.Join(queries, " UNION ALL ") + " ORDER BY 1, 2").Scan(&found).Error; err != nil {
		t.Fatalf("read: %v", err)
	}
	rows, added := map[string]row{}, map[string]int{}
	for _, f := range found {
		table := worldTables[f.N]
		key := table.name + " " + strconv.Itoa(f.K)
		if !slices.ContainsFunc(table.seed, func(s seed) bool { return s.key == f.K }) {
			added[table.name]++
			key = table.name + " +" + strconv.Itoa(added[table.name])
		}
		by := who(f.CreatedBy) + " " + who(f.UpdatedBy) + " " + who(f.DeletedBy)
		rows[key] = row{by: by, moved: f.Moved == 1, deleted: f.Deleted == 1}
	}
	return rows
}

// who is a by-column's value for people to read: - for nobody.
func who(value *string) string {
	if value == nil {
		return "-"
	}
	switch text := strings.Trim(*value, ` "`); text {
	case "", "0", "null":
		return "-"
	default:
		return text
	}
}

func pointer[T any](v T) *T { return &v }
