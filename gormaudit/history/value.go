package history

import (
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Value is a column's value, exactly as the database had it. The zero Value is
// NULL. Use [ValueAs] for a Go type, or pass it to a query as it is.
type Value struct {
	kind kind
	raw  driver.Value
	zone *time.Location // of a time without zone, UTC if nil
	unix string         // of MariaDB's TIMESTAMP: the seconds since 1970 that are recorded
}

// kind is how a column's value is written down. It is stored beside the value.
type kind byte

const (
	kindInteger kind = 'i'
	kindDecimal kind = 'd'
	kindFloat   kind = 'f'
	kindBool    kind = 'b'
	kindInstant kind = 't' // a time with a zone
	kindTime    kind = 'n' // a date or a time without a zone
	kindText    kind = 's'
	kindBytes   kind = 'x'
	kindRedact  kind = 'r'
)

// ValueAs returns v as a T: a basic type, time.Time, []byte, a sql.Scanner, or a
// pointer to them, converted as [database/sql.Rows.Scan] converts. NULL is the
// zero T. A value that does not fit is an error.
func ValueAs[T any](v Value) (T, error) {
	var out sql.Null[T]
	if err := out.Scan(v.source()); err != nil {
		return out.V, fmt.Errorf("history: value as %T: %w", out.V, err)
	}
	return out.V, nil
}

// IsNull reports whether v is NULL, which differs from an empty text.
func (v Value) IsNull() bool { return v.raw == nil }

// String returns v for people to read: times in RFC 3339, those without a zone as
// they are, such as "2026-03-09" and "2026-03-09T08:00:00", bytes in hexadecimal, NULL
// as the empty string.
func (v Value) String() string {
	switch raw := v.source().(type) {
	case nil:
		return ""
	case time.Time:
		return v.timeText(raw)
	case []byte:
		return hex.EncodeToString(raw)
	case float64:
		return strconv.FormatFloat(raw, 'g', -1, 64)
	default:
		return fmt.Sprint(raw)
	}
}

// Value implements [driver.Valuer], so that v can be the argument of a query.
func (v Value) Value() (driver.Value, error) { return v.raw, nil }

// source is v as a driver would give it for its column: SQLite and MariaDB keep
// times as text, which the drivers parse.
func (v Value) source() driver.Value {
	text, ok := v.raw.(string)
	if !ok {
		if n, isInt := v.raw.(int64); isInt && v.kind == kindBool {
			return n != 0
		}
		return v.raw
	}
	if v.kind == kindInstant || v.kind == kindTime {
		if t, ok := parseTime(text, v.zone); ok {
			return t
		}
	}
	return text
}

// parseValue reads what a trigger wrote as text.
func parseValue(k kind, text *string, zone *time.Location) (Value, error) {
	if text == nil {
		return Value{kind: k}, nil
	}
	raw, err := parseRaw(k, *text)
	if err != nil {
		return Value{}, fmt.Errorf("recorded value of kind %q: %w", rune(k), err)
	}
	return Value{kind: k, raw: raw, zone: zone}, nil
}

func parseRaw(k kind, text string) (driver.Value, error) {
	switch k {
	case kindInteger:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n, nil
		}
		return text, nil // beyond int64: an unsigned column
	case kindFloat:
		if bits, ok := strings.CutPrefix(text, "x"); ok {
			n, err := strconv.ParseUint(bits, 16, 64)
			return math.Float64frombits(n), err
		}
		return strconv.ParseFloat(text, 64)
	case kindBool:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n, nil
		}
		return strconv.ParseBool(text)
	case kindInstant:
		if t, ok := parseTime(text, nil); ok && !t.IsZero() {
			return t.UTC(), nil
		}
		return text, nil // infinity, or MariaDB's seconds since 1970
	case kindBytes:
		return hex.DecodeString(text)
	default:
		return text, nil
	}
}

// timeLayouts are those that PostgreSQL, MariaDB and the SQLite drivers write.
var timeLayouts = [...]string{
	"2006-01-02T15:04:05.999999999Z07:00",
	"2006-01-02T15:04:05.999999999-07",
	"2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04:05.999999999Z07:00",
	"2006-01-02 15:04:05.999999999-07",
	"2006-01-02 15:04:05.999999999 -0700 MST",
	"2006-01-02 15:04:05.999999999 -0700 -0700",
	"2006-01-02 15:04:05.999999999",
	"2006-01-02",
}

// zeroDate is what MariaDB may have for no date.
const zeroDate = "0000-00-00"

func parseTime(text string, zone *time.Location) (time.Time, bool) {
	if zone == nil {
		zone = time.UTC
	}
	if strings.HasPrefix(text, zeroDate) {
		return time.Time{}, true // as MariaDB's driver has it
	}
	text, _, _ = strings.Cut(text, " m=") // a monotonic clock reading
	for _, layout := range timeLayouts {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
