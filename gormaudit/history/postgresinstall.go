package history

import (
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"gorm.io/gorm"
)

// postgresCatalogue asks for what the home has, in rows of a kind, a schema, a
// name, a detail, whether the schema need not be named or a function may be run
// by others, and a text.
const postgresCatalogue = `WITH home AS (
  SELECT oid, nspname FROM pg_catalog.pg_namespace WHERE nspname = current_schema()
), attached AS (
  SELECT t.tgrelid AS relation, n.nspname AS namespace, c.relname, pg_catalog.pg_table_is_visible(c.oid) AS visible, t.tgname, p.prosrc,
    EXISTS (SELECT 1 FROM pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) AS a WHERE a.grantee <> p.proowner) AS exposed
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
  WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgparentid = 0 AND p.pronamespace = (SELECT oid FROM home)
  AND t.tgname IN ('whodunit_insert', 'whodunit_update', 'whodunit_delete', 'whodunit_truncate')
)
SELECT 'home', NULL, (SELECT nspname FROM home)::text, current_setting('server_version_num'), NULL, NULL
UNION ALL SELECT 'own', NULL, c.relname::text, a.attname::text, NULL, NULL
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
  WHERE c.relnamespace = (SELECT oid FROM home) AND c.relname IN ('whodunit_change_sets', 'whodunit_changes') AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL SELECT 'refusal', NULL, c.relname::text, NULL, NULL, NULL
  FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
  WHERE c.relnamespace = (SELECT oid FROM home) AND t.tgname IN ('whodunit_refuse', 'whodunit_refuse_truncate') AND t.tgenabled <> 'D'
UNION ALL SELECT 'open', NULL, p.proname::text, NULL,
    EXISTS (SELECT 1 FROM pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) AS a WHERE a.grantee <> p.proowner)::text, p.prosrc
  FROM pg_catalog.pg_proc p WHERE p.pronamespace = (SELECT oid FROM home) AND p.proname = 'whodunit_open_set'
UNION ALL SELECT 'trigger', namespace::text, relname::text, visible::text, exposed::text, prosrc FROM attached
UNION ALL SELECT DISTINCT 'column', namespace::text, relname::text, visible::text, a.attname::text, NULL
  FROM attached JOIN pg_catalog.pg_attribute a ON a.attrelid = relation WHERE a.attnum > 0 AND NOT a.attisdropped`

func (d postgresDialect) catalogue(db *gorm.DB) (*catalogue, error) {
	c := newCatalogue("")
	err := c.read(db, postgresCatalogue, func(kind string, v [5]*string) {
		table := textOf(v[0]) + "." + textOf(v[1])
		if textOf(v[2]) == "true" {
			c.tables[textOf(v[1])] = c.table(table)
		}
		switch kind {
		case "home":
			c.home = textOf(v[1])
			c.version, _ = strconv.Atoi(textOf(v[2]))
		case "own":
			c.addOwn(textOf(v[1]), textOf(v[2]))
		case "refusal":
			c.refusals++
		case "open":
			c.mark, c.exposed = markIn(textOf(v[4])), textOf(v[3]) == "true"
			c.addOwn(textOf(v[1]), "")
		case "trigger":
			c.table(table).add(v[4])
			c.table(table).exposed = textOf(v[3]) == "true"
		case "column":
			c.table(table).columns[textOf(v[3])] = true
		}
	})
	if err == nil && c.home == "" {
		err = errors.New("the connection has no current schema (search_path, or USAGE on the schema?)")
	}
	return c, err
}

func (d postgresDialect) in(c *catalogue, _ Options) generator {
	return postgresDialect{home: c.home, chunks: c.version >= 170000}
}

// postgresElsewhere asks for the schema of the functions that the triggers of a relation
// call, if that is not the home.
const postgresElsewhere = `SELECT max(n.nspname::text) FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
  WHERE t.tgrelid = to_regclass(%s) AND t.tgname IN ('whodunit_insert', 'whodunit_update', 'whodunit_delete', 'whodunit_truncate') AND n.nspname <> %s`

func (d postgresDialect) elsewhere(db *gorm.DB, tables []string, here bool) (table, home string, err error) {
	values := make([]string, len(tables))
	for i, name := range tables {
		values[i] = "(" + d.literal(name) + ", " + d.literal(d.relation(name, here)) + ")"
	}
	query := "SELECT name, home FROM (VALUES " + strings.Join(values, ", ") + ") AS asked (name, relation), LATERAL (" +
		fmt.Sprintf(postgresElsewhere, "relation", "current_schema()") + ") AS found (home) WHERE home IS NOT NULL LIMIT 1"
	err = poolOf(db).QueryRowContext(contextOf(db), query).Scan(&table, &home)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return table, home, err
}

// relation is the quoted name of a table. If here, it has the home's in front.
func (d postgresDialect) relation(table string, here bool) string {
	if here && !strings.Contains(table, ".") {
		return d.qualified(table)
	}
	return quoteTable(table, quoteDouble)
}

