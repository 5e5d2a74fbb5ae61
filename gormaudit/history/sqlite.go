package history

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"
)

// sqliteDialect has triggers that know of no actor. A change set is opened before a
// statement, with the id that the next change will have, and closed after it, at
// the newest change: what lies between is the set's. So the triggers look nothing
// up, and what is left open holds nothing.
//
// SQLite compiles the triggers of a table with each statement that is prepared,
// which costs more than running them. So they do little: one INSERT, of the
// values as they are, in pairs of columns. Small values are written whether they
// differ or not, for to compare costs more. Which pair is which column says the
// layout.
//
// A change that is not attributed is in no change set. Its own is the negative
// of its time in milliseconds, with no row in the table: there would be nothing
// in it.
type sqliteDialect struct {
	pairs int // what the table changes has already
}

// sqliteNobody is the change set of a change that is in none. The time does not
// move within a statement.
const sqliteNobody = "-CAST(round((changes.at - 2440587.5) * 86400000) AS INTEGER)"

func (d sqliteDialect) kindOf(dbType string) kind {
	switch name, _, _ := strings.Cut(dbType, "("); {
	case strings.Contains(name, "bool"):
		return kindBool
	case strings.Contains(name, "int"):
		return kindInteger
	case strings.Contains(name, "date"), strings.Contains(name, "time"):
		return kindInstant
	case strings.Contains(name, "char"), strings.Contains(name, "text"), strings.Contains(name, "clob"):
		return kindText
	case strings.Contains(name, "blob"):
		return kindBytes
	case strings.Contains(name, "real"), strings.Contains(name, "float"), strings.Contains(name, "double"):
		return kindFloat
	case strings.Contains(name, "dec"), strings.Contains(name, "num"):
		return kindDecimal
	}
	return kindText
}

func (d sqliteDialect) settings(string) string { return "" }

func (d sqliteDialect) objects(o Options, tables []table) []string {
	statements := []string{
		`CREATE TABLE IF NOT EXISTS whodunit_change_sets (
  id integer PRIMARY KEY,
  last integer NOT NULL,
  first integer,
  open boolean,
  at datetime,
  actor_kind text, actor_id text, actor_name text,
  impersonator_kind text, impersonator_id text, impersonator_name text,
  request_id text, ip text, user_agent text, method text, route text, metadata text,
  database_user text
)`,
		"CREATE INDEX IF NOT EXISTS whodunit_change_sets_actor ON whodunit_change_sets (actor_id) WHERE actor_id IS NOT NULL",
		"CREATE INDEX IF NOT EXISTS whodunit_change_sets_impersonator ON whodunit_change_sets (impersonator_id) WHERE impersonator_id IS NOT NULL",
		"CREATE INDEX IF NOT EXISTS whodunit_change_sets_request ON whodunit_change_sets (request_id) WHERE request_id IS NOT NULL",
		"CREATE INDEX IF NOT EXISTS whodunit_change_sets_first ON whodunit_change_sets (first) WHERE first IS NOT NULL",
		`CREATE TABLE IF NOT EXISTS whodunit_changes (
  id integer PRIMARY KEY,
  at real, table_name text, row_key, moved_to, composite integer, action text, layout integer
)`,
		"CREATE TABLE IF NOT EXISTS whodunit_layouts (id integer PRIMARY KEY, columns text)",
		"CREATE INDEX IF NOT EXISTS whodunit_changes_moved ON whodunit_changes (moved_to) WHERE moved_to IS NOT NULL",
		"CREATE INDEX IF NOT EXISTS whodunit_changes_row ON whodunit_changes (row_key)",
		// Ids are given again once the newest changes are deleted. Their sets must
		// not enclose what comes then.
		"DELETE FROM whodunit_change_sets WHERE id > (SELECT coalesce(max(id), 0) FROM whodunit_changes)",
		"DROP TRIGGER IF EXISTS whodunit_forget",
		`CREATE TRIGGER whodunit_forget AFTER DELETE ON whodunit_changes
WHEN OLD.id > (SELECT coalesce(max(id), 0) FROM whodunit_changes) BEGIN /* whodunit:mark */
  DELETE FROM whodunit_change_sets WHERE id > (SELECT coalesce(max(id), 0) FROM whodunit_changes);
  UPDATE whodunit_change_sets SET last = (SELECT max(id) FROM whodunit_changes)
  WHERE id = (SELECT max(id) FROM whodunit_change_sets) AND last > (SELECT max(id) FROM whodunit_changes);
END`,
	}
	statements = mark{AppendOnly: o.AppendOnly}.in(append(statements, d.protection(o.AppendOnly)...))
	return append(statements, d.room(tables)...)
}

