package tests

import (
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

var witnessSeeds = flag.Uint64("witness-seeds", 2, "how many random runs TestEveryTypeIsExact makes of each database and session")

// witness holds what a driver gave, and as what Go type.
type witness struct{ Type, Value string }

func (w *witness) Scan(src any) error {
	switch src := src.(type) {
	case []byte:
		w.Value = fmt.Sprintf("%x", src)
	case time.Time:
		w.Value = src.Format("2006-01-02T15:04:05.999999999Z07:00 MST")
	default:
		w.Value = fmt.Sprint(src)
	}
	w.Type = fmt.Sprintf("%T", src)
	if len(w.Value) > 100 {
		w.Value = fmt.Sprintf("%s… %x", w.Value[:100], sha256.Sum256([]byte(w.Value)))
	}
	return nil
}

// Types of an application that are read by code of its own.
type (
	yesNo     bool
	cents     int64
	encrypted string
	colour    string
)

func (y *yesNo) Scan(src any) error {
	*y = strings.TrimSpace(fmt.Sprintf("%s", src)) == "Y"
	return nil
}

func (c *cents) Scan(src any) error {
	text := fmt.Sprint(src)
	if raw, ok := src.([]byte); ok {
		text = string(raw)
	}
	var x float64
	_, err := fmt.Sscan(text, &x)
	*c = cents(math.Round(x * 100))
	return err
}

func (e *encrypted) Scan(src any) error {
	text := fmt.Sprint(src)
	if raw, ok := src.([]byte); ok {
		text = string(raw)
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	*e = encrypted(raw)
	return err
}

// applicationRow has columns that an application reads as its own types.
type applicationRow struct {
	ID      int
	Spare   int64
	Flag    yesNo             `gorm:"type:char(1)" expr:"yesno"`
	Price   cents             `gorm:"type:decimal(20,2)" expr:"price"`
	Secret  encrypted         `gorm:"type:varchar(200)" expr:"base64"`
	Tags    []string          `gorm:"type:text;serializer:json" expr:"json"`
	Gob     map[string]string `gorm:"type:text;serializer:json" expr:"jsonmap"`
	Colour  colour            `gorm:"type:varchar(10)" expr:"word"`
	Ratio   *float64          `expr:"price"`
	Exact   float64           `gorm:"type:double precision" expr:"price"`
	Count   sql.NullInt64     `gorm:"type:bigint" expr:"small"`
	Took    time.Duration     `expr:"small"`
	Maybe   *string           `gorm:"type:varchar(20)" expr:"word"`
	Decimal string            `gorm:"type:decimal(20,2)" expr:"price"`
	At      *time.Time        `expr:"moment"`
	Null    sql.NullTime      `expr:"moment"`
	Found   int               `gorm:"-"`
}

// AfterFind sees the row as it was.
func (a *applicationRow) AfterFind(*gorm.DB) error {
	a.Found = len(a.Tags) + int(a.Price)
	return nil
}

// generator makes an SQL expression of a value. wild says that the session's
// settings allow what they usually don't.
type generator func(r *rand.Rand, wild bool) string

func oneOf(values ...string) generator {
	return func(r *rand.Rand, _ bool) string { return values[r.IntN(len(values))] }
}

func formatted(format string, values ...func(r *rand.Rand) any) generator {
	return func(r *rand.Rand, _ bool) string {
		args := make([]any, len(values))
		for i, v := range values {
			args[i] = v(r)
		}
		return fmt.Sprintf(format, args...)
	}
}

func upTo(n int64) func(r *rand.Rand) any { return func(r *rand.Rand) any { return r.Int64N(n) } }
func between(a, b int64) func(r *rand.Rand) any {
	return func(r *rand.Rand) any { return a + r.Int64N(b-a+1) }
}

// sharedGenerators are those of applicationRow, and of others.
var sharedGenerators = map[string]generator{
	"yesno": oneOf("'Y'", "'N'"),
	"price": formatted("%d.%d5", between(-100000, 100000), upTo(10)),
	"base64": func(r *rand.Rand, _ bool) string {
		return "'" + base64.StdEncoding.EncodeToString([]byte(fmt.Sprint("s", r.Int64()))) + "'"
	},
	"json":    oneOf(`'["a","b"]'`, `'[]'`, `'["]}"]'`),
	"jsonmap": oneOf(`'{"a":"b"}'`, `'{}'`),
	"word":    oneOf("'red'", "'green'", "''"),
	"moment":  oneOf("'2026-02-01 10:11:12'", "'1999-12-31 23:59:59'"),
	"small":   formatted("%d", between(-1000, 1000)),
}

// property runs random writes of sessions, and compares what the history says with what was
// read at the time: At, and then the row after each Revert.
type property[T any] struct {
	reader   *gorm.DB
	writers  []*gorm.DB // the last one's settings are wild
	table    string
	generate map[string]generator
	quote    func(string) string
}

func (p property[T]) columns() map[string]generator {
	columns := map[string]generator{}
	var add func(t reflect.Type)
	add = func(t reflect.Type) {
		for f := range t.NumField() {
			field := t.Field(f)
			if field.Anonymous {
				add(field.Type)
				continue
			}
			name := field.Tag.Get("expr")
			if name == "" {
				continue
			}
			g := p.generate[name]
			if g == nil {
				g = sharedGenerators[name]
			}
			columns[p.reader.NamingStrategy.ColumnName("", field.Name)] = g
		}
	}
	add(reflect.TypeFor[T]())
	return columns
}

// write changes one row: it is inserted, updated or deleted.
func (p property[T]) write(t *testing.T, r *rand.Rand, columns map[string]generator) {
	t.Helper()
	writer := r.IntN(len(p.writers))
	id, names, values := 1+r.IntN(2), []string{}, []string{}
	share := 1 + r.IntN(3)
	for _, name := range slices.Sorted(maps.Keys(columns)) {
		if r.IntN(3) >= share {
			continue
		}
		value := "NULL"
		if r.IntN(8) > 0 {
			value = columns[name](r, writer == len(p.writers)-1)
		}
		names, values = append(names, p.quote(name)), append(values, value)
	}
	var n int64
	must(t, p.reader.Table(p.table).Where("id = ?", id).Count(&n).Error)
	statement := ""
	switch {
	case n == 0:
		statement = fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", p.table, strings.Join(append(names, "id"), ", "), strings.Join(append(values, fmt.Sprint(id)), ", "))
	case r.IntN(4) == 0:
		statement = fmt.Sprintf("DELETE FROM %s WHERE id = %d", p.table, id)
	default:
		sets := []string{p.quote("spare") + " = " + fmt.Sprint(r.Int32())}
		for i := range names {
			sets = append(sets, names[i]+" = "+values[i])
		}
		statement = fmt.Sprintf("UPDATE %s SET %s WHERE id = %d", p.table, strings.Join(sets, ", "), id)
	}
	if _, err := p.writers[writer].Statement.ConnPool.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%v: %s", err, statement)
	}
}

// rows are those that there are, as First reads them.
func (p property[T]) rows(t *testing.T) map[int]*T {
	t.Helper()
	rows := map[int]*T{}
	for id := 1; id <= 2; id++ {
		var row T
		switch err := p.reader.First(&row, id).Error; {
		case err == nil:
			rows[id] = &row
		case !errors.Is(err, gorm.ErrRecordNotFound):
			t.Fatal(err)
		}
	}
	return rows
}

func (p property[T]) run(t *testing.T, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 17))
	columns := p.columns()
	const steps = 12
	var seen []map[int]*T
	var at []time.Time
	for range steps {
		p.write(t, r, columns)
		seen = append(seen, p.rows(t))
		at = append(at, must2(history.Find(p.reader, history.Query{Limit: 1}))[0].At)
		time.Sleep(2 * time.Millisecond)
	}
	for i, rows := range seen {
		for id := 1; id <= 2; id++ {
			got, err := history.At[T](p.reader, id, at[i])
			want := rows[id]
			switch {
			case want == nil && !errors.Is(err, history.ErrDeleted) && !errors.Is(err, history.ErrNotYet) && !errors.Is(err, gorm.ErrRecordNotFound):
				t.Errorf("seed %d, step %d: At(%d) = %v, want no row", seed, i, id, err)
			case want != nil && err != nil:
				t.Errorf("seed %d, step %d: At(%d) = %v", seed, i, id, err)
			case want != nil:
				p.same(t, fmt.Sprintf("seed %d, step %d: At(%d)", seed, i, id), got, *want)
			}
		}
	}
	changes := must2(history.Find(p.reader, history.Query{Limit: 1000}))
	for i := range steps - 1 {
		if err := history.Revert(signing(t, p.reader.Model(new(T))), changes[i]); err != nil {
			t.Fatalf("seed %d, step %d: Revert = %v", seed, steps-i-1, err)
		}
		now := p.rows(t)
		for id := 1; id <= 2; id++ {
			want := seen[steps-2-i][id]
			switch {
			case (want == nil) != (now[id] == nil):
				t.Fatalf("seed %d, step %d: after Revert row %d is there: %t, want %t", seed, steps-i-1, id, now[id] != nil, want != nil)
			case want != nil:
				p.same(t, fmt.Sprintf("seed %d, step %d: after Revert row %d", seed, steps-i-1, id), *now[id], *want)
			}
		}
		if t.Failed() {
			return
		}
	}
}

