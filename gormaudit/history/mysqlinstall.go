package history

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"gorm.io/gorm"
)

const mysqlCatalogue = `SELECT 'home', NULL, DATABASE(), VERSION(), NULL, NULL
UNION ALL SELECT 'own', NULL, LOWER(TABLE_NAME), COLUMN_NAME, NULL, NULL FROM information_schema.COLUMNS
  WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN ('whodunit_change_sets', 'whodunit_changes', 'whodunit_context')
UNION ALL SELECT 'open', NULL, ROUTINE_NAME, NULL, DEFINER, ROUTINE_COMMENT FROM information_schema.ROUTINES
  WHERE ROUTINE_SCHEMA = DATABASE() AND ROUTINE_NAME IN ('whodunit_set_actor', 'whodunit_clear_actor', 'whodunit_rights')
UNION ALL SELECT IF(LEFT(TRIGGER_NAME, 16) = 'whodunit_refuse_', 'refusal', 'trigger'), NULL, EVENT_OBJECT_TABLE, NULL, DEFINER, ACTION_STATEMENT
  FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = DATABASE() AND LEFT(TRIGGER_NAME, 9) = 'whodunit_'
UNION ALL SELECT 'column', NULL, TABLE_NAME, COLUMN_NAME, NULL, NULL FROM information_schema.COLUMNS
  WHERE TABLE_SCHEMA = DATABASE()`

func (d mysqlDialect) catalogue(db *gorm.DB) (*catalogue, error) {
	c := newCatalogue("")
	err := c.read(db, mysqlCatalogue, func(kind string, v [5]*string) {
		name := textOf(v[1])
		switch kind {
		case "home":
			c.home, c.mariadb = name, strings.Contains(textOf(v[2]), "MariaDB")
		case "own":
			c.addOwn(name, textOf(v[2]))
		case "refusal":
			c.refusals++
		case "open":
			c.addOwn(name, "")
			if name == "whodunit_clear_actor" {
				c.mark, c.definer = markIn(textOf(v[4])), strings.TrimSuffix(textOf(v[3]), "@")
			}
		case "trigger":
			c.table(name).add(v[4])
			c.table(name).definer = strings.TrimSuffix(textOf(v[3]), "@")
		case "column":
			c.table(name).columns[textOf(v[2])] = true
		}
	})
	for _, i := range c.tables {
		i.spell()
	}
	return c, err
}

// in keeps a role as the definer that an earlier migration chose.
func (d mysqlDialect) in(c *catalogue, o Options) generator {
	definer := o.Definer
	if definer == "" && !o.Exact && !strings.Contains(c.definer, "@") {
		definer = c.definer
	}
	return mysqlDialect{mariadb: c.mariadb, definer: definer}
}

// mayMigrate tries what a migration does on a table of its own.
func (d mysqlDialect) mayMigrate(db *gorm.DB, m *migration) error {
	if !m.pending() {
		return nil
	}
	name := fmt.Sprintf("whodunit_probe_%x", rand.Int64())
	defer func() { _ = exec(db, "DROP TABLE IF EXISTS "+name) }()
	statements := append([]string{"CREATE TABLE " + name + " (id int)"},
		d.replace("TRIGGER", name, " BEFORE DELETE ON "+name+" FOR EACH ROW DO 0")...)
	if err := execAll(db, d.defined(statements)); err != nil {
		return fmt.Errorf("history: the account can't create tables and triggers: %w", d.hint(err))
	}
	procedure := append(d.defined(d.replace("PROCEDURE", name, "() DO 0")), "DROP PROCEDURE "+name)
	if err := execAll(db, procedure); err != nil {
		return fmt.Errorf("history: the account can't create procedures: %w", err)
	}
	return nil
}

// migrate works on one connection, whose wait for a lock it bounds: whoever comes
// after it waits as long.
func (d mysqlDialect) migrate(db *gorm.DB, m *migration) error {
	if _, err := db.DB(); err != nil || inTransaction(db) {
		return d.migrateOn(db, m) // it is one connection already
	}
	return db.Connection(func(conn *gorm.DB) error {
		conn = conn.Session(&gorm.Session{})
		return d.migrateOn(conn, m)
	})
}