// room adds the pairs of columns that the widest table needs.
func (d sqliteDialect) room(tables []table) (statements []string) {
	for _, t := range tables {
		for ; d.pairs < len(t.columns); d.pairs++ {
			for _, name := range []string{"before_", "after_"} {
				statements = append(statements, fmt.Sprintf("ALTER TABLE whodunit_changes ADD COLUMN %s%d", name, d.pairs))
			}
		}
	}
	return statements
}

// protection refuses what does not come from maintenance, which has a change
// set 0. A change set may take in the newest change, and no other.
func (d sqliteDialect) protection(on bool) []string {
	var statements []string
	refuse := func(name, event, table, when string) {
		statements = append(statements, "DROP TRIGGER IF EXISTS "+name)
		if on {
			statements = append(statements, fmt.Sprintf(`CREATE TRIGGER %s BEFORE %s ON %s
WHEN %sNOT EXISTS (SELECT 1 FROM whodunit_change_sets WHERE id = 0) BEGIN
  SELECT RAISE(ABORT, 'whodunit: the history is append-only');
END`, name, event, table, when))
		}
	}
	refuse("whodunit_refuse_set_update", "UPDATE OF id, first, at, "+strings.Join(attributionColumns[:], ", ")+", database_user", changeSetsTable, "")
	refuse("whodunit_refuse_set_last", "UPDATE OF last", changeSetsTable, "NEW.last <> (SELECT coalesce(max(id), 0) FROM whodunit_changes) AND ")
	refuse("whodunit_refuse_set_delete", "DELETE", changeSetsTable, "OLD.last >= OLD.id AND ")
	for _, table := range []string{changesTable, layoutsTable} {
		refuse("whodunit_refuse_"+table+"_update", "UPDATE", table, "")
		refuse("whodunit_refuse_"+table+"_delete", "DELETE", table, "")
	}
	return statements
}

const sqliteTrigger = `CREATE TRIGGER %s AFTER %s ON %s%s
BEGIN /* whodunit:mark */%s
  INSERT INTO whodunit_changes (at, table_name, row_key, moved_to, composite, action, layout,
    %s)
  VALUES (julianday(), %s, %s, %s, %t, %s, %d,
    %s);
END`

func (d sqliteDialect) record(t table) []string {
	layout, columns := d.layout(t)
	create := func(event, when, row, movedTo, action, names string, values func(c column) string) string {
		return fmt.Sprintf(sqliteTrigger, d.triggerName(t, event), strings.ToUpper(event), quoteTable(t.name, quoteDouble), when, d.refuse(t),
			mapColumns(t.columns, ", ", func(c column) string { return strings.ReplaceAll(names, "#", fmt.Sprint(c.ordinal)) }),
			quoteLiteral(t.name), d.key(t, row), movedTo, len(t.keys) > 1, action, layout, mapColumns(t.columns, ",\n    ", values))
	}
	statements := append(d.drop(t),
		fmt.Sprintf("INSERT OR IGNORE INTO whodunit_layouts (id, columns) VALUES (%d, %s)", layout, quoteLiteral(columns)),
		create("insert", "", "NEW", "NULL", "'create'", "after_#", func(c column) string { return d.value(c, "NEW") }),
		create("update", "\nWHEN "+mapColumns(cheapFirst(t.watched()), " OR\n  ", d.differs), "OLD",
			"iif("+mapColumns(t.keys, " OR ", d.differs)+", "+d.key(t, "NEW")+", NULL)", actionOf(t, quoteDouble),
			"before_#, after_#", d.pair),
		create("delete", "", "OLD", "NULL", "'delete'", "before_#", func(c column) string { return d.value(c, "OLD") }))
	return t.mark().in(statements)
}

