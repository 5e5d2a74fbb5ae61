package tests

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// hostileSettings are what a colleague's session may have.
var hostileSettings = []string{
	"TimeZone = 'Asia/Kathmandu'", "DateStyle = 'SQL, DMY'", "IntervalStyle = 'sql_standard'", "extra_float_digits = -10",
	"bytea_output = 'escape'", "xmloption = 'document'", "quote_all_identifiers = on", "search_path = pg_catalog",
}

// Each type has a text of its own in each session. What is recorded has one.
func TestSettingsOfASessionChangeNoRecord(t *testing.T) {
	type Sly struct {
		ID        uint
		Days      string `gorm:"type:date[]"`
		Times     string `gorm:"type:timestamp(3)[]"`
		Instants  string `gorm:"type:timestamptz[]"`
		Zoned     string `gorm:"type:timestamp with time zone[]"`
		Span      string `gorm:"type:daterange"`
		Period    string `gorm:"type:tstzrange"`
		Took      string `gorm:"type:interval"`
		Precise   string `gorm:"type:interval(3)"`
		Breaks    string `gorm:"type:interval[]"`
		Blobs     string `gorm:"type:bytea[]"`
		Ratios    string `gorm:"type:double precision[]"`
		Place     string `gorm:"type:point"`
		Shape     string `gorm:"type:polygon"`
		Price     string `gorm:"type:money"`
		Composite string `gorm:"type:sly_pair"`
		Pairs     string `gorm:"type:sly_pair[]"`
		Birthday  string `gorm:"type:sly_day"`
	}
	db := dbtest.New(t, dbtest.Postgres).Open(t)
	must(t, db.Exec("CREATE TYPE sly_pair AS (on_day date, ratio float8)").Error)
	must(t, db.Exec("CREATE DOMAIN sly_day AS date").Error)
	must(t, history.Migrate(db, &Sly{}))
	const values = `'{2026-02-01}', '{2026-02-01 10:11:12.345}', '{2026-02-01 10:11:12+03}', '{2026-02-01 10:11:12+03}',
'[2026-02-01,2026-03-01)',
'[2026-02-01 10:11:12+03,)', '1 year 2 mons -3 days 04:05:06.7', '-1.5 seconds', '{1 day,-2 mons}', '{"\\x00ff"}', ARRAY[0.1::float8 + 0.2], '(0.30000000000000004,1)', '((0,0.30000000000000004),(1,1))',
'1234.56', '("2026-02-01",0.30000000000000004)', '{"(2026-02-01,0.30000000000000004)"}', '2026-02-01'`
	sameInAHostileSession(t, db, "slies", values, "days = '{}', times = '{}', place = '(0,0)', took = '1 day', pairs = '{}'")
}

// A type that nobody knows may depend on any setting.
func TestSettingsChangeNoUnknownType(t *testing.T) {
	type Odd struct {
		ID       uint
		Birthday string `gorm:"type:odd_day"`
	}
	db := dbtest.New(t, dbtest.Postgres).Open(t)
	must(t, db.Exec("CREATE DOMAIN odd_day AS date").Error)
	must(t, history.Migrate(db, &Odd{}))
	sameInAHostileSession(t, db, "odds", "'2026-02-01'", "birthday = '2026-12-31'")
}

// sameInAHostileSession writes the same in two sessions, and compares what is recorded.
func sameInAHostileSession(t *testing.T, db *gorm.DB, table, values, update string) {
	t.Helper()
	table = homeOf(t, db) + "." + table
	write := func(tx *gorm.DB, id int) {
		must(t, tx.Exec(fmt.Sprintf("INSERT INTO %s VALUES (%d, %s)", table, id, values)).Error)
		must(t, tx.Exec(fmt.Sprintf("UPDATE %s SET %s WHERE id = %d", table, update, id)).Error)
	}
	write(db, 1)
	must(t, db.Transaction(func(tx *gorm.DB) error {
		for _, setting := range hostileSettings {
			must(t, tx.Exec("SET LOCAL "+setting).Error)
		}
		write(tx, 2)
		return nil
	}))
	var recorded []string
	must(t, db.Raw("SELECT replace(fields, '\"2\"', '\"1\"') FROM whodunit_changes ORDER BY id").Scan(&recorded).Error)
	if len(recorded) != 4 {
		t.Fatalf("%d changes, want 4", len(recorded))
	}
	sameLines(t, "recorded by a hostile session", recorded[2:], recorded[:2]...)
	if !strings.Contains(recorded[0], "2026-02-01") {
		t.Errorf("recorded = %s, want its days in ISO", recorded[0])
	}
}

