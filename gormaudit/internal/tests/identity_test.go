package tests

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"
	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
	"gorm.io/plugin/dbresolver"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// alike checks that a write without by-columns is what GORM alone sends, and
// that the database takes it.
func (s *stage) alike(t *testing.T, db *gorm.DB, what string, write func(db *gorm.DB) *gorm.DB) {
	t.Helper()
	dry := &gorm.Session{DryRun: true, SkipDefaultTransaction: true}
	got, want := write(db.Session(dry)), write(s.plain.WithContext(db.Statement.Context).Session(dry))
	if got.Error != nil || want.Error != nil || got.Statement.SQL.String() != want.Statement.SQL.String() {
		t.Errorf("%s: %s, %v, want %s, %v", what, got.Statement.SQL.String(), got.Error, want.Statement.SQL.String(), want.Error)
	}
	ok(t, write(db))
}

// looseWrites are writes to a table without by-columns by its bare or
// qualified name.
func looseWrites(table string) map[string]func(db *gorm.DB) *gorm.DB {
	type local struct {
		ID    uint
		Title string
	}
	return map[string]func(db *gorm.DB) *gorm.DB{
		"map": func(db *gorm.DB) *gorm.DB { return db.Table(table).Create(map[string]any{"title": "m"}) },
		"slice of maps": func(db *gorm.DB) *gorm.DB {
			return db.Table(table).Create([]map[string]any{{"title": "m"}, {"title": "n"}})
		},
		"local struct": func(db *gorm.DB) *gorm.DB { return db.Table(table).Create(&local{Title: "s"}) },
		"Updates": func(db *gorm.DB) *gorm.DB {
			return db.Table(table).Where("1 = 1").Updates(map[string]any{"title": "u"})
		},
		"Updates of local struct": func(db *gorm.DB) *gorm.DB {
			return db.Table(table).Model(&local{}).Where("1 = 1").Updates(&local{Title: "v"})
		},
	}
}

// schemaName returns the schema, or MySQL's database, that a connection is in.
func schemaName(t *testing.T, db *gorm.DB) (name string) {
	t.Helper()
	query := "SELECT current_schema()"
	if db.Name() == "mysql" {
		query = "SELECT database()"
	}
	must(t, db.Raw(query).Scan(&name).Error)
	return name
}

func TestATableOfTheSameNameInAnotherSchemaIsAnother(t *testing.T) {
	for _, kind := range []string{dbtest.Postgres, dbtest.MariaDB, dbtest.MySQL} {
		for _, models := range [][]any{{&page{}}, nil} {
			t.Run(fmt.Sprintf("%s, %d known", kind, len(models)), func(t *testing.T) {
				t.Parallel()
				s := newStage(t, dbtest.New(t, kind), gormaudit.Config{Models: models}, &page{})
				legacy := dbtest.New(t, kind).Open(t)
				must(t, legacy.Table("pages").AutoMigrate(&freePage{}))
				ok(t, s.user(5).Create(&page{ID: 1}))
				table := schemaName(t, legacy) + ".pages"
				for what, write := range looseWrites(table) {
					ok(t, s.plain.Table(table).Create(map[string]any{"title": "x"}))
					s.alike(t, s.user(7), what, write)
				}
				// The schema that unqualified names are in is the same table by another name.
				own := schemaName(t, s.plain) + ".pages"
				ok(t, s.user(7).Table(own).Where("id = 1").Updates(forged{"title": "x", "created_by": "66"}))
				ok(t, s.user(8).Table(own).Create(forged{"id": 2, "created_by": "66"}))
				if got := s.by(t, "pages", 1) + ", " + s.by(t, "pages", 2); got != "5 7, 8 8" {
					t.Errorf("rows hold %q, want 5 7, 8 8", got)
				}
			})
		}
	}
}

// A schema is known by what is written to it through the model.
func TestOneModelInTheSchemasOfTenants(t *testing.T) {
	for _, kind := range []string{dbtest.Postgres, dbtest.MariaDB} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, dbtest.New(t, kind), gormaudit.Config{Models: []any{&page{}}}, &page{})
			tenant := &stage{plain: dbtest.New(t, kind).Open(t)}
			must(t, tenant.plain.AutoMigrate(&page{}))
			table := schemaName(t, tenant.plain) + ".pages"
			ok(t, s.user(5).Table(table).Create(&page{ID: 1}))
			ok(t, s.user(7).Table(table).Where("id = 1").Updates(forged{"title": "x", "created_by": "66"}))
			ok(t, s.user(8).Table(table).Create(forged{"id": 2, "created_by": "66"}))
			if got := tenant.by(t, "pages", 1) + ", " + tenant.by(t, "pages", 2); got != "5 7, 8 8" {
				t.Errorf("rows hold %q, want 5 7, 8 8", got)
			}
		})
	}
}

