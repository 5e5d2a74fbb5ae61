package history

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"gorm.io/gorm"
)

// mysqlDialect is that of MariaDB and MySQL. What the triggers are told lies in
// a row of history_context, one per connection, which is active only between
// the statements around a write, in its transaction: a rollback takes it back,
// and no other connection reads it. Values are written as for PostgreSQL.
type mysqlDialect struct{}

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

const contextTable = "whodunit_context"

const mysqlOptions = " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"

func (d mysqlDialect) tables(o Options, _ []table) []string {
	who := strings.Join(attributionColumns[:], " longtext, ") + " longtext"
	statements := []string{
		"CREATE TABLE IF NOT EXISTS whodunit_change_sets (\n  id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,\n  at datetime(6) NOT NULL,\n  " +
			who + ",\n  database_user longtext,\n  KEY whodunit_change_sets_at (at),\n  KEY whodunit_change_sets_actor (actor_id(64)),\n  KEY whodunit_change_sets_impersonator (impersonator_id(64))\n)" + mysqlOptions,
		`CREATE TABLE IF NOT EXISTS whodunit_changes (
  id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
  change_set bigint NOT NULL,
  table_name varchar(200) NOT NULL,
  row_key longtext NOT NULL,
  composite boolean NOT NULL DEFAULT false,
  action varchar(20) NOT NULL,
  fields longtext NOT NULL,
  KEY whodunit_changes_row (table_name(64), row_key(64)),
  KEY whodunit_changes_change_set (change_set)
)` + mysqlOptions,
		"CREATE TABLE IF NOT EXISTS whodunit_context (\n  connection bigint unsigned NOT NULL,\n  maintenance boolean NOT NULL DEFAULT false,\n  active boolean NOT NULL,\n" +
			"  ticket bigint NOT NULL,\n  told_at datetime(6),\n  change_set bigint,\n  " + who + ",\n  PRIMARY KEY (connection, maintenance)\n)" + mysqlOptions,
	}
	return append(statements, d.protection(o.AppendOnly)...)
}

func (d mysqlDialect) columns() string {
	return "SELECT LOWER(TABLE_NAME), COLUMN_NAME FROM information_schema.COLUMNS " +
		"WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN ('whodunit_change_sets', 'whodunit_changes', 'whodunit_context')"
}

func (d mysqlDialect) protection(on bool) []string {
	var statements []string
	for _, table := range []string{changeSetsTable, changesTable} {
		for _, event := range []string{"update", "delete"} {
			name := "whodunit_refuse_" + table + "_" + event
			statements = append(statements, "DROP TRIGGER IF EXISTS "+name)
			if on {
				statements = append(statements, fmt.Sprintf(`CREATE TRIGGER %s BEFORE %s ON %s FOR EACH ROW
IF NOT EXISTS (SELECT 1 FROM whodunit_context WHERE connection = CONNECTION_ID() AND maintenance) THEN
  SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'whodunit: the history is append-only';
END IF`, name, strings.ToUpper(event), table))
			}
		}
	}
	return statements
}

// mysqlTrigger finds the change set: that of the context, or, where nobody
// told, one for the statement, whose time does not move while it runs. It looks
// for that of the context once in a statement: untell ends what it found.
const mysqlTrigger = `CREATE TRIGGER %s AFTER %s ON %s FOR EACH ROW
BEGIN /* whodunit */
  IF %s THEN
    IF NOT (@whodunit_told <=> 1 AND @whodunit_at <=> UTC_TIMESTAMP(6)) THEN
    BEGIN
      DECLARE opened bigint DEFAULT (SELECT coalesce(change_set, 0) FROM whodunit_context WHERE connection = CONNECTION_ID() AND active AND NOT maintenance);
      DECLARE said boolean DEFAULT opened IS NOT NULL;
      IF opened = 0 THEN
        INSERT INTO whodunit_change_sets (at, database_user, %s)
        SELECT UTC_TIMESTAMP(6), USER(), %[5]s FROM whodunit_context WHERE connection = CONNECTION_ID() AND NOT maintenance;
        SET opened = LAST_INSERT_ID();
        UPDATE whodunit_context SET change_set = opened WHERE connection = CONNECTION_ID() AND NOT maintenance;
      ELSEIF opened IS NULL AND @whodunit_told = 0 AND @whodunit_at = UTC_TIMESTAMP(6) THEN
        SET opened = (SELECT id FROM whodunit_change_sets WHERE id = @whodunit_change_set);
      END IF;
      IF opened IS NULL THEN
        INSERT INTO whodunit_change_sets (at, database_user) VALUES (UTC_TIMESTAMP(6), USER());
        SET opened = LAST_INSERT_ID();
      END IF;
      SET @whodunit_told = said, @whodunit_at = UTC_TIMESTAMP(6), @whodunit_change_set = opened;
    END;
    END IF;
    INSERT INTO whodunit_changes (change_set, table_name, row_key, composite, action, fields)
    VALUES (@whodunit_change_set, %s, %s, %t, %s, CONCAT('[', CONCAT_WS(',',
      %s), ']'));
  END IF;
END`