func (p property[T]) same(t *testing.T, what string, got, want T) {
	t.Helper()
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	for f := range g.NumField() {
		if !reflect.DeepEqual(g.Field(f).Interface(), w.Field(f).Interface()) {
			t.Errorf("%s: %s = %+v, want %+v", what, g.Type().Field(f).Name, g.Field(f).Interface(), w.Field(f).Interface())
		}
	}
}

// session is a pool of one connection with settings.
func session(t *testing.T, d *dbtest.Database, settings ...string) *gorm.DB {
	t.Helper()
	db := d.Open(t)
	must2(db.DB()).SetMaxOpenConns(1)
	for _, setting := range settings {
		must(t, db.Exec("SET "+setting).Error)
	}
	return db
}

func TestAnApplicationsTypesAreExact(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, history.Migrate(db, &applicationRow{}))
		quote := quoteDouble
		if d.Kind == dbtest.MariaDB || d.Kind == dbtest.MySQL {
			quote = quoteBack
		}
		property[applicationRow]{reader: db, writers: []*gorm.DB{db}, table: "application_rows", quote: quote}.run(t, 1)
	})
}

type postgresWitness struct {
	ID        int
	Spare     witness `gorm:"type:bigint"`
	Small     witness `gorm:"type:smallint" expr:"small"`
	Big       witness `gorm:"type:bigint" expr:"big"`
	OID       witness `gorm:"type:oid" expr:"oid"`
	Numeric   witness `gorm:"type:numeric" expr:"numeric"`
	Scaled    witness `gorm:"type:numeric(20,4)" expr:"price"`
	Real      witness `gorm:"type:real" expr:"float"`
	Double    witness `gorm:"type:double precision" expr:"float"`
	Truth     witness `gorm:"type:boolean" expr:"bool"`
	Text      witness `gorm:"type:text" expr:"text"`
	Varchar   witness `gorm:"type:varchar(20)" expr:"word"`
	Char      witness `gorm:"type:char(5)" expr:"blanks"`
	Bpchar    witness `gorm:"type:bpchar" expr:"blanks"`
	UUID      witness `gorm:"type:uuid" expr:"uuid"`
	JSON      witness `gorm:"type:json" expr:"anyjson"`
	JSONB     witness `gorm:"type:jsonb" expr:"anyjson"`
	XML       witness `gorm:"type:xml" expr:"xml"`
	Inet      witness `gorm:"type:inet" expr:"inet"`
	Cidr      witness `gorm:"type:cidr" expr:"cidr"`
	Mac       witness `gorm:"type:macaddr" expr:"mac"`
	Bit       witness `gorm:"type:bit(5)" expr:"bit"`
	Varbit    witness `gorm:"type:bit varying(9)" expr:"bit"`
	Bytea     witness `gorm:"type:bytea" expr:"bytea"`
	Date      witness `gorm:"type:date" expr:"date"`
	Stamp     witness `gorm:"type:timestamp" expr:"stamp"`
	StampTZ   witness `gorm:"type:timestamptz" expr:"stamptz"`
	Stamp3    witness `gorm:"type:timestamp(3) with time zone" expr:"stamptz"`
	Time      witness `gorm:"type:time without time zone" expr:"time"`
	TimeTZ    witness `gorm:"type:timetz" expr:"timetz"`
	Interval  witness `gorm:"type:interval" expr:"interval"`
	Interval3 witness `gorm:"type:interval(3)" expr:"interval"`
	Money     witness `gorm:"type:money" expr:"money"`
	Dates     witness `gorm:"type:date[]" expr:"dates"`
	Texts     witness `gorm:"type:text[]" expr:"texts"`
	Grid      witness `gorm:"type:integer[][]" expr:"grid"`
	Floats    witness `gorm:"type:double precision[]" expr:"floats"`
	Byteas    witness `gorm:"type:bytea[]" expr:"byteas"`
	Stamps    witness `gorm:"type:timestamptz[]" expr:"stamps"`
	Intervals witness `gorm:"type:interval[]" expr:"intervals"`
	JSONs     witness `gorm:"type:jsonb[]" expr:"jsons"`
	IntRange  witness `gorm:"type:int4range" expr:"intrange"`
	DateRange witness `gorm:"type:daterange" expr:"daterange"`
	TSRange   witness `gorm:"type:tstzrange" expr:"tsrange"`
	NumMulti  witness `gorm:"type:nummultirange" expr:"nummulti"`
	Point     witness `gorm:"type:point" expr:"point"`
	Polygon   witness `gorm:"type:polygon" expr:"polygon"`
	Circle    witness `gorm:"type:circle" expr:"circle"`
	Vector    witness `gorm:"type:tsvector" expr:"vector"`
	Mood      witness `gorm:"type:mood" expr:"mood"`
	Pair      witness `gorm:"type:pair" expr:"pair"`
	Pairs     witness `gorm:"type:pair[]" expr:"pairs"`
	Day       witness `gorm:"type:day" expr:"date"`
	Natural   witness `gorm:"type:\"natural number\"" expr:"oid"`
	Class     witness `gorm:"type:regclass" expr:"class"`
	Doubled   witness `gorm:"->;type:bigint GENERATED ALWAYS AS (small * 2) STORED"`
}

