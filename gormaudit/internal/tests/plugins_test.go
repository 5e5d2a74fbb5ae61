package tests

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
	"gorm.io/gorm/schema"
	"gorm.io/plugin/dbresolver"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// version is an optimistic lock: each update asks for the version it read and
// adds one to it. It does so from a clause that puts a map in Dest's place.
type version int64

func (version) UpdateClauses(f *schema.Field) []clause.Interface {
	return []clause.Interface{versionClause{f}}
}

type versionClause struct{ field *schema.Field }

func (versionClause) Name() string               { return "" }
func (versionClause) Build(clause.Builder)       {}
func (versionClause) MergeClause(*clause.Clause) {}
func (v versionClause) ModifyStatement(stmt *gorm.Statement) {
	if _, done := stmt.Clauses["version"]; done {
		return
	}
	stmt.Clauses["version"] = clause.Clause{}
	row := reflect.Indirect(reflect.ValueOf(stmt.Model))
	if current, zero := v.field.ValueOf(stmt.Context, row); !zero {
		stmt.AddClause(clause.Where{Exprs: []clause.Expression{clause.Eq{Column: v.field.DBName, Value: current}}})
	}
	set := map[string]any{}
	if values, ok := stmt.Dest.(map[string]any); ok {
		for name, value := range values {
			set[name] = value
		}
	} else {
		for _, name := range stmt.Schema.DBNames {
			field := stmt.Schema.FieldsByDBName[name]
			if value, zero := field.ValueOf(stmt.Context, reflect.Indirect(reflect.ValueOf(stmt.Dest))); !zero && !field.PrimaryKey {
				set[name] = value
			}
		}
	}
	set[v.field.DBName] = gorm.Expr(stmt.Quote(v.field.DBName) + " + 1")
	stmt.Dest = set
}

// article has all that other plugins and hooks act on.
type article struct {
	ID      uint
	Title   string
	Tenant  string
	Traces  string `gorm:"-"`
	Version version
	gormaudit.SoftBy[string]
	DeletedAt gorm.DeletedAt
}

func (a *article) BeforeSave(*gorm.DB) error {
	a.CreatedBy, a.UpdatedBy, a.DeletedBy = ptr("66"), ptr("66"), ptr("66")
	return nil
}

func (a *article) BeforeCreate(tx *gorm.DB) error {
	tx.Statement.SetColumn("CreatedBy", ptr("66"), true)
	tx.Statement.SetColumn("DeletedBy", ptr("66"), true)
	return nil
}

func (a *article) BeforeUpdate(tx *gorm.DB) error {
	tx.Statement.SetColumn("CreatedBy", "66", true)
	tx.Statement.SetColumn("updated_by", "66", true)
	return nil
}

func (a *article) BeforeDelete(tx *gorm.DB) error {
	tx.Statement.AddClause(clause.Set{{Column: clause.Column{Name: "deleted_by"}, Value: "66"}})
	return nil
}

// others imitates plugins: each registers callbacks around GORM's own.
type others struct {
	name string
	init func(*gorm.DB) error
}

func (o others) Name() string                 { return o.name }
func (o others) Initialize(db *gorm.DB) error { return o.init(db) }

type traceKey struct{}

// otherPlugins change what a statement consists of, before and in GORM's own
// callbacks.
func otherPlugins() []gorm.Plugin {
	around := func(name string, f func(db *gorm.DB)) gorm.Plugin {
		return others{name, func(db *gorm.DB) error {
			return errors.Join(
				db.Callback().Create().Before("gorm:create").Register(name, f),
				db.Callback().Update().Before("gorm:update").Register(name, f),
				db.Callback().Delete().Before("gorm:delete").Register(name, f),
			)
		}}
	}
	return []gorm.Plugin{
		around("tracing", func(db *gorm.DB) {
			db.Statement.Context = context.WithValue(db.Statement.Context, traceKey{}, "span")
		}),
		around("tenant", func(db *gorm.DB) {
			db.Statement.AddClause(clause.Where{Exprs: []clause.Expression{clause.Expr{SQL: "tenant <> 'other'"}}})
		}),
		around("forger", func(db *gorm.DB) {
			if db.Statement.Schema != nil {
				db.Statement.SetColumn("created_by", ptr("66"), true)
			}
		}),
		others{"builders", func(db *gorm.DB) error { // wraps the same builders
			for _, name := range []string{"SET", "VALUES", "ON CONFLICT"} {
				next, ok := db.ClauseBuilders[name]
				if !ok {
					next = func(c clause.Clause, b clause.Builder) { c.Build(b) }
				}
				db.ClauseBuilders[name] = func(c clause.Clause, b clause.Builder) {
					c.Builder = nil
					next(c, b)
				}
			}
			return nil
		}},
	}
}

