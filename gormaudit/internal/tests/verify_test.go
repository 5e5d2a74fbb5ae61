package tests

import (
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// entry is a model whose table the tests make by hand.
type entry[T any] struct {
	ID        uint
	CreatedBy T
}

func (entry[T]) TableName() string { return "entries" }

type sizedEntry[T any] struct {
	ID        uint
	CreatedBy T `gorm:"size:31"`
}

func (sizedEntry[T]) TableName() string { return "entries" }

// onBase are the kinds of databases that have rules of their own.
func onBase(kind string) string {
	switch kind {
	case dbtest.SQLiteC:
		return dbtest.SQLite
	case dbtest.MySQL:
		return dbtest.MariaDB
	}
	return kind
}

// makeEntries makes the table anew, with a column created_by as given.
func makeEntries(t *testing.T, db *gorm.DB, column string) {
	t.Helper()
	for _, statement := range []string{
		"DROP TABLE IF EXISTS entries", "DROP TABLE IF EXISTS people", "DROP TABLE IF EXISTS names",
		"CREATE TABLE people (id BIGINT PRIMARY KEY)", "CREATE TABLE names (id VARCHAR(191) PRIMARY KEY)",
		"CREATE TABLE entries (id INTEGER PRIMARY KEY, created_by " + column + ")",
	} {
		if err := db.Exec(statement).Error; err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// complains fails the test unless err has one problem for each part.
func complains(t *testing.T, err error, parts ...string) {
	t.Helper()
	var lines []string
	if err != nil {
		lines = strings.Split(err.Error(), "\n")
	}
	if len(lines) != len(parts) {
		t.Fatalf("Verify = %v, want %d problems: %q", err, len(parts), parts)
	}
	for n, part := range parts {
		if !strings.HasPrefix(lines[n], "gormaudit: ") || !strings.Contains(lines[n], part) {
			t.Errorf("Verify's problem %d = %q, want gormaudit: … %s", n+1, lines[n], part)
		}
	}
}

func TestVerifyComparesTypes(t *testing.T) {
	const (
		all      = "sqlite postgres mariadb"
		servers  = "postgres mariadb"
		postgres = dbtest.Postgres
		mariadb  = dbtest.MariaDB
		sqlite   = dbtest.SQLite
	)
	tests := []struct {
		kinds, column string
		model         any
		want          string // empty for nothing
	}{
		{all, "BIGINT", &entry[*uint]{}, ""},
		{all, "BIGINT", &entry[uint]{}, ""},
		{all, "BIGINT NOT NULL", &entry[uint]{}, ""},
		{all, "BIGINT", &entry[*int64]{}, ""},
		{all, "BIGINT", &entry[sql.NullInt64]{}, ""},
		{all, "BIGINT", &entry[sql.Null[uint]]{}, ""},
		{mariadb, "BIGINT UNSIGNED", &entry[*uint]{}, ""},
		{all, "INTEGER", &entry[*int32]{}, ""},
		{all, "INTEGER", &entry[sql.NullInt32]{}, ""},
		{mariadb, "INT UNSIGNED", &entry[*uint32]{}, ""},
		{servers, "INTEGER", &entry[*uint32]{}, "numbers end at 2147483647: widen it to bigint, or tell the field how large ids are with the tag gorm:\"size:31\""},
		{servers, "INTEGER", &entry[*int]{}, "gorm:\"size:32\""},
		{servers, "INTEGER", &entry[sql.NullInt64]{}, "numbers end at 2147483647"},
		{servers, "INTEGER", &sizedEntry[*uint]{}, ""},
		{servers, "SMALLINT", &entry[*uint64]{}, "is of type *uint64: the database's column is smallint"},
		{servers, "SMALLINT", &entry[*uint8]{}, ""},
		{mariadb, "TINYINT", &entry[*uint8]{}, "numbers end at 127"},
		{servers, "NUMERIC(20,0)", &entry[*uint64]{}, ""},
		{servers, "NUMERIC(9,0)", &entry[*uint64]{}, "widen it to bigint"},
		{servers, "NUMERIC(20,2)", &entry[*uint64]{}, "which holds no ids"},
		{postgres, "NUMERIC", &entry[*uint64]{}, ""},
		{all, "VARCHAR(191)", &entry[*uint]{}, "but the field's ids are numbers"},
		{all, "TEXT", &entry[sql.NullInt64]{}, "but the field's ids are numbers"},
		{servers, "UUID", &entry[*uint]{}, "the database's column is uuid, but the field's ids are numbers"},

		{all, "VARCHAR(191)", &entry[*string]{}, ""},
		{all, "VARCHAR(31)", &sizedEntry[*string]{}, ""},
		{servers, "VARCHAR(30)", &sizedEntry[*string]{}, "but the field's ids have up to 31 characters: widen the column, or tell the field how long ids are with the tag gorm:\"size:30\""},
		{all, "TEXT", &sizedEntry[sql.NullString]{}, ""},
		{mariadb, "LONGTEXT", &sizedEntry[*string]{}, ""},
		{mariadb, "CHAR(191)", &entry[*string]{}, ""},
		{postgres, "CHAR(36)", &entry[*string]{}, "can't hold the id of a program as it is, such as \"system:archiver\": change the column's type to one of variable length, or let Config.ID decide"},
		{postgres, "UUID", &entry[*string]{}, "can't hold the id of a program as it is, such as \"system:archiver\": give the field a UUID type"},
		{all, "BIGINT", &entry[*string]{}, "but the field's ids are text"},
		{sqlite, "NUMERIC", &entry[*string]{}, "but the field's ids are text"},
		{postgres, "BYTEA", &entry[*string]{}, "but the field's ids are text"},
		{mariadb, "VARBINARY(191)", &entry[*string]{}, ""},
		{mariadb, "BINARY(36)", &entry[*string]{}, "variable length"},
		{sqlite + mariadb, "BLOB", &entry[[]byte]{}, ""},
		{postgres, "BYTEA", &entry[[]byte]{}, ""},
		{all, "TEXT", &entry[[]byte]{}, ""},

		{all, "CHAR(36)", &entry[*uuid.UUID]{}, ""},
		{all, "VARCHAR(191)", &entry[uuid.NullUUID]{}, ""},
		{all, "UUID", &entry[*uuid.UUID]{}, ""},
		{servers, "CHAR(10)", &entry[*uuid.UUID]{}, "but the field's ids have up to 36 characters: widen the column"},
		{mariadb, "BINARY(16)", &entry[*uuid.UUID]{}, "but the field's ids have up to 36 characters"},
		{all, "BIGINT", &entry[*uuid.UUID]{}, "but the field's ids are UUIDs"},

		{sqlite + postgres, "BOOLEAN", &entry[*string]{}, "which holds no ids"},
		{mariadb, "BOOLEAN", &entry[*uint]{}, "numbers end at 127"},
		{all, "DOUBLE PRECISION", &entry[*uint]{}, "which holds no ids"},
		{all, "DATE", &entry[*string]{}, "which holds no ids"},
		{postgres, "JSONB", &entry[*string]{}, "which holds no ids"},
		{mariadb, "ENUM('1','2')", &entry[*uint]{}, "which holds no ids"},
		{mariadb, "INET6", &entry[*uint]{}, "which holds no ids"},
		{sqlite, "", &entry[*uint]{}, ""},
		{sqlite, "BLOB", &entry[*string]{}, ""},
	}
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		for n, test := range tests {
			if !strings.Contains(test.kinds, onBase(d.Kind)) {
				continue
			}
			t.Run(fmt.Sprintf("%d %s for %T", n, test.column, test.model), func(t *testing.T) {
				makeEntries(t, db, test.column)
				err := gormaudit.Verify(db, test.model)
				if test.want != "" {
					complains(t, err, test.want)
					return
				}
				complains(t, err)
				holdsWhatVerifySaid(t, d, test.model)
			})
		}
	})
}

// holdsWhatVerifySaid writes a row of the user with the largest id, one of a
// program and one of nobody.
func holdsWhatVerifySaid(t *testing.T, d *dbtest.Database, model any) {
	t.Helper()
	s := &stage{DB: d.Open(t), plain: d.Open(t), kind: d.Kind} // pgx remembers the types of the last table
	if err := s.Use(gormaudit.New()); err != nil {
		t.Fatal(err)
	}
	field, _ := reflect.TypeOf(model).Elem().FieldByName("CreatedBy")
	largest := []string{"ffffffff-ffff-4fff-bfff-ffffffffffff", "9223372036854775807", "4294967295", "2147483647", "255"}
	if size := field.Tag.Get("gorm"); size != "" {
		largest = []string{strings.Repeat("x", 31), "2147483647"}
	}
	row := func(id int) any {
		row := reflect.New(reflect.TypeOf(model).Elem())
		row.Elem().FieldByName("ID").SetUint(uint64(id))
		return row.Interface()
	}
	for _, id := range largest {
		err := s.as(actor.User(id)).Create(row(1)).Error
		if misfit := new(gormaudit.ColumnError); errors.As(err, &misfit) {
			continue
		}
		if err != nil {
			t.Fatalf("Verify = nil, and the user %q can't write: %v", id, err)
		}
		if got := s.cell(t, "entries", "created_by", 1); got != id {
			t.Errorf("Verify = nil, and the row of the user %q says %q", id, got)
		}
		break
	}
	for id, a := range map[int]actor.Actor{2: actor.System("archiver"), 3: {}} {
		if err := s.as(a).Create(row(id)).Error; err != nil {
			t.Fatalf("Verify = nil, and %s can't write: %v", a, err)
		}
		if got := s.cell(t, "entries", "created_by", id); got != "NULL" && got != "0" && got != a.Identity.String() {
			t.Errorf("Verify = nil, and the row of %s says %q", a, got)
		}
	}
}

func TestVerifyAsksWhetherNobodyFits(t *testing.T) {
	const number, text = "BIGINT", "VARCHAR(191)"
	const people, names = " REFERENCES people(id)", " REFERENCES names(id)"
	byName := gormaudit.Config{ID: func(a actor.Actor) string { return a.ID }}
	tests := []struct {
		name, column, key string
		model             any
		config            gormaudit.Config
		want              []string
	}{
		{
			name: "pointer", column: number + " NOT NULL", model: &entry[*uint]{},
			want: []string{"entries.created_by is of type *uint: the database's column is NOT NULL, but a write by nobody puts NULL there: drop NOT NULL"},
		},
		{name: "sql.Null", column: text + " NOT NULL", model: &entry[sql.NullString]{}, want: []string{"is NOT NULL"}},
		{name: "bytes", column: "BLOB NOT NULL", model: &entry[[]byte]{}, want: []string{"is NOT NULL"}},
		{name: "number", column: number + " NOT NULL", model: &entry[uint]{}},
		{name: "text", column: text + " NOT NULL", model: &entry[string]{}},
		{name: "pointer and key", column: number, key: people, model: &entry[*uint]{}},
		{
			name: "pointer and key, NOT NULL", column: number + " NOT NULL", key: people, model: &entry[*uint]{},
			want: []string{"is NOT NULL and has the foreign key KEY to people, but a write by nobody puts NULL there: drop NOT NULL"},
		},
		{
			name: "number and key", column: number, key: people, model: &entry[uint]{},
			want: []string{"the foreign key KEY to people refuses 0, which a write by nobody puts there: make the field a pointer and the column nullable, or drop the foreign key"},
		},
		{name: "text and key", column: text, key: names, model: &entry[string]{}, want: []string{`to names refuses "", which a write by nobody puts there`}},
		{
			name: "program and key", column: text, key: names, model: &entry[*string]{},
			want: []string{`the foreign key KEY to names refuses the id of a program, such as "system:archiver": drop the foreign key, or let Config.ID decide`},
		},
		{name: "Config.ID and key", column: text, key: names, model: &entry[*string]{}, config: byName},
		{name: "Config.ID and a uuid", column: "UUID", model: &entry[*string]{}, config: byName},
		{
			name: "Config.ID and a uuid without NULL", column: "UUID", model: &entry[string]{}, config: byName,
			want: []string{`uuid, which can't hold "", which a write by nobody puts there: make the field a pointer`},
		},
		{
			name: "cascade", column: number, key: people + " ON DELETE CASCADE", model: &entry[*uint]{},
			want: []string{"the foreign key KEY to people is ON DELETE CASCADE, so that deleting a row there deletes rows here"},
		},
		{
			name: "all of it", column: number + " NOT NULL", key: people + " ON DELETE CASCADE", model: &entry[*uint]{},
			want: []string{"NOT NULL", "ON DELETE CASCADE"},
		},
		{name: "set null", column: number, key: people + " ON DELETE SET NULL", model: &entry[*uint]{}},
		{
			name: "generated", column: number + " GENERATED ALWAYS AS (id + 1) STORED", model: &entry[*uint]{},
			want: []string{"the database computes the column, and no statement may write it"},
		},
	}
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				column, key := test.column, "KEY"
				if d.Kind == dbtest.Postgres {
					column = strings.Replace(column, "BLOB", "BYTEA", 1)
				}
				if test.key != "" {
					column, key = column+", CONSTRAINT who FOREIGN KEY (created_by)"+test.key, "who"
				}
				if onBase(d.Kind) == dbtest.SQLite {
					key = "" // SQLite names none
					if column == "UUID" {
						t.Skip("SQLite has no uuid type")
					}
				}
				db := d.Open(t)
				makeEntries(t, db, column)
				if err := db.Use(gormaudit.NewWithConfig(test.config)); err != nil {
					t.Fatal(err)
				}
				want := make([]string, len(test.want))
				for n, text := range test.want {
					want[n] = strings.Replace(strings.Replace(text, "KEY ", key+" ", 1), "key  to", "key to", 1)
				}
				complains(t, gormaudit.Verify(db, test.model), want...)
			})
		}
	})
}
