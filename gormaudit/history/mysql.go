package history

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"gorm.io/gorm"
)

// mysqlDialect is that of MariaDB and MySQL. Who acts lies in a row of
// whodunit_context, one per connection, which is active only between the calls
// around a statement, in its transaction: a rollback takes it back, and no other
// connection reads it. The account that writes needs no right on it: procedures
// write it, and the triggers read it, as their definer. Values are written as for
// PostgreSQL.
type mysqlDialect struct {
	mariadb bool   // not MySQL, which can't replace a trigger
	definer string // of triggers and procedures, the migrating account if empty
}

func (d mysqlDialect) kindOf(dbType string) kind {
	word, _, _ := strings.Cut(dbType, " ")
	word, _, _ = strings.Cut(word, "(")
	switch word {
	case "tinyint", "smallint", "mediumint", "int", "integer", "bigint", "year", "bit", "serial":
		return kindInteger
	case "decimal", "numeric", "dec", "fixed":
		return kindDecimal
	case "float", "double", "real":
		return kindFloat
	case "bool", "boolean":
		return kindBool
	case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob",
		"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection":
		return kindBytes
	case "timestamp":
		return kindInstant
	case "datetime", "date":
		return kindTime
	}
	return kindText
}

func (d mysqlDialect) settings(string) string { return "" }

const mysqlOptions = " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"

// mysqlNow is the time in UTC, which moves within a statement. A session can set
// what UTC_TIMESTAMP and NOW say.
const mysqlNow = "CONVERT_TZ(SYSDATE(6), @@session.time_zone, '+00:00')"

func (d mysqlDialect) objects(o Options, _ []table) []string {
	return d.defined(mark{AppendOnly: o.AppendOnly}.in(slices.Concat(d.tables(), d.procedures(), d.protection(o.AppendOnly))))
}

func (d mysqlDialect) tables() []string {
	attribution, now := attributionList("# longtext"), ""
	if d.mariadb {
		now = " DEFAULT (" + mysqlNow + ")"
	}
	return []string{
		`CREATE TABLE IF NOT EXISTS whodunit_change_sets (
  id bigint NOT NULL,
  token bigint NOT NULL,
  at datetime(6) NOT NULL,
  ` + attribution + `,
  database_user longtext,
  PRIMARY KEY (id, token),
  KEY whodunit_change_sets_request (request_id(64)),
  KEY whodunit_change_sets_actor (actor_id(64)),
  KEY whodunit_change_sets_impersonator (impersonator_id(64))
)` + mysqlOptions,
		`CREATE TABLE IF NOT EXISTS whodunit_changes (
  id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
  change_set bigint NOT NULL,
  token bigint NOT NULL,
  at datetime(6) NOT NULL` + now + `,
  database_user varchar(512),
  table_name varchar(200) NOT NULL,
  row_key longtext NOT NULL,
  moved_to longtext,
  composite boolean NOT NULL DEFAULT false,
  action varchar(20) NOT NULL,
  fields longtext NOT NULL,
  row_hash int unsigned GENERATED ALWAYS AS (CRC32(row_key)) STORED,
  KEY whodunit_changes_row (row_hash, table_name),
  KEY whodunit_changes_table (table_name),
  KEY whodunit_changes_moved (moved_to(64)),
  KEY whodunit_changes_transaction (token, at)
)` + mysqlOptions,
		mysqlContext(attribution),
	}
}

func mysqlContext(attribution string) string {
	return `CREATE TABLE IF NOT EXISTS whodunit_context (
  connection bigint unsigned NOT NULL,
  maintenance boolean NOT NULL DEFAULT false,
  active boolean NOT NULL,
  ticket bigint NOT NULL,
  set_at datetime(6),
  change_set bigint,
  token bigint,
  ` + attribution + `,
  PRIMARY KEY (connection, maintenance)
)` + mysqlOptions
}