func (postgresWitness) TableName() string { return "witnesses" }

var postgresGenerators = map[string]generator{
	"big":       oneOf("9223372036854775807", "-9223372036854775808", "0"),
	"oid":       formatted("%d", upTo(1<<31)),
	"numeric":   oneOf("1.00", "1", "'NaN'", "123456789012345678901234567890.0123456789", "-0.5"),
	"float":     oneOf("'-0'", "0.1", "1e-30", "'NaN'", "'Infinity'", "16777217", "0.1::float8 + 0.2"),
	"bool":      oneOf("true", "false"),
	"text":      oneOf("''", "' '", "'A'", "'a'", `E'\\ \' " \n \t, {} [] $1 ? @x'`, "'π 🦉'", "repeat('long ', 3000)"),
	"blanks":    oneOf("'a  '", "'a'", "''", "' a'"),
	"uuid":      oneOf("gen_random_uuid()", "'F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6'"),
	"anyjson":   oneOf(`'{"b":1,"a":[1.0, null]}'`, `'"text"'`, "'null'", "'1e3'", `'[]'`, `'"\u00e9\\"'`),
	"xml":       oneOf("xmlparse(content 'a<b/>')", "xmlparse(content '<a>x</a>')", "xmlparse(content '')"),
	"inet":      oneOf("'10.0.0.1'", "'10.0.0.1/8'", "'::1'"),
	"cidr":      oneOf("'10.0.0.0/8'", "'2001:db8::/32'"),
	"mac":       oneOf("'08:00:2b:01:02:03'"),
	"bit":       formatted("%d::bit(5)", upTo(32)),
	"bytea":     oneOf(`'\x'`, `'\x00ff'`, `'\x5c27'`),
	"date":      oneOf("'2026-02-01'", "'0044-03-15 BC'", "'infinity'", "'9999-12-31'", "'10000-01-01'"),
	"stamp":     oneOf("'2026-02-01 10:11:12.123456'", "'0044-03-15 01:02:03 BC'", "'infinity'", "'-infinity'", "'0001-01-01'"),
	"stamptz":   oneOf("'2026-02-01 10:11:12.123456+03'", "'2024-10-27 02:30:00+05:45'", "'infinity'"),
	"time":      oneOf("'24:00:00'", "'01:02:03.5'"),
	"timetz":    oneOf("'01:02:03.5+05:45'", "'23:59:59-03'"),
	"interval":  formatted("make_interval(months => %d, days => %d, secs => %d.25)", between(-30, 30), between(-40, 40), between(-90000, 90000)),
	"money":     formatted("(%d.%d5)::numeric::money", between(-100000, 100000), upTo(10)),
	"dates":     oneOf("'{2026-02-01,NULL}'", "'{}'", "'[2:3]={2026-02-01,2026-12-31}'"),
	"texts":     oneOf(`'{"a,b",NULL,"NULL",""}'`, "'{}'"),
	"grid":      oneOf("'{{1,2},{3,4}}'", "'{}'"),
	"floats":    oneOf("ARRAY[0.1::float8 + 0.2, 'NaN']", "'{1e-300}'"),
	"byteas":    oneOf(`'{"\\x00ff",NULL}'`),
	"stamps":    oneOf("ARRAY['2026-02-01 10:11:12.123456+03'::timestamptz, 'infinity']"),
	"intervals": oneOf("ARRAY[make_interval(months => -14, days => 3)]"),
	"jsons":     oneOf(`ARRAY['{"a":"b"}'::jsonb, 'null']`),
	"intrange":  oneOf("'[1,10)'", "'empty'", "'(,)'"),
	"daterange": oneOf("'[2026-02-01,2026-03-01)'", "'(,)'"),
	"tsrange":   oneOf("'[2026-02-01 10:11:12+03,)'"),
	"nummulti":  oneOf("'{[1.5,2),[3,4]}'"),
	"point":     oneOf("point(0.1::float8 + 0.2, 1)", "'(0,-0)'"),
	"polygon":   oneOf("'((0,0),(0.1,0.30000000000000004),(1,1))'"),
	"circle":    oneOf("'<(0.1,0.30000000000000004),2>'"),
	"vector":    oneOf("'a:1A fat:2 cat'", "''"),
	"mood":      oneOf("'sad'", "'it''s, ok'"),
	"pair":      oneOf(`ROW('2026-02-01', 0.1::float8 + 0.2, 'a "b", c')`, "ROW(NULL, 1, '')::pair", "ROW(NULL, NULL, NULL)::pair"),
	"pairs":     oneOf(`ARRAY[ROW('2026-02-01', 0.1::float8 + 0.2, 'a "b", c')]::pair[]`, "'{}'"),
	"class":     oneOf("'witnesses'::regclass", "'pg_class'::regclass"),
}

