package history

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

func (d mysqlDialect) stored(db *gorm.DB, table string) ([]storedColumn, error) {
	return readStored(db, "SELECT COLUMN_NAME, COLUMN_TYPE, COALESCE(GENERATION_EXPRESSION, '') <> '', FALSE, IS_NULLABLE = 'NO' "+
		"FROM information_schema.COLUMNS WHERE "+d.isTable(table))
}

// isTable is the condition that a row of information_schema is of a table.
func (d mysqlDialect) isTable(table string) string {
	home := "DATABASE()"
	if database, name, found := strings.Cut(table, "."); found {
		home, table = d.literal(database), name
	}
	return "TABLE_SCHEMA = " + home + " AND TABLE_NAME = " + d.literal(table)
}

// asRead does what the driver does: the database can't cast to all of its types. It
// is asked where the driver has two answers, with and without prepared statements.
func (d mysqlDialect) asRead(db *gorm.DB, _ string, columns []storedColumn, values []Value) ([]any, error) {
	read := make([]any, len(values))
	var places []int
	var casts []any
	for i, v := range values {
		if v.IsNull() {
			continue
		}
		read[i] = d.driverValue(columns[i].dbType, v)
		if cast := mysqlCast(columns[i].dbType, v.text()); cast != "" {
			places, casts = append(places, i), append(casts, gorm.Expr(cast, v.text()))
		}
	}
	if len(places) == 0 {
		return read, nil
	}
	cast, err := readExpr(db, "SELECT ?"+strings.Repeat(", ?", len(places)-1), casts)
	if err != nil {
		return nil, err
	}
	for i, place := range places {
		read[place] = cast[i]
	}
	return read, nil
}

// mysqlCast casts a text to a type, "" for those that the driver gives in one form. What
// is not of the type would become a number.
func mysqlCast(dbType, text string) string {
	switch word := typeWord(dbType); {
	case word == "bigint" && strings.Contains(dbType, "unsigned"):
		if _, err := strconv.ParseUint(text, 10, 64); err == nil {
			return "CAST(? AS UNSIGNED) | 0" // | has the type, whatever the number of digits
		}
	case word == "float":
		if _, err := strconv.ParseFloat(text, 64); err == nil {
			return "CAST(? AS FLOAT)"
		}
	}
	return ""
}

// driverValue is what go-sql-driver/mysql makes of a column's value.
func (d mysqlDialect) driverValue(dbType string, v Value) any {
	raw, isBytes := v.raw.([]byte)
	if isBytes {
		return raw
	}
	text := v.text()
	switch typeWord(dbType) {
	case "tinyint", "smallint", "mediumint", "int", "bigint", "year":
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n
		}
	case "double":
		if x, err := strconv.ParseFloat(text, 64); err == nil {
			return x
		}
	case "date", "datetime", "timestamp":
		if t, ok := v.source().(time.Time); ok && v.zone != nil {
			return t
		}
	case "bit":
		if n, err := strconv.ParseUint(text, 10, 64); err == nil {
			return binary.BigEndian.AppendUint64(nil, n)[8-(mysqlSize(dbType)+7)/8:]
		}
	}
	return []byte(text)
}

// mysqlSize is the number in a type's parentheses, one by default.
func mysqlSize(dbType string) int {
	_, size, _ := strings.Cut(dbType, "(")
	size, _, _ = strings.Cut(size, ")")
	if n, err := strconv.Atoi(size); err == nil && 0 < n && n <= 64 {
		return n
	}
	return 1
}

func (d mysqlDialect) written(c storedColumn, v Value) clause.Expr {
	switch word := typeWord(c.dbType); {
	case word == "bit" && !v.IsNull():
		return gorm.Expr("CAST(? AS UNSIGNED)", v.text())
	case word == "timestamp" && v.unix != "": // the session that read it had another clock, perhaps
		return gorm.Expr("FROM_UNIXTIME(CAST(? AS DECIMAL(20, 6)))", v.unix)
	}
	return gorm.Expr("?", v.raw)
}

func (d mysqlDialect) misfit(err error) bool {
	return containsAny(err, "Error 1048", "Error 1264", "Error 1265", "Error 1292", "Error 1364", "Error 1366", "Error 1406")
}

// holds compares what a trigger would record.
func (d mysqlDialect) holds(table string, c storedColumn, v Value) clause.Expr {
	if v.IsNull() {
		return gorm.Expr("(? IS NULL)", clause.Column{Table: table, Name: c.name})
	}
	kind, text := v.kind, v.text()
	if v.unix != "" {
		kind, text = kindInstant, v.unix
	}
	recorded := d.text(quoteTable(table, d.quote), column{name: c.name, kind: kind})
	if x, isFloat := v.raw.(float64); isFloat {
		return gorm.Expr("(? + 0e0 <=> ?)", clause.Column{Table: table, Name: c.name}, x)
	}
	return gorm.Expr("(CAST("+recorded+" AS BINARY) <=> CAST(CONVERT(? USING utf8mb4) AS BINARY))", text)
}

var unixPattern = regexp.MustCompile(`^[0-9]+(\.[0-9]{1,6})?$`)

// mysqlInstants is how many TIMESTAMPs one query asks for.
const mysqlInstants = 500

// clocks makes of recorded instants, which are the same in every session, what the
// reading session's clock shows: that is what it reads in the table.
func (d mysqlDialect) clocks(db *gorm.DB, fields map[int64][]Field) error {
	var values []*Value
	for _, some := range fields {
		for i := range some {
			for _, v := range []*Value{&some[i].Before, &some[i].After} {
				text, ok := v.raw.(string)
				switch {
				case v.kind != kindInstant || !ok:
				case strings.HasPrefix(text, zeroDate):
					v.kind = kindTime
				case unixPattern.MatchString(text):
					values = append(values, v)
				}
			}
		}
	}
	for len(values) > 0 {
		n := min(len(values), mysqlInstants)
		if err := d.setClocks(db, values[:n]); err != nil {
			return err
		}
		values = values[n:]
	}
	return nil
}

func (d mysqlDialect) setClocks(db *gorm.DB, values []*Value) error {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = "CAST(FROM_UNIXTIME(" + v.raw.(string) + ") AS CHAR)"
	}
	read, err := readExpr(db, "SELECT "+strings.Join(parts, ", "), nil)
	if err != nil {
		return fmt.Errorf("reading times: %w", err)
	}
	for i, v := range values {
		if unix := v.raw.(string); strings.Trim(unix, "0.") == "" { // TIMESTAMP begins a second later
			v.kind, v.raw = kindTime, zeroDate+" 00:00:00"+strings.TrimPrefix(unix, "0")
		} else if text, ok := read[i].([]byte); ok {
			v.kind, v.raw, v.unix = kindTime, string(text), v.raw.(string)
		}
	}
	return nil
}

func (d mysqlDialect) fields(db *gorm.DB, records []record) (map[int64][]Field, error) {
	fields := parseFields(records)
	return fields, d.clocks(db, fields)
}