func TestOrderOfPluginsDoesNotMatter(t *testing.T) {
	for position := range len(otherPlugins()) + 1 {
		t.Run(fmt.Sprint(position), func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
				s := &stage{DB: d.Open(t), plain: d.Open(t), kind: d.Kind}
				for _, plugin := range slices.Insert(otherPlugins(), position, gorm.Plugin(gormaudit.New())) {
					if err := s.Use(plugin); err != nil {
						t.Fatal(err)
					}
				}
				if err := s.AutoMigrate(&article{}); err != nil {
					t.Fatal(err)
				}
				holds := func(what string, id uint, want string) {
					t.Helper()
					if got := s.cells(t, "articles", id, "created_by", "updated_by", "deleted_by", "version"); got != want {
						t.Errorf("%s: row holds %q, want %q", what, got, want)
					}
				}
				row := &article{ID: 1, Version: 1}
				ok(t, s.user(5).Create(row))
				holds("Create", 1, "5 5 NULL 1")
				ok(t, s.user(6).Model(row).Updates(map[string]any{"title": "x", "created_by": "66"}))
				holds("Updates of map", 1, "5 6 NULL 2")
				ok(t, s.user(7).Model(&article{ID: 1, Version: 2}).Updates(&article{Title: "y"}))
				holds("Updates of struct", 1, "5 7 NULL 3")
				if tx := s.user(8).Model(&article{ID: 1, Version: 2}).Update("title", "stale"); tx.Error != nil || tx.RowsAffected != 0 {
					t.Errorf("Update of a stale version: %d rows, %v, want 0", tx.RowsAffected, tx.Error)
				}
				holds("Update of a stale version", 1, "5 7 NULL 3")
				upsert := clause.OnConflict{Columns: []clause.Column{{Name: "id"}}, DoUpdates: clause.AssignmentColumns([]string{"title", "created_by"})}
				ok(t, s.user(8).Clauses(upsert).Create(&article{ID: 1, Version: 9}))
				holds("upsert", 1, "5 8 NULL 3")
				ok(t, s.user(9).Delete(&article{ID: 1}))
				holds("Delete", 1, "5 8 9 3")
			})
		})
	}
}

func TestDBResolver(t *testing.T) {
	for _, first := range []bool{true, false} {
		t.Run(fmt.Sprintf("gormaudit first %v", first), func(t *testing.T) {
			file := func(name string) gorm.Dialector {
				return sqlite.New(sqlite.Config{DriverName: "sqlite", DSN: filepath.Join(t.TempDir(), name)})
			}
			source, replica, second := file("source.db"), file("replica.db"), file("second.db")
			for _, d := range []gorm.Dialector{source, replica, second} {
				migrated, err := gorm.Open(d, &gorm.Config{})
				if err != nil {
					t.Fatal(err)
				}
				if err := migrated.AutoMigrate(policyModels...); err != nil {
					t.Fatal(err)
				}
				closeAfter(t, migrated)
			}
			db, err := gorm.Open(source, &gorm.Config{})
			if err != nil {
				t.Fatal(err)
			}
			closeAfter(t, db)
			resolver := dbresolver.Register(dbresolver.Config{Replicas: []gorm.Dialector{replica}}).
				Register(dbresolver.Config{Sources: []gorm.Dialector{second}}, &ticket{})
			plugins := []gorm.Plugin{gormaudit.New(), resolver}
			if !first {
				slices.Reverse(plugins)
			}
			for _, plugin := range plugins {
				if err := db.Use(plugin); err != nil {
					t.Fatal(err)
				}
			}
			as := func(id uint) *gorm.DB { return db.WithContext(contextOf(actor.User(id))) }
			ok(t, as(5).Create(&page{ID: 1, SoftBy: gormaudit.SoftBy[string]{CreatedBy: ptr("66")}}))
			ok(t, as(7).Model(&page{ID: 1}).Update("title", "x"))
			ok(t, as(5).Create(&ticket{ID: 1}))
			ok(t, as(7).Clauses(dbresolver.Write).Delete(&ticket{ID: 1}))
			for _, read := range []struct {
				from           gorm.Dialector
				pages, tickets string
			}{{source, "5 7", "no row"}, {replica, "no row", "no row"}, {second, "no row", "5 5"}} {
				plain, err := gorm.Open(read.from, &gorm.Config{})
				if err != nil {
					t.Fatal(err)
				}
				closeAfter(t, plain)
				s := &stage{plain: plain}
				pages, tickets := s.by(t, "pages", 1), s.by(t, "tickets", 1)
				if strings.ReplaceAll(pages, "no row no row", "no row") != read.pages || strings.ReplaceAll(tickets, "no row no row", "no row") != read.tickets {
					t.Errorf("database holds %q and %q, want %q and %q", pages, tickets, read.pages, read.tickets)
				}
			}
		})
	}
}