func (d mysqlDialect) triggers(t table) []string {
	key := func(row string) string { return d.key(t, row) }
	create := func(event, when, key, action string, field func(c column) string) string {
		return fmt.Sprintf(mysqlTrigger, d.triggerName(t, event), strings.ToUpper(event), quoteTable(t.name, d.quote),
			when, strings.Join(attributionColumns[:], ", "), d.literal(t.name), key, len(t.keys) > 1, action,
			mapColumns(t.columns, ",\n      ", field))
	}
	return marked([]string{
		create("insert", "TRUE", key("NEW"), "'create'", func(c column) string {
			return d.field(c, "NEW."+d.quote(c.name)+" IS NOT NULL", "NULL", d.text("NEW", c))
		}),
		create("update", mapColumns(t.watched(), " OR\n    ", d.differs), key("OLD"), actionOf(t, d.quote), func(c column) string {
			return d.field(c, d.differs(c), d.text("OLD", c), d.text("NEW", c))
		}),
		create("delete", "TRUE", key("OLD"), "'delete'", func(c column) string {
			return d.field(c, "OLD."+d.quote(c.name)+" IS NOT NULL", d.text("OLD", c), "NULL")
		}),
	})
}

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

func (d mysqlDialect) field(c column, when, before, after string) string {
	values := ", " + before + ", " + after
	if c.redact {
		values = ""
	}
	return fmt.Sprintf("IF(%s, JSON_ARRAY(%s, '%s'%s), NULL)", when, d.literal(c.name), c.letter(), values)
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
		return "CAST(UNIX_TIMESTAMP(" + value + ") AS CHAR)"
	case kindInteger, kindBool:
		return "CAST(" + value + " + 0 AS CHAR)" // + 0 for BIT
	case kindText:
		return "CONVERT(" + value + " USING utf8mb4)"
	}
	return "CAST(" + value + " AS CHAR)"
}

