package history

import (
	"fmt"
	"strings"

	"gorm.io/gorm"
)

// catalogue is what the database has of the history in one home: the schema,
// database or file that the history's tables are in.
type catalogue struct {
	home     string
	mark     mark                       // of the history's own objects, the zero mark if there are none
	own      map[string]map[string]bool // the columns of the history's own tables
	refusals int                        // triggers that protect the history's own tables
	definer  string                     // of the history's procedures
	exposed  bool                       // one of the history's functions may be run by others than its owner
	tables   map[string]*installation
	mariadb  bool // MariaDB, not MySQL
}

// installation is what a table has for triggers.
type installation struct {
	triggers int
	mark     mark
	mixed    bool // its triggers have different marks
	hidden   bool // their text is not shown to this account
	exposed  bool // the trigger's function may be used by others than its owner
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
}

// of returns what a table has. Its name may have that of a schema in front.
func (c *catalogue) of(table string) installation {
	found := c.tables[table]
	if found == nil {
		found = c.tables[table[strings.LastIndexByte(table, '.')+1:]]
	}
	if found == nil {
		return installation{}
	}
	return *found
}

// hasTables reports whether the history's own tables are there.
func (c *catalogue) hasTables() bool {
	return c.own[changeSetsTable] != nil && c.own[changesTable] != nil
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

// check holds what a table has against what its model says. It is nil where more
// is recorded than that, as a newer model says.
func (c *catalogue) check(d generator, t table) error {
	found := c.of(t.name)
	switch {
	case found.triggers == 0:
		return &TableError{Table: t.name, Err: ErrMissing}
	case found.hidden:
		return nil
	case found.exposed || c.exposed:
		return &TableError{Table: t.name, Err: ErrExposed}
	case (Options{}).stale(d, t.like(found.mark), found):
		return &TableError{Table: t.name, Err: ErrOutdated}
	}
	return nil
}

// stale reports whether the triggers of t must be written.
func (o Options) stale(d generator, t table, found installation) bool {
	if found.triggers < d.triggerCount() || found.mixed || found.exposed || o.definesAnew(found.definer) {
		return true
	}
	if found.mark.Generation > generation {
		return false
	}
	return !found.mark.same(markOf(d.record(o.covering(t, found))))
}

// definesAnew reports whether another definer was chosen than there is.
func (o Options) definesAnew(definer string) bool {
	return o.Definer != "" && definer != "" && strings.TrimSuffix(definer, "@") != strings.TrimSuffix(o.Definer, "@")
}

// covering is t with what its triggers record already beside it: the columns that
// the table has and t does not know, and what they redact or leave out. An older
// release takes nothing away.
func (o Options) covering(t table, found installation) table {
	if o.Exact || found.mark.Generation == 0 {
		return t
	}
	return t.covering(found.mark, found.columns)
}

// read runs a query for a kind of row and five texts, and hands each row to add.
func (c *catalogue) read(db *gorm.DB, query string, add func(kind string, values [5]*string)) error {
	rows, err := db.Statement.ConnPool.QueryContext(contextOf(db), query)
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

// textOf is a text of the catalogue, "" for NULL.
func textOf(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