func closeAfter(t *testing.T, db *gorm.DB) {
	t.Helper()
	pool, err := db.DB()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pool.Close() })
}

func TestUseTwice(t *testing.T) {
	db := dbtest.New(t, dbtest.SQLite).Open(t)
	if err := db.Use(gormaudit.New()); err != nil {
		t.Fatal(err)
	}
	if err := db.Use(gormaudit.New()); !errors.Is(err, gorm.ErrRegistered) {
		t.Errorf("second Use = %v, want ErrRegistered", err)
	}
}

func TestOnePluginServesSeveralDatabases(t *testing.T) {
	type other struct { // the same table, other columns
		ID     uint
		Title  string
		Author string `gorm:"autoCreateBy"`
	}
	plugin := gormaudit.New()
	one, two := dbtest.New(t, dbtest.SQLite), dbtest.New(t, dbtest.SQLite)
	db1, db2 := one.Open(t), two.Open(t)
	if err := errors.Join(db1.Use(plugin), db2.Use(plugin), db1.AutoMigrate(&page{}), db2.Table("pages").AutoMigrate(&other{})); err != nil {
		t.Fatal(err)
	}
	ctx := contextOf(actor.User(5))
	ok(t, db1.WithContext(ctx).Create(&page{ID: 1}))
	ok(t, db2.WithContext(ctx).Table("pages").Create(&other{ID: 1, Author: "66"}))
	ok(t, db2.WithContext(ctx).Table("pages").Where("id = 1").Updates(map[string]any{"title": "x"})) // no updated_by there
	s1, s2 := &stage{plain: one.Open(t)}, &stage{plain: two.Open(t)}
	if got := s1.by(t, "pages", 1); got != "5 5" {
		t.Errorf("first database holds %q, want 5 5", got)
	}
	if got := s2.cells(t, "pages", 1, "author", "title"); got != "5 x" {
		t.Errorf("second database holds %q, want 5 x", got)
	}
}

func TestBadConfigIsAnErrorFromUse(t *testing.T) {
	type undeletable struct {
		ID        uint
		DeletedBy string
	}
	type twice struct {
		ID          uint
		CreatedBy   string
		CreatedByID uint
	}
	type untwice struct {
		ID          uint
		CreatedBy   string `gorm:"autoCreateBy:false"`
		CreatedByID uint
	}
	type both struct {
		ID        uint
		CreatedBy string `gorm:"autoUpdateBy"`
	}
	type timed struct {
		ID        uint
		CreatedBy int64 `gorm:"autoCreateTime"`
	}
	type counted struct {
		CreatedBy uint `gorm:"primaryKey"`
	}
	type keyed struct {
		CreatedBy uint `gorm:"primaryKey;autoIncrement:false"`
	}
	type rekeyed struct {
		ID        uint
		UpdatedBy string `gorm:"primaryKey"`
	}
	type odd struct { // what works, at least for some
		ID        uint
		CreatedBy *string `gorm:"not null;<-:false;uniqueIndex"`
		UpdatedBy *string `gorm:"->;default:nobody;-:migration"`
	}
	tests := []struct {
		name   string
		config gormaudit.Config
		want   string // part of the message, empty for none
	}{
		{"zero", gormaudit.Config{}, ""},
		{"two roles", gormaudit.Config{Models: []any{&both{}}}, "boths.created_by is both autoCreateBy and autoUpdateBy"},
		{"a time", gormaudit.Config{Models: []any{&timed{}}}, "timeds.created_by says who, but GORM writes the time into it"},
		{"key that counts up", gormaudit.Config{Models: []any{&counted{}}}, "counteds.created_by is an auto-increment key"},
		{"key", gormaudit.Config{Models: []any{&keyed{}, &keyRow{}}}, ""},
		{"key that changes", gormaudit.Config{Models: []any{&rekeyed{}}}, "rekeyeds.updated_by is part of the primary key"},
		{"odd", gormaudit.Config{Models: []any{&odd{}}}, ""},
		{"models", gormaudit.Config{Models: policyModels}, ""},
		{"one turned off", gormaudit.Config{Models: []any{&untwice{}}}, ""},
		{"unknown policy", gormaudit.Config{Missing: 9}, "unknown MissingPolicy 9"},
		{"DeletedBy without soft delete", gormaudit.Config{Models: []any{&undeletable{}}}, "undeletable has no soft-delete field"},
		{"CreatedBy beside CreatedByID", gormaudit.Config{Models: []any{&twice{}}}, "both CreatedBy and CreatedByID"},
		{"bool", gormaudit.Config{Models: []any{&holder[bool]{}}}, "is of type bool: no id fits this type"},
		{"not a model", gormaudit.Config{Models: []any{5}}, "Config.Models: int: "},
		{"nil", gormaudit.Config{Models: []any{nil}}, "Config.Models: <nil>: "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := dbtest.New(t, dbtest.SQLite).Open(t).Use(gormaudit.NewWithConfig(test.config))
			switch {
			case test.want == "" && err != nil:
				t.Errorf("Use = %v, want nil", err)
			case test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), "gormaudit: ") || !strings.Contains(err.Error(), test.want)):
				t.Errorf("Use = %v, want gormaudit: … %s", err, test.want)
			}
		})
	}
}

