package history

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"
)

// The tables of the history.
const (
	changeSetsTable = "change_sets"
	changesTable    = "changes"
)

// engine generates and speaks one database's SQL.
type engine interface {
	// kindOf says how a column of a type is written down.
	kindOf(dbType string) kind
	// tables returns the statements that create the history's own tables and
	// what protects them. Each may run again.
	tables(o Options, tables []table) []string
	// columns is the query for table and column of each table there is that has
	// the name of one of the history's.
	columns() string
	// triggers returns the statements that create the triggers of t, marked
	// with its fingerprint.
	triggers(t table) []string
	// dropTriggers removes the triggers of t, whichever exist.
	dropTriggers(t table) []string
	// installed asks the database which tables have triggers.
	installed(db *gorm.DB) (map[string]installation, error)
	// migrated runs after a migration and may warn.
	migrated(db *gorm.DB, tables []table) error

	// tell says in the transaction of pool who acts from here on. The ticket
	// resumes it.
	tell(ctx context.Context, pool gorm.ConnPool, w who) (ticket int64, err error)
	// resume says again what a ticket was given for. ok is false when the
	// database does not know it any more.
	resume(ctx context.Context, pool gorm.ConnPool, ticket int64) (ok bool, err error)
	// keep goes on with it, but holds what was done until now.
	keep(ctx context.Context, pool gorm.ConnPool, ticket int64) error
	// untell ends what a ticket was given for.
	untell(ctx context.Context, pool gorm.ConnPool, ticket int64) error
	// lasting is true when what was told ends with the transaction, so that
	// untell has nothing to do.
	lasting() bool

	// at is the time of a change's set as text in UTC. time is what instant, a
	// placeholder for such a text, is to be compared with.
	at() string
	time() string
	instant() string
	// set is the id of a change's set, inSet the condition with a placeholder
	// that it is id. join is the condition that joins a change to its set,
	// within that on a change which is in one of the sets that meet a condition.
	set() string
	inSet(id int64) string
	join() string
	within(sets string) string
	// packed is what parseFields reads, zone a time in the application's zone.
	packed() string
	zone() string
	// actorID is a condition with two placeholders for the same id, on a
	// column of change_sets.
	actorID(column string) string
	// rowKey is the condition that a change is of the row @key.
	rowKey() string
	// fields are the recorded columns of changes, by change id.
	fields(db *gorm.DB, records []record) (map[int64][]Field, error)
	// maintain lets the transaction tx past the protection of append-only
	// tables, or ends that.
	maintain(tx *gorm.DB, on bool) error
	// erasure inserts a change that no trigger writes, in a change set of w.
	erasure(tx *gorm.DB, w who, record map[string]any) error
	// prune deletes change sets older than before, with their changes, about
	// limit of them. It returns how many, and whether there may be more.
	prune(tx *gorm.DB, before time.Time, limit int) (n int64, more bool, err error)
}

// claimer is an engine on which a transaction that is going to write must ask
// for that before it reads: what it has read must not have changed since.
type claimer interface {
	// claim waits for the right to write.
	claim(ctx context.Context, pool gorm.ConnPool) error
}

// installation is what a table has for triggers.
type installation struct {
	triggers    int
	fingerprint string // of all its triggers, "mixed" when they differ
}

func (i installation) with(fingerprint string) installation {
	if i.triggers > 0 && i.fingerprint != fingerprint {
		fingerprint = "mixed"
	}
	return installation{triggers: i.triggers + 1, fingerprint: fingerprint}
}

// engineOf returns the engine for a database.
func engineOf(db *gorm.DB) (engine, error) {
	switch name := db.Name(); name {
	case "sqlite":
		return sqliteEngine{}, nil
	case "postgres":
		return postgresEngine{}, nil
	case "mysql":
		return mysqlEngine{}, nil
	default:
		return nil, fmt.Errorf("history: no triggers for database %q: SQLite, PostgreSQL, MariaDB and MySQL have them", name)
	}
}

// mark is the comment by which installed finds a fingerprint.
func mark(fingerprint string) string { return "/* whodunit:" + fingerprint + " */" }

func markIn(text string) string {
	_, rest, _ := strings.Cut(text, "/* whodunit:")
	found, _, _ := strings.Cut(rest, " */")
	return found
}