func quoteDouble(name string) string { return `"` + name + `"` }
func quoteBack(name string) string   { return "`" + name + "`" }

func TestEveryTypeIsExactOnPostgres(t *testing.T) {
	hostile := []string{"TimeZone = 'Asia/Tokyo'", "DateStyle = 'SQL, DMY'", "IntervalStyle = 'sql_standard'", "extra_float_digits = 3", "bytea_output = 'escape'", "xmloption = 'document'"}
	for name, reader := range map[string]func(t *testing.T, d *dbtest.Database) *gorm.DB{
		"usual":   func(t *testing.T, d *dbtest.Database) *gorm.DB { return d.Open(t) },
		"hostile": func(t *testing.T, d *dbtest.Database) *gorm.DB { return session(t, d, hostile...) },
		"simple protocol": func(t *testing.T, d *dbtest.Database) *gorm.DB {
			return openDialector(t, postgres.New(postgres.Config{DSN: d.DSN, PreferSimpleProtocol: true}))
		},
		"prepared": func(t *testing.T, d *dbtest.Database) *gorm.DB {
			return d.Open(t, &gorm.Config{Logger: logger.Discard, PrepareStmt: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t, dbtest.Postgres)
			db := d.Open(t)
			must(t, db.Exec("CREATE TYPE mood AS ENUM ('sad', 'it''s, ok')").Error)
			must(t, db.Exec("CREATE TYPE pair AS (on_day date, ratio float8, name text)").Error)
			must(t, db.Exec("CREATE DOMAIN day AS date").Error)
			must(t, db.Exec(`CREATE DOMAIN "natural number" AS bigint CHECK (VALUE >= 0)`).Error)
			must(t, history.Migrate(session(t, d, hostile...), &postgresWitness{}))
			wild := session(t, d, "TimeZone = 'Asia/Kathmandu'", "DateStyle = 'SQL, DMY'", "IntervalStyle = 'iso_8601'", "extra_float_digits = -10", "bytea_output = 'escape'")
			p := property[postgresWitness]{reader: reader(t, d), writers: []*gorm.DB{db, wild}, table: "witnesses", generate: postgresGenerators, quote: quoteDouble}
			for seed := range *witnessSeeds {
				p.run(t, seed)
				must(t, db.Exec("TRUNCATE witnesses, whodunit_changes, whodunit_change_sets").Error)
			}
		})
	}
}