// A number that refers to a table can't say nobody. It is no mistake as long as
// somebody is signed in, and where no foreign key is made.
func TestRelationThatCantSayNobodyIsWarnedOf(t *testing.T) {
	type pointers struct {
		ID          uint
		CreatedByID *uint
		CreatedBy   *person
	}
	type untied struct {
		ID          uint
		CreatedByID uint
		CreatedBy   person `gorm:"constraint:-"`
	}
	type unmigrated struct {
		ID          uint
		CreatedByID uint
		CreatedBy   person `gorm:"-:migration"`
	}
	const warning = "gormaudit: relations_rows.created_by_id is of type uint and holds 0 where nobody acts, which a foreign key to people refuses: " +
		`make the field a pointer, or tag the relation CreatedBy gorm:"constraint:-"`
	for _, test := range []struct {
		name   string
		config gorm.Config
		model  any
		want   []string
	}{
		{"number", gorm.Config{}, &relationsRow{}, []string{warning}},
		{"no keys at all", gorm.Config{DisableForeignKeyConstraintWhenMigrating: true}, &relationsRow{}, nil},
		{"pointer", gorm.Config{}, &pointers{}, nil},
		{"no key", gorm.Config{}, &untied{}, nil},
		{"not migrated", gorm.Config{}, &unmigrated{}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var log warnings
			test.config.Logger = &log
			db := dbtest.New(t, dbtest.SQLite).Open(t, &test.config)
			if err := db.Use(gormaudit.NewWithConfig(gormaudit.Config{Models: []any{test.model}})); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(log.texts, test.want) {
				t.Errorf("db.Use warns %q, want %q", log.texts, test.want)
			}
			if test.want == nil {
				return
			}
			db = dbtest.New(t, dbtest.SQLite).Open(t)
			must(t, errors.Join(db.AutoMigrate(&person{}, test.model), db.Use(gormaudit.New())))
			if err := db.WithContext(contextOf(actor.Actor{})).Omit("CreatedBy", "UpdatedBy").Create(test.model).Error; err == nil {
				t.Error("nobody's Create = nil: the warning is wrong")
			}
		})
	}
}

// warnings is a logger that keeps what it is warned of.
type warnings struct {
	logger.Interface
	texts []string
}

func (w *warnings) LogMode(logger.LogLevel) logger.Interface { return w }

func (w *warnings) Info(context.Context, string, ...any) {}

func (w *warnings) Error(context.Context, string, ...any) {}

func (w *warnings) Trace(context.Context, time.Time, func() (string, int64), error) {}

func (w *warnings) Warn(_ context.Context, text string, args ...any) {
	w.texts = append(w.texts, fmt.Sprintf(text, args...))
}

// Without Config.Models the same is an error of the first write.
func TestAmbiguousModelIsAnErrorOfItsWrites(t *testing.T) {
	type twice struct {
		ID          uint
		Title       string
		CreatedBy   string
		CreatedByID uint
	}
	s := newSQLiteStage(t, gormaudit.Config{}, &twice{})
	same := s.unchanged(t, "twices")
	for name, tx := range map[string]*gorm.DB{
		"Create": s.user(5).Create(&twice{CreatedBy: "66"}),
		"Update": s.user(5).Model(&twice{}).Where("1 = 1").Update("title", "x"),
	} {
		if tx.Error == nil || !strings.Contains(tx.Error.Error(), "both CreatedBy and CreatedByID") {
			t.Errorf("%s = %v, want an error that names both", name, tx.Error)
		}
		same(name)
	}
}