// What a trigger has found, it keeps for the rows of its statement: the time does
// not move while that runs. A session can set these variables, but not know the
// token of a change set that is not its own.
const (
	mysqlSetActor = `(IN _ticket bigint, %[1]s)
COMMENT 'whodunit:mark' MODIFIES SQL DATA SQL SECURITY DEFINER
BEGIN
  INSERT INTO whodunit_context (connection, maintenance, active, ticket, set_at, %[2]s)
  VALUES (CONNECTION_ID(), false, true, _ticket, UTC_TIMESTAMP(6), %[3]s)
  ON DUPLICATE KEY UPDATE change_set = IF(ticket = _ticket, change_set, NULL), token = IF(ticket >> 20 = _ticket >> 20, token, NULL), active = true, ticket = _ticket,
    set_at = UTC_TIMESTAMP(6), %[4]s;
  SET @whodunit_at = NULL;
END`

	// mysqlClearActor also puts back a change set that a function of the statement
	// has rolled back, with a part of its changes.
	mysqlClearActor = `()
COMMENT 'whodunit:mark' MODIFIES SQL DATA SQL SECURITY DEFINER
BEGIN
  IF @whodunit_at IS NOT NULL AND @whodunit_home <=> SCHEMA()
    AND NOT EXISTS (SELECT 1 FROM whodunit_change_sets WHERE id = @whodunit_set AND token = @whodunit_token)
    AND EXISTS (SELECT 1 FROM whodunit_changes WHERE change_set = @whodunit_set AND token = @whodunit_token) THEN
    INSERT INTO whodunit_change_sets (id, token, at, database_user, %[1]s)
    SELECT @whodunit_set, @whodunit_token, %[2]s, USER(), %[1]s
    FROM whodunit_context WHERE connection = CONNECTION_ID() AND maintenance = 0;
  END IF;
  UPDATE whodunit_context SET active = false WHERE connection = CONNECTION_ID() AND maintenance = 0;
  SET @whodunit_at = NULL;
END`

	// mysqlRights are those of its definer, to whom information_schema shows its own.
	// A trigger's text is for those who have TRIGGER.
	mysqlRights = `()
COMMENT 'whodunit:mark' READS SQL DATA SQL SECURITY DEFINER
SELECT CONCAT_WS(' ', own.name, TABLE_NAME, COLUMN_NAME) FROM information_schema.COLUMNS
  JOIN (SELECT 'select' AS name UNION ALL SELECT 'insert' UNION ALL SELECT 'update') AS own ON FIND_IN_SET(own.name, PRIVILEGES) WHERE TABLE_SCHEMA = SCHEMA()
UNION ALL SELECT CONCAT('trigger ', EVENT_OBJECT_TABLE, ' ') FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = SCHEMA() AND ACTION_STATEMENT IS NOT NULL`
)

func (d mysqlDialect) procedures() []string {
	names, parameters := attributionList("#"), attributionList("_#")
	return slices.Concat(
		d.replace("PROCEDURE", "whodunit_set_actor", fmt.Sprintf(mysqlSetActor, attributionList("IN _# longtext"), names, parameters, attributionList("# = _#"))),
		d.replace("PROCEDURE", "whodunit_clear_actor", fmt.Sprintf(mysqlClearActor, names, mysqlNow)),
		d.replace("PROCEDURE", "whodunit_rights", mysqlRights))
}

// attributionList is a format for each of attributionColumns, "#" in it.
func attributionList(format string) string {
	parts := make([]string, len(attributionColumns))
	for i, c := range attributionColumns {
		parts[i] = strings.ReplaceAll(format, "#", c)
	}
	return strings.Join(parts, ", ")
}

// replace returns the statements that create a procedure or trigger in place of
// the one there is. MariaDB does it with no gap between.
func (d mysqlDialect) replace(kind, name, rest string) []string {
	if d.mariadb {
		return []string{"CREATE OR REPLACE " + mysqlDefiner + kind + " " + name + rest}
	}
	return []string{"DROP " + kind + " IF EXISTS " + name, "CREATE " + mysqlDefiner + kind + " " + name + rest}
}

// mysqlDefiner is where defined puts the definer: a mark is that of the text
// without.
const mysqlDefiner = "/* definer */ "

// defined puts the definer into statements.
func (d mysqlDialect) defined(statements []string) []string {
	definer := ""
	if d.definer != "" {
		user, host, found := strings.Cut(d.definer, "@")
		definer = "DEFINER=" + d.quote(user) + " "
		if found && host != "" {
			definer = "DEFINER=" + d.quote(user) + "@" + d.quote(host) + " "
		}
	}
	for i := range statements {
		statements[i] = strings.Replace(statements[i], mysqlDefiner, definer, 1)
	}
	return statements
}

func (d mysqlDialect) protection(on bool) []string {
	var statements []string
	for _, table := range []string{changeSetsTable, changesTable} {
		for _, event := range []string{"update", "delete"} {
			name := "whodunit_refuse_" + table + "_" + event
			if !on {
				statements = append(statements, "DROP TRIGGER IF EXISTS "+name)
				continue
			}
			statements = append(statements, d.replace("TRIGGER", name, fmt.Sprintf(` BEFORE %s ON %s FOR EACH ROW
IF NOT EXISTS (SELECT 1 FROM whodunit_context WHERE connection = CONNECTION_ID() AND maintenance) THEN
  SIGNAL SQLSTATE '%s' SET MESSAGE_TEXT = 'whodunit: the history is append-only';
END IF`, strings.ToUpper(event), table, stateAppendOnly))...)
		}
	}
	return statements
}

func (d mysqlDialect) refusals() int { return 4 }