// A zeroValue is what the application's zone makes of it, whatever else the
// function needs.
func TestAZeroValueIsOfTheSessionsZone(t *testing.T) {
	type Zoned struct {
		ID        uint
		Day       string         `gorm:"type:zoned_day;default:'2026-02-01'"`
		DeletedAt gorm.DeletedAt `gorm:"zeroValue:1970-01-02 00:00:01;default:'1970-01-02 00:00:01'"`
	}
	db := session(t, dbtest.New(t, dbtest.Postgres), "TimeZone = 'Asia/Tokyo'")
	must(t, db.Exec("CREATE DOMAIN zoned_day AS date").Error)
	must(t, history.Migrate(db, &Zoned{}))
	must(t, db.Exec("INSERT INTO zoneds DEFAULT VALUES").Error)
	must(t, db.Exec("UPDATE zoneds SET deleted_at = now()").Error)
	if c := last(t, db, &Zoned{ID: 1}); c.Action != history.ActionSoftDelete {
		t.Errorf("the action is %s, want soft_delete", c.Action)
	}
}

// Where another tool makes the table, the model may not know what it has.
func TestVerifyWarnsOfOtherTypes(t *testing.T) {
	type Handmade struct {
		ID    uint
		Took  string
		Score float64
		Flag  bool
		Data  string `gorm:"type:json"`
		At    time.Time
	}
	for kind, table := range map[string]string{
		dbtest.Postgres: "CREATE TABLE handmades (id bigserial PRIMARY KEY, took interval, score numeric, flag boolean, data jsonb, at timestamptz(3))",
		dbtest.MariaDB:  "CREATE TABLE handmades (id bigint unsigned PRIMARY KEY, took bit(9), score double, flag tinyint(1), data longtext, at datetime(3))",
	} {
		t.Run(kind, func(t *testing.T) {
			d := dbtest.New(t, kind)
			must(t, d.Open(t).Exec(table).Error)
			var b bytes.Buffer
			db := d.Open(t, &gorm.Config{Logger: logger.New(log.New(&b, "", 0), logger.Config{LogLevel: logger.Warn})})
			_, create, err := history.SQL(db, &Handmade{})
			must(t, err)
			runScript(t, db, create)
			must(t, history.Verify(db, &Handmade{}))
			if text := b.String(); strings.Count(text, "column") != 1 || !strings.Contains(text, `"took"`) || strings.Contains(text, "type:took") {
				t.Errorf("the log is %q, want one warning of took, and its type", text)
			}
		})
	}
}

// A struct of a driver's, such as pgtype.UUID, is bytes to GORM: each write would fail.
func TestVerifyRefusesAUUIDThatIsRecordedAsBytes(t *testing.T) {
	type badge struct{ ID []byte }
	type toldBadge struct {
		ID []byte `gorm:"type:uuid"`
	}
	db := dbtest.New(t, dbtest.Postgres).Open(t)
	must(t, db.Exec("CREATE TABLE badges (id uuid PRIMARY KEY)").Error)
	must(t, db.Exec("CREATE TABLE told_badges (id uuid PRIMARY KEY)").Error)
	for _, test := range []struct {
		model any
		table string
		fails bool
	}{{&badge{}, "badges", true}, {&toldBadge{}, "told_badges", false}} {
		_, create, err := history.SQL(db, test.model)
		must(t, err)
		runScript(t, db, create)
		written := db.Exec("INSERT INTO " + test.table + " VALUES (gen_random_uuid())").Error
		if err := history.Verify(db, test.model); (written != nil) != test.fails || errors.Is(err, history.ErrOutdated) != test.fails || test.fails != (err != nil) {
			t.Errorf("%T: the write ends with %v, Verify with %v, want errors: %t", test.model, written, err, test.fails)
		}
	}
}

// A column that nobody told the model of is in no change.
func TestVerifyWarnsOfColumnsThatAreNotRecorded(t *testing.T) {
	type Priced struct {
		ID     uint
		Amount int
		Secret string `gorm:"history:-"`
		Code   string `gorm:"history:redact"`
	}
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		var b bytes.Buffer
		db := d.Open(t, &gorm.Config{Logger: logger.New(log.New(&b, "", 0), logger.Config{LogLevel: logger.Warn})})
		must(t, history.Migrate(db, &Priced{}))
		must(t, history.Verify(db, &Priced{}))
		if b.Len() > 0 {
			t.Errorf("the log is %q, want nothing", b.String())
		}
		must(t, db.Exec("ALTER TABLE priceds ADD COLUMN vat integer").Error)
		must(t, history.Verify(db, &Priced{}))
		if text := b.String(); strings.Count(text, "column") != 1 || !strings.Contains(text, `"vat"`) {
			t.Errorf("the log is %q, want one warning of vat", text)
		}
	})
}