type mysqlWitness struct {
	ID        int
	Spare     witness `gorm:"type:bigint"`
	Tiny      witness `gorm:"type:tinyint" expr:"tiny"`
	Truth     witness `gorm:"type:tinyint(1)" expr:"tiny"`
	Small     witness `gorm:"type:smallint" expr:"small"`
	Medium    witness `gorm:"type:mediumint unsigned zerofill" expr:"unsigned"`
	Int       witness `gorm:"type:int unsigned" expr:"unsigned"`
	Big       witness `gorm:"type:bigint" expr:"big"`
	Huge      witness `gorm:"type:bigint unsigned" expr:"huge"`
	Year      witness `gorm:"type:year" expr:"year"`
	Decimal   witness `gorm:"type:decimal(65,30)" expr:"decimal"`
	Scaled    witness `gorm:"type:decimal(20,2)" expr:"price"`
	Single    witness `gorm:"type:float" expr:"float"`
	Double    witness `gorm:"type:double" expr:"double"`
	Date      witness `gorm:"type:date" expr:"date"`
	Stamp     witness `gorm:"type:datetime" expr:"stamp"`
	Stamp6    witness `gorm:"type:datetime(6)" expr:"stamp"`
	Instant   witness `gorm:"type:timestamp NULL" expr:"instant"`
	Instant2  witness `gorm:"type:timestamp(2) NULL" expr:"instant"`
	Instant6  witness `gorm:"type:timestamp(6) NULL" expr:"instant"`
	Took      witness `gorm:"type:time(3)" expr:"time"`
	Char      witness `gorm:"type:char(5)" expr:"blanks"`
	Varchar   witness `gorm:"type:varchar(20)" expr:"blanks"`
	Latin     witness `gorm:"type:varchar(20) CHARACTER SET latin1" expr:"latin"`
	Text      witness `gorm:"type:longtext" expr:"text"`
	JSON      witness `gorm:"type:json" expr:"anyjson"`
	Enum      witness `gorm:"type:enum('a','b, c')" expr:"enum"`
	Set       witness `gorm:"type:set('a','b')" expr:"set"`
	Binary    witness `gorm:"type:binary(4)" expr:"bytes"`
	Varbinary witness `gorm:"type:varbinary(9)" expr:"bytes"`
	Blob      witness `gorm:"type:longblob" expr:"bytes"`
	Bit1      witness `gorm:"type:bit(1)" expr:"bit1"`
	Bit9      witness `gorm:"type:bit(9)" expr:"bit9"`
	Bit64     witness `gorm:"type:bit(64)" expr:"bit64"`
	Point     witness `gorm:"type:point" expr:"point"`
	Geometry  witness `gorm:"type:geometry" expr:"geometry"`
	UUID      witness `gorm:"type:uuid" expr:"uuid"`
	Inet4     witness `gorm:"type:inet4" expr:"inet4"`
	Inet6     witness `gorm:"type:inet6" expr:"inet6"`
	Virtual   witness `gorm:"->;type:bigint GENERATED ALWAYS AS (small * 2) VIRTUAL"`
	Stored    witness `gorm:"->;type:bigint GENERATED ALWAYS AS (small * 3) STORED"`
}