// mysqlTrigger has its mark in a text, for clients drop comments. It finds the
// change set of the context, or begins it, or that of a statement that has no
// actor. @@timestamp is when the statement began. What runs for each row has few
// expressions and declares no variables: MariaDB prepares these anew for each row.
var mysqlTrigger = ` AFTER %s ON %s FOR EACH ROW
record: BEGIN
%s%s%s  IF @whodunit_at <=> @@timestamp AND @whodunit_home <=> SCHEMA() THEN BEGIN END; ELSE
    DO 'whodunit:mark';
    SET @whodunit_at = NULL, @whodunit_active = false, @whodunit_set = NULL, @whodunit_token = NULL;
    SELECT active, change_set, token INTO @whodunit_active, @whodunit_set, @whodunit_token
    FROM whodunit_context WHERE connection = CONNECTION_ID() AND maintenance = 0 AND active;
    IF @whodunit_set IS NULL THEN
      SET @whodunit_set = ` + mysqlNewSet + `, @whodunit_token = CAST(coalesce(@whodunit_token, ` + mysqlNewToken + `) AS SIGNED);
      IF @whodunit_active THEN
        INSERT INTO whodunit_change_sets (id, token, at, database_user, ` + attributionList("#") + `)
        SELECT @whodunit_set, @whodunit_token, ` + mysqlNow + `, USER(), ` + attributionList("#") + `
        FROM whodunit_context WHERE connection = CONNECTION_ID() AND maintenance = 0;
        UPDATE whodunit_context SET change_set = @whodunit_set, token = @whodunit_token WHERE connection = CONNECTION_ID() AND maintenance = 0;
      ELSE
        INSERT INTO whodunit_change_sets (id, token, at, database_user) VALUES (@whodunit_set, @whodunit_token, ` + mysqlNow + `, USER());
      END IF;
    END IF;
    SET @whodunit_home = SCHEMA(), @whodunit_at = @@timestamp;
  END IF;
  %s;
END`

// mysqlNewSet and mysqlNewToken are the two halves of a change set's id: one that
// grows, one that nobody can guess.
const (
	mysqlNewSet   = "UUID_SHORT() & 0x7fffffffffffffff"
	mysqlNewToken = "CONV(LEFT(MD5(CONCAT(UUID(), RAND())), 15), 16, 10)"
)

func (d mysqlDialect) record(t table) []string {
	create := func(event, unchanged, insert string) []string {
		return d.replace("TRIGGER", d.triggerName(t, event), fmt.Sprintf(mysqlTrigger, strings.ToUpper(event), quoteTable(t.name, d.quote),
			d.tooLarge(t, event), unchanged, d.refuse(t), insert))
	}
	before, after := d.key(t, "OLD"), d.key(t, "NEW")
	return d.defined(t.mark().in(slices.Concat(
		create("insert", "", d.insert(t, after, "", "'create'", d.pack(t.columns, "insert"))),
		create("update", d.unchanged(t), d.update(t, before, after)),
		create("delete", "", d.insert(t, before, "", "'delete'", d.pack(t.columns, "delete"))),
	)))
}

// update has a shorter statement for where no column differs that is not small.
func (d mysqlDialect) update(t table, before, after string) string {
	insert := func(columns []column) string {
		movedTo := "IF(" + mapColumns(t.keys, " OR ", d.differs) + ", " + after + ", NULL)"
		return d.insert(t, before, movedTo, actionOf(t, d.quote), d.pack(columns, "update"))
	}
	var small, others []column
	for _, c := range t.columns {
		if c.uncompared() {
			small = append(small, c)
		} else {
			others = append(others, c)
		}
	}
	if len(small) == 0 || len(others) == 0 {
		return insert(t.columns)
	}
	return "IF " + mapColumns(others, " OR ", d.differs) + " THEN\n  " + insert(t.columns) + ";\n  ELSE\n  " + insert(small) + ";\n  END IF"
}

// unchanged leaves the trigger, unless a column differs. It looks no further than to
// the first that does.
func (d mysqlDialect) unchanged(t table) string {
	return "  changed: BEGIN\n" + mapColumns(cheapFirst(t.watched()), "", func(c column) string {
		return "    IF " + d.differs(c) + " THEN LEAVE changed; END IF;\n"
	}) + "    LEAVE record;\n  END;\n"
}

// insert leaves to defaults what it can: they take less time than what is written
// here. MySQL's know no session.
func (d mysqlDialect) insert(t table, key, movedTo, action, fields string) string {
	names := "change_set, token, database_user, table_name, row_key, action, fields"
	values := "@whodunit_set, @whodunit_token, USER(), " + d.literal(t.name) + ", " + key + ", " + action + ", " + fields
	add := func(name, value string) { names, values = names+", "+name, values+", "+value }
	if !d.mariadb {
		add("at", mysqlNow)
	}
	if movedTo != "" {
		add("moved_to", movedTo)
	}
	if len(t.keys) > 1 {
		add("composite", "TRUE")
	}
	return "INSERT INTO whodunit_changes (" + names + ")\n  VALUES (" + values + ")"
}

