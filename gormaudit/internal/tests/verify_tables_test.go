package tests

import (
	"crypto/rand"
	"database/sql"
	"errors"
	"net/url"
	"strings"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/google/uuid"
	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/schema"
	"gorm.io/plugin/dbresolver"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

type sheet struct {
	ID    uint
	Title string
	gormaudit.By[uint]
}

// What GORM migrates is right, whatever the type and the place of a field.
func TestVerifyAcceptsWhatAutoMigrateMakes(t *testing.T) {
	all := append(append(known[gormaudit.SoftBy[string]](), attackModels...), policyModels...)
	all = append(all, &sheet{}, &embeddedRow{}, &taggedEmbedRow{}, &prefixedRow{}, &pointerEmbedRow{}, &nestedRow{}, &idNamedRow{},
		&taggedRow{}, &offRow{}, &renamedRow{}, &hiddenRow{}, &defaultRow{}, &ignoredRow{}, &keyRow{})
	schema.RegisterSerializer("reversed", reversed{})
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		for _, early := range []bool{true, false} {
			db := d.Open(t)
			if early {
				must(t, db.Use(gormaudit.NewWithConfig(gormaudit.Config{Models: all})))
			}
			for _, model := range all {
				must(t, db.Migrator().DropTable(model))
				must(t, db.AutoMigrate(model))
				err := gormaudit.Verify(db, model)
				if err != nil && !strings.HasSuffix(err.Error(), "embed gormaudit.By, or tag a field autoCreateBy or autoUpdateBy") {
					t.Errorf("Verify(%T) in Config.Models %t = %v, want nil", model, early, err)
				}
			}
			for _, test := range columnTypes {
				must(t, db.Migrator().DropTable(test.model))
				must(t, db.AutoMigrate(test.model))
				if err := gormaudit.Verify(db, test.model); err != nil {
					t.Errorf("Verify(%T) = %v, want nil", test.model, err)
				}
			}
		}
	})
}

// What columns.md says that AutoMigrate makes.
func TestTypesOfTheColumnsPage(t *testing.T) {
	type number struct {
		ID uint
		gormaudit.By[uint]
	}
	type signed struct {
		ID uint
		gormaudit.By[int64]
	}
	type unique struct {
		ID uint
		gormaudit.By[uuid.UUID]
	}
	type text struct {
		ID uint
		gormaudit.By[string]
	}
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.Use(gormaudit.NewWithConfig(gormaudit.Config{Models: []any{&unique{}}})))
		want := map[string][]string{ // number, signed, unique, text, entry
			dbtest.Postgres: {"int8", "int8", "uuid", "varchar", "text"},
			dbtest.MariaDB:  {"bigint", "bigint", "varchar", "varchar", "longtext"},
			dbtest.SQLite:   {"integer", "integer", "text", "text", "text"},
		}[onBase(d.Kind)]
		for n, model := range []any{&number{}, &signed{}, &unique{}, &text{}, &entry[*string]{}} {
			must(t, db.AutoMigrate(model))
			types, err := db.Migrator().ColumnTypes(model)
			must(t, err)
			for _, column := range types {
				if column.Name() == "created_by" && !strings.EqualFold(column.DatabaseTypeName(), want[n]) {
					t.Errorf("created_by of %T is %s, want %s", model, column.DatabaseTypeName(), want[n])
				}
			}
		}
	})
}

func TestVerifyNamesWhatIsNotThere(t *testing.T) {
	type other struct {
		ID        uint
		Author    string `gorm:"autoCreateBy"`
		UpdatedBy *uint
	}
	type none struct{ ID uint }
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		for _, statement := range []string{"CREATE TABLE sheets (id INTEGER PRIMARY KEY, created_by BIGINT)", "CREATE TABLE others (id INTEGER PRIMARY KEY)"} {
			must(t, db.Exec(statement).Error)
		}
		err := gormaudit.Verify(db, &sheet{}, other{}, (*entry[uint])(nil), &none{})
		complains(t, err,
			`sheets.updated_by is of type *uint: the table has no such column: migrate it, or turn the field off with the tag gorm:"autoUpdateBy:false"`,
			`others.author is of type string: the table has no such column: migrate it, or turn the field off with the tag gorm:"autoCreateBy:false"`,
			"others.updated_by",
			"entries is not in the database, or this account may not see it: migrate entry[uint]",
			"none has no by-columns")
		var first *gormaudit.ColumnError
		if !errors.As(err, &first) || first.Table != "sheets" || first.Column != "updated_by" || first.ID != "" {
			t.Errorf("first ColumnError = %+v, want that of sheets.updated_by", first)
		}
		if all, ok := err.(interface{ Unwrap() []error }); !ok || len(all.Unwrap()) != 5 {
			t.Errorf("Verify = %T, want one that unwraps to 5 errors", err)
		}
		complains(t, gormaudit.Verify(db), "no models given")
		complains(t, gormaudit.Verify(db, 5), "Verify: int: ")
		complains(t, gormaudit.Verify(db, nil), "Verify: <nil>: ")
		complains(t, gormaudit.Verify(db.Table("(SELECT 1) AS s"), &sheet{}), "does not name a table")
		complains(t, gormaudit.Verify(db.Table("(?) AS s", db.Model(&sheet{})), &sheet{}), "does not name a table")
	})
}