func (mysqlWitness) TableName() string { return "witnesses" }

// unless gives wild values to sessions that may have them.
func unless(usual generator, wild ...string) generator {
	return func(r *rand.Rand, isWild bool) string {
		if isWild && r.IntN(3) == 0 {
			return oneOf(wild...)(r, true)
		}
		return usual(r, isWild)
	}
}

var mysqlGenerators = map[string]generator{
	"tiny":     oneOf("0", "1", "7", "-128"),
	"unsigned": oneOf("0", "16777215", "42"),
	"big":      oneOf("9223372036854775807", "-9223372036854775808", "0"),
	"huge":     oneOf("18446744073709551615", "9223372036854775808", "0"),
	"year":     oneOf("1901", "2155", "0"),
	"decimal":  oneOf("12345678901234567890123456789012345.012345678901234567890123456789", "-0.5", "1"),
	"float":    oneOf("0.1", "16777217", "1e-30", "-0.0", "3.4e38"),
	"double":   oneOf("0.1e0 + 0.2e0", "1e300", "5e-324", "0.0"),
	"date":     unless(oneOf("'2026-02-01'", "'9999-12-31'", "'1000-01-01'"), "'0000-00-00'"),
	"stamp":    unless(oneOf("'2026-02-01 10:11:12.123456'", "'9999-12-31 23:59:59'", "'2024-10-27 02:30:00.5'", "'2024-03-31 03:30:00'"), "'0000-00-00 00:00:00'"),
	"instant":  unless(formatted("FROM_UNIXTIME(%d.%06d)", between(100000, 2100000000), upTo(1000000)), "'0000-00-00 00:00:00'"),
	"time":     oneOf("'-838:59:59'", "'838:59:59'", "'-00:00:00.5'", "'01:02:03.004'"),
	"blanks":   oneOf("'a  '", "'a'", "''", "' a'", "'A'"),
	"latin":    oneOf("_latin1 0xe9", "'a'"),
	"text":     oneOf("''", "' '", "'A'", "'a'", "CONVERT(0xcf8020f09fa689225c270a5d2c5b USING utf8mb4)", "repeat('long ', 3000)"),
	"anyjson":  oneOf(`'{"b":1,"a":[1.0, null]}'`, `'"text"'`, "'null'", "'1e3'", `'[]'`),
	"enum":     oneOf("'a'", "'b, c'"),
	"set":      oneOf("'a,b'", "''", "'b'"),
	"bytes":    oneOf("0x00ff5c27", "x''", "0x6120"),
	"bit1":     oneOf("0", "1"),
	"bit9":     oneOf("0", "511", "256"),
	"bit64":    oneOf("18446744073709551615", "0", "1"),
	"point":    oneOf("POINT(0.1, -2)"),
	"geometry": oneOf("ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))', 4326)", "POINT(1, 2)"),
	"uuid":     oneOf("UUID()", "'f81d4fae-7dec-11d0-a765-00a0c91e6bf6'"),
	"inet4":    oneOf("'10.0.0.1'"),
	"inet6":    oneOf("'::1'", "'2001:db8::ff00:42:8329'"),
}