// tooLarge names the column that takes most of a change which is larger than a
// packet: the functions that would write it give NULL then, and an error or a
// warning.
func (d mysqlDialect) tooLarge(t table, event string) string {
	var sizes, names []string
	for _, c := range t.columns {
		if c.small || c.redact {
			continue
		}
		size := d.sizeOf(c, event)
		sizes = append(sizes, size)
		names = append(names, " WHEN "+size+" THEN "+d.literal(c.name))
	}
	if len(sizes) == 0 {
		return ""
	}
	return "  DECLARE EXIT HANDLER FOR 1301\n  BEGIN\n    SET @whodunit_message = LEFT(CONCAT('whodunit: leave out or redact ', CASE GREATEST(0, " +
		strings.Join(sizes, ", ") + ")" + strings.Join(names, "") + " END, ': a change is larger than max_allowed_packet'), " + strconv.Itoa(mysqlMessage) +
		");\n    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = @whodunit_message;\n  END;\n"
}

// sizeOf is about how much of a change a column takes: bytes are recorded in hex.
func (d mysqlDialect) sizeOf(c column, event string) string {
	length := func(row string) string { return "COALESCE(LENGTH(" + row + "." + d.quote(c.name) + "), 0)" }
	size := "IF(" + d.differs(c) + ", " + length("OLD") + " + " + length("NEW") + ", 0)"
	switch event {
	case "insert":
		size = length("NEW")
	case "delete":
		size = length("OLD")
	}
	if c.kind == kindBytes {
		size += " * 2"
	}
	return size
}

// mysqlMessage is how long the text of an error may be.
const mysqlMessage = 128

// refuse are the statements that refuse a change which lacks what t requires. They
// ask for each row: what a trigger keeps in variables, a session can set.
func (d mysqlDialect) refuse(t table) string {
	var b strings.Builder
	for _, r := range t.requirements() {
		has := "actor_kind IS NOT NULL"
		if r.key != "" {
			has = `JSON_UNQUOTE(JSON_EXTRACT(metadata, '$."` + r.key + `"')) REGEXP ` + d.literal("[^"+eachBlank(`\x{%x}`, "")+"]")
		}
		fmt.Fprintf(&b, "  IF NOT EXISTS (SELECT 1 FROM whodunit_context WHERE connection = CONNECTION_ID() AND maintenance = 0 AND active AND %s) THEN"+
			"\n    SIGNAL SQLSTATE '%s' SET MESSAGE_TEXT = %s;\n  END IF;\n", has, stateRequired, d.literal(strings.ToValidUTF8(r.refusal[:min(len(r.refusal), mysqlMessage)], "")))
	}
	return b.String()
}

func (d mysqlDialect) attach(table) []string { return nil }

func (d mysqlDialect) renamed(t table, was string) []string {
	if was == "" {
		return nil
	}
	return append(d.drop(table{name: was}), renaming(changesTable, "change_set, token, at, database_user, fields",
		mysqlNewSet+", "+mysqlNewToken+", "+mysqlNow+", USER(), '[]'", "SELECT "+d.literal(was)+" AS name", d.literal(t.name)))
}

func (d mysqlDialect) triggerCount() int { return triggersPerTable }

func (d mysqlDialect) key(t table, row string) string {
	if len(t.keys) == 1 {
		return d.text(row, t.keys[0])
	}
	return "CONCAT_WS(',', " + mapColumns(t.keys, ", ", func(c column) string {
		return "REPLACE(REPLACE(" + d.text(row, c) + ", '~', '~0'), ',', '~1')"
	}) + ")"
}

func (d mysqlDialect) triggerName(t table, event string) string {
	return d.quote(objectName(t.name, "_"+event))
}

// pack is the JSON of the columns in their order, as parseFields reads it. A large or
// redacted column is in it if it differs, the others always.
func (d mysqlDialect) pack(columns []column, event string) string {
	var parts []string
	for rest := columns; len(rest) > 0; {
		n := slices.IndexFunc(rest, func(c column) bool { return !c.uncompared() })
		if n == 0 {
			parts, rest = append(parts, d.field(rest[0], event)), rest[1:]
			continue
		}
		if n < 0 {
			n = len(rest)
		}
		parts, rest = append(parts, d.run(rest[:n], event)), rest[n:]
	}
	return "CONCAT('[', CONCAT_WS(',',\n    " + strings.Join(parts, ",\n    ") + "), ']')"
}