// refuse are the statements that refuse a change which lacks what t requires. The
// set of the actor who acts now is the newest one.
func (d sqliteDialect) refuse(t table) string {
	var b strings.Builder
	for _, r := range t.requirements() {
		has := "actor_kind IS NOT NULL"
		if r.key != "" {
			has = `trim(json_extract(metadata, '$."` + r.key + `"'), char(` + eachBlank("%d", ", ") + `)) <> ''`
		}
		fmt.Fprintf(&b, "\n  SELECT RAISE(ABORT, %s) WHERE NOT EXISTS (SELECT 1 FROM whodunit_change_sets"+
			" WHERE id = (SELECT max(id) FROM whodunit_change_sets) AND open AND %s);", quoteLiteral(r.refusal), has)
	}
	return b.String()
}

func (d sqliteDialect) attach(table) []string { return nil }

func (d sqliteDialect) renamed(t table, was string) []string {
	if was == "" {
		return nil
	}
	return append(d.drop(table{name: was}), renaming(changesTable, "at", "julianday()", "SELECT "+quoteLiteral(was)+" AS name", quoteLiteral(t.name)))
}

func (d sqliteDialect) triggerCount() int { return triggersPerTable }
func (d sqliteDialect) refusals() int     { return 7 }

// layout says which pair is which column, and is known by the hash of that.
func (d sqliteDialect) layout(t table) (id int64, columns string) {
	names := make([][2]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = [2]string{c.name, c.letter()}
	}
	text, _ := json.Marshal(names) // of strings: can't fail
	return layoutID(string(text)), string(text)
}

func layoutID(columns string) int64 {
	sum := sha256.Sum256([]byte(columns))
	return int64(binary.BigEndian.Uint64(sum[:8]) >> 1)
}

func (d sqliteDialect) key(t table, row string) string {
	if len(t.keys) == 1 {
		return row + "." + quoteDouble(t.keys[0].name)
	}
	return keyOf(t, func(c column) string {
		value := row + "." + quoteDouble(c.name)
		if c.kind == kindBytes {
			return "lower(hex(" + value + "))"
		}
		return "CAST(" + value + " AS TEXT)"
	})
}

// value is a column's value in a row, or, of a redacted one, whether it has any.
func (d sqliteDialect) value(c column, row string) string {
	value := row + "." + quoteDouble(c.name)
	if c.redact {
		return "iif(" + value + " IS NULL, NULL, 1)"
	}
	return value
}

func (d sqliteDialect) pair(c column) string {
	before, after := d.value(c, "OLD"), d.value(c, "NEW")
	switch {
	case c.redact:
		return "NULL, iif(" + d.differs(c) + ", 1, NULL)"
	case c.small:
		return before + ", " + after
	}
	return fmt.Sprintf("iif(%[1]s, %[2]s, NULL), iif(%[1]s, %[3]s, NULL)", d.differs(c), before, after)
}

func (d sqliteDialect) triggerName(t table, event string) string {
	return quoteDouble(objectName(t.name, "_"+event))
}

func (d sqliteDialect) differs(c column) string {
	differs := fmt.Sprintf("OLD.%[1]s%[2]s IS NOT NEW.%[1]s", quoteDouble(c.name), d.collate(c))
	if c.kind == kindInstant {
		// A reading of a monotonic clock, which modernc.org/sqlite writes, is not part
		// of the time.
		wall := func(row string) string {
			v := row + "." + quoteDouble(c.name)
			return fmt.Sprintf("iif(typeof(%[1]s) = 'text', substr(%[1]s, 1, instr(%[1]s || ' m=', ' m=') - 1), %[1]s)", v)
		}
		differs = "(" + differs + " AND " + wall("OLD") + " IS NOT " + wall("NEW") + ")"
	}
	return differs
}

// collate compares bytes: a column's collation may think 'a' equal to 'A'.
func (d sqliteDialect) collate(c column) string {
	if c.kind == kindText {
		return " COLLATE BINARY"
	}
	return ""
}

