package gormaudit

import (
	"fmt"
	"math"
	"math/bits"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// storage is what ids a column of a database can hold or, the other way
// around, what it is to hold.
type storage struct {
	kind storageKind
	// bits are those of the largest number.
	bits int
	// length is the largest number of characters or bytes, 0 where that is not
	// known. padded says that shorter values are filled up to it.
	length int
	padded bool
}

type storageKind uint8

const (
	unknownStorage storageKind = iota // nothing is said of it
	numberStorage
	textStorage
	bytesStorage
	uuidStorage
	noStorage // no id fits
)

// requirement is what a by-column asks of its column in the database.
type requirement struct {
	storage
	column *column
}

// requirementOf asks how the longest id that the plugin takes for c is sent.
func requirementOf(c *column) requirement {
	r := requirement{column: c}
	if c.field.Serializer != nil {
		return r // it decides
	}
	for _, id := range longestIDs {
		v, err := c.convert.id(id)
		if err != nil {
			continue
		}
		switch sent := reflect.ValueOf(driverValue(v.bind)); {
		case sent.CanInt():
			r.storage = storage{kind: numberStorage, bits: r.numberBits(uint64(sent.Int()))}
		case sent.CanUint():
			r.storage = storage{kind: numberStorage, bits: r.numberBits(sent.Uint())}
		case sent.Kind() == reflect.String:
			r.storage = storage{kind: textStorage, length: r.textLength(sent.Len())}
		case sent.Kind() == reflect.Slice && sent.Type().Elem().Kind() == reflect.Uint8:
			r.storage = storage{kind: bytesStorage, length: r.textLength(sent.Len())}
		}
		break
	}
	return r
}

// longestIDs are tried in turn. A column that takes any text takes one of the
// first two.
var longestIDs = []string{
	"ffffffff-ffff-4fff-bfff-ffffffffffff", "a",
	"18446744073709551615", "9223372036854775807", "4294967295", "2147483647", "65535", "32767", "255", "127",
}

// numberBits counts the largest number's bits, less those that the field's
// size tag denies. No database's usual integer has a 64th, and no user.
func (r requirement) numberBits(largest uint64) int {
	n := min(bits.Len64(largest), 63)
	if size := r.column.field.Size; size > 0 {
		n = min(n, size-r.signBit())
	}
	return n
}

// signBit is 1 for a type that counts its sign as part of its size.
func (r requirement) signBit() int {
	if kind := r.column.base.Kind(); kind >= reflect.Uint && kind <= reflect.Uint64 {
		return 0
	}
	return 1
}

func (r requirement) textLength(sent int) int {
	if r.column.convert.text {
		return r.column.field.Size
	}
	return sent
}

// misfit says why a column of the given type can't hold what it is to hold,
// and what to do; "" if it can. programs says that the ids of programs are
// written as text.
func (r requirement) misfit(have storage, dataType string, programs bool) string {
	found, anyText := "the database's column is "+dataType, r.column.convert.text
	const change = ": change the column's type, or the field's"
	switch {
	case r.kind == unknownStorage || have.kind == unknownStorage:
		return ""
	case have.kind == noStorage:
		return found + ", which holds no ids" + change
	case (r.kind == numberStorage) != (have.kind == numberStorage),
		have.kind == textStorage && r.kind == bytesStorage && !anyText,
		dataType == "bytea" && r.kind == textStorage && anyText: // a backslash would be read as an escape
		return found + ", but the field's ids are " + r.ids() + change
	case r.kind == numberStorage && have.bits < r.bits:
		return fmt.Sprintf("%s, whose numbers end at %d: widen it to bigint, or tell the field how large ids are with the tag gorm:\"size:%d\"",
			found, uint64(1)<<have.bits-1, have.bits+r.signBit())
	case r.kind == numberStorage:
		return ""
	case anyText && (have.padded || have.kind == uuidStorage):
		return r.misfitOfText(have, found, programs)
	case have.kind != uuidStorage && have.length > 0 && have.length < r.length:
		return fmt.Sprintf("%s, but the field's ids have up to %d %s: widen the column%s", found, r.length, r.units(), r.orShorten(have.length))
	}
	return ""
}

// misfitOfText is of a column that takes text of one length only.
func (r requirement) misfitOfText(have storage, found string, programs bool) string {
	change := "change the column's type to one of variable length"
	if have.kind == uuidStorage {
		change = "give the field a UUID type, which holds users' ids only"
	}
	if programs {
		return fmt.Sprintf("%s, which can't hold the id of a program as it is, such as %s: %s, or let Config.ID decide", found, aProgram, change)
	}
	if zero, hasNull := r.column.nobody(); !hasNull {
		return fmt.Sprintf("%s, which can't hold %s, which a write by nobody puts there: make the field a pointer", found, zero)
	}
	return ""
}

// aProgram is an id as it is written to text columns.
var aProgram = strconv.Quote(actor.System("archiver").Identity.String())

func (r requirement) ids() string {
	switch {
	case r.column.convert.uuid:
		return "UUIDs"
	case r.kind == numberStorage:
		return "numbers"
	case r.kind == bytesStorage:
		return "bytes"
	}
	return "text"
}

func (r requirement) units() string {
	if r.kind == bytesStorage {
		return "bytes"
	}
	return "characters"
}

func (r requirement) orShorten(length int) string {
	if r.column.convert.text {
		return fmt.Sprintf(", or tell the field how long ids are with the tag gorm:\"size:%d\"", length)
	}
	return ""
}

// storageOf reads a type as the catalogue of a dialect spells it.
func storageOf(dialect, dataType string) storage {
	name, size, scale := splitType(dataType)
	if dialect == "sqlite" {
		return affinityOf(name)
	}
	s := storage{kind: storageKinds[name]}
	switch s.kind {
	case numberStorage:
		s.bits = integerBits[name]
		if s.bits == 0 { // decimals
			if s.bits = int(float64(size) * math.Log2(10)); size == 0 {
				s.bits = 64
			}
			if scale > 0 {
				return storage{kind: noStorage}
			}
		} else if strings.Contains(dataType, "unsigned") {
			s.bits++
		}
	case textStorage, bytesStorage:
		s.length = size
		s.padded = name == "binary" || dialect == "postgres" && name == "character"
	}
	return s
}

// splitType splits "numeric(20,0)".
func splitType(dataType string) (name string, size, scale int) {
	match := typePattern.FindStringSubmatch(strings.ToLower(dataType))
	if match == nil {
		return "", 0, 0
	}
	size, _ = strconv.Atoi(match[2])
	scale, _ = strconv.Atoi(match[3])
	return strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(match[1]), " unsigned")), size, scale
}