// The first write to a tenant's table costs the same whatever the number of
// tenants before it.
func TestTenantsAreLearnedAtAConstantCost(t *testing.T) {
	db, err := gorm.Open(postgres.New(postgres.Config{Conn: noop{}}), &gorm.Config{Logger: logger.Discard, SkipDefaultTransaction: true})
	must(t, err)
	must(t, db.Use(gormaudit.New()))
	db = db.WithContext(acting(7))
	tenants := 0
	learn := func(n int) (bytes uint64) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range n {
			tenants++
			ok(t, db.Table(fmt.Sprintf("tenant_%d.pages", tenants)).Model(&page{}).Where("id = 1").Updates(forged{"title": "x"}))
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	learn(100)
	first := learn(100)
	learn(2000)
	if last := learn(100); last > 2*first {
		t.Errorf("100 tenants take %d bytes after 2200 others, want about the %d after 100", last, first)
	}
}

func TestAttachedDatabases(t *testing.T) {
	s := newSQLiteStage(t, gormaudit.Config{Models: []any{&page{}}}, &page{})
	file := filepath.Join(t.TempDir(), "legacy.db")
	for _, db := range []*gorm.DB{s.DB, s.plain} {
		pool, err := db.DB()
		must(t, err)
		pool.SetMaxOpenConns(1)
		must(t, db.Exec("ATTACH ? AS legacy", file).Error)
	}
	must(t, s.plain.Exec("CREATE TABLE legacy.pages (id integer PRIMARY KEY, title text)").Error)
	must(t, s.plain.Exec("CREATE TABLE legacy.old (id integer PRIMARY KEY, title text)").Error)
	must(t, s.plain.Exec("INSERT INTO legacy.pages VALUES (1, 'x')").Error)
	ok(t, s.user(5).Create(&page{ID: 1}))
	for what, write := range looseWrites("legacy.pages") {
		if strings.HasPrefix(what, "Updates") { // GORM leaves the schema out of SQLite's INSERT
			s.alike(t, s.user(7), what, write)
		}
	}
	for what, write := range looseWrites("old") {
		s.alike(t, s.user(7), what, write)
	}
	ok(t, s.user(7).Table("main.pages").Where("id = 1").Updates(forged{"title": "x", "created_by": "66"}))
	if got := s.by(t, "main.pages", 1); got != "5 7" {
		t.Errorf("row holds %q, want 5 7", got)
	}
}

// What an address says of the schema that unqualified names are in.
func TestTheSchemaOfUnqualifiedNames(t *testing.T) {
	mysqlIn := func(database string) gorm.Dialector {
		return mysql.New(mysql.Config{Conn: noop{}, DSNConfig: &mysqldriver.Config{DBName: database}, SkipInitializeWithVersion: true})
	}
	postgresIn := func(dsn string) gorm.Dialector { return postgres.New(postgres.Config{Conn: noop{}, DSN: dsn}) }
	tests := []struct {
		name      string
		dialector gorm.Dialector
		same      []string // qualified names of pages
		others    []string
	}{
		{"MySQL", mysqlIn("shop"), []string{"shop.pages", "`shop`.`pages`", "SHOP . pages AS p"}, []string{"legacy.pages", "`legacy`.`pages`"}},
		{
			"MySQL without an address", mysql.New(mysql.Config{Conn: noop{}, SkipInitializeWithVersion: true}),
			[]string{"shop.pages", "legacy.pages"},
			[]string{"legacy.other"},
		},
		{"PostgreSQL", postgresIn("host=x dbname=y"), []string{"public.pages", `"public"."pages"`, "x.public.pages p"}, []string{"legacy.pages", "x.legacy.pages p"}},
		{"a search_path", postgresIn("host=x search_path=shop dbname=y"), []string{"shop.pages"}, []string{"public.pages"}},
		{"a search_path in a URL", postgresIn("postgres://x/y?search_path=Shop&a=b"), []string{"shop.pages"}, []string{"public.pages"}},
		{"a search_path in options", postgresIn("postgres://x/y?options=-csearch_path%3Dshop"), []string{"shop.pages"}, []string{"public.pages"}},
		{"a search_path of several", postgresIn("postgres://x/y?search_path=shop%2Cpublic"), []string{"shop.pages", "public.pages", "legacy.pages"}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			db, err := gorm.Open(test.dialector, &gorm.Config{DryRun: true, DisableAutomaticPing: true, Logger: logger.Discard})
			must(t, err)
			must(t, db.Use(gormaudit.NewWithConfig(gormaudit.Config{Models: []any{&page{}}})))
			check := func(table string, want bool) {
				t.Helper()
				tx := db.WithContext(acting(7)).Table(table).Where("1 = 1").Updates(map[string]any{"title": "x"})
				if sql := tx.Statement.SQL.String(); tx.Error != nil || strings.Contains(sql, "updated_by") != want {
					t.Errorf("%s: %s, %v, want stamped: %t", table, sql, tx.Error, want)
				}
			}
			check("pages", true)
			for _, table := range test.same {
				check(table, true)
			}
			for _, table := range test.others {
				check(table, false)
			}
		})
	}
}