// legacy makes a second schema, or what is one on a database, on the only
// connection of a pool.
func legacy(t *testing.T, d *dbtest.Database, config ...*gorm.Config) (db *gorm.DB, name string) {
	t.Helper()
	db = d.Open(t, config...)
	pool, err := db.DB()
	must(t, err)
	pool.SetMaxOpenConns(1)
	name = "whodunit_" + strings.ToLower(rand.Text()[:12])
	switch onBase(d.Kind) {
	case dbtest.SQLite:
		must(t, db.Exec("ATTACH ':memory:' AS "+name).Error)
	case dbtest.Postgres:
		must(t, db.Exec("CREATE SCHEMA "+name).Error)
		t.Cleanup(func() { must(t, d.Open(t).Exec("DROP SCHEMA "+name+" CASCADE").Error) })
	default:
		must(t, db.Exec("CREATE DATABASE "+name).Error)
		t.Cleanup(func() { must(t, d.Open(t).Exec("DROP DATABASE "+name).Error) })
	}
	return db, name
}

func TestVerifyLooksAtTheTableThatIsMeant(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, name := legacy(t, d)
		must(t, db.AutoMigrate(&sheet{}))
		must(t, db.Exec("CREATE TABLE "+name+".sheets (id INTEGER PRIMARY KEY)").Error)
		must(t, db.Exec("CREATE TABLE sheets_01 (id INTEGER PRIMARY KEY)").Error)
		must(t, db.Exec("CREATE VIEW sheets_view AS SELECT * FROM sheets").Error)
		must(t, db.Exec("CREATE TABLE "+db.Statement.Quote("odd sheets")+" (id INTEGER PRIMARY KEY)").Error)
		shard := func(tx *gorm.DB) *gorm.DB { return tx.Table("sheets_01") }
		for what, test := range map[string]struct {
			db    *gorm.DB
			table string // that lacks both columns, empty for a right one
		}{
			"model's":            {db, ""},
			"alias":              {db.Table("sheets AS s"), ""},
			"view":               {db.Table("sheets_view"), ""},
			"schema":             {db.Table(name + ".sheets"), name + ".sheets"},
			"schema and alias":   {db.Table(name + ".sheets s"), name + ".sheets"},
			"shard":              {db.Table("sheets_01"), "sheets_01"},
			"scope":              {db.Scopes(shard), "sheets_01"},
			"session of a scope": {db.Scopes(shard).Session(&gorm.Session{}), "sheets_01"},
			"quoted":             {db.Table(db.Statement.Quote("odd sheets") + " s"), "odd sheets"},
			"conditions":         {db.Where("id = ?", 1).Order("id").Limit(1), ""},
			"dry run":            {db.Session(&gorm.Session{DryRun: true}), ""},
			"prepared":           {db.Session(&gorm.Session{PrepareStmt: true}), ""},
		} {
			t.Run(what, func(t *testing.T) {
				err := gormaudit.Verify(test.db, &sheet{})
				if test.table == "" {
					complains(t, err)
					return
				}
				complains(t, err, test.table+".created_by is of type *uint: the table has no such column", test.table+".updated_by")
			})
		}
		prefixed, _ := legacy(t, d, &gorm.Config{NamingStrategy: schema.NamingStrategy{TablePrefix: name + "."}})
		if onBase(d.Kind) != dbtest.SQLite { // whose schema is the connection's
			complains(t, gormaudit.Verify(prefixed, &sheet{}), name+".sheets.created_by", name+".sheets.updated_by")
		}
		camel := d.Open(t, &gorm.Config{NamingStrategy: schema.NamingStrategy{NoLowerCase: true, SingularTable: true}})
		must(t, camel.AutoMigrate(&sheet{}))
		complains(t, gormaudit.Verify(camel, &sheet{}))
	})
}

// A name in another case is another column on PostgreSQL only.
func TestVerifyComparesNamesAsTheDatabaseDoes(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		makeEntries(t, db, "BIGINT")
		must(t, db.Exec("ALTER TABLE entries RENAME COLUMN created_by TO "+db.Statement.Quote("Created_By")).Error)
		err := gormaudit.Verify(db, &entry[*uint]{})
		if d.Kind == dbtest.Postgres {
			complains(t, err, "entries.created_by is of type *uint: the table has no such column")
			return
		}
		complains(t, err)
	})
}