func (d mysqlDialect) migrateOn(db *gorm.DB, m *migration) (err error) {
	quiet := uncached(db)
	var before int64
	if err := quiet.Raw("SELECT @@session.lock_wait_timeout").Scan(&before).Error; err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, exec(quiet, fmt.Sprintf("SET SESSION lock_wait_timeout = %d", before)))
	}()
	if err := exec(quiet, "SET SESSION lock_wait_timeout = 1"); err != nil {
		return err
	}
	if !m.pending() {
		return retry(contextOf(db), isBusyMySQL, func() error { return autoMigrate(db, m.models...) })
	}
	lock := d.literal("whodunit_" + fingerprint(m.found.home))
	return retry(contextOf(db), isBusyMySQL, func() error {
		var got int
		if err := quiet.Raw("SELECT GET_LOCK(" + lock + ", 5)").Scan(&got).Error; err != nil {
			return err
		}
		if got != 1 {
			return errors.New("Error 1205: another program migrates")
		}
		defer func() { _ = exec(quiet, "DO RELEASE_LOCK("+lock+")") }()
		if err := m.plan(db); err != nil {
			return err
		}
		if err := m.writeObjects(db); err != nil {
			return d.hint(err)
		}
		if err := autoMigrate(db, m.models...); err != nil {
			return err
		}
		return d.hint(d.writeRecord(quiet, m))
	})
}

// writeRecord locks a table that gets its first triggers, or was renamed, and writes its
// definition anew: MariaDB does not see by the triggers that a statement which
// others have prepared must be prepared again, and then lacks the history's tables.
func (d mysqlDialect) writeRecord(db *gorm.DB, m *migration) error {
	for _, t := range m.stale {
		name := quoteTable(t.name, d.quote)
		statements := append(m.dropFormer(t), d.record(t)...)
		if has := m.found.of(t.name); d.mariadb && (has.triggers == 0 || has.former(t) != "") {
			var comment string
			if err := db.Raw("SELECT TABLE_COMMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?", t.name).Scan(&comment).Error; err != nil {
				return err
			}
			if err := exec(db, "LOCK TABLES "+name+" WRITE"); err != nil {
				return fmt.Errorf("history: table %q: %w", t.name, err)
			}
			statements = append(statements, "ALTER TABLE "+name+" COMMENT = "+d.literal(comment))
		}
		err := execAll(db, statements)
		if d.mariadb {
			err = errors.Join(err, exec(db, "UNLOCK TABLES"))
		}
		if err != nil {
			return fmt.Errorf("history: table %q: creating triggers: %w", t.name, err)
		}
		if err := m.recordRename(db, t); err != nil {
			return err
		}
	}
	return nil
}

// hint explains the error that creating triggers runs into.
func (d mysqlDialect) hint(err error) error {
	if err != nil && strings.Contains(err.Error(), "Error 1419") {
		return errors.Join(err, errors.New("with the binary log on, creating triggers needs the SUPER privilege or log_bin_trust_function_creators=1"))
	}
	return err
}

