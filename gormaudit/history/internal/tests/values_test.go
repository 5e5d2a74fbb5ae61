package tests

import (
	"database/sql"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// Everything has a column of each type.
type Everything struct {
	ID       uint64
	Int64    int64
	Uint64   uint64 // stays below 2^63: SQLite and PostgreSQL have no more
	Small    int8
	Float    float64
	Single   float32
	Truth    bool
	Text     string `gorm:"size:2000"`
	Long     string
	Maybe    *string
	Null     sql.NullString `gorm:"size:50"`
	Decimal  string         `gorm:"type:decimal(40,10)"`
	Time     time.Time      `gorm:"precision:6"`
	MaybeAt  *time.Time     `gorm:"precision:6"`
	Day      time.Time      `gorm:"type:date"`
	Blob     []byte
	JSON     []string   `gorm:"serializer:json"`
	UUID     uuid.UUID  `gorm:"size:36"`
	MaybeID  *uuid.UUID `gorm:"size:36"`
	Duration time.Duration
}

func ptr[T any](v T) *T { return &v }

// values are rows that the history must bring back bit by bit.
func values() []Everything {
	zone := time.FixedZone("NPT", 5*3600+45*60)
	day := time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)
	at := time.Date(2024, 10, 27, 2, 30, 0, 123456000, zone)
	return []Everything{
		{Day: day, Time: day, Decimal: "0.0000000000"},
		{
			Int64: math.MaxInt64, Uint64: math.MaxInt64, Small: -128, Float: math.Pi, Single: 16777216, Truth: true,
			Text: "π 🦉 'quoted' \"double\" back\\slash\ttab\nline %d ? @name $1", Long: strings.Repeat("long ", 5000), Maybe: ptr(""), Null: sql.NullString{Valid: true},
			Decimal: "123456789012345678901234567890.0123456789", Time: at, MaybeAt: &at, Day: day.AddDate(10, 0, 0),
			Blob: []byte{0, 1, 0xff, 0xfe, '\'', '\\'}, JSON: []string{"a", "\u2028", "\"}"}, UUID: uuid.MustParse("f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
			MaybeID: ptr(uuid.MustParse("6ba7b810-9dad-11d1-80b4-00c04fd430c8")), Duration: time.Hour,
		},
		{
			Int64: math.MinInt64, Small: 127, Float: 5e-324, Single: -0.1, Text: "A", Long: "]],[\"x\",\"s\"", Maybe: ptr("NULL"),
			Decimal: "-1.0000000001", Time: at.UTC().Add(time.Microsecond), Day: day, Blob: []byte{}, JSON: []string{},
		},
		{Float: math.MaxFloat64, Single: math.SmallestNonzeroFloat32, Text: "a", Decimal: "-1.0000000001", Time: day, Day: day, Null: sql.NullString{String: "x", Valid: true}},
		{Float: 0.1 + 0.2, Text: "a ", Decimal: "2.5000000000", Time: day, Day: day, JSON: nil, Blob: []byte("text")},
	}
}

func TestValuesComeBackExactly(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &Everything{}))
		var stored []Everything // as GORM reads them: the yardstick
		var times []time.Time
		row := Everything{ID: 1}
		for i, v := range values() {
			v.ID = row.ID
			if i == 0 {
				must(t, db.Create(&v).Error)
			} else {
				must(t, db.Save(&v).Error)
			}
			var now Everything
			must(t, db.First(&now, row.ID).Error)
			stored = append(stored, now)
			times = append(times, last(t, db, &row).At)
			time.Sleep(3 * time.Millisecond)
		}
		must(t, db.Delete(&row).Error)
		for i, want := range stored {
			got, err := history.At[Everything](db, &row, times[i])
			must(t, err)
			same(t, i, got, want)
		}
		if _, err := history.At[Everything](db, 1, times[0].Add(-time.Hour)); !errors.Is(err, history.ErrNotYet) {
			t.Errorf("At(before) = %v, want ErrNotYet", err)
		}
		changes := must2(history.Of(db, &row))
		must(t, history.Revert(db, changes[0]))
		var now Everything
		must(t, db.First(&now, row.ID).Error)
		same(t, len(stored)-1, now, stored[len(stored)-1])
		for i := len(stored) - 2; i >= 0; i-- {
			must(t, history.Revert(db, changes[len(stored)-1-i]))
			var now Everything
			must(t, db.First(&now, row.ID).Error)
			same(t, i, now, stored[i])
		}
	})
}

func same(tb testing.TB, i int, got, want Everything) {
	tb.Helper()
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	for f := range g.NumField() {
		if !equal(g.Field(f).Interface(), w.Field(f).Interface()) {
			tb.Errorf("row %d: %s = %#v, want %#v", i, g.Type().Field(f).Name, g.Field(f).Interface(), w.Field(f).Interface())
		}
	}
}

func equal(got, want any) bool {
	switch want := want.(type) {
	case time.Time:
		return got.(time.Time).Equal(want)
	case *time.Time:
		got := got.(*time.Time)
		return got == nil && want == nil || got != nil && want != nil && got.Equal(*want)
	case float64:
		return math.Float64bits(got.(float64)) == math.Float64bits(want)
	}
	return reflect.DeepEqual(got, want)
}

