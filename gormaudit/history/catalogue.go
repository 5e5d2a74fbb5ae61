package history

import (
	"fmt"
	"strings"

	"gorm.io/gorm"
)

// The tables of the history.
const (
	changeSetsTable = "whodunit_change_sets"
	changesTable    = "whodunit_changes"
	contextTable    = "whodunit_context" // MariaDB, MySQL
	layoutsTable    = "whodunit_layouts" // SQLite
)

// catalogue is what the database has of the history in one home: the schema,
// database or file that the history's tables are in.
type catalogue struct {
	home     string
	mark     mark                       // of the history's own objects, the zero mark if there are none
	own      map[string]map[string]bool // the columns of the history's own tables; functions and procedures have none
	refusals int                        // triggers that protect the history's own tables
	definer  string                     // of the history's procedures
	exposed  bool                       // one of the history's functions may be run by others than its owner
	tables   map[string]*installation
	mariadb  bool // MariaDB, not MySQL
	version  int  // of PostgreSQL, as server_version_num
}

// installation is what a table has for triggers.
type installation struct {
	triggers int
	mark     mark
	names    []string // that its triggers record it under
	mixed    bool     // its triggers have different marks
	hidden   bool     // their text is not shown to this account
	exposed  bool     // the trigger's function may be used by others than its owner
	definer  string
	columns  map[string]bool // that the table has now
}

// triggersPerTable are one each for INSERT, UPDATE and DELETE. PostgreSQL has one
// more, for TRUNCATE.
const triggersPerTable = 3

func newCatalogue(home string) *catalogue {
	return &catalogue{home: home, own: map[string]map[string]bool{}, tables: map[string]*installation{}}
}

func (c *catalogue) table(name string) *installation {
	if c.tables[name] == nil {
		c.tables[name] = &installation{columns: map[string]bool{}}
	}
	return c.tables[name]
}

func (c *catalogue) addOwn(table, column string) {
	if c.own[table] == nil {
		c.own[table] = map[string]bool{}
	}
	c.own[table][column] = true
}

// add counts a trigger with this text.
func (i *installation) add(text *string) {
	i.triggers++
	if text == nil {
		i.hidden = true
		return
	}
	m := markIn(*text)
	if i.triggers > 1 && !i.mark.same(m) {
		i.mixed = true
	}
	i.mark = m
	if m.Table != "" {
		i.names = append(i.names, m.Table)
	}
}

// lacks returns the recorded columns that are not there, so that writes fail. An
// account may be shown no column.
func (i installation) lacks() (lost []string) {
	for _, c := range i.mark.Columns {
		if len(i.columns) > 0 && !i.columns[c.Name] {
			lost = append(lost, c.Name)
		}
	}
	return lost
}

// spell gives columns the case that the mark has, where a database's names know none.
func (i *installation) spell() {
	for _, c := range i.mark.Columns {
		for name := range i.columns {
			if name != c.Name && strings.EqualFold(name, c.Name) {
				delete(i.columns, name)
				i.columns[c.Name] = true
			}
		}
	}
}

// former is the name that a table had when its triggers were written, "" if that
// is its own. A table may have triggers of both names.
func (i installation) former(t table) string {
	for _, name := range i.names {
		if !sameTable(name, t.name) {
			return name
		}
	}
	return ""
}

// of returns what a table has.
func (c *catalogue) of(table string) installation {
	if found := c.find(table); found != nil {
		return *found
	}
	return installation{}
}

// find returns what a table has, nil if there is nothing. Its name may have that of a
// schema in front.
func (c *catalogue) find(table string) *installation {
	found := c.tables[table]
	if home, name, ok := strings.Cut(table, "."); found == nil && ok && strings.EqualFold(home, c.home) {
		found = c.tables[name] // that of another home is another table
	}
	return found
}

// hasTables reports whether the history's own tables are there.
func (c *catalogue) hasTables() bool {
	return c.own[changeSetsTable] != nil && c.own[changesTable] != nil
}

// lacks returns those of parts, objects of the history's own, that are not there or not
// shown to the account.
func (c *catalogue) lacks(parts []string) (missing []string) {
	for _, part := range parts {
		if c.own[part] == nil {
			missing = append(missing, part)
		}
	}
	return missing
}

// incomplete is the error of parts that are missing, nil if there are none.
func incomplete(parts ...string) error {
	if len(parts) == 0 {
		return nil
	}
	return &TableError{Table: changesTable, Err: fmt.Errorf("%w: %s", ErrIncomplete, strings.Join(parts, ", "))}
}

// inUse reports whether there is any sign of a history: an account that writes is
// not shown all of it.
func (c *catalogue) inUse() bool {
	for _, i := range c.tables {
		if i.triggers > 0 {
			return true
		}
	}
	return c.hasTables() || c.mark.Generation > 0
}

// read runs a query for a kind of row and five texts, and hands each row to add.
func (c *catalogue) read(db *gorm.DB, query string, add func(kind string, values [5]*string)) error {
	rows, err := poolOf(db).QueryContext(contextOf(db), query)
	if err != nil {
		return fmt.Errorf("looking for triggers: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var kind string
		var v [5]*string
		if err := rows.Scan(&kind, &v[0], &v[1], &v[2], &v[3], &v[4]); err != nil {
			return fmt.Errorf("looking for triggers: %w", err)
		}
		add(kind, v)
	}
	return rows.Err()
}

// distinctive are columns by which the history's tables differ from others of the
// same name.
var distinctive = map[string][]string{
	changeSetsTable: {"actor_kind", "impersonator_kind", "database_user"},
	changesTable:    {"table_name", "row_key", "composite"},
	layoutsTable:    {"columns"},
	contextTable:    {"connection", "ticket"},
}

// checkNames looks whether tables that the history would take for its own are
// somebody else's. CREATE TABLE IF NOT EXISTS does not.
func (c *catalogue) checkNames() error {
	for table, columns := range c.own {
		for _, column := range distinctive[table] {
			if !columns[column] {
				return fmt.Errorf("history: the table %q is not the history's, but the history needs that name (rename the table?)", table)
			}
		}
	}
	return nil
}

// textOf is a text of the catalogue, "" for NULL.
func textOf(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// hintOfTables says what to do where the history's tables are missing. On PostgreSQL
// they may be in another schema.
func hintOfTables(err error) error {
	const hint = "history.Migrate, or history.SQL?"
	switch {
	case !containsAny(err, changesTable, changeSetsTable):
	case containsAny(err, "no such table", "Error 1146"):
		return fmt.Errorf("its tables are missing (%s): %w", hint, err)
	case containsAny(err, "does not exist"):
		return fmt.Errorf("its tables are missing (search_path? %s): %w", hint, err)
	}
	return err
}