// run is the names and kinds of columns, and then their values before and after.
func (d mysqlDialect) run(columns []column, event string) string {
	names := make([][2]string, len(columns))
	for i, c := range columns {
		names[i] = [...]string{c.name, c.letter()}
	}
	text, _ := marshal(names) // of texts: can't fail
	return d.literal(string(text)) + ", JSON_ARRAY(" + mapColumns(columns, ", ", func(c column) string { return d.pair(c, event) }) + ")"
}

func (d mysqlDialect) field(c column, event string) string {
	differs, values := d.differs(c), ", "+d.pair(c, event)
	switch event {
	case "insert":
		differs = "NEW." + d.quote(c.name) + " IS NOT NULL"
	case "delete":
		differs = "OLD." + d.quote(c.name) + " IS NOT NULL"
	}
	if c.redact {
		values = ""
	}
	return fmt.Sprintf("IF(%s, JSON_ARRAY(%s, '%s'%s), NULL)", differs, d.literal(c.name), c.letter(), values)
}

// pair is a column's value before and after.
func (d mysqlDialect) pair(c column, event string) string {
	switch event {
	case "insert":
		return "NULL, " + d.text("NEW", c)
	case "delete":
		return d.text("OLD", c) + ", NULL"
	}
	return d.text("OLD", c) + ", " + d.text("NEW", c)
}

// text is a column's value in a form that no session setting changes.
func (d mysqlDialect) text(row string, c column) string {
	value := row + "." + d.quote(c.name)
	switch c.kind {
	case kindBytes:
		return "LOWER(HEX(" + value + "))"
	case kindFloat:
		return "CAST(" + value + " + 0e0 AS CHAR)"
	case kindInstant:
		// It has none for 0000-00-00.
		return "COALESCE(CAST(UNIX_TIMESTAMP(" + value + ") AS CHAR), CAST(" + value + " AS CHAR))"
	case kindInteger, kindBool:
		return "CAST(" + value + " + 0 AS CHAR)" // + 0 for BIT
	case kindText:
		// CONVERT … USING leaves JSON what it is, which JSON_ARRAY would embed.
		return "CAST(" + value + " AS CHAR CHARACTER SET utf8mb4)"
	}
	return "CAST(" + value + " AS CHAR)"
}

// differs compares bytes: collations think 'a' equal to 'A', and to 'a '. CONVERT
// compares a text where it lies, of which CAST would make copies.
func (d mysqlDialect) differs(c column) string {
	before, after := "OLD."+d.quote(c.name), "NEW."+d.quote(c.name)
	if c.kind == kindText {
		before, after = "CONVERT("+before+" USING binary)", "CONVERT("+after+" USING binary)"
	}
	return "NOT (" + before + " <=> " + after + ")"
}

func (d mysqlDialect) quote(name string) string {
	return "`" + strings.ReplaceAll(name, "`", "``") + "`"
}