func (d sqliteDialect) drop(t table) []string {
	var statements []string
	for _, event := range []string{"insert", "update", "delete"} {
		statements = append(statements, "DROP TRIGGER IF EXISTS "+d.triggerName(t, event))
	}
	return statements
}

func (d sqliteDialect) audited(db *gorm.DB) (*audited, error) {
	a := newAudited()
	_, err := a.read(db, "SELECT 'main', lower(tbl_name), count(*) FROM sqlite_master WHERE type = 'trigger' AND substr(name, 1, 16) = 'whodunit_record_' GROUP BY 2")
	return a, err
}

const sqliteCatalogue = `SELECT 'own', NULL, lower(m.name), c.name, NULL, NULL FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c
WHERE m.type IN ('table', 'view') AND lower(m.name) IN ('whodunit_change_sets', 'whodunit_changes', 'whodunit_layouts')
UNION ALL SELECT CASE WHEN name = 'whodunit_forget' THEN 'open' WHEN substr(name, 1, 16) = 'whodunit_refuse_' THEN 'refusal' ELSE 'trigger' END,
  NULL, tbl_name, NULL, NULL, sql FROM sqlite_master WHERE type = 'trigger' AND substr(name, 1, 9) = 'whodunit_'
UNION ALL SELECT DISTINCT 'column', NULL, m.tbl_name, c.name, NULL, NULL FROM sqlite_master AS m JOIN pragma_table_xinfo(m.tbl_name) AS c
WHERE m.type = 'trigger' AND substr(m.name, 1, 16) = 'whodunit_record_'`

func (d sqliteDialect) catalogue(db *gorm.DB) (*catalogue, error) {
	c := newCatalogue("main")
	err := c.read(db, sqliteCatalogue, func(kind string, v [5]*string) {
		name := textOf(v[1])
		switch kind {
		case "own":
			c.addOwn(name, textOf(v[2]))
		case "open":
			c.mark = markIn(textOf(v[4]))
		case "refusal":
			c.refusals++
		case "trigger":
			c.table(name).add(v[4])
		case "column":
			c.table(name).columns[textOf(v[2])] = true
		}
	})
	for name, i := range c.tables {
		i.spell()
		c.tables[strings.ToLower(name)] = i // SQLite's names know no case
	}
	return c, err
}

func (d sqliteDialect) in(c *catalogue, _ Options) generator {
	found := sqliteDialect{}
	for name := range c.own[changesTable] {
		if strings.HasPrefix(name, "before_") {
			found.pairs++
		}
	}
	return found
}

func (d sqliteDialect) warnOfCascades(*gorm.DB, []table) error { return nil }

// lockForWrite takes the write lock, for which SQLite waits as long as busy_timeout
// says. A deferred transaction that has read gets no wait: it fails as soon as
// another one has written in between. The statement deletes nothing, and is the
// cheapest that takes the lock.
func (d sqliteDialect) lockForWrite(ctx context.Context, pool gorm.ConnPool) error {
	_, err := pool.ExecContext(ctx, "DELETE FROM whodunit_layouts WHERE 0")
	return err
}

var sqliteOpen = "INSERT OR REPLACE INTO whodunit_change_sets (id, last, open, at, " + strings.Join(attributionColumns[:], ", ") +
	", first) VALUES ((SELECT coalesce(max(id), 0) + 1 FROM whodunit_changes), 0, 1, ?" + strings.Repeat(", ?", len(attributionColumns)) + ", ?)"