var typePattern = regexp.MustCompile(`^([^(]*)(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?`)

// integerBits are those of the largest number.
var integerBits = map[string]int{
	"tinyint": 7, "smallint": 15, "mediumint": 23, "int": 31, "integer": 31, "bigint": 63,
}

// storageKinds are the kinds of the types of PostgreSQL, MariaDB and MySQL. A
// type that is not there comes from an extension or the user.
var storageKinds = func() map[string]storageKind {
	kinds := map[string]storageKind{}
	for kind, names := range map[storageKind]string{
		numberStorage: "tinyint,smallint,mediumint,int,integer,bigint,numeric,decimal",
		textStorage:   "character varying,varchar,character,char,text,tinytext,mediumtext,longtext,citext,name",
		bytesStorage:  "bytea,binary,varbinary,blob,tinyblob,mediumblob,longblob",
		uuidStorage:   "uuid",
		noStorage: "boolean,bit,bit varying,real,double precision,float,double,money,json,jsonb,xml,date,time,datetime,timestamp,year,interval," +
			"timestamp without time zone,timestamp with time zone,time without time zone,time with time zone,inet,inet4,inet6,cidr,macaddr,enum,set,point,geometry",
	} {
		for _, name := range strings.Split(names, ",") {
			kinds[name] = kind
		}
	}
	return kinds
}()

// affinityOf applies SQLite's rules: https://sqlite.org/datatype3.html. The
// drivers turn numbers in columns of times and booleans into these.
func affinityOf(name string) storage {
	has := func(parts ...string) bool {
		for _, part := range parts {
			if strings.Contains(name, part) {
				return true
			}
		}
		return false
	}
	switch {
	case has("int"):
		return storage{kind: numberStorage, bits: 63}
	case has("char", "clob", "text"):
		return storage{kind: textStorage}
	case name == "", name == "any", has("blob"), has("uuid"): // a UUID does not look like a number, and stays
		return storage{}
	case has("real", "floa", "double", "bool", "date", "time"):
		return storage{kind: noStorage}
	}
	return storage{kind: numberStorage, bits: 63}
}