func TestEveryTypeIsExactOnMariaDB(t *testing.T) {
	for _, reader := range []string{"", "loc=Asia%2FTokyo", "parseTime=false&loc=Europe%2FVienna", "loc=Europe%2FVienna&time_zone=%27%2B09%3A00%27", "interpolateParams=true&loc=Asia%2FKathmandu&sql_mode=%27ANSI_QUOTES%2CNO_BACKSLASH_ESCAPES%27"} {
		t.Run(reader, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t, dbtest.MariaDB)
			db := d.Open(t)
			if reader != "" {
				config := must2(mysqldriver.ParseDSN(d.DSN[:strings.Index(d.DSN, "?")] + "?parseTime=true&" + reader))
				db = openDialector(t, mysql.Open(config.FormatDSN()))
			}
			must(t, history.Migrate(session(t, d, "time_zone = '-03:30'", "sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES,IGNORE_SPACE'", "NAMES latin1"), &mysqlWitness{}))
			wild := session(t, d, "time_zone = '+05:45'", "sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH'", "character_set_client = latin1, character_set_connection = latin1")
			p := property[mysqlWitness]{reader: db, writers: []*gorm.DB{d.Open(t), wild}, table: "witnesses", generate: mysqlGenerators, quote: quoteBack}
			for seed := range *witnessSeeds {
				p.run(t, seed)
				for _, table := range []string{"witnesses", "whodunit_changes", "whodunit_change_sets"} {
					must(t, db.Exec("DELETE FROM "+table).Error)
				}
			}
		})
	}
}