func sqliteIn(t *testing.T, name string) gorm.Dialector {
	t.Helper()
	return sqlite.New(sqlite.Config{DriverName: "sqlite", DSN: filepath.Join(t.TempDir(), name) + "?_pragma=busy_timeout(10000)"})
}

func openFile(t *testing.T, d gorm.Dialector, migrate func(db *gorm.DB) error) *gorm.DB {
	t.Helper()
	db, err := gorm.Open(d, &gorm.Config{Logger: logger.Discard})
	must(t, err)
	closeAfter(t, db)
	must(t, migrate(db))
	return db
}

func withPages(db *gorm.DB) error     { return db.AutoMigrate(&page{}) }
func withFreePages(db *gorm.DB) error { return db.Table("pages").AutoMigrate(&freePage{}) }

// Behind one gorm.DB are databases that have a table of the same name, one with
// by-columns and one without.
func TestATableOfTheSameNameBehindAnotherSource(t *testing.T) {
	for _, prepare := range []bool{false, true} {
		for _, models := range [][]any{{&page{}}, nil} {
			for _, first := range []bool{false, true} {
				t.Run(fmt.Sprintf("PrepareStmt %t, %d known, gormaudit first %t", prepare, len(models), first), func(t *testing.T) {
					main, legacy := sqliteIn(t, "main.db"), sqliteIn(t, "legacy.db")
					s := &stage{plain: openFile(t, main, withPages)}
					l := &stage{plain: openFile(t, legacy, withFreePages)}
					var err error
					s.DB, err = gorm.Open(main, &gorm.Config{Logger: logger.Discard, PrepareStmt: prepare})
					must(t, err)
					closeAfter(t, s.DB)
					audit := gormaudit.NewWithConfig(gormaudit.Config{Models: models})
					if first {
						must(t, s.Use(audit))
					}
					must(t, s.Use(dbresolver.Register(dbresolver.Config{Sources: []gorm.Dialector{legacy}}, "legacy")))
					if !first {
						must(t, s.Use(audit))
					}
					ok(t, s.user(5).Create(&page{ID: 1}))
					use := dbresolver.Use("legacy")
					for what, write := range looseWrites("pages") {
						l.alike(t, s.user(7).Clauses(use), what, write)
					}
					must(t, s.user(7).Clauses(use, dbresolver.Write).Transaction(func(tx *gorm.DB) error {
						for what, write := range looseWrites("pages") {
							ok(t, write(tx))
							must(t, tx.Transaction(func(nested *gorm.DB) error { ok(t, write(nested)); return nil }))
							_ = what
						}
						return nil
					}))
					// The table with by-columns is known all the same, in transactions too.
					ok(t, s.user(7).Table("pages").Where("id = 1").Updates(forged{"title": "x", "created_by": "66"}))
					must(t, s.user(8).Transaction(func(tx *gorm.DB) error {
						return tx.Transaction(func(nested *gorm.DB) error {
							return nested.Table("pages").Create(forged{"id": 2, "created_by": "66"}).Error
						})
					}))
					must(t, s.user(9).Connection(func(tx *gorm.DB) error {
						return tx.Table("pages").Create(forged{"id": 3, "created_by": "66"}).Error
					}))
					if got := s.by(t, "pages", 1) + ", " + s.by(t, "pages", 2) + ", " + s.by(t, "pages", 3); got != "5 7, 8 8, 9 9" {
						t.Errorf("rows hold %q, want 5 7, 8 8, 9 9", got)
					}
				})
			}
		}
	}
}