// warnOfCascades warns of foreign keys whose cascades no trigger sees.
func (d mysqlDialect) warnOfCascades(db *gorm.DB, tables []table) error {
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

var mysqlProcedures = []string{"whodunit_set_actor", "whodunit_clear_actor", "whodunit_rights"}

func (d mysqlDialect) parts() []string {
	return append([]string{changeSetsTable, changesTable, contextTable}, mysqlProcedures...)
}

// verify asks for the definer's rights, and runs a procedure that does nothing outside a
// statement, as the definer. An account may lack the right to do either.
func (d mysqlDialect) verify(db *gorm.DB, c *catalogue, tables []table) error {
	if err := d.checkAccount(db, c); err != nil {
		return err
	}
	rights, err := readNames(db, "CALL whodunit_rights()")
	if err == nil && c.mariadb {
		if err := d.checkDefiner(c, tables, rights); err != nil {
			return err
		}
	}
	if err == nil || isDenied(err) || isMissingRoutine(err) {
		err = exec(db, "CALL "+mysqlClearing)
	}
	switch {
	case isMissingTable(err):
		return &TableError{Table: changesTable, Err: fmt.Errorf("%w: %w", ErrIncomplete, err)}
	case err != nil && !isDenied(err) && !isMissingRoutine(err):
		return &TableError{Table: changesTable, Err: fmt.Errorf("%w (Options.Definer?): %w", ErrDefiner, err)}
	case len(tables) > 0:
		return d.checkProcedures(db, c, isMissingRoutine(err))
	}
	return nil
}

// checkAccount warns of an account that can change what is recorded, and is an error if
// there is no table for that.
func (d mysqlDialect) checkAccount(db *gorm.DB, c *catalogue) error {
	var account string
	if err := db.Raw("SELECT CURRENT_USER()").Scan(&account).Error; err != nil {
		return err
	}
	err := exec(db, "DELETE FROM whodunit_changes WHERE FALSE")
	switch {
	case isMissingTable(err):
		return incomplete(changesTable)
	case err == nil && account != c.definer:
		db.Logger.Warn(contextOf(db), "history: the account %s may change what is recorded: grant it rights on tables, not on the database (schema.md)", account)
	case err != nil && !isDenied(err):
		return err
	}
	return nil
}

// checkProcedures is an error if a procedure is missing, as the account is shown. An
// account that is not shown any may know by a call.
func (d mysqlDialect) checkProcedures(db *gorm.DB, c *catalogue, called bool) error {
	missing := c.lacks(mysqlProcedures)
	if len(missing) == 0 {
		return nil
	}
	var shown int // the rights by which an account is shown all procedures of a database
	err := db.Raw(`SELECT COUNT(*) FROM (SELECT PRIVILEGE_TYPE FROM information_schema.SCHEMA_PRIVILEGES WHERE DATABASE() LIKE TABLE_SCHEMA
UNION ALL SELECT PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES) AS held WHERE PRIVILEGE_TYPE IN ('CREATE ROUTINE', 'ALTER ROUTINE', 'EXECUTE')`).Scan(&shown).Error
	if err != nil || shown > 0 || called {
		return errors.Join(err, incomplete(missing...))
	}
	return nil
}

// checkDefiner is an error for each table on which the definer lacks a right.
func (d mysqlDialect) checkDefiner(c *catalogue, tables []table, rights map[string]bool) error {
	has := make(map[string]bool, len(rights))
	for right := range rights {
		has[strings.ToLower(right)] = true // a mark may spell a column in another case
	}
	lacks := func(table, column string, needed ...string) error {
		for _, right := range needed {
			switch {
			case has[strings.ToLower(right+" "+table+" "+column)]:
			case c.own[table] == nil && slices.Contains(d.parts(), table):
				return incomplete(table) // nobody is shown it
			default:
				return &TableError{Table: table, Err: fmt.Errorf("%w: %s lacks %s (schema.md)", ErrDefiner, c.definer, right)}
			}
		}
		return nil
	}
	errs := []error{
		lacks(changeSetsTable, "id", "SELECT", "INSERT"), lacks(changesTable, "id", "SELECT", "INSERT"), lacks(contextTable, "connection", "SELECT", "INSERT", "UPDATE"),
	}
	if c.refusals > 0 {
		errs = append(errs, lacks(changeSetsTable, "", "TRIGGER"), lacks(changesTable, "", "TRIGGER"))
	}
	for _, t := range tables {
		found := c.of(t.name)
		if found.triggers == 0 || found.definer != c.definer {
			continue
		}
		name := t.name[strings.LastIndexByte(t.name, '.')+1:]
		err := lacks(name, "", "TRIGGER")
		for _, column := range found.mark.Columns {
			if err == nil && found.columns[column.Name] {
				err = lacks(name, column.Name, "SELECT")
			}
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// elsewhere is nowhere: a trigger is in the database of its table.
func (d mysqlDialect) elsewhere(*gorm.DB, []string, bool) (table, home string, err error) {
	return "", "", nil
}
func (d mysqlDialect) claim(table) []string { return nil }

const mysqlKeys = `SELECT 'table', CREATE_OPTIONS, NULL FROM information_schema.TABLES WHERE %[1]s AND TABLE_TYPE = 'BASE TABLE'
UNION ALL SELECT 'column', NULL, COLUMN_NAME FROM information_schema.COLUMNS WHERE %[1]s
UNION ALL SELECT 'index', INDEX_NAME, IF(NULLABLE = 'YES', NULL, COLUMN_NAME) FROM information_schema.STATISTICS WHERE %[1]s AND NON_UNIQUE = 0`

func (d mysqlDialect) storedKeys(db *gorm.DB, table string) (storedKeys, error) {
	return readKeys(db, fmt.Sprintf(mysqlKeys, d.isTable(table)))
}