// literal is a text whatever sql_mode says of backslashes.
func (d mysqlDialect) literal(text string) string {
	if strings.Contains(text, `\`) {
		return hexText(text)
	}
	return quoteLiteral(text)
}

func hexText(text string) string {
	return fmt.Sprintf("_utf8mb4 0x%x", text)
}

func (d mysqlDialect) drop(t table) []string {
	var statements []string
	for _, event := range []string{"insert", "update", "delete"} {
		statements = append(statements, "DROP TRIGGER IF EXISTS "+d.triggerName(t, event))
	}
	return statements
}

// mysqlManyHomes is up to how many databases are asked which of their tables have
// triggers.
const mysqlManyHomes = 20

// audited asks the databases that have a history and this one. MySQL hides
// triggers from accounts that have no right to create some: where a history has
// none, any table may have them.
func (d mysqlDialect) audited(db *gorm.DB) (*audited, error) {
	homes, err := readNames(db, "SELECT ROUTINE_SCHEMA FROM information_schema.ROUTINES WHERE ROUTINE_NAME = 'whodunit_set_actor'")
	if err != nil {
		return nil, err
	}
	a := newAudited()
	a.homes, a.unknown = homes, len(homes) > mysqlManyHomes
	var current sql.NullString
	if err := poolOf(db).QueryRowContext(contextOf(db), "SELECT DATABASE()").Scan(&current); err != nil {
		return nil, err
	}
	a.current = current.String
	a.asked = map[string]bool{a.current: true}
	if !a.unknown {
		maps.Copy(a.asked, homes)
	}
	for home := range a.asked {
		tables, whole, err := d.recorded(db, home, a)
		if err != nil {
			return nil, err
		}
		a.asked[home] = whole
		a.recorded = a.recorded || home == a.current && tables > 0
		a.unknown = a.unknown || homes[home] && tables == 0
	}
	a.unknown = a.unknown || homes[a.current] && a.skipped(a.current)
	return a, nil
}

// recorded adds the tables of a database that have triggers to a. MariaDB leaves out a
// table whose definition somebody changes, rather than wait for that, in a transaction
// and with this lock_wait_timeout. Then whole is false. MySQL need not wait.
func (d mysqlDialect) recorded(db *gorm.DB, home string, a *audited) (tables int, whole bool, err error) {
	if pool, ok := poolOf(db).(interface {
		Conn(ctx context.Context) (*sql.Conn, error)
	}); ok { // which the warnings are of
		conn, err := pool.Conn(contextOf(db))
		if err != nil {
			return 0, false, err
		}
		defer func() { _ = conn.Close() }()
		db = db.Session(&gorm.Session{NewDB: true, Context: contextOf(db)})
		db.Statement.ConnPool = conn
	}
	tables, err = a.read(db, "/*M! SET STATEMENT lock_wait_timeout=0 FOR */ SELECT EVENT_OBJECT_SCHEMA, EVENT_OBJECT_TABLE, COUNT(*) FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = "+
		d.literal(home)+" AND LEFT(TRIGGER_NAME, 16) = 'whodunit_record_' GROUP BY EVENT_OBJECT_SCHEMA, EVENT_OBJECT_TABLE")
	if err != nil {
		return 0, false, err
	}
	whole, err = d.leftNothingOut(db)
	return tables, whole, err
}

// leftNothingOut looks for the warnings that the last statement left out what it would
// have had to wait for.
func (d mysqlDialect) leftNothingOut(db *gorm.DB) (bool, error) {
	rows, err := poolOf(db).QueryContext(contextOf(db), "SHOW WARNINGS")
	if err != nil {
		return false, err
	}
	defer func() { _ = rows.Close() }()
	whole := true
	for rows.Next() {
		var level, text string
		var code int
		if err := rows.Scan(&level, &code, &text); err != nil {
			return false, err
		}
		whole = whole && code != 1205 && code != 1684 // ER_LOCK_WAIT_TIMEOUT, ER_WARN_I_S_SKIPPED_TABLE
	}
	return whole, rows.Err()
}

// mysqlTicketBits count the actors of a transaction. Tickets that differ in these
// bits only are of the same transaction, and their change sets have its token.
const mysqlTicketBits = 20

// setActor sends literals: with placeholders the driver would prepare first, a
// round trip more.
func (d mysqlDialect) setActor(ctx context.Context, at connection, a attribution) (int64, error) {
	ticket := at.last + 1
	if at.last == 0 {
		ticket = rand.Int64() &^ (1<<mysqlTicketBits - 1)
	}
	_, err := d.resumeActor(ctx, at, ticket, a)
	return ticket, err
}

// resumeActor gives a ticket that the database does not know any more once again:
// a savepoint that was rolled back has taken its change set too.
func (d mysqlDialect) resumeActor(ctx context.Context, at connection, ticket int64, a attribution) (bool, error) {
	return true, d.call(ctx, at, d.setting(ticket, a))
}

func (d mysqlDialect) statements(a attribution) (begin, end Statement) {
	return Statement{SQL: "CALL " + d.setting(rand.Int64(), a)}, Statement{SQL: "CALL " + mysqlClearing}
}

// mysqlClearing is the call of the procedure that ends what setting's has begun.
const mysqlClearing = "whodunit_clear_actor()"

// setting is the call of the procedure that sets an actor.
func (d mysqlDialect) setting(ticket int64, a attribution) string {
	var b strings.Builder
	b.WriteString("whodunit_set_actor(" + strconv.FormatInt(ticket, 10))
	for _, value := range a.values() {
		if value == "" {
			b.WriteString(", NULL")
		} else {
			b.WriteString(", " + hexText(value))
		}
	}
	b.WriteString(")")
	return b.String()
}

func (d mysqlDialect) clearActor(ctx context.Context, at connection, _ int64) error {
	return d.call(ctx, at, mysqlClearing)
}

// call calls a procedure of the current database, if that has a history, and of
// the other homes. A restore may have left out the procedures of a history.
func (d mysqlDialect) call(ctx context.Context, at connection, procedure string) error {
	err := callOne(ctx, at, procedure)
	if isMissingRoutine(err) && !at.recorded {
		err = nil // whatever is written is another database's
	}
	first := err
	for _, home := range at.homes {
		if err != nil && !isDenied(err) && !isMissingRoutine(err) {
			return err
		}
		if err = callOne(ctx, at, d.quote(home)+"."+procedure); first == nil {
			first = err
		}
	}
	switch {
	case err != nil && !isDenied(err) && !isMissingRoutine(err):
		return err
	case isDenied(first):
		return &deniedError{err: first, cure: "GRANT EXECUTE ON PROCEDURE whodunit_set_actor, and on whodunit_clear_actor to the account; or are the procedures missing: history.Migrate, or history.SQL?"}
	case isMissingRoutine(first):
		return &deniedError{err: first, cure: "history.Migrate, or history.SQL?"}
	}
	return err
}

func isMissingRoutine(err error) bool {
	return err != nil && strings.Contains(err.Error(), "Error 1305")
}

// callOne calls a procedure. A read-only transaction needs no actor: the database
// refuses whatever would be written in it.
func callOne(ctx context.Context, at connection, procedure string) error {
	_, err := at.pool.ExecContext(ctx, "CALL "+procedure)
	if containsAny(err, "Error 1792") {
		return nil
	}
	return err
}

func isMissingTable(err error) bool { return containsAny(err, "Error 1146") }

func isDenied(err error) bool { return containsAny(err, "Error 1370", "Error 1142") }

func (d mysqlDialect) asText(at string) string { return "CAST(" + at + " AS CHAR)" }
func (d mysqlDialect) setAt() string           { return d.asText("coalesce(change_sets.at, changes.at)") }
func (d mysqlDialect) changeKey() string       { return "changes.id" }
func (d mysqlDialect) recordedAt() string      { return "changes.at" }
func (d mysqlDialect) recordedInstant() string { return "CAST(? AS DATETIME(6))" }

// transaction does not give the token away.
func (d mysqlDialect) transaction() string {
	return "CAST(CONV(LEFT(MD5(changes.token), 15), 16, 10) AS SIGNED)"
}

func (d mysqlDialect) endedAt() string {
	return "(SELECT later.at FROM whodunit_changes AS later WHERE later.token = changes.token ORDER BY later.at DESC LIMIT 1)"
}

// endedAfter reads the times of all changes, from an index.
func (d mysqlDialect) endedAfter() string {
	return "(SELECT DISTINCT token FROM whodunit_changes WHERE at > " + d.recordedInstant() + ") AS ended " +
		"STRAIGHT_JOIN whodunit_changes AS changes ON changes.token = ended.token"
}

func (d mysqlDialect) inSet(int64) string { return "change_sets.id = ?" }
func (d mysqlDialect) set() string        { return "coalesce(change_sets.id, 0)" }
func (d mysqlDialect) user() string {
	return "coalesce(change_sets.database_user, changes.database_user)"
}
func (d mysqlDialect) role() string { return "NULL" }
func (d mysqlDialect) join() string {
	return "change_sets.id = changes.change_set AND change_sets.token = changes.token"
}

func (d mysqlDialect) within(sets string) string {
	return "(changes.change_set, changes.token) IN (SELECT change_sets.id, change_sets.token FROM whodunit_change_sets AS change_sets WHERE " + sets + ")"
}

func (d mysqlDialect) setsOfChanges() string {
	return "whodunit_changes AS changes LEFT JOIN whodunit_change_sets AS change_sets ON " + d.join()
}

// onWay keeps the planner from the primary key. For a page below an id, it would read
// the index of the table or row from the newest change on rather than from that id.
func (d mysqlDialect) onWay(from string) string {
	const changes = "whodunit_changes AS changes"
	return strings.Replace(from, changes, changes+" FORCE INDEX (whodunit_changes_row, whodunit_changes_table, whodunit_changes_moved, whodunit_changes_transaction)", 1)
}

// setColumn has a value where there is no set, too. Else the planner would rather
// begin with all sets.
func (d mysqlDialect) setColumn() string { return "coalesce(change_sets.%s, '')" }

func (d mysqlDialect) changesOfSets() string {
	return "whodunit_change_sets AS change_sets JOIN whodunit_changes AS changes ON " + d.join()
}

func (d mysqlDialect) setsInOrder() bool { return false }
func (d mysqlDialect) packed() string    { return "changes.fields" }

// actorID compares bytes too: the collation takes "42 " for "42". The first
// condition is what the index serves.
func (d mysqlDialect) actorID(column string) string {
	return column + " = ? AND CAST(" + column + " AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY)"
}

func (d mysqlDialect) triggerText(t table) string {
	home, name := "DATABASE()", t.name
	if schema, rest, qualified := strings.Cut(t.name, "."); qualified {
		home, name = d.literal(schema), rest
	}
	return "SELECT ACTION_STATEMENT AS text FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = DATABASE() AND " + home + " = DATABASE() " +
		"AND EVENT_OBJECT_TABLE = " + d.literal(name) + " AND LEFT(TRIGGER_NAME, 16) = 'whodunit_record_'"
}

// alike compares as the key's column does.
func (d mysqlDialect) alike(db *gorm.DB, t table) (string, error) {
	if len(t.keys) > 1 || t.keys[0].kind != kindText {
		return "", nil
	}
	var found struct{ Charset, Collation string }
	err := db.Raw("SELECT CHARACTER_SET_NAME AS charset, COLLATION_NAME AS collation FROM information_schema.COLUMNS "+
		"WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND COLUMN_NAME = ?", t.name, t.keys[0].name).Scan(&found).Error
	if err != nil || found.Collation == "" {
		return "", err
	}
	return fmt.Sprintf("CONVERT(changes.row_key USING %[1]s) COLLATE %[2]s = CONVERT(@key USING %[1]s) COLLATE %[2]s", found.Charset, found.Collation), nil
}

func (d mysqlDialect) isKey(column string) string {
	return column + " = @key AND CAST(" + column + " AS BINARY) = CAST(CONVERT(@key USING utf8mb4) AS BINARY)"
}

// isRow has a hash of the key, for an index takes no text of any length.
func (d mysqlDialect) isRow(key string) string {
	return "changes.row_hash = CRC32(CONVERT(" + key + " USING utf8mb4)) AND CAST(changes.row_key AS BINARY) = CAST(CONVERT(" + key + " USING utf8mb4) AS BINARY)"
}

// zone reads back as a time in the zone that the driver was configured with,
// which is that of the application's DATETIMEs.
func (d mysqlDialect) zone() string { return "TIMESTAMP'2000-01-01 00:00:00'" }

func (d mysqlDialect) mayHave(_ *gorm.DB, columns []string) (string, []any, error) {
	return mention("LOCATE(?, changes.fields) > 0", columns)
}

func (d mysqlDialect) maintain(tx *gorm.DB, on bool) error {
	if on {
		return exec(tx, "REPLACE INTO whodunit_context (connection, maintenance, active, ticket) VALUES (CONNECTION_ID(), true, false, 0)")
	}
	return exec(tx, "DELETE FROM whodunit_context WHERE connection = CONNECTION_ID() AND maintenance")
}

func (d mysqlDialect) setKey() string      { return "id, token" }
func (d mysqlDialect) ended() string       { return "0" }
func (d mysqlDialect) busy(err error) bool { return isBusyMySQL(err) }
func (d mysqlDialect) empty() string {
	return "change_sets.at < " + d.recordedInstant() + " AND NOT EXISTS (SELECT 1 FROM whodunit_changes AS changes WHERE " + d.join() + ")"
}

// tidy deletes the contexts of connections that are long gone. It
// looks them up first, for a DELETE locks all rows that it reads.
func (d mysqlDialect) tidy(db *gorm.DB, before time.Time) error {
	const gone = "set_at < CAST(? AS DATETIME(6)) AND NOT active AND NOT maintenance"
	var ids []int64
	if err := db.Raw("SELECT connection FROM whodunit_context WHERE "+gone, instantOf(before)).Scan(&ids).Error; err != nil || len(ids) == 0 {
		return err
	}
	return db.Exec("DELETE FROM whodunit_context WHERE connection IN ? AND NOT maintenance AND "+gone, ids, instantOf(before)).Error
}

func (d mysqlDialect) recordChange(tx *gorm.DB, a attribution, record map[string]any) error {
	var set struct{ ID, Token int64 }
	if err := tx.Raw("SELECT " + mysqlNewSet + " AS id, " + mysqlNewToken + " AS token").Scan(&set).Error; err != nil {
		return err
	}
	args := append([]any{set.ID, set.Token}, a.args()...)
	if err := tx.Exec("INSERT INTO whodunit_change_sets (id, token, at, database_user, "+strings.Join(attributionColumns[:], ", ")+
		") VALUES (?, ?, "+mysqlNow+", USER()"+strings.Repeat(", ?", len(attributionColumns))+")", args...).Error; err != nil {
		return err
	}
	record["change_set"], record["token"], record["fields"] = set.ID, set.Token, "[]"
	record["at"], record["database_user"] = gorm.Expr(mysqlNow), gorm.Expr("USER()")
	return tx.Table(changesTable).Create(record).Error
}

func (d mysqlDialect) nativeKeys() bool          { return false }
func (d mysqlDialect) worksWithoutHistory() bool { return true }
func (d mysqlDialect) compilesTriggers() bool    { return false }

func (d mysqlDialect) checkpoint(context.Context, connection, int64) error { return nil }
func (d mysqlDialect) perTransaction() bool                                { return false }

func (d mysqlDialect) lockForWrite(context.Context, gorm.ConnPool) error { return nil }

func (d mysqlDialect) room([]table) []string { return nil }

// isBusyMySQL is true of a lock that was not free in time, and a deadlock.
func isBusyMySQL(err error) bool { return containsAny(err, "Error 1205", "Error 1213") }