func TestVerifyWritesNothing(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.AutoMigrate(&sheet{}))
		must(t, db.Use(gormaudit.NewWithConfig(gormaudit.Config{Missing: gormaudit.Reject})))
		must(t, db.Connection(func(tx *gorm.DB) error {
			if onBase(d.Kind) == dbtest.SQLite {
				must(t, tx.Exec("PRAGMA query_only = 1").Error)
				return gormaudit.Verify(tx, &sheet{})
			}
			return tx.Transaction(func(tx *gorm.DB) error { return gormaudit.Verify(tx, &sheet{}) }, &sql.TxOptions{ReadOnly: true})
		}))
	})
}

// An account that may only read and write rows sees all that Verify tells.
func TestVerifyNeedsNoRightsButThoseToWrite(t *testing.T) {
	for _, kind := range []string{dbtest.Postgres, dbtest.MariaDB} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t, kind)
			owner := d.Open(t)
			makeEntries(t, owner, "BIGINT NOT NULL, CONSTRAINT who FOREIGN KEY (created_by) REFERENCES people(id) ON DELETE CASCADE")
			writer := asWriter(t, d)
			if err := writer.Exec("ALTER TABLE entries ADD COLUMN x INTEGER").Error; err == nil {
				t.Error("the writer may alter tables: the test is blind")
			}
			complains(t, gormaudit.Verify(writer, &entry[*uint]{}),
				"entries.created_by is of type *uint: the database's column is NOT NULL and has the foreign key who to people", "ON DELETE CASCADE")
		})
	}
}

// asWriter opens a database with an account that has DML rights on entries.
func asWriter(t *testing.T, d *dbtest.Database) *gorm.DB {
	t.Helper()
	owner := d.Open(t)
	role := "whodunit_" + strings.ToLower(rand.Text()[:12])
	var dialector gorm.Dialector
	if d.Kind == dbtest.Postgres {
		var home string
		must(t, owner.Raw("SELECT current_schema()").Scan(&home).Error)
		for _, right := range []string{"CREATE ROLE " + role, "GRANT USAGE ON SCHEMA " + home + " TO " + role, "GRANT INSERT, UPDATE ON entries TO " + role} {
			must(t, owner.Exec(right).Error)
		}
		t.Cleanup(func() {
			must(t, errors.Join(owner.Exec("DROP OWNED BY "+role).Error, owner.Exec("DROP ROLE "+role).Error))
		})
		u, err := url.Parse(d.DSN)
		must(t, err)
		query := u.Query()
		query.Set("role", role)
		u.RawQuery = query.Encode()
		dialector = postgres.Open(u.String())
	} else {
		config, err := mysqldriver.ParseDSN(d.DSN)
		must(t, err)
		must(t, owner.Exec("CREATE USER "+role+"@'%' IDENTIFIED BY '"+role+"'").Error)
		t.Cleanup(func() { must(t, owner.Exec("DROP USER "+role+"@'%'").Error) })
		must(t, owner.Exec("GRANT SELECT, INSERT, UPDATE, DELETE ON "+config.DBName+".entries TO "+role+"@'%'").Error)
		config.User, config.Passwd = role, role
		dialector = mysql.Open(config.FormatDSN())
	}
	db, err := gorm.Open(dialector, &gorm.Config{Logger: owner.Logger})
	must(t, err)
	pool, err := db.DB()
	must(t, err)
	t.Cleanup(func() { _ = pool.Close() })
	return db
}

// The database that writes go to is looked at: neither the first one nor a
// replica, which lags behind.
func TestVerifyAsksTheSourceOfADBResolver(t *testing.T) {
	files := map[string]*dbtest.Database{"first": dbtest.New(t, dbtest.SQLite), "source": dbtest.New(t, dbtest.SQLite), "replica": dbtest.New(t, dbtest.SQLite)}
	open := func(name string) gorm.Dialector {
		return sqlite.New(sqlite.Config{DriverName: "sqlite", DSN: files[name].DSN})
	}
	db := files["first"].Open(t)
	must(t, db.Use(dbresolver.Register(dbresolver.Config{Sources: []gorm.Dialector{open("source")}, Replicas: []gorm.Dialector{open("replica")}}, &sheet{})))
	must(t, files["first"].Open(t).AutoMigrate(&sheet{}))
	must(t, files["replica"].Open(t).AutoMigrate(&sheet{}))
	complains(t, gormaudit.Verify(db, &sheet{}), "sheets is not in the database")
	must(t, files["source"].Open(t).AutoMigrate(&sheet{}))
	must(t, files["replica"].Open(t).Migrator().DropTable(&sheet{}))
	complains(t, gormaudit.Verify(db, &sheet{}))
}