// marked puts the fingerprint of all triggers into each.
func marked(triggers []string) []string {
	all := mark(fingerprint(strings.Join(triggers, "\n")))
	for i := range triggers {
		triggers[i] = strings.Replace(triggers[i], "/* whodunit */", all, 1)
	}
	return triggers
}

// readInstalled runs a query for the table and the body of each trigger.
func readInstalled(db *gorm.DB, query string) (map[string]installation, error) {
	rows, err := db.Statement.ConnPool.QueryContext(db.Statement.Context, query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	found := map[string]installation{}
	for rows.Next() {
		var name, body string
		if err := rows.Scan(&name, &body); err != nil {
			return nil, err
		}
		found[name] = found[name].with(markIn(body))
	}
	return found, rows.Err()
}

// mapColumns joins what f makes of each column.
func mapColumns(columns []column, separator string, f func(c column) string) string {
	parts := make([]string, len(columns))
	for i, c := range columns {
		parts[i] = f(c)
	}
	return strings.Join(parts, separator)
}

// actionOf is the SQL of an update's action. quote quotes an identifier.
func actionOf(t table, quote func(string) string) string {
	if t.alive == nil {
		return "'update'"
	}
	alive := func(row string) string {
		c := row + "." + quote(t.alive.name)
		if t.alive.zero == "" {
			return c + " IS NULL"
		}
		return "(" + c + " IS NULL OR " + c + " = " + t.alive.zero + ")"
	}
	return fmt.Sprintf("CASE WHEN %s AND NOT (%s) THEN 'soft_delete' WHEN NOT (%[1]s) AND %[2]s THEN 'restore' ELSE 'update' END",
		alive("OLD"), alive("NEW"))
}

// keyOf is the SQL of a row's key: the text of its only key column, or the
// texts of all joined by commas, with ~0 for ~ and ~1 for a comma in them.
func keyOf(t table, text func(c column) string) string {
	if len(t.keys) == 1 {
		return text(t.keys[0])
	}
	return mapColumns(t.keys, " || ',' || ", func(c column) string {
		return "replace(replace(" + text(c) + ", '~', '~0'), ',', '~1')"
	})
}

var (
	keyEscaper   = strings.NewReplacer("~", "~0", ",", "~1")
	keyUnescaper = strings.NewReplacer("~0", "~", "~1", ",")
)

func joinKey(parts []string) string {
	if len(parts) == 1 {
		return parts[0]
	}
	escaped := make([]string, len(parts))
	for i, part := range parts {
		escaped[i] = keyEscaper.Replace(part)
	}
	return strings.Join(escaped, ",")
}

func splitKey(key string, composite bool) []string {
	if !composite {
		return []string{key}
	}
	parts := strings.Split(key, ",")
	for i, part := range parts {
		parts[i] = keyUnescaper.Replace(part)
	}
	return parts
}

// inSets is within for tables that name the set of each change.
func inSets(sets string) string {
	return "changes.change_set IN (SELECT id FROM change_sets WHERE " + sets + ")"
}

// instantOf is a time as the engines compare it.
func instantOf(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000000") }

func insertChangeSet(now, user string) string {
	return "INSERT INTO change_sets (at, database_user, " + strings.Join(whoColumns[:], ", ") + ") VALUES (" + now + ", " + user +
		strings.Repeat(", ?", len(whoColumns)) + ")"
}

func quoteDouble(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func quoteLiteral(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// quoteTable quotes a table's name as GORM does: a dot parts it from its schema.
func quoteTable(name string, quote func(string) string) string {
	parts := strings.Split(name, ".")
	for i, part := range parts {
		parts[i] = quote(part)
	}
	return strings.Join(parts, ".")
}

func contextOf(db *gorm.DB) context.Context {
	if db.Statement.Context == nil {
		return context.Background()
	}
	return db.Statement.Context
}

func execAll(db *gorm.DB, statements []string) error {
	for _, statement := range statements {
		if err := exec(db, statement); err != nil {
			return err
		}
	}
	return nil
}

// exec goes past GORM, which would read "?" and "@" in generated SQL as
// placeholders.
func exec(db *gorm.DB, statement string, args ...any) error {
	_, err := db.Statement.ConnPool.ExecContext(db.Statement.Context, statement, args...)
	return err
}

// affects reports whether a statement changed a row.
func affects(result sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}
