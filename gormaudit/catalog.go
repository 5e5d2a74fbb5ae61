package gormaudit

import (
	"database/sql"
	"fmt"
	"regexp"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// tableRef is a table as a statement names it.
type tableRef struct {
	// quoted is the name as it stands in SQL, with its schema if that is given.
	quoted       string
	schema, name string
}

func (t tableRef) String() string {
	if t.schema != "" {
		return t.schema + "." + t.name
	}
	return t.name
}

// targetOf parses model and finds the table that a statement of db on it is
// about. It lets GORM build a query that is not sent: by then db.Table, scopes
// and the naming strategy have had their say.
func targetOf(db *gorm.DB, model any) (*gorm.Statement, tableRef, error) {
	tx := db.Session(&gorm.Session{DryRun: true, SkipHooks: true, Logger: logger.Discard}).
		Model(model).Find(&[]map[string]any{})
	if tx.Error != nil {
		return nil, tableRef{}, fmt.Errorf("gormaudit: Verify: %T: %w", model, tx.Error)
	}
	text := tx.Statement.Quote(tx.Statement.Table)
	if expr := tx.Statement.TableExpr; expr != nil {
		text = expr.SQL
	}
	parts := tablePattern.FindStringSubmatch(text)
	if parts == nil {
		return nil, tableRef{}, fmt.Errorf("gormaudit: Verify: %T: db.Table(%q) does not name a table", model, text)
	}
	const quotes = "\"`[]"
	return tx.Statement, tableRef{quoted: parts[1], schema: strings.Trim(parts[2], quotes), name: strings.Trim(parts[3], quotes)}, nil
}

// tablePattern matches a table's name with the schema that may stand before it
// and the alias that may follow.
var tablePattern = func() *regexp.Regexp {
	const part = "(\"[^\"]+\"|`[^`]+`|\\[[^\\]]+\\]|[^\\s\"`\\[\\].(]+)"
	return regexp.MustCompile(`^\s*((?:` + part + `\.)?` + part + `)(?:\s|$)`)
}()

// liveColumn is a column of a table as the database describes it.
type liveColumn struct {
	name     string
	dataType string // as in varchar(191)
	nullable bool
	// generated says that no statement may write the column, numbered that the
	// database puts a number where a statement gives none.
	generated, numbered bool
}

// foreignKey is one that a column is part of.
type foreignKey struct {
	name    string // empty on SQLite
	column  string
	table   string // that it refers to
	cascade bool   // ON DELETE CASCADE
}

func (f foreignKey) String() string {
	if f.name == "" {
		return "foreign key to " + f.table
	}
	return "foreign key " + f.name + " to " + f.table
}

// catalog is what a database says of a table.
type catalog struct {
	columns []liveColumn // none where there is no such table
	keys    []foreignKey
}

// readCatalog asks the database's catalogue, which everybody who may write to
// the table of model may read. It asks on the connections that db's writes go
// to.
func readCatalog(db *gorm.DB, model any, table tableRef) (c catalog, err error) {
	dialect, ok := dialectCatalogs[db.Name()]
	if !ok {
		return c, fmt.Errorf("gormaudit: Verify can't read the catalogue of the dialect %s", db.Name())
	}
	tx := db.Session(&gorm.Session{}).Model(model)
	tx.DryRun = false // the session has a Config of its own
	err = eachRow(tx, dialect.columns, dialect.arguments(table), func(rows *sql.Rows) error {
		var l liveColumn
		err := rows.Scan(&l.name, &l.dataType, &l.nullable, &l.generated, &l.numbered)
		c.columns = append(c.columns, l)
		return err
	})
	if err == nil && len(c.columns) > 0 {
		c.keys, err = dialect.keys(tx, table)
	}
	if err != nil {
		return c, fmt.Errorf("gormaudit: Verify: read the catalogue of %s: %w", table, err)
	}
	return c, nil
}

// marker says in the database's log who asks. It is also why dbresolver takes
// no query for a read: a replica may lag behind a migration.
const marker = "/* gormaudit.Verify */ "

func eachRow(tx *gorm.DB, query string, arguments []any, scan func(*sql.Rows) error) (err error) {
	rows, err := tx.Raw(marker+query, arguments...).Rows()
	if err != nil {
		return err
	}
	defer func() {
		if closed := rows.Close(); err == nil {
			err = closed
		}
	}()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// dialectCatalog reads the catalogue of one of GORM's dialects.
type dialectCatalog struct {
	columns   string // selects liveColumns
	arguments func(tableRef) []any
	keys      func(tx *gorm.DB, table tableRef) ([]foreignKey, error)
}

var dialectCatalogs = map[string]dialectCatalog{
	"postgres": {
		columns: `SELECT a.attname,
	pg_catalog.format_type(CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE a.atttypid END, CASE t.typtype WHEN 'd' THEN t.typtypmod ELSE a.atttypmod END),
	NOT (a.attnotnull OR t.typnotnull), a.attgenerated <> '' OR a.attidentity = 'a', FALSE
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = pg_catalog.to_regclass(?) AND a.attnum > 0 AND NOT a.attisdropped`,
		arguments: quotedName,
		keys: func(tx *gorm.DB, table tableRef) ([]foreignKey, error) {
			return selectKeys(tx, `SELECT c.conname, a.attname, CAST(CAST(c.confrelid AS pg_catalog.regclass) AS text), c.confdeltype = 'c'
FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)
WHERE c.contype = 'f' AND c.conrelid = pg_catalog.to_regclass(?) ORDER BY c.conname`, quotedName(table))
		},
	},
	"mysql": {
		columns: `SELECT column_name, column_type, is_nullable = 'YES', extra LIKE '% GENERATED%', extra LIKE '%auto_increment%'
FROM information_schema.columns WHERE table_name = ? AND table_schema = COALESCE(?, DATABASE())`,
		arguments: nameAndSchema,
		keys:      showKeys,
	},
	"sqlite": {
		columns: `SELECT name, type, "notnull" = 0, hidden IN (2, 3), pk > 0 AND upper(type) = 'INTEGER' AND sum(pk > 0) OVER () = 1
FROM pragma_table_xinfo(?, ?)`,
		arguments: nameAndSchema,
		keys: func(tx *gorm.DB, table tableRef) ([]foreignKey, error) {
			return selectKeys(tx, `SELECT '', "from", "table", upper(on_delete) = 'CASCADE' FROM pragma_foreign_key_list(?, ?) ORDER BY id`, nameAndSchema(table))
		},
	},
}

func quotedName(t tableRef) []any { return []any{t.quoted} }

// nameAndSchema has NULL for the schema of a name alone.
func nameAndSchema(t tableRef) []any {
	return []any{t.name, sql.NullString{String: t.schema, Valid: t.schema != ""}}
}

func selectKeys(tx *gorm.DB, query string, arguments []any) (keys []foreignKey, err error) {
	err = eachRow(tx, query, arguments, func(rows *sql.Rows) error {
		var f foreignKey
		err := rows.Scan(&f.name, &f.column, &f.table, &f.cascade)
		keys = append(keys, f)
		return err
	})
	return keys, err
}

// showKeys reads them from SHOW CREATE TABLE: MariaDB's information_schema hides
// the rules of foreign keys from accounts that may only write.
func showKeys(tx *gorm.DB, table tableRef) (keys []foreignKey, err error) {
	err = eachRow(tx, "SHOW CREATE TABLE "+table.quoted, nil, func(rows *sql.Rows) error {
		names, err := rows.Columns()
		if err != nil || len(names) != 2 {
			return err // a view has more, and no foreign keys
		}
		var name, statement string
		if err := rows.Scan(&name, &statement); err != nil {
			return err
		}
		for _, match := range shownKey.FindAllStringSubmatch(statement, -1) {
			for _, column := range strings.Split(match[2], ",") {
				keys = append(keys, foreignKey{match[1], unquoted(column), unquoted(match[3]), match[4] != ""})
			}
		}
		return nil
	})
	return keys, err
}

func unquoted(name string) string { return strings.Trim(unquote.Replace(name), " ") }

var unquote = strings.NewReplacer("`", "", `"`, "")

// shownKey also reads the quotes of the SQL mode ANSI_QUOTES.
var shownKey = regexp.MustCompile("(?m)^ *CONSTRAINT [`\"]([^`\"]+)[`\"] FOREIGN KEY \\(([^)]+)\\) REFERENCES (\\S+) \\([^)]+\\)( ON DELETE CASCADE)?")