func TestWithAndWithoutDefaultTransaction(t *testing.T) {
	type Leaf struct {
		ID     uint
		TreeID uint
		gormaudit.By[string]
	}
	type Tree struct {
		ID    uint
		Title string
		gormaudit.By[string]
		Leaves []Leaf
	}
	for _, skip := range []bool{false, true} {
		t.Run(fmt.Sprintf("SkipDefaultTransaction %v", skip), func(t *testing.T) {
			d := dbtest.New(t, dbtest.SQLite)
			s := &stage{DB: d.Open(t, &gorm.Config{SkipDefaultTransaction: skip}), plain: d.Open(t), kind: d.Kind}
			if err := errors.Join(s.Use(gormaudit.New()), s.AutoMigrate(&Tree{}, &Leaf{})); err != nil {
				t.Fatal(err)
			}
			tree := &Tree{ID: 1, Leaves: []Leaf{{ID: 1}}}
			ok(t, s.user(5).Create(tree))
			ok(t, s.user(7).Save(tree)) // the leaf is saved again, unchanged
			if got := s.by(t, "trees", 1) + ", " + s.by(t, "leafs", 1); got != "5 7, 5 5" {
				t.Errorf("rows hold %q, want 5 7, 5 5", got)
			}
			tree.CreatedBy = ptr("5")
			ok(t, s.user(8).Model(tree).Updates(map[string]any{"title": "x", "created_by": "66"}))
			if got := *tree.CreatedBy + " " + *tree.UpdatedBy; got != "5 8" {
				t.Errorf("struct holds %q, want 5 8", got)
			}
		})
	}
}

func TestFirstSightFromManyGoroutines(t *testing.T) {
	d := dbtest.New(t, dbtest.SQLite)
	plain := d.Open(t)
	for range 5 {
		db := d.Open(t, &gorm.Config{DryRun: true})
		if err := db.Use(gormaudit.New()); err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		for n := range 50 {
			group.Go(func() {
				tx := db.WithContext(contextOf(actor.User(n + 1)))
				var got *gorm.DB
				switch n % 4 {
				case 0:
					got = tx.Create(&page{Title: "x"})
				case 1:
					got = tx.Model(&page{}).Where("1 = 1").Update("title", "x")
				case 2:
					got = tx.Create(&ticket{Title: "x"})
				default:
					got = tx.Create(&freePage{Title: "x"})
				}
				sql := plain.Explain(got.Statement.SQL.String(), got.Statement.Vars...)
				if stamped := strings.Contains(sql, "updated_by"); got.Error != nil || stamped == (n%4 == 3) {
					t.Errorf("statement %d: %s, %v", n, sql, got.Error)
				}
			})
		}
		group.Wait()
	}
}

func TestTablesAreKnownFromTheFirstWrite(t *testing.T) {
	type card struct { // pages through another type, without by-columns
		ID    uint
		Title string
	}
	for _, early := range []bool{false, true} {
		t.Run(fmt.Sprintf("in Config.Models %v", early), func(t *testing.T) {
			config := gormaudit.Config{}
			if early {
				config.Models = []any{&page{}}
			}
			s := newSQLiteStage(t, config, &page{})
			ok(t, s.plain.Create([]page{{ID: 1}, {ID: 2}}))
			write := func(id uint) {
				t.Helper()
				ok(t, s.user(id).Table("pages").Where("id = 1").Updates(map[string]any{"title": "x", "created_by": "66"}))
				ok(t, s.user(id).Table("pages").Model(&card{ID: 2}).Updates(&card{Title: "x"}))
			}
			write(6)
			want := "66 NULL, NULL NULL" // not known yet
			if early {
				want = "NULL 6, NULL 6"
			}
			if got := s.by(t, "pages", 1) + ", " + s.by(t, "pages", 2); got != want {
				t.Errorf("before the first write: rows hold %q, want %q", got, want)
			}
			ok(t, s.user(7).Create(&page{ID: 3}))
			write(8)
			created, _, _ := strings.Cut(want, " ")
			if got, want := s.by(t, "pages", 1)+", "+s.by(t, "pages", 2), created+" 8, NULL 8"; got != want {
				t.Errorf("after the first write: rows hold %q, want %q", got, want)
			}
		})
	}
}