// setActor opens a change set for the changes to come. It replaces one that was left
// open, as by a panic. As it writes before it reads, it takes the write lock too.
func (d sqliteDialect) setActor(ctx context.Context, in connection, a attribution) (int64, error) {
	if a == (attribution{}) {
		return 0, nil // its changes are in no set
	}
	begin, _ := d.statements(a)
	if in.first != 0 {
		begin.Args[len(begin.Args)-1] = in.first
	}
	result, err := in.pool.ExecContext(ctx, begin.SQL, begin.Args...)
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

// statements end the change set that was opened last.
func (d sqliteDialect) statements(a attribution) (begin, end Statement) {
	if a == (attribution{}) {
		return Statement{}, Statement{}
	}
	at := time.Now().UTC().Format("2006-01-02 15:04:05.000")
	return Statement{SQL: sqliteOpen, Args: slices.Concat([]any{at}, a.args(), []any{nil})}, // its transaction's first
		Statement{SQL: "UPDATE whodunit_change_sets SET open = 0, last = (SELECT coalesce(max(id), 0) FROM whodunit_changes) " +
			"WHERE id = (SELECT max(id) FROM whodunit_change_sets)"}
}

// resumeActor goes on with a change set that holds the newest change. What came after
// it is somebody else's. One that was left empty, later, would hide what comes.
func (d sqliteDialect) resumeActor(ctx context.Context, in connection, set int64, _ attribution) (bool, error) {
	if set == 0 {
		return true, nil
	}
	return affects(in.pool.ExecContext(ctx, "UPDATE whodunit_change_sets SET open = 1 "+
		"WHERE id = ? AND last = (SELECT max(id) FROM whodunit_changes) AND id = (SELECT max(id) FROM whodunit_change_sets)", set))
}

func (d sqliteDialect) checkpoint(ctx context.Context, in connection, set int64) error {
	_, err := d.extend(ctx, in.pool, set, true)
	return err
}

// extend makes a change set hold the newest change, if that is not from before.
func (d sqliteDialect) extend(ctx context.Context, pool gorm.ConnPool, set int64, open bool) (bool, error) {
	if set == 0 {
		return true, nil
	}
	return affects(pool.ExecContext(ctx,
		"UPDATE whodunit_change_sets SET open = ?, last = (SELECT max(id) FROM whodunit_changes) WHERE id = ? AND id <= (SELECT max(id) FROM whodunit_changes)", open, set))
}

// clearActor closes a change set, or deletes it if there is no change to hold.
func (d sqliteDialect) clearActor(ctx context.Context, in connection, set int64) error {
	closed, err := d.extend(ctx, in.pool, set, false)
	if closed || err != nil {
		return err
	}
	_, err = in.pool.ExecContext(ctx, "DELETE FROM whodunit_change_sets WHERE id = ?", set)
	return err
}

func (d sqliteDialect) perTransaction() bool { return false }

func (d sqliteDialect) asText(at string) string { return "strftime('%Y-%m-%d %H:%M:%f', " + at + ")" }

// setAt is the text of change_sets.at, or the time of a change which is in none.
func (d sqliteDialect) setAt() string {
	return "coalesce(CAST(change_sets.at AS TEXT), " + d.asText("changes.at") + ")"
}

func (d sqliteDialect) set() string { return "coalesce(change_sets.id, " + sqliteNobody + ")" }

func (d sqliteDialect) user() string            { return "change_sets.database_user" }
func (d sqliteDialect) role() string            { return "NULL" }
func (d sqliteDialect) changeKey() string       { return "changes.id" }
func (d sqliteDialect) recordedAt() string      { return "changes.at" }
func (d sqliteDialect) recordedInstant() string { return sqliteInstant("?") }
func (d sqliteDialect) transaction() string {
	return "coalesce(change_sets.first, " + d.set() + ")"
}

// sqliteInstant cuts a time down to milliseconds, as the clock does: SQLite would
// round it.
func sqliteInstant(at string) string { return "julianday(substr(" + at + ", 1, 23))" }

// endedAt looks at the last change of each set of the transaction.
func (d sqliteDialect) endedAt() string {
	return "coalesce((SELECT max(later.at) FROM whodunit_change_sets AS tied JOIN whodunit_changes AS later ON later.id = tied.last " +
		"WHERE tied.id = coalesce(change_sets.first, change_sets.id) OR tied.first = coalesce(change_sets.first, change_sets.id)), changes.at)"
}

// endedAfter are all changes from the first that is later on, and those before it in
// its transaction: no other writes in between.
func (d sqliteDialect) endedAfter() string {
	return "(SELECT coalesce((SELECT coalesce(own.first, own.id) FROM whodunit_change_sets AS own " +
		"WHERE own.id = (SELECT max(id) FROM whodunit_change_sets WHERE id <= later.id) AND own.last >= later.id), later.id) AS id " +
		"FROM (SELECT min(id) AS id FROM whodunit_changes WHERE at > " + d.recordedInstant() + ") AS later) AS ended " +
		"CROSS JOIN whodunit_changes AS changes ON changes.id >= ended.id"
}

func (d sqliteDialect) inSet(id int64) string {
	if id < 0 {
		return d.set() + " = ?"
	}
	return d.within("change_sets.id = ?")
}

func (d sqliteDialect) join() string {
	return "change_sets.id = (SELECT max(id) FROM whodunit_change_sets WHERE id <= changes.id) AND change_sets.last >= changes.id"
}

func (d sqliteDialect) within(sets string) string {
	return "changes.id IN (SELECT enclosed.id FROM whodunit_change_sets AS change_sets CROSS JOIN whodunit_changes AS enclosed " +
		"ON enclosed.id BETWEEN change_sets.id AND change_sets.last WHERE " + sets + ")"
}

func (d sqliteDialect) triggerText(t table) string {
	return "SELECT sql AS text FROM sqlite_master WHERE type = 'trigger' AND lower(tbl_name) = lower(" + d.literal(t.name) + ") " +
		"AND substr(name, 1, 16) = 'whodunit_record_'"
}

func (d sqliteDialect) literal(text string) string { return quoteLiteral(text) }

func (d sqliteDialect) alike(_ *gorm.DB, t table) (string, error) {
	for _, collation := range []string{"nocase", "rtrim"} {
		if len(t.keys) == 1 && strings.Contains(t.keys[0].dbType, "collate "+collation) {
			return "changes.row_key = @key COLLATE " + collation, nil
		}
	}
	return "", nil
}

func (d sqliteDialect) setsOfChanges() string {
	return "whodunit_changes AS changes LEFT JOIN whodunit_change_sets AS change_sets ON " + d.join()
}

func (d sqliteDialect) onWay(from string) string { return from }

// setColumn has a value where there is no set, too. Else the planner would rather
// begin with all sets.
func (d sqliteDialect) setColumn() string { return "coalesce(change_sets.%s, '')" }

func (d sqliteDialect) changesOfSets() string {
	return "whodunit_change_sets AS change_sets CROSS JOIN whodunit_changes AS changes ON changes.id BETWEEN change_sets.id AND change_sets.last"
}

func (d sqliteDialect) setsInOrder() bool            { return true }
func (d sqliteDialect) packed() string               { return "''" }
func (d sqliteDialect) actorID(column string) string { return column + " = ? AND " + column + " = ?" }
func (d sqliteDialect) isKey(column string) string   { return column + " = @key" }
func (d sqliteDialect) isRow(key string) string      { return "changes.row_key = " + key }
func (d sqliteDialect) zone() string                 { return "NULL" }

func (d sqliteDialect) fields(db *gorm.DB, records []record) (map[int64][]Field, error) {
	found := map[int64][]Field{}
	for len(records) > 0 {
		n := min(len(records), 500) // SQLite bounds the number of placeholders
		if err := d.readFields(db, records[:n], found); err != nil {
			return nil, err
		}
		records = records[n:]
	}
	return found, nil
}

// manyPairs is up to how many pairs are compared by a condition, which may be a
// thousand deep.
const manyPairs = 500

// mayHave knows the pairs of each layout.
func (d sqliteDialect) mayHave(db *gorm.DB, columns []string) (string, []any, error) {
	var layouts []struct {
		ID      int64
		Columns string
	}
	if err := db.Table(layoutsTable).Find(&layouts).Error; err != nil {
		return "", nil, err
	}
	parts := []string{"1 = 0"}
	for _, l := range layouts {
		is := fmt.Sprint("changes.layout = ", l.ID)
		var names [][2]string
		if err := json.Unmarshal([]byte(l.Columns), &names); err != nil || layoutID(l.Columns) != l.ID { // damaged
			parts = append(parts, is)
			continue
		}
		for i, name := range names {
			if slices.Contains(columns, name[0]) {
				parts = append(parts, fmt.Sprintf("%s AND changes.before_%d IS NOT changes.after_%d", is, i, i))
			}
		}
	}
	if len(parts) > manyPairs {
		return "", nil, nil
	}
	return strings.Join(parts, " OR "), nil, nil
}

func (d sqliteDialect) readFields(db *gorm.DB, records []record, found map[int64][]Field) error {
	ids := make([]any, len(records))
	for i, r := range records {
		ids[i] = r.ID
	}
	rows, err := db.Statement.ConnPool.QueryContext(db.Statement.Context,
		"SELECT change_layouts.columns, changes.* FROM whodunit_changes AS changes LEFT JOIN whodunit_layouts AS change_layouts ON change_layouts.id = changes.layout "+
			"WHERE changes.id IN (?"+strings.Repeat(", ?", len(ids)-1)+")", ids...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	for rows.Next() {
		change, fields, err := scanPairs(rows, len(names))
		if err != nil {
			return err
		}
		found[change] = fields
	}
	return rows.Err()
}

// scanPairs reads layout, id, seven columns that are known already, and the pairs.
func scanPairs(rows *sql.Rows, width int) (change int64, fields []Field, err error) {
	const pairs = 9
	var layout sql.NullString
	values := make([]any, width)
	dest := make([]any, width)
	for i := range dest {
		dest[i] = &values[i]
	}
	dest[0], dest[1] = &layout, &change
	if err := rows.Scan(dest...); err != nil || values[pairs-1] == nil {
		return change, nil, err
	}
	var columns [][2]string
	if err := json.Unmarshal([]byte(layout.String), &columns); err != nil {
		return change, []Field{unreadable(fmt.Errorf("its layout: %w", err))}, nil
	}
	for i, c := range columns {
		if pairs+2*i+1 >= len(values) || c[1] == "" {
			return change, append(fields, unreadable(errors.New("its layout does not fit"))), nil
		}
		before, after := values[pairs+2*i], values[pairs+2*i+1]
		f, k := newField(c[0], c[1])
		if same(before, after) || k == kindInstant && same(wallTime(before), wallTime(after)) {
			continue
		}
		if !f.Redacted {
			f.Before, f.After = Value{kind: k, raw: before}, Value{kind: k, raw: after}
		}
		fields = append(fields, f)
	}
	return change, fields, nil
}

// same is SQLite's IS, for the values of one column. It takes a number for the
// same whichever way it is kept.
func same(before, after any) bool {
	if b, ok := before.([]byte); ok {
		a, ok := after.([]byte)
		return ok && bytes.Equal(a, b)
	}
	if _, ok := after.([]byte); ok {
		return false
	}
	if n, ok := before.(int64); ok {
		if x, ok := after.(float64); ok {
			return sameNumber(n, x)
		}
	}
	if x, ok := before.(float64); ok {
		if n, ok := after.(int64); ok {
			return sameNumber(n, x)
		}
	}
	return before == after
}

// wallTime is a time without the reading of a monotonic clock.
func wallTime(value any) any {
	if text, ok := value.(string); ok {
		value, _, _ = strings.Cut(text, " m=")
	}
	return value
}

// sameNumber also holds where 64 bits are more than a float has.
func sameNumber(n int64, x float64) bool {
	return float64(n) == x && x < 1<<63 && int64(x) == n
}

func (d sqliteDialect) maintain(tx *gorm.DB, on bool) error {
	if on {
		return exec(tx, "INSERT INTO whodunit_change_sets (id, last) VALUES (0, 0)")
	}
	return exec(tx, "DELETE FROM whodunit_change_sets WHERE id = 0")
}

func (d sqliteDialect) setKey() string { return "id" }

// ended is negative for a change that is in no set.
func (d sqliteDialect) ended() string {
	return "CASE coalesce(change_sets.last, changes.id) WHEN changes.id THEN " + d.set() + " ELSE 0 END"
}

func (d sqliteDialect) empty() string {
	return "change_sets.at < strftime('%Y-%m-%d %H:%M:%f', ?) AND NOT EXISTS (SELECT 1 FROM whodunit_changes AS changes WHERE changes.id BETWEEN change_sets.id AND change_sets.last)"
}

func (d sqliteDialect) tidy(*gorm.DB, time.Time) error { return nil }
func (d sqliteDialect) busy(err error) bool            { return isBusySQLite(err) }

// recordChange inserts the change, so that there is one to enclose.
func (d sqliteDialect) recordChange(tx *gorm.DB, a attribution, record map[string]any) error {
	ctx, in := tx.Statement.Context, connection{pool: poolOf(tx)}
	set, err := d.setActor(ctx, in, a)
	if err != nil {
		return err
	}
	record["at"] = gorm.Expr("julianday('now')")
	if err := tx.Table(changesTable).Create(record).Error; err != nil {
		return err
	}
	return d.clearActor(ctx, in, set)
}

func (d sqliteDialect) nativeKeys() bool          { return true }
func (d sqliteDialect) worksWithoutHistory() bool { return false }
func (d sqliteDialect) compilesTriggers() bool    { return true }

// migrate writes the triggers in one transaction, so that none is missing in
// between. AutoMigrate can't be in it: where it rebuilds a table, it turns foreign
// keys off, which SQLite does outside transactions only.
func (d sqliteDialect) migrate(db *gorm.DB, m *migration) error {
	return retry(contextOf(db), busyMigratingSQLite(), func() error {
		if err := autoMigrate(db, m.models...); err != nil {
			return err
		}
		if err := m.plan(db); err != nil || !m.pending() { // AutoMigrate may have taken triggers
			return err
		}
		return uncached(db).Transaction(func(tx *gorm.DB) error {
			if err := m.writeObjects(tx); err != nil {
				return err
			}
			return m.writeRecord(tx)
		})
	})
}

// isBusySQLite is true of a lock that was not free in time, and of what another
// program that migrates has renamed.
func isBusySQLite(err error) bool {
	return containsAny(err, "database is locked", "database table is locked", "SQLITE_BUSY", "database schema has changed")
}

// busyMigratingSQLite returns isBusySQLite for one migration. It is also true of what
// another one has created, which is there the next time: a name that is taken again and
// again is a mistake.
func busyMigratingSQLite() func(err error) bool {
	const times = 4
	taken := map[string]int{}
	return func(err error) bool {
		if !containsAny(err, "already exists", "duplicate column name") {
			return isBusySQLite(err)
		}
		taken[err.Error()]++
		return taken[err.Error()] < times
	}
}

func (d sqliteDialect) mayMigrate(*gorm.DB, *migration) error { return nil }

func (d sqliteDialect) parts() []string { return []string{changeSetsTable, changesTable, layoutsTable} }

func (d sqliteDialect) verify(_ *gorm.DB, c *catalogue, tables []table) error {
	if len(tables) == 0 {
		return nil
	}
	return incomplete(c.lacks(d.parts())...)
}

// elsewhere is nowhere: a trigger is in the file of its table.
func (d sqliteDialect) elsewhere(*gorm.DB, []string, bool) (table, home string, err error) {
	return "", "", nil
}
func (d sqliteDialect) claim(table) []string { return nil }

// sqliteKeys has no index for a key that is the rowid. A primary key may be NULL, but
// not in what GORM writes.
const sqliteKeys = `SELECT 'table', NULL, NULL FROM sqlite_master WHERE type = 'table' AND lower(name) = lower(?1)
UNION ALL SELECT 'column', NULL, name FROM pragma_table_xinfo(?1)
UNION ALL SELECT 'index', 'PRIMARY KEY', name FROM pragma_table_xinfo(?1) WHERE pk > 0
UNION ALL SELECT 'index', i.name, CASE WHEN c."notnull" OR c.pk > 0 THEN c.name END
  FROM pragma_index_list(?1) AS i JOIN pragma_index_info(i.name) AS k LEFT JOIN pragma_table_xinfo(?1) AS c ON c.cid = k.cid
  WHERE i."unique" AND NOT i.partial`

func (d sqliteDialect) storedKeys(db *gorm.DB, table string) (storedKeys, error) {
	return readKeys(db, sqliteKeys, table)
}