func TestFieldsConvertToGoTypes(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, history.Migrate(db, &Everything{}))
		v := values()[1]
		must(t, db.Create(&v).Error)
		var now Everything
		must(t, db.First(&now, v.ID).Error)
		c := last(t, db, &v)
		field := func(name string) history.Value {
			f, ok := c.Field(name)
			if !ok {
				t.Errorf("no field %q", name)
			}
			return f.After
		}
		check := func(name string, got, want any, err error) {
			t.Helper()
			if err != nil || !equal(got, want) {
				t.Errorf("As(%s) = %v, %v, want %v", name, got, err, want)
			}
		}
		i, err := history.ValueAs[int64](field("int64"))
		check("int64", i, int64(math.MaxInt64), err)
		b, err := history.ValueAs[bool](field("truth"))
		check("truth", b, true, err)
		at, err := history.ValueAs[time.Time](field("time"))
		check("time", at, now.Time, err)
		blob, err := history.ValueAs[[]byte](field("blob"))
		check("blob", blob, v.Blob, err)
		text, err := history.ValueAs[*string](field("maybe"))
		check("maybe", text, ptr(""), err)
		id, err := history.ValueAs[uuid.UUID](field("uuid"))
		check("uuid", id, v.UUID, err)
		raw, err := history.ValueAs[string](field("json"))
		check("json", raw, string(must2(json.Marshal(v.JSON))), err)
		if _, err := history.ValueAs[int](field("text")); err == nil {
			t.Error("As[int] of a text succeeded")
		}
	})
}

// What the types' own equality or the session's settings would hide.
func TestDifferencesThatDatabasesHideAreRecorded(t *testing.T) {
	type Sly struct {
		ID    uint
		Name  string `gorm:"size:20"`
		Exact string `gorm:"type:numeric"`
	}
	for kind, column := range map[string]string{
		dbtest.SQLite:   "text COLLATE NOCASE",
		dbtest.MariaDB:  "varchar(20) COLLATE utf8mb4_general_ci",
		dbtest.Postgres: "varchar(20)",
	} {
		t.Run(kind, func(t *testing.T) {
			d := dbtest.New(t, kind)
			db := d.Open(t)
			exact := map[string]string{dbtest.SQLite: "blob", dbtest.MariaDB: "double", dbtest.Postgres: "numeric"}[kind]
			must(t, db.Exec("CREATE TABLE slies (id integer PRIMARY KEY, name "+column+", exact "+exact+")").Error)
			must(t, db.Exec("INSERT INTO slies VALUES (1, 'a', 1)").Error)
			_, create, err := history.SQL(db, &Sly{})
			must(t, err)
			runScript(t, db, create)
			must(t, db.Exec("UPDATE slies SET name = 'A'").Error)
			must(t, db.Exec("UPDATE slies SET name = 'A '").Error)
			want := []string{`update; nobody said; name "a">"A"`, `update; nobody said; name "A">"A "`}
			if kind == dbtest.Postgres {
				must(t, db.Exec("UPDATE slies SET exact = 1.00").Error)
				want = append(want, `update; nobody said; exact "1">"1.00"`)
			}
			sameLines(t, "trail", trail(t, db, &Sly{ID: 1}), want...)
		})
	}
}

func TestSessionSettingsChangeNoValue(t *testing.T) {
	type Odd struct {
		ID    uint
		At    time.Time
		Plain string  `gorm:"type:timestamp"`
		Took  string  `gorm:"type:interval"`
		Ratio float64 `gorm:"type:double precision"`
		Data  []byte
	}
	d := dbtest.New(t, dbtest.Postgres)
	db := d.Open(t)
	must(t, history.Migrate(db, &Odd{}))
	const insert = "INSERT INTO odds VALUES (?, '2024-03-04 05:06:07.123456+03', '2024-03-04 05:06:07', '1 year 2 mons 3 days 04:05:06.7', 0.1::float8 + 0.2, '\\x00ff')"
	must(t, db.Exec(insert, 1).Error)
	must(t, db.Transaction(func(tx *gorm.DB) error {
		for _, setting := range []string{"TimeZone = 'Asia/Kathmandu'", "DateStyle = 'SQL, DMY'", "IntervalStyle = 'iso_8601'", "extra_float_digits = 0", "bytea_output = 'escape'"} {
			must(t, tx.Exec("SET LOCAL "+setting).Error)
		}
		return tx.Exec(insert, 2).Error
	}))
	one, two := last(t, db, &Odd{ID: 1}), last(t, db, &Odd{ID: 2})
	for i := range one.Fields {
		if a, b := one.Fields[i].After.String(), two.Fields[i].After.String(); i > 0 && a != b {
			t.Errorf("%s = %s with other settings, want %s", one.Fields[i].Column, b, a)
		}
	}
	must(t, db.Exec("UPDATE odds SET at = now(), plain = now(), took = '1 day', ratio = 0, data = ''").Error)
	must(t, history.Revert(signing(t, db), last(t, db, &Odd{ID: 1})))
	var same bool
	must(t, db.Raw("SELECT (a.at, a.plain, a.took, a.ratio, a.data) = ('2024-03-04 05:06:07.123456+03'::timestamptz, '2024-03-04 05:06:07'::timestamp, '1 year 2 mons 3 days 04:05:06.7'::interval, 0.1::float8 + 0.2, '\\x00ff'::bytea) FROM odds a WHERE id = 1").Scan(&same).Error)
	if !same {
		t.Error("Revert did not put the values back")
	}
}

// runScript runs what SQL returned, as a migration tool would.
func runScript(tb testing.TB, db *gorm.DB, script string) {
	tb.Helper()
	pool := must2(db.DB())
	for _, statement := range strings.Split(script, ";\n\n") {
		if _, err := pool.Exec(statement); err != nil {
			tb.Fatalf("%s: %v", statement, err)
		}
	}
}