func (d postgresDialect) claim(t table) []string {
	body := fmt.Sprintf(`
DECLARE
  _home text := (`+postgresElsewhere+`);
BEGIN
  IF _home IS NOT NULL THEN
    RAISE EXCEPTION USING MESSAGE = %s || quote_ident(_home) || ' (history.Drop, or drop of history.SQL, there first?)';
  END IF;
END
`, d.literal(quoteTable(t.name, quoteDouble)), d.literal(d.home), d.literal("whodunit: table "+t.name+": another schema's history records it: that of "))
	tag := dollarTag(body)
	return []string{"DO " + tag + body + tag}
}

// mayMigrate asks for the rights on the schema and on the tables that are there.
func (d postgresDialect) mayMigrate(db *gorm.DB, m *migration) error {
	if !m.pending() {
		return nil
	}
	for _, t := range m.stale {
		var lacks *string
		row := db.Statement.ConnPool.QueryRowContext(contextOf(db), `SELECT CASE
  WHEN NOT has_schema_privilege(current_schema(), 'CREATE') THEN 'the account lacks a right: CREATE on the schema ' || current_schema()
  WHEN to_regclass($1) IS NOT NULL AND NOT has_table_privilege(to_regclass($1), 'TRIGGER') THEN 'the account lacks a right: TRIGGER on the table'
  WHEN to_regprocedure($2) IS NOT NULL AND NOT pg_has_role((SELECT proowner FROM pg_catalog.pg_proc WHERE oid = to_regprocedure($2)), 'MEMBER')
    THEN 'the account lacks a right: it does not own the function that records it' END`, d.relation(t.name, true), d.functionOf(t)+"()")
		if err := row.Scan(&lacks); err != nil {
			return fmt.Errorf("history: asking for the account's rights: %w", err)
		}
		if lacks != nil {
			return fmt.Errorf("history: table %q: %s", t.name, *lacks)
		}
	}
	return nil
}

// postgresPatience is how long a statement of a migration waits for a lock, and
// so how long it holds up those who come after it. It is shorter than
// deadlock_timeout: where there is a deadlock, the migration gives way.
const postgresPatience = "200ms"

// migrate migrates one model after the other, each in a transaction: it does not hold
// one table while it waits for another, unless an association leads there.
func (d postgresDialect) migrate(db *gorm.DB, m *migration) error {
	for _, model := range m.models {
		if err := d.inTurn(db, m, func(tx *gorm.DB) error {
			if err := autoMigrate(tx, model); err != nil {
				return err
			}
			return m.only(tx, model).writeFunctions(tx)
		}); err != nil {
			return err
		}
	}
	attached := func(t table) bool {
		has := m.found.of(t.name)
		return has.triggers >= d.triggerCount() && has.former(t) == ""
	}
	for _, t := range m.tables {
		if attached(t) {
			continue
		}
		if err := d.inTurn(db, m, func(tx *gorm.DB) error {
			if attached(t) {
				return nil // another program has
			}
			if err := execAll(uncached(tx), d.attach(t)); err != nil {
				return err
			}
			return m.recordRename(tx, t)
		}); err != nil {
			return fmt.Errorf("history: table %q: creating triggers: %w", t.name, err)
		}
	}
	return nil
}

// writeFunctions leaves the function of a table's old name, which its triggers call
// until they are replaced.
func (m *migration) writeFunctions(db *gorm.DB) error {
	for _, t := range m.stale {
		if err := execAll(uncached(db), m.dialect.record(t)); err != nil {
			return fmt.Errorf("history: table %q: creating its function: %w", t.name, err)
		}
	}
	return nil
}

// inTurn runs f in a transaction, after the history's own objects are there. While
// there is anything to do, programs that migrate the same home take turns.
func (d postgresDialect) inTurn(db *gorm.DB, m *migration, f func(tx *gorm.DB) error) error {
	return retry(contextOf(db), isBusyPostgres, func() error {
		return db.Transaction(func(tx *gorm.DB) error {
			var before string
			quiet := uncached(tx)
			if err := quiet.Raw("SELECT current_setting('lock_timeout')").Scan(&before).Error; err != nil {
				return err
			}
			const set = "SELECT set_config('lock_timeout', $1, true)"
			if err := exec(quiet, set, postgresPatience); err != nil {
				return err
			}
			if m.pending() {
				if err := exec(quiet, "SELECT pg_advisory_xact_lock(hashtextextended('whodunit ' || $1, 0))", d.home); err != nil {
					return err
				}
				if err := m.plan(tx); err != nil {
					return err
				}
				if err := m.writeObjects(tx); err != nil {
					return err
				}
			}
			if err := f(tx); err != nil {
				return err
			}
			return exec(quiet, set, before)
		})
	})
}