type sqliteWitness struct {
	ID       int
	Spare    witness `gorm:"type:integer"`
	Int      witness `gorm:"type:integer" expr:"big"`
	Truth    witness `gorm:"type:boolean" expr:"bool"`
	Real     witness `gorm:"type:real" expr:"float"`
	Decimal  witness `gorm:"type:decimal(20,2)" expr:"price"`
	Text     witness `gorm:"type:text" expr:"text"`
	NoCase   witness `gorm:"type:text COLLATE NOCASE" expr:"text"`
	Blob     witness `gorm:"type:blob" expr:"bytes"`
	Anything witness `gorm:"type:whatever" expr:"any"`
	Mixed    witness `gorm:"type:text" expr:"any"`
	Date     witness `gorm:"type:date" expr:"time"`
	Stamp    witness `gorm:"type:datetime" expr:"time"`
	Instant  witness `gorm:"type:timestamp" expr:"time"`
	JSON     witness `gorm:"type:json" expr:"any"`
	Virtual  witness `gorm:"->;type:integer GENERATED ALWAYS AS (spare * 2) VIRTUAL"`
	Stored   witness `gorm:"->;type:integer GENERATED ALWAYS AS (spare * 3) STORED"`
}

func (sqliteWitness) TableName() string { return "witnesses" }

var sqliteGenerators = map[string]generator{
	"big":   oneOf("9223372036854775807", "-9223372036854775808", "0", "1.5", "'text'", "x'00'"),
	"bool":  oneOf("0", "1", "7", "'x'"),
	"float": oneOf("0.1 + 0.2", "1e999", "-1e999", "5e-324", "1", "-0.0", "1e15"),
	"text":  oneOf("''", "' '", "'A'", "'a'", "'π 🦉'", "'a' || char(0) || 'b'", "x'00ff'", "printf('%.*c', 3000, 'x')"),
	"bytes": oneOf("x''", "x'00ff'", "'text'", "zeroblob(2000)"),
	"any":   oneOf("1", "1.0", "'1'", "x'31'", "''", "x''", "'{\"a\":1}'", "9223372036854775807"),
	"time":  oneOf("'2026-02-01 10:11:12.123456+03:00'", "'2026-02-01'", "'2026-02-01T10:11:12Z'", "1700000000", "'junk'", "'2024-01-02 03:04:05.5 +0100 CET m=+0.1'"),
}

func TestEveryTypeIsExactOnSQLite(t *testing.T) {
	for _, kind := range dbtest.Kinds() {
		if !strings.HasPrefix(kind, "sqlite") {
			continue
		}
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			db := dbtest.New(t, kind).Open(t)
			must(t, history.Migrate(db, &sqliteWitness{}))
			for seed := range *witnessSeeds {
				p := property[sqliteWitness]{reader: db, writers: []*gorm.DB{db}, table: "witnesses", generate: sqliteGenerators, quote: quoteDouble}
				p.run(t, seed)
				for _, table := range []string{"witnesses", "whodunit_changes", "whodunit_change_sets"} {
					must(t, db.Exec("DELETE FROM "+table).Error)
				}
			}
		})
	}
}

type strictWitness struct {
	ID       int     `gorm:"type:integer"`
	Spare    witness `gorm:"type:integer"`
	Int      witness `gorm:"type:int" expr:"int"`
	Real     witness `gorm:"type:real" expr:"float"`
	Text     witness `gorm:"type:text" expr:"strict"`
	Blob     witness `gorm:"type:blob" expr:"strictblob"`
	Anything witness `gorm:"type:any" expr:"any"`
}

func (strictWitness) TableName() string { return "witnesses" }

func TestStrictTablesAreExact(t *testing.T) {
	eachSQLite(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, history.Migrate(db.Set("gorm:table_options", " STRICT"), &strictWitness{}))
		if _, err := must2(db.DB()).Exec("INSERT INTO witnesses (id, int) VALUES (9, 'text')"); err == nil {
			t.Fatal("the table is not strict")
		}
		generators := maps.Clone(sqliteGenerators)
		generators["int"], generators["strict"], generators["strictblob"] = oneOf("9223372036854775807", "-1"), oneOf("''", "'A' || char(0)", "'1'"), oneOf("x''", "x'00ff'")
		property[strictWitness]{reader: db, writers: []*gorm.DB{db}, table: "witnesses", generate: generators, quote: quoteDouble}.run(t, 1)
	})
}