// A column that counts up gives nobody somebody's id.
func TestVerifyNamesColumnsThatCountUp(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		column, want := "created_by BIGINT GENERATED ALWAYS AS IDENTITY", "the database computes the column"
		switch onBase(d.Kind) {
		case dbtest.SQLite:
			column, want = "created_by INTEGER PRIMARY KEY", "where nobody acts, the database puts the next number"
		case dbtest.MariaDB:
			column, want = "created_by BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT", "where nobody acts, the database puts the next number"
		}
		must(t, db.Exec("CREATE TABLE entries (id INTEGER, "+column+")").Error)
		complains(t, gormaudit.Verify(db, &entry[uint]{}), want)
	})
}

func TestVerifyRefusesADialectWhoseCatalogueItCantRead(t *testing.T) {
	db := dbtest.New(t, dbtest.SQLite).Open(t)
	db.Dialector = elsewhere{db.Dialector}
	complains(t, gormaudit.Verify(db, &sheet{}), "Verify can't read the catalogue of the dialect elsewhere")
}

type elsewhere struct{ gorm.Dialector }

func (elsewhere) Name() string { return "elsewhere" }

// AutoMigrate makes text of UUIDs where db.Use was not told of the model.
func TestVerifyWarnsOfUUIDsThatAreText(t *testing.T) {
	type Ticket struct {
		ID uint
		gormaudit.By[uuid.UUID]
	}
	type Own struct {
		ID        uint
		CreatedBy *uuid.UUID `gorm:"type:varchar(36)"`
	}
	d := dbtest.New(t, dbtest.Postgres)
	for n, test := range []struct {
		models []any
		want   int
	}{{nil, 2}, {[]any{&Ticket{}}, 0}} {
		j := newJournal()
		db := d.Open(t, &gorm.Config{Logger: j})
		must(t, db.Use(gormaudit.NewWithConfig(gormaudit.Config{Models: test.models})))
		must(t, db.AutoMigrate(&Ticket{}, &Own{}))
		j.take()
		must(t, gormaudit.Verify(db, &Ticket{}, &Own{}))
		got := j.take()
		var held int
		must(t, db.WithContext(contextOf(actor.User("6ba7b810-9dad-41d1-80b4-00c04fd430c8"))).Create(&Ticket{}).Error)
		must(t, db.Raw("SELECT count(*) FROM tickets WHERE created_by IS NOT NULL").Scan(&held).Error)
		if held != n+1 {
			t.Errorf("with the models %T %d rows say who, want %d: those from before, too", test.models, held, n+1)
		}
		if len(got) != test.want || test.want > 0 && !strings.HasPrefix(got[0], "gormaudit: tickets.created_by holds UUIDs as character varying(191)") {
			t.Errorf("with the models %T Verify warns %q, want %d warnings", test.models, got, test.want)
		}
	}
}

// GORM makes bytes of a uuid.NullUUID, which AutoMigrate can't change to a uuid.
func TestVerifyWarnsOfUUIDsThatAreBytes(t *testing.T) {
	type Seat struct {
		ID        uint
		CreatedBy uuid.NullUUID
	}
	d := dbtest.New(t, dbtest.Postgres)
	j := newJournal()
	db := d.Open(t, &gorm.Config{Logger: j})
	must(t, db.Use(gormaudit.New()))
	must(t, db.AutoMigrate(&Seat{}))
	must(t, db.WithContext(contextOf(actor.User(ownUUID))).Create(&Seat{}).Error)
	j.take()
	must(t, gormaudit.Verify(db, &Seat{}))
	got := j.take()
	remedy := "ALTER TABLE seats ALTER COLUMN created_by TYPE uuid USING convert_from(created_by, 'UTF8')::uuid"
	if len(got) != 1 || !strings.Contains(got[0], "seats.created_by holds UUIDs as bytea") || !strings.Contains(got[0], remedy) {
		t.Fatalf("Verify warns %q, want the remedy %s", got, remedy)
	}
	must(t, db.Exec(remedy).Error)
	again := d.Open(t, &gorm.Config{Logger: j})
	must(t, again.Use(gormaudit.NewWithConfig(gormaudit.Config{Models: []any{&Seat{}}})))
	must(t, again.AutoMigrate(&Seat{}))
	must(t, gormaudit.Verify(again, &Seat{}))
	var held string
	must(t, again.Raw("SELECT pg_typeof(created_by) || ' ' || created_by FROM seats").Scan(&held).Error)
	if got := j.take(); held != "uuid "+ownUUID || len(got) != 0 {
		t.Errorf("seats hold %q and Verify warns %q, want a uuid", held, got)
	}
}