// differs compares bytes: collations think 'a' equal to 'A', and to 'a '.
func (d mysqlDialect) differs(c column) string {
	before, after := "OLD."+d.quote(c.name), "NEW."+d.quote(c.name)
	if c.kind == kindText {
		before, after = "CAST("+before+" AS BINARY)", "CAST("+after+" AS BINARY)"
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

func (d mysqlDialect) dropTriggers(t table) []string {
	var statements []string
	for _, event := range []string{"insert", "update", "delete"} {
		statements = append(statements, "DROP TRIGGER IF EXISTS "+d.triggerName(t, event))
	}
	return statements
}

func (d mysqlDialect) installed(db *gorm.DB) (map[string]installation, error) {
	return readInstalled(db, `SELECT EVENT_OBJECT_TABLE, ACTION_STATEMENT FROM information_schema.TRIGGERS
WHERE TRIGGER_SCHEMA = DATABASE() AND ACTION_STATEMENT LIKE '%/* whodunit:%'`)
}

// migrated warns of foreign keys whose cascades no trigger sees.
func (d mysqlDialect) migrated(db *gorm.DB, tables []table) error {
	audited := map[string]bool{}
	for _, t := range tables {
		audited[t.name] = true
	}
	rows, err := db.Statement.ConnPool.QueryContext(db.Statement.Context, `SELECT TABLE_NAME, CONSTRAINT_NAME, DELETE_RULE, UPDATE_RULE
FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = DATABASE()`)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name, constraint, onDelete, onUpdate string
		if err := rows.Scan(&name, &constraint, &onDelete, &onUpdate); err != nil {
			return err
		}
		if audited[name] && (cascades(onDelete) || cascades(onUpdate)) {
			db.Logger.Warn(db.Statement.Context, "history: table %q: foreign key %q cascades (ON DELETE %s, ON UPDATE %s): "+
				"the database hides such changes from triggers, they are not recorded", name, constraint, onDelete, onUpdate)
		}
	}
	return rows.Err()
}

func cascades(rule string) bool {
	return rule == "CASCADE" || rule == "SET NULL" || rule == "SET DEFAULT"
}

// tell sends literals: with placeholders the driver would prepare first, a
// round trip more.
func (d mysqlDialect) setActor(ctx context.Context, pool gorm.ConnPool, a attribution) (int64, error) {
	ticket := rand.Int64()
	var b strings.Builder
	b.WriteString("REPLACE INTO whodunit_context (connection, active, told_at, ticket, " + strings.Join(attributionColumns[:], ", ") + ") VALUES (CONNECTION_ID(), true, UTC_TIMESTAMP(6), ")
	b.WriteString(strconv.FormatInt(ticket, 10))
	for _, value := range a.values() {
		if value == "" {
			b.WriteString(", NULL")
		} else {
			b.WriteString(", " + hexText(value))
		}
	}
	b.WriteString(")")
	_, err := unprepared(pool).ExecContext(ctx, b.String())
	return ticket, err
}

// mysqlTold is the context that was told, mysqlFound that a trigger found a change
// set in it.
const (
	mysqlTold  = " WHERE connection = CONNECTION_ID() AND NOT maintenance"
	mysqlFound = "EXISTS (SELECT 1 FROM whodunit_change_sets WHERE id = @whodunit_change_set)"
	mysqlEnd   = "UPDATE whodunit_context SET active = (@whodunit_told := NULL) IS NOT NULL" + mysqlTold
)

func (d mysqlDialect) resumeActor(ctx context.Context, pool gorm.ConnPool, ticket int64) (bool, error) {
	return affects(unprepared(pool).ExecContext(ctx, "UPDATE whodunit_context SET active = 1"+mysqlTold+" AND ticket = "+
		strconv.FormatInt(ticket, 10)))
}

// untell also ends what the triggers know: not every time is another one where a
// session has set its timestamp.
func (d mysqlDialect) clearActor(ctx context.Context, pool gorm.ConnPool, _ int64) error {
	pool = unprepared(pool)
	ended, err := affects(pool.ExecContext(ctx, mysqlEnd+" AND (NOT (@whodunit_told <=> 1) OR "+mysqlFound+")"))
	if ended || err != nil {
		return err
	}
	// A routine that the statement called has rolled back a part of it, and with
	// that the change set that others of its changes are in.
	who := strings.Join(attributionColumns[:], ", ")
	if _, err := pool.ExecContext(ctx, "INSERT INTO whodunit_change_sets (id, at, database_user, "+who+") SELECT @whodunit_change_set, UTC_TIMESTAMP(6), USER(), "+
		who+" FROM whodunit_context"+mysqlTold+" AND @whodunit_told <=> 1 AND NOT "+mysqlFound+
		" AND EXISTS (SELECT 1 FROM whodunit_changes WHERE change_set = @whodunit_change_set)"); err != nil {
		return err
	}
	_, err = pool.ExecContext(ctx, mysqlEnd)
	return err
}

// unprepared is the transaction under GORM's cache of prepared statements,
// which a text that is never the same twice would fill.
func unprepared(pool gorm.ConnPool) gorm.ConnPool {
	if tx, ok := pool.(*gorm.PreparedStmtTX); ok && tx.Tx != nil {
		return tx.Tx
	}
	return pool
}

func (d mysqlDialect) checkpoint(context.Context, gorm.ConnPool, int64) error { return nil }

func (d mysqlDialect) perTransaction() bool      { return false }
func (d mysqlDialect) at() string                { return "CAST(change_sets.at AS CHAR)" }
func (d mysqlDialect) time() string              { return "change_sets.at" }
func (d mysqlDialect) instant() string           { return "CAST(? AS DATETIME(6))" }
func (d mysqlDialect) inSet(int64) string        { return "changes.change_set = ?" }
func (d mysqlDialect) set() string               { return "changes.change_set" }
func (d mysqlDialect) join() string              { return "change_sets.id = changes.change_set" }
func (d mysqlDialect) within(sets string) string { return inSets(sets) }
func (d mysqlDialect) packed() string            { return "changes.fields" }

// actorID compares bytes too: the collation takes "42 " for "42". The first
// condition is what the index serves.
func (d mysqlDialect) actorID(column string) string {
	return column + " = ? AND CAST(" + column + " AS BINARY) = CAST(CONVERT(? USING utf8mb4) AS BINARY)"
}

func (d mysqlDialect) rowKey() string {
	return "changes.row_key = @key AND CAST(changes.row_key AS BINARY) = CAST(CONVERT(@key USING utf8mb4) AS BINARY)"
}

// zone reads back as a time in the zone that the driver was configured with,
// which is that of the application's DATETIMEs.
func (d mysqlDialect) zone() string { return "TIMESTAMP'2000-01-01 00:00:00'" }

func (d mysqlDialect) fields(_ *gorm.DB, records []record) (map[int64][]Field, error) {
	return parseFields(records)
}

func (d mysqlDialect) maintain(tx *gorm.DB, on bool) error {
	if on {
		return exec(tx, "REPLACE INTO whodunit_context (connection, maintenance, active, ticket) VALUES (CONNECTION_ID(), true, false, 0)")
	}
	return exec(tx, "DELETE FROM whodunit_context WHERE connection = CONNECTION_ID() AND maintenance")
}

func (d mysqlDialect) prune(tx *gorm.DB, before time.Time, limit int) (int64, bool, error) {
	var ids []int64
	const old = "SELECT id FROM whodunit_change_sets WHERE at < CAST(? AS DATETIME(6)) ORDER BY at LIMIT ?"
	if err := tx.Raw(old, instantOf(before), limit).Scan(&ids).Error; err != nil {
		return 0, false, err
	}
	n, err := deleteSets(tx, ids)
	if err == nil {
		err = d.forgetConnections(tx, before)
	}
	return n, n == int64(limit), err
}

// deleteSets deletes change sets with their changes.
func deleteSets(tx *gorm.DB, ids []int64) (int64, error) {
	if len(ids) == 0 {
		return 0, nil
	}
	if err := tx.Exec("DELETE FROM whodunit_changes WHERE change_set IN ?", ids).Error; err != nil {
		return 0, err
	}
	return int64(len(ids)), tx.Exec("DELETE FROM whodunit_change_sets WHERE id IN ?", ids).Error
}

// forgetConnections deletes what connections were told that are long gone. It
// looks them up first, for a DELETE locks all rows that it reads.
func (d mysqlDialect) forgetConnections(tx *gorm.DB, before time.Time) error {
	const gone = "told_at < CAST(? AS DATETIME(6)) AND NOT active AND NOT maintenance"
	var ids []int64
	if err := tx.Raw("SELECT connection FROM whodunit_context WHERE "+gone, instantOf(before)).Scan(&ids).Error; err != nil || len(ids) == 0 {
		return err
	}
	return tx.Exec("DELETE FROM whodunit_context WHERE connection IN ? AND NOT maintenance AND "+gone, ids, instantOf(before)).Error
}

func (d mysqlDialect) recordAnonymization(tx *gorm.DB, a attribution, record map[string]any) error {
	if err := tx.Exec(insertChangeSet("UTC_TIMESTAMP(6)", "USER()"), a.args()...).Error; err != nil {
		return err
	}
	var id int64
	if err := tx.Raw("SELECT LAST_INSERT_ID()").Scan(&id).Error; err != nil {
		return err
	}
	record["change_set"], record["fields"] = id, "[]"
	return tx.Table(changesTable).Create(record).Error
}

// hint explains the error that creating triggers runs into.
func (d mysqlDialect) hint(err error) error {
	if err != nil && strings.Contains(err.Error(), "Error 1419") {
		return errors.Join(err, errors.New("history: with the binary log on, creating triggers needs the SUPER privilege or log_bin_trust_function_creators=1"))
	}
	return err
}

func (d mysqlDialect) locate(*gorm.DB) (dialect, error) { return d, nil }
func (d mysqlDialect) migratesInTransaction() bool      { return false }
func (d mysqlDialect) keepsRightTriggers() bool         { return true }
func (d mysqlDialect) nativeKeys() bool                 { return false }
func (d mysqlDialect) compilesTriggers() bool           { return false }

func (d mysqlDialect) lockForWrite(context.Context, gorm.ConnPool) {}