// Config.Models are known wherever dbresolver sends them, before the first
// write through the model.
func TestModelsAreKnownOnTheirSources(t *testing.T) {
	for _, inTransaction := range []bool{false, true} {
		for name, datas := range map[string][]any{"all tables": nil, "one table": {"pages"}, "one model": {&page{}}} {
			t.Run(fmt.Sprintf("%s, in a transaction %t", name, inTransaction), func(t *testing.T) {
				main, one, two, legacy := sqliteIn(t, "main.db"), sqliteIn(t, "one.db"), sqliteIn(t, "two.db"), sqliteIn(t, "legacy.db")
				sources := []*stage{{plain: openFile(t, one, withPages)}, {plain: openFile(t, two, withPages)}}
				l := &stage{plain: openFile(t, legacy, withFreePages)}
				db := openFile(t, main, withPages)
				must(t, db.Use(gormaudit.NewWithConfig(gormaudit.Config{Models: []any{&page{}, &freePage{}}})))
				must(t, db.Use(dbresolver.Register(dbresolver.Config{Sources: []gorm.Dialector{legacy}}, "legacy").
					Register(dbresolver.Config{Sources: []gorm.Dialector{one, two}, Policy: dbresolver.RoundRobinPolicy()}, datas...)))
				for n := range 4 {
					tx := db.WithContext(acting(7))
					if inTransaction {
						tx = tx.Table("pages").Clauses(dbresolver.Write).Begin()
					}
					ok(t, tx.Table("pages").Create(forged{"id": n + 1, "created_by": "66"}))
					if inTransaction {
						must(t, tx.Commit().Error)
					}
				}
				var rows []string
				for _, s := range sources {
					rows = append(rows, s.rows(t, "pages")...)
				}
				if len(rows) != 4 || strings.Contains(fmt.Sprint(rows), "_by:66") {
					t.Errorf("the sources hold %v, want four rows and no forgery", rows)
				}
				for what, write := range looseWrites("pages") {
					l.alike(t, db.WithContext(acting(7)).Clauses(dbresolver.Use("legacy")), what, write)
				}
			})
		}
	}
}

// A struct of the same table in the same place is stamped, wherever it is
// declared: the columns are there. In another database of the plugin it is not.
func TestAnotherTypeOfATable(t *testing.T) {
	type Page struct {
		ID    uint
		Title string
	}
	plugin := gormaudit.New()
	s := newSQLiteStage(t, gormaudit.Config{}, &page{})
	other := &stage{DB: dbtest.New(t, dbtest.SQLite).Open(t)}
	other.plain = other.Session(&gorm.Session{NewDB: true})
	must(t, other.Use(plugin))
	must(t, other.AutoMigrate(&Page{}))
	ok(t, s.user(5).Create(&page{ID: 1}))
	ok(t, s.user(7).Create(&Page{ID: 2}))
	ok(t, other.user(7).Create(&Page{ID: 2}))
	if got := s.by(t, "pages", 2); got != "7 7" {
		t.Errorf("row holds %q, want 7 7", got)
	}
}

// withClause is a clause before the others.
type withClause struct{ sql string }

func (w withClause) Name() string                 { return "WITH" }
func (w withClause) MergeClause(c *clause.Clause) { c.Expression = w }
func (w withClause) Build(b clause.Builder)       { _, _ = b.WriteString(w.sql) }

func TestTablesAreFoundInStatements(t *testing.T) {
	for _, kind := range []string{dbtest.SQLite, dbtest.Postgres} {
		s := newStage(t, dbtest.New(t, kind), gormaudit.Config{Models: []any{&page{}}}, &page{}, &freePage{})
		ok(t, s.plain.Create(&freePage{ID: 1}))
		for n, test := range []struct{ with, table, want string }{
			{"a AS (SELECT 1 AS ours)", "pages", "5 7"},
			{"RECURSIVE a AS (SELECT '(' || ')') , b AS (SELECT 2)", "pages", "5 7"},
			{"pages AS (SELECT 1)", "free_pages", ""},
			{"a AS (SELECT 1) /* pages */", "pages AS p", "5 7"},
		} {
			s.plain.Exec("DELETE FROM pages")
			ok(t, s.user(5).Create(&page{ID: 1}))
			tx := s.user(7).Table(test.table).Clauses(withClause{test.with}).Where("id = 1")
			tx.Statement.BuildClauses = []string{"WITH", "UPDATE", "SET", "WHERE"}
			set := forged{"title": "x"}
			if test.want != "" {
				set["created_by"] = "66"
			}
			ok(t, tx.Updates(set))
			if got := s.by(t, "pages", 1); test.want != "" && got != test.want {
				t.Errorf("%s, %d: row holds %q, want %q", kind, n, got, test.want)
			}
		}
	}
}

// A pool that does not tell which database it is of is the one that was opened.
func TestPoolsThatDoNotTell(t *testing.T) {
	s := newSQLiteStage(t, gormaudit.Config{}, &page{})
	quiet := func(db *gorm.DB) *gorm.DB {
		tx := db.Session(&gorm.Session{})
		tx.Statement.ConnPool = struct{ gorm.ConnPool }{db.Statement.ConnPool}
		return tx
	}
	ok(t, quiet(s.user(5).Session(&gorm.Session{SkipDefaultTransaction: true})).Create(&page{ID: 1}))
	ok(t, s.user(7).Table("pages").Where("id = 1").Updates(forged{"title": "x", "created_by": "66"}))
	ok(t, quiet(s.user(8).Session(&gorm.Session{SkipDefaultTransaction: true})).Table("pages").Where("id = 1").Updates(forged{"title": "x", "created_by": "66"}))
	if got := s.by(t, "pages", 1); got != "5 8" {
		t.Errorf("row holds %q, want 5 8", got)
	}
}