func (d postgresDialect) warnOfCascades(*gorm.DB, []table) error { return nil }

func (d postgresDialect) parts() []string {
	return []string{changeSetsTable, changesTable, postgresOpenName}
}

// postgresOwners asks for an owner of the functions that a table's triggers run who lacks
// a right that the functions need, and for the right.
const postgresOwners = `SELECT pg_catalog.pg_get_userbyid(owner), lacks FROM (
  SELECT p.proowner AS owner, CASE WHEN NOT has_schema_privilege(p.proowner, p.pronamespace, 'USAGE') THEN 'USAGE on the schema'
    WHEN NOT has_table_privilege(p.proowner, to_regclass($2), 'INSERT') THEN 'INSERT on whodunit_changes'
    WHEN NOT has_function_privilege(p.proowner, to_regprocedure($4), 'EXECUTE') THEN 'EXECUTE on whodunit_open_set()' END AS lacks
  FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
  WHERE t.tgrelid = to_regclass($1) AND NOT t.tgisinternal AND p.pronamespace = current_schema()::regnamespace AND starts_with(t.tgname::text, 'whodunit_')
  UNION ALL SELECT p.proowner, CASE WHEN NOT has_schema_privilege(p.proowner, p.pronamespace, 'USAGE') THEN 'USAGE on the schema'
    WHEN NOT has_table_privilege(p.proowner, to_regclass($3), 'INSERT') THEN 'INSERT on whodunit_change_sets'
    WHEN NOT has_column_privilege(p.proowner, to_regclass($3), 'id', 'SELECT') THEN 'SELECT on whodunit_change_sets' END
  FROM pg_catalog.pg_proc p WHERE p.oid = to_regprocedure($4)
) AS owners WHERE lacks IS NOT NULL LIMIT 1`

// checkOwners is an error for each table whose triggers run as somebody who lacks a right.
func (d postgresDialect) checkOwners(db *gorm.DB, tables []table) error {
	var errs []error
	for _, t := range tables {
		var owner, lacks string
		row := poolOf(db).QueryRowContext(contextOf(db), postgresOwners,
			quoteTable(t.name, quoteDouble), d.qualified(changesTable), d.qualified(changeSetsTable), d.qualified(postgresOpenName)+"()")
		switch err := row.Scan(&owner, &lacks); {
		case err == nil:
			errs = append(errs, &TableError{Table: t.name, Err: fmt.Errorf("%w: %s lacks %s (schema.md)", ErrDefiner, owner, lacks)})
		case !errors.Is(err, sql.ErrNoRows):
			return fmt.Errorf("history: asking for the rights of the functions' owners: %w", err)
		}
	}
	return errors.Join(errs...)
}

// verify warns of an account that GRANT … ON ALL TABLES or ALTER DEFAULT PRIVILEGES
// gave the history, too.
func (d postgresDialect) verify(db *gorm.DB, c *catalogue, tables []table) error {
	if missing := c.lacks(d.parts()); len(missing) > 0 && len(tables) > 0 {
		return incomplete(missing...)
	}
	if err := d.checkOwners(db, tables); err != nil {
		return err
	}
	var account *string
	row := db.Statement.ConnPool.QueryRowContext(contextOf(db), `SELECT max(current_user::text) FROM pg_catalog.pg_class c
  WHERE c.oid IN (to_regclass($1), to_regclass($2)) AND NOT pg_has_role(c.relowner, 'MEMBER') AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')`,
		d.qualified(changeSetsTable), d.qualified(changesTable))
	if err := row.Scan(&account); err != nil {
		return fmt.Errorf("history: asking for the account's rights: %w", err)
	}
	if account != nil {
		db.Logger.Warn(contextOf(db), "history: the account %s may change what is recorded: grant it rights on tables, not on all of a schema (schema.md)", *account)
	}
	return nil
}

const postgresKeys = `WITH own AS (SELECT oid, relkind FROM pg_catalog.pg_class WHERE oid = to_regclass($1) AND relkind IN ('r', 'p'))
SELECT 'table', CASE relkind WHEN 'p' THEN 'partitioned' END, NULL FROM own
UNION ALL SELECT 'column', NULL, a.attname::text FROM own JOIN pg_catalog.pg_attribute a ON a.attrelid = own.oid WHERE a.attnum > 0 AND NOT a.attisdropped
UNION ALL SELECT 'index', i.indexrelid::text, CASE WHEN a.attnotnull THEN a.attname::text END
  FROM own JOIN pg_catalog.pg_index i ON i.indrelid = own.oid CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, n)
  LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = own.oid AND a.attnum = k.attnum
  WHERE i.indisunique AND i.indisvalid AND i.indpred IS NULL AND k.n <= i.indnkeyatts`

func (d postgresDialect) storedKeys(db *gorm.DB, table string) (storedKeys, error) {
	return readKeys(db, postgresKeys, quoteTable(table, quoteDouble))
}
