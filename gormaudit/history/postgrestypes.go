package history

import (
	"errors"
	"regexp"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// Settings by which a session changes the text of a value. A function pins those
// that its columns' types depend on: each costs time.
const (
	pinDates     = " SET DateStyle = 'ISO, YMD'"
	pinZone      = " SET TimeZone = 'UTC'"
	pinIntervals = " SET IntervalStyle = 'postgres'"
	pinFloats    = " SET extra_float_digits = 3"
	pinBytes     = " SET bytea_output = 'hex'"
	pinMoney     = " SET lc_monetary = 'C'"
)

var postgresPins = [...]string{pinDates, pinZone, pinIntervals, pinFloats, pinBytes, pinMoney}

// postgresPinned are the types whose text is known to depend on some of the
// settings, or on none. Any other type may hold whatever there is: a domain, a
// composite, an extension's.
var postgresPinned = func() map[string]string {
	pinned := map[string]string{
		"interval": pinIntervals, "money": pinMoney, "bytea": pinBytes,
		"date": pinDates, "daterange": pinDates, "datemultirange": pinDates,
		"timestamp": pinDates, "tsrange": pinDates, "tsmultirange": pinDates,
		"timestamptz": pinDates + pinZone, "tstzrange": pinDates + pinZone, "tstzmultirange": pinDates + pinZone,
		"real": pinFloats, "double": pinFloats, "float": pinFloats, "float4": pinFloats, "float8": pinFloats,
		"point": pinFloats, "line": pinFloats, "lseg": pinFloats, "box": pinFloats, "path": pinFloats, "polygon": pinFloats, "circle": pinFloats,
	}
	for name := range strings.FieldsSeq(`smallint integer int int2 int4 int8 bigint smallserial serial bigserial serial2 serial4 serial8 oid
numeric decimal boolean bool text varchar character char bpchar name citext uuid json jsonb xml inet cidr macaddr macaddr8 bit varbit
time timetz int4range int8range numrange int4multirange int8multirange nummultirange tsvector tsquery ltree hstore`) {
		pinned[name] = ""
	}
	return pinned
}()

// settings are those that the text of a type's values depends on, as pins.
func (d postgresDialect) settings(dbType string) string {
	array := strings.HasSuffix(dbType, "]")
	word := typeWord(dbType)
	if !array && d.kindOf(dbType) != kindText && word != "money" {
		return "" // written down in a form of its own
	}
	switch pins, known := postgresPinned[word]; {
	case !known:
		return strings.Join(postgresPins[:], "")
	case word == "timestamp" && strings.Contains(dbType, "with time zone"):
		return pins + pinZone
	default:
		return pins
	}
}

// pins are the settings that a function for t pins.
func (d postgresDialect) pins(t table) string {
	var needed, pins strings.Builder
	for _, c := range t.columns {
		if !c.redact || c.key {
			needed.WriteString(d.settings(c.dbType))
		}
	}
	for _, pin := range postgresPins {
		if pin == pinZone && t.alive != nil && t.alive.zero != "" {
			continue // the application's zone says what its zeroValue is
		}
		if strings.Contains(needed.String(), pin) {
			pins.WriteString(pin)
		}
	}
	return pins.String()
}

const postgresStored = `SELECT a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attgenerated <> '', a.attidentity = 'a', a.attnotnull
FROM pg_catalog.pg_attribute a WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped`

func (d postgresDialect) stored(db *gorm.DB, table string) ([]storedColumn, error) {
	return readStored(db, postgresStored, quoteTable(table, quoteDouble))
}

// postgresTargets is how many columns a query may have, less than 1,664.
const postgresTargets = 1000

// asRead has the database read the values: the driver then gives them as it does
// those of a table.
func (d postgresDialect) asRead(db *gorm.DB, _ string, columns []storedColumn, values []Value) (read []any, err error) {
	for len(values) > 0 {
		n := min(len(values), postgresTargets)
		var some []any
		err := d.guarded(db, func() (err error) {
			some, err = readExpr(db, "SELECT ?"+strings.Repeat(", ?", n-1), expressions(columns[:n], values[:n], d.written))
			return err
		})
		if err != nil {
			return nil, err
		}
		read, columns, values = append(read, some...), columns[n:], values[n:]
	}
	return read, nil
}

// guarded runs f so that its error does not end the transaction, if db is in one.
func (d postgresDialect) guarded(db *gorm.DB, f func() error) error {
	if _, isPool := db.Statement.ConnPool.(fixedPool); isPool || !inTransaction(db) {
		return f()
	}
	if err := exec(db, "SAVEPOINT whodunit_read"); err != nil {
		return err
	}
	err := f()
	if err != nil {
		err = errors.Join(err, exec(db, "ROLLBACK TO SAVEPOINT whodunit_read"))
	}
	return errors.Join(err, exec(db, "RELEASE SAVEPOINT whodunit_read"))
}

// postgresCheck is the SQLSTATE of a check that was violated.
const postgresCheck = "23514"

// misfit knows the SQLSTATEs of data that is not of a type, and of NULL.
func (d postgresDialect) misfit(err error) bool {
	var said interface{ SQLState() string }
	return errors.As(err, &said) && (strings.HasPrefix(said.SQLState(), "22") || said.SQLState() == "23502")
}

var postgresLength = regexp.MustCompile(`\(\d+(,-?\d+)?\)`)

// uncut is a type without its length, to which a cast would cut a value. The words
// character and bit alone are types of length 1.
func (d postgresDialect) uncut(dbType string) string {
	uncut := postgresLength.ReplaceAllString(dbType, "")
	word, rest, _ := strings.Cut(uncut, "[")
	if name, cut := map[string]string{"character": "bpchar", "bit": `"bit"`}[word]; cut && uncut != dbType {
		return strings.TrimSuffix(name+"["+rest, "[")
	}
	return uncut
}

// written casts a text, whatever the driver knows of the type.
func (d postgresDialect) written(c storedColumn, v Value) clause.Expr {
	var text any
	switch {
	case v.kind == kindBytes && !v.IsNull():
		text = `\x` + v.text()
	case !v.IsNull():
		text = v.text()
	}
	switch c.dbType {
	case "xml":
		return gorm.Expr("XMLPARSE(CONTENT CAST(? AS text))", text)
	case "money":
		return gorm.Expr("CAST(CAST(CAST(? AS text) AS numeric) AS money)", text)
	}
	return gorm.Expr("CAST(CAST(? AS text) AS "+d.uncut(c.dbType)+")", text)
}

// holds rounds as the column does.
func (d postgresDialect) holds(table string, c storedColumn, v Value) clause.Expr {
	value := d.written(c, v)
	if d.kindOf(c.dbType) != kindText {
		value = gorm.Expr("CAST(? AS "+c.dbType+")", value)
	}
	return gorm.Expr(`(?::text COLLATE "C" IS NOT DISTINCT FROM (?)::text COLLATE "C")`, clause.Column{Table: table, Name: c.name}, value)
}
