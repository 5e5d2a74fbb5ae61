package history

import (
	"bytes"
	"database/sql/driver"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// MarshalJSON returns the change as JSON, in a stable form:
//
//	{
//	  "id": "17",
//	  "at": "2026-03-09T08:00:00.123456Z",
//	  "table": "notes",
//	  "key": ["1"],
//	  "action": "update",
//	  "change_set": {
//	    "id": "5", "transaction": "5", "at": "2026-03-09T08:00:00.123456Z", "attributed": true,
//	    "actor": {"kind": "user", "id": "42", "name": "Ann", "impersonator": {"kind": "user", "id": "7"}},
//	    "request": {"id": "r-1", "ip": "192.0.2.1", "user_agent": "curl", "method": "PUT", "route": "/notes/:id"},
//	    "database_user": "app", "database_role": "app"
//	  },
//	  "fields": [
//	    {"column": "title", "type": "text", "before": "Milk", "after": null},
//	    {"column": "token", "redacted": true},
//	    {"column": "updated_at", "type": "instant", "before": null, "after": "2026-03-09T08:00:00Z", "bookkeeping": true}
//	  ]
//	}
//
// What is empty or false is left out, except before and after. The type is that of
// the column, and says how its values are written:
//
//   - integer, decimal: a string of digits, whatever the size: JavaScript's numbers
//     hold 53 bits
//   - float: a number, or one of the strings "NaN", "+Inf" and "-Inf"
//   - boolean: true or false
//   - instant: a string in RFC 3339
//   - time, which is a date or a time without a zone: a string like "2026-03-09" or
//     "2026-03-09T08:00:00.5", with an offset if the driver reads the column in a
//     zone
//   - text: a string
//   - bytes: a string, in hexadecimal
//
// NULL is null. A value that does not fit its column's type, which SQLite allows, is
// a string, or {"hex": "00ff"} if it is not valid UTF-8.
func (c Change) MarshalJSON() ([]byte, error) {
	type plain Change // without this method
	if c.Key == nil {
		c.Key = []string{}
	}
	if c.Fields == nil {
		c.Fields = []Field{}
	}
	return marshal(plain(c))
}

// UnmarshalJSON reads what [Change.MarshalJSON] wrote. The change does not know
// its model: see [Revert].
func (c *Change) UnmarshalJSON(text []byte) error {
	type plain Change
	return json.Unmarshal(text, (*plain)(c))
}

// fieldJSON is a [Field] as it is written.
type fieldJSON struct {
	Column      string           `json:"column"`
	Type        string           `json:"type,omitempty"`
	Before      *json.RawMessage `json:"before,omitempty"`
	After       *json.RawMessage `json:"after,omitempty"`
	Redacted    bool             `json:"redacted,omitempty"`
	Bookkeeping bool             `json:"bookkeeping,omitempty"`
	Err         string           `json:"error,omitempty"`
}

// kindNames are the types of columns in JSON.
var kindNames = map[kind]string{
	kindInteger: "integer", kindDecimal: "decimal", kindFloat: "float", kindBool: "boolean",
	kindInstant: "instant", kindTime: "time", kindText: "text", kindBytes: "bytes",
}

// MarshalJSON returns the field as it is in [Change.MarshalJSON].
func (f Field) MarshalJSON() ([]byte, error) {
	out := fieldJSON{Column: f.Column, Redacted: f.Redacted, Bookkeeping: f.Bookkeeping}
	if f.Err != nil {
		out.Err = f.Err.Error()
	}
	if !f.Redacted {
		out.Type = kindNames[f.kind()]
		before, err := f.Before.MarshalJSON()
		if err != nil {
			return nil, err
		}
		after, err := f.After.MarshalJSON()
		if err != nil {
			return nil, err
		}
		out.Before, out.After = (*json.RawMessage)(&before), (*json.RawMessage)(&after)
	}
	return marshal(out)
}

// UnmarshalJSON reads what [Field.MarshalJSON] wrote.
func (f *Field) UnmarshalJSON(text []byte) error {
	in := struct {
		fieldJSON
		Before json.RawMessage `json:"before"` // keeps null, as a pointer does not
		After  json.RawMessage `json:"after"`
	}{}
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	*f = Field{Column: in.Column, Redacted: in.Redacted, Bookkeeping: in.Bookkeeping}
	if in.Err != "" {
		f.Err = errors.New(in.Err)
	}
	if f.Redacted {
		return nil
	}
	for k, name := range kindNames {
		if name == in.Type {
			var err error
			if f.Before, err = unmarshalValue(k, in.Before); err == nil {
				f.After, err = unmarshalValue(k, in.After)
			}
			if err != nil {
				return fmt.Errorf("history: column %q: %w", in.Column, err)
			}
			return nil
		}
	}
	return fmt.Errorf("history: column %q: unknown type %q", in.Column, in.Type)
}

// kind is that of both values. One that was made by hand may have none.
func (f Field) kind() kind {
	for _, v := range []Value{f.Before, f.After} {
		if v.kind != 0 {
			return v.kind
		}
	}
	return kindText
}

// MarshalJSON returns the value as it is in [Change.MarshalJSON].
func (v Value) MarshalJSON() ([]byte, error) {
	switch source := v.source().(type) {
	case nil:
		return []byte("null"), nil
	case bool:
		return strconv.AppendBool(nil, source), nil
	case time.Time:
		return marshal(v.timeText(source))
	case []byte:
		if v.kind == kindBytes {
			return marshal(hex.EncodeToString(source))
		}
		return marshal(map[string]string{"hex": hex.EncodeToString(source)})
	case int64:
		if v.kind == kindFloat {
			return json.Marshal(source)
		}
		return marshal(strconv.FormatInt(source, 10))
	case float64:
		text := strconv.FormatFloat(source, 'g', -1, 64)
		if v.kind == kindFloat && !math.IsInf(source, 0) && !math.IsNaN(source) {
			return json.Marshal(source)
		}
		return marshal(text)
	case string:
		switch {
		case v.kind == kindBytes:
			return marshal(hex.EncodeToString([]byte(source)))
		case !utf8.ValidString(source):
			return marshal(map[string]string{"hex": hex.EncodeToString([]byte(source))})
		}
		return marshal(source)
	default:
		return marshal(fmt.Sprint(source))
	}
}

// timeText is a time of a column. One without a zone has none, unless the driver
// was told one.
func (v Value) timeText(t time.Time) string {
	text, _ := v.raw.(string)
	switch {
	case v.kind == kindTime && len(text) == len(time.DateOnly):
		return text
	case v.kind == kindTime && v.zone == nil:
		return t.Format("2006-01-02T15:04:05.999999999")
	}
	return t.Format(time.RFC3339Nano)
}

// unmarshalValue reads a value of a column.
func unmarshalValue(k kind, text json.RawMessage) (Value, error) {
	v := Value{kind: k}
	var in any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if len(text) == 0 || decoder.Decode(&in) != nil {
		return v, errors.New("a value is missing")
	}
	switch in := in.(type) {
	case nil:
		return v, nil
	case bool:
		v.raw = in
	case json.Number:
		n, err := in.Float64()
		v.raw = n
		return v, err
	case string:
		v.raw = rawOf(k, in)
		if t, err := time.Parse(time.RFC3339Nano, in); err == nil && k == kindTime {
			v.zone = t.Location()
		}
	case map[string]any:
		inHex, _ := in["hex"].(string)
		raw, err := hex.DecodeString(inHex)
		v.raw = raw
		return v, err
	default:
		return v, fmt.Errorf("%s is not a value", text)
	}
	return v, nil
}

// rawOf reads a text as the column's type, or leaves it as it is.
func rawOf(k kind, text string) driver.Value {
	switch k {
	case kindText, kindDecimal, kindTime, kindInstant:
		return text // a time with its offset
	case kindFloat:
		if n, err := strconv.ParseFloat(text, 64); err == nil {
			return n
		}
		return text
	}
	if raw, err := parseRaw(k, text); err == nil {
		return raw
	}
	return text
}

// marshal leaves < and & as they are: what is no page need not be safe in one.
func marshal(v any) ([]byte, error) {
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return []byte(strings.TrimSuffix(out.String(), "\n")), err
}
