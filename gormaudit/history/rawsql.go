package history

import (
	"database/sql"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"gorm.io/gorm"
)

// firstWord is the first word of a statement in upper case, past comments and
// parentheses.
func firstWord(statement string) string {
	for {
		statement = strings.TrimLeft(statement, " \t\r\n(;")
		switch {
		case strings.HasPrefix(statement, "--"):
			_, statement, _ = strings.Cut(statement, "\n")
		case strings.HasPrefix(statement, "/*"):
			_, statement, _ = strings.Cut(statement, "*/")
		default:
			end := strings.IndexFunc(statement, func(r rune) bool { return r|0x20 < 'a' || r|0x20 > 'z' })
			if end < 0 {
				end = len(statement)
			}
			return strings.ToUpper(statement[:end])
		}
	}
}

// mayBeAlone reports whether a statement with that first word can be the only one
// of a transaction: VACUUM can't be in any, and SET would be over with it.
func mayBeAlone(verb string) bool {
	switch verb {
	case "", "SELECT", "WITH", "VALUES", "TABLE", "INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "CALL", "DO", "EXPLAIN":
		return true // GORM builds what has none yet
	}
	return false
}

// changesRows reports whether a statement with that first word changes rows. It is not
// of CALL and LOAD, which may commit. postgres is true where TRUNCATE does not.
func changesRows(verb, text string, postgres bool) bool {
	switch verb {
	case "TRUNCATE":
		return postgres
	case "INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE":
		return true
	case "WITH":
		return changeWithin.MatchString(text)
	}
	return false
}

// changeWithin finds a change in a statement that begins with WITH. The functions
// insert() and replace() are none.
var changeWithin = regexp.MustCompile(`(?i)\b(INSERT|UPDATE|DELETE|REPLACE|MERGE)\s+[^\s(]`)

// returnsRows finds a change that returns rows.
var returnsRows = regexp.MustCompile(`(?i)\bRETURNING\b`)

// isOneChange reports whether a text that begins with a change has no other statement.
// Where atomic is true, the database runs a text in one transaction anyway, and other
// changes do not matter. In doubt, it is false.
func isOneChange(text string, atomic bool) bool {
	switch {
	case strings.IndexByte(text, ';') < 0:
		return true
	case strings.Contains(text, `\'`) || strings.Contains(text, `\"`): // which ends a text, or not
		return false
	}
	for text != "" {
		switch quote := text[:1]; {
		case quote == ";":
			verb := firstWord(text)
			if same := atomic && (verb == "SELECT" || changesRows(verb, text, atomic)); verb != "" && !same {
				return false
			}
			text = text[1:]
		case quote == "'" || quote == `"` || quote == "`":
			_, text, _ = strings.Cut(text[1:], quote)
		case strings.HasPrefix(text, "--"):
			_, text, _ = strings.Cut(text, "\n")
		case strings.HasPrefix(text, "/*"):
			_, text, _ = strings.Cut(text[2:], "*/")
		default:
			text = text[1:]
		}
	}
	return true
}

// begins reports whether a statement with that first word begins a transaction on a
// connection of the pool, past database/sql.
func begins(db *gorm.DB, verb string) bool {
	return (verb == "BEGIN" || verb == "START" || verb == "SAVEPOINT") && mayBegin(db.Statement.ConnPool)
}

// endsTransaction finds a text that ends what it began, such as a file of a migration.
var endsTransaction = regexp.MustCompile(`(?i);\s*(COMMIT|END|ROLLBACK)(\s+(WORK|TRANSACTION))?[\s;]*$`)

// mayBegin reports whether the plugin may begin a transaction on a pool. On a
// connection that the caller holds, the caller may have begun one by SQL.
func mayBegin(pool gorm.ConnPool) bool {
	switch unprepared(pool).(type) {
	case *sql.Conn:
		return false
	case gorm.TxBeginner, gorm.ConnPoolBeginner:
		return true
	}
	return false
}

// callersLine is the program's file and line that runs a statement: the first on the
// stack which is neither GORM's nor the history's.
func callersLine() string {
	callers := make([]uintptr, 64)
	frames := runtime.CallersFrames(callers[:runtime.Callers(2, callers)])
	for {
		frame, more := frames.Next()
		library := strings.HasPrefix(frame.Function, thisPackage) || strings.HasPrefix(frame.Function, "gorm.io/") ||
			strings.Contains(frame.File, "/gorm.io/") // a closure that was inlined has another name
		if !library || !more {
			return frame.File + ":" + strconv.Itoa(frame.Line)
		}
	}
}

// thisPackage ends in a dot, so that it is no prefix of its tests' package.
const thisPackage = "github.com/seed-3826ef92/whodunit/gormaudit/history."
