package tests

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// Reading's key is the column id, whatever that of its table is.
type Reading struct {
	ID    int64
	At    int64
	Value string
}

// Whether the database keeps the key of Reading unique, by how its table was made.
var keysOfReadings = []struct {
	name   string
	kinds  []string // all by default
	tables []string
	want   error
	warns  bool
}{
	{name: "the primary key", tables: []string{"CREATE TABLE readings (id bigint PRIMARY KEY, at bigint, value varchar(9))"}},
	{name: "a part of the primary key", tables: []string{"CREATE TABLE readings (id bigint, at bigint, value varchar(9), PRIMARY KEY (id, at))"}, want: history.ErrNotUnique},
	{name: "no key", tables: []string{"CREATE TABLE readings (id bigint, at bigint, value varchar(9))"}, want: history.ErrNotUnique},
	{name: "an index that is not unique", tables: []string{
		"CREATE TABLE readings (id bigint NOT NULL, at bigint PRIMARY KEY, value varchar(9))",
		"CREATE INDEX readings_id ON readings (id)",
	}, want: history.ErrNotUnique},
	{name: "a unique index", tables: []string{
		"CREATE TABLE readings (id bigint NOT NULL, at bigint PRIMARY KEY, value varchar(9))",
		"CREATE UNIQUE INDEX readings_id ON readings (id)",
	}},
	{name: "a unique constraint", tables: []string{"CREATE TABLE readings (id bigint NOT NULL, at bigint PRIMARY KEY, value varchar(9), UNIQUE (id))"}},
	{name: "a unique index of more", tables: []string{
		"CREATE TABLE readings (id bigint NOT NULL, at bigint NOT NULL, value varchar(9))",
		"CREATE UNIQUE INDEX readings_id ON readings (id, at)",
	}, want: history.ErrNotUnique},
	{name: "a unique index that takes NULL", tables: []string{
		"CREATE TABLE readings (id bigint, at bigint, value varchar(9))",
		"CREATE UNIQUE INDEX readings_id ON readings (id)",
	}, want: history.ErrNotUnique},
	{name: "a partial index", kinds: []string{dbtest.SQLite, dbtest.SQLiteC, dbtest.Postgres}, tables: []string{
		"CREATE TABLE readings (id bigint NOT NULL, at bigint, value varchar(9))",
		"CREATE UNIQUE INDEX readings_id ON readings (id) WHERE at > 0",
	}, want: history.ErrNotUnique},
	{name: "an index of an expression", kinds: []string{dbtest.SQLite, dbtest.SQLiteC, dbtest.Postgres}, tables: []string{
		"CREATE TABLE readings (id bigint NOT NULL, at bigint, value varchar(9))",
		"CREATE UNIQUE INDEX readings_id ON readings ((id + at))",
		"CREATE UNIQUE INDEX readings_both ON readings (id, (at + 1))",
	}, want: history.ErrNotUnique},
	{name: "an index with more beside it", kinds: []string{dbtest.Postgres}, tables: []string{
		"CREATE TABLE readings (id bigint NOT NULL, at bigint, value varchar(9))",
		"CREATE UNIQUE INDEX readings_id ON readings (id) INCLUDE (at)",
	}},
	{name: "no rowid", kinds: []string{dbtest.SQLite, dbtest.SQLiteC}, tables: []string{"CREATE TABLE readings (id bigint PRIMARY KEY, at bigint, value varchar(9)) WITHOUT ROWID"}},
	{name: "names in another case", kinds: []string{dbtest.SQLite, dbtest.SQLiteC, dbtest.MariaDB}, tables: []string{"CREATE TABLE readings (ID bigint PRIMARY KEY, at bigint, value varchar(9))"}},
	{name: "partitions", kinds: []string{dbtest.Postgres}, tables: []string{
		"CREATE TABLE readings (id bigint, at bigint, value varchar(9), PRIMARY KEY (id, at)) PARTITION BY LIST (at)",
		"CREATE TABLE readings_1 PARTITION OF readings DEFAULT",
	}, warns: true},
	{name: "partitions", kinds: []string{dbtest.MariaDB}, tables: []string{
		"CREATE TABLE readings (id bigint, at bigint, value varchar(9), PRIMARY KEY (id, at)) PARTITION BY HASH (at)",
	}, warns: true},
	{name: "partitions by the key", kinds: []string{dbtest.Postgres}, tables: []string{
		"CREATE TABLE readings (id bigint PRIMARY KEY, at bigint, value varchar(9)) PARTITION BY HASH (id)",
		"CREATE TABLE readings_1 PARTITION OF readings FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
	}},
}

// Rows that the model's key can't tell apart would share one history.
func TestAKeyThatTheDatabaseDoesNotKeepUnique(t *testing.T) {
	t.Parallel()
	for _, c := range keysOfReadings {
		t.Run(c.name, func(t *testing.T) {
			dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
				if c.kinds != nil && !slices.Contains(c.kinds, d.Kind) {
					t.Skip("other databases only")
				}
				config, warnings := logged()
				db := d.Open(t, config)
				_, create, err := history.SQL(db, &Reading{})
				must(t, err)
				for _, statement := range c.tables {
					must(t, db.Exec(statement).Error)
				}
				if _, _, err := history.SQL(db, &Reading{}); !errors.Is(err, c.want) {
					t.Errorf("SQL = %v, want %v", err, c.want)
				}
				if c.want != nil {
					err := history.Migrate(db, &Reading{})
					if made := db.Migrator().HasTable("whodunit_changes"); !errors.Is(err, c.want) || made {
						t.Errorf("Migrate = %v, want %v before anything is made", err, c.want)
					}
				}
				runScript(t, db, create)
				var found *history.TableError
				if err := history.Verify(db, &Reading{}); !errors.Is(err, c.want) || c.want != nil && (!errors.As(err, &found) || found.Table != "readings") {
					t.Errorf("Verify = %v, want %v", err, c.want)
				}
				if got := strings.Contains(warnings.String(), "across its partitions"); got != c.warns {
					t.Errorf("Verify warns of %q, want a warning of partitions: %t", warnings, c.warns)
				}
			})
		})
	}
}
