package history

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/schema"

	"github.com/seed-3826ef92/whodunit/gormaudit/history/internal/tagged"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/bycolumn"
)

// table is what a generator knows of an audited table.
type table struct {
	name    string
	schema  *schema.Schema
	columns []column
	keys    []column
	alive   *column           // the soft-delete column, nil if there is none
	leftOut []string          // columns that are never recorded
	native  bool              // a key of one column is recorded as it is, not as text
	names   []named           // for those who read
	was     map[string]string // columns by the names that they had

	requireActor    bool     // nobody changes it without saying who acts
	requireMetadata []string // nor without these keys, in order
}

// named is a name that a table had, for the changes with these ids.
type named struct {
	name         string
	after, until int64  // the ids, 0 where there is no bound
	next         string // the name that came after it
	since        int64  // and after which id another table had that
}

// had reports whether a change is the table's.
func (t table) had(c Change) bool {
	return slices.ContainsFunc(t.names, func(n named) bool {
		return n.name == c.Table && c.ID > n.after && (n.until == 0 || c.ID <= n.until)
	})
}

// present gives a change of the table the names that it and its columns have now. A
// change with a column of its name and of a former one too was made while the table had
// both: they are two columns.
func (t table) present(c *Change) {
	if c.Action != ActionRename {
		c.Table = t.name
	}
	for i, f := range c.Fields {
		name, renamed := t.was[f.Column]
		if _, both := c.Field(name); renamed && !both {
			c.Fields[i].Column = name
		}
	}
}

// sameTable compares names. One with a schema's in front is another name: changes are
// recorded under it.
func sameTable(a, b string) bool { return strings.EqualFold(a, b) }

// describe reads a model's schema. dialect says how a column type is written
// down.
func describe(db *gorm.DB, d columnReader, model any) (table, error) {
	stmt := &gorm.Statement{DB: db}
	if err := stmt.ParseWithSpecialTableName(model, tableNameOf(db)); err != nil {
		return table{}, fmt.Errorf("history: %w", err)
	}
	return describeSchema(db, d, stmt.Schema)
}

func describeSchema(db *gorm.DB, d columnReader, s *schema.Schema) (table, error) {
	stamps, err := stampsOf(s)
	if err != nil {
		return table{}, fmt.Errorf("history: %w", err)
	}
	t := table{name: s.Table, schema: s, native: d.nativeKeys()}
	for _, name := range s.DBNames {
		f := s.FieldsByDBName[name]
		if f.IgnoreMigration {
			continue
		}
		if !isRecorded(f) {
			t.leftOut = append(t.leftOut, name)
			continue
		}
		c := newColumn(db, d, f)
		c.updated, c.bookkeeping = stamps[f]
		if bycolumn.IsSoftDelete(f) {
			c.zero = zeroOf(f, c.kind)
			t.alive = &c
		}
		t.columns = append(t.columns, c)
	}
	if t.was, err = formerNames(s); err != nil {
		return table{}, err
	}
	t.arrange()
	if len(t.keys) == 0 {
		return table{}, fmt.Errorf("history: table %q: no primary key to tell its rows apart", t.name)
	}
	return t, checkKeys(t)
}

// formerNames are the columns that the model's tags say were renamed, by the names
// that they had.
func formerNames(s *schema.Schema) (map[string]string, error) {
	was := map[string]string{}
	for _, name := range s.DBNames {
		for _, old := range tagged.Of(s.FieldsByDBName[name]).Was {
			if s.FieldsByDBName[old] != nil || was[old] != "" {
				return nil, fmt.Errorf("history: table %q: column %q can't be what %q was: another column has or had that name", s.Table, name, old)
			}
			if old != notRenamed {
				was[old] = name
			}
		}
	}
	return was, nil
}

// stampsOf returns the by- and at-columns, found as GORM and gormaudit find them,
// each with whether it is an updated_* column.
func stampsOf(s *schema.Schema) (map[*schema.Field]bool, error) {
	columns, err := bycolumn.Find(s)
	if err != nil {
		return nil, err
	}
	stamps := map[*schema.Field]bool{}
	for _, f := range columns.All() {
		stamps[f] = slices.Contains(columns.Updated, f)
	}
	for _, f := range s.Fields {
		if f.AutoCreateTime > 0 || f.AutoUpdateTime > 0 {
			stamps[f] = f.AutoUpdateTime > 0
		}
	}
	return stamps, nil
}

// watched are the columns whose change makes a change.
func (t table) watched() []column {
	var columns []column
	for _, c := range t.columns {
		if !c.updated {
			columns = append(columns, c)
		}
	}
	return columns
}

// cheapFirst puts first what is small and may differ: a comparison ends there. A key
// hardly ever does.
func cheapFirst(columns []column) []column {
	rank := func(c column) int {
		switch {
		case c.key:
			return 2
		case c.small:
			return 0
		}
		return 1
	}
	columns = slices.Clone(columns)
	slices.SortStableFunc(columns, func(a, b column) int { return rank(a) - rank(b) })
	return columns
}

// covering adds to t what its triggers record already and t does not know: the
// columns that the table has. What they redact or leave out stays so. They keep
// their order.
func (t table) covering(m mark, has map[string]bool) table {
	merged := table{name: t.name, schema: t.schema, native: t.native, alive: t.alive, was: t.was}
	m = m.renamed(t.was, has)
	merged.require(t.requireActor || m.RequireActor, append(slices.Clone(t.requireMetadata), m.RequireMetadata...))
	known := map[string]column{}
	for _, c := range t.columns {
		known[c.name] = c
	}
	merged.leftOut = coveredLeftOut(append(slices.Clone(t.leftOut), m.LeftOut...), has, known)
	add := func(c column) {
		if !slices.Contains(merged.leftOut, c.name) {
			merged.columns = append(merged.columns, c)
		}
	}
	for _, kept := range m.Columns {
		c, alive := columnOf(kept)
		if now, ok := known[c.name]; ok {
			now.redact = now.redact || c.redact && !now.key
			add(now)
			delete(known, c.name)
		} else if has[c.name] {
			c.key = false
			add(c)
			if alive && merged.alive == nil {
				merged.alive = &c
			}
		}
	}
	for _, c := range t.columns {
		if _, isNew := known[c.name]; isNew {
			add(c)
		}
	}
	merged.arrange()
	return merged
}

// coveredLeftOut are those of names that the model or the table has, in order. It
// takes them out of known.
func coveredLeftOut(names []string, has map[string]bool, known map[string]column) (leftOut []string) {
	for _, name := range names {
		if _, here := known[name]; (here || has[name]) && !slices.Contains(leftOut, name) {
			leftOut = append(leftOut, name)
			delete(known, name)
		}
	}
	slices.Sort(leftOut)
	return leftOut
}

func (t *table) require(somebody bool, metadata []string) {
	t.requireActor = somebody
	t.requireMetadata = slices.Compact(slices.Sorted(slices.Values(metadata)))
}

// requirement is what an attribution must have for a table to be changed.
type requirement struct {
	key     string // of the metadata, "" for the actor
	refusal string // the error's text
}

func (t table) requirements() (all []requirement) {
	if t.requireActor {
		all = append(all, requirement{"", fmt.Sprintf("whodunit: table %q: refused, nobody said who acts (db.WithContext? a transaction? Tell or TellSQL?)", t.name)})
	}
	for _, key := range t.requireMetadata {
		all = append(all, requirement{key, fmt.Sprintf("whodunit: table %q: refused without metadata %q (actor.NewMetadataContext?)", t.name, key)})
	}
	return all
}

// like is t with the columns as a mark has them where they are recorded in one
// form: a text that has become longer makes no trigger outdated.
func (t table) like(m mark, d columnReader) table {
	t.columns = slices.Clone(t.columns)
	for i, c := range t.columns {
		for _, kept := range m.Columns {
			if was, _ := columnOf(kept); was.name == c.name && was.kind == c.kind && d.settings(was.dbType) == d.settings(c.dbType) {
				t.columns[i].dbType, t.columns[i].small = was.dbType, was.small
			}
		}
	}
	return t
}

// arrange numbers the columns and finds the keys. These are in the order of their
// names, or first names, so that a reordered model changes no recorded key.
func (t *table) arrange() {
	t.keys = nil
	for i := range t.columns {
		t.columns[i].ordinal = i
		if t.columns[i].key {
			t.keys = append(t.keys, t.columns[i])
		}
	}
	slices.SortFunc(t.keys, func(a, b column) int { return strings.Compare(firstName(a.name, a.was), firstName(b.name, b.was)) })
}

// tableNameOf is the name that [gorm.DB.Table] gave, "" if it was not called.
func tableNameOf(db *gorm.DB) string {
	if expr := db.Statement.TableExpr; expr != nil {
		return strings.NewReplacer("\"", "", "`", "").Replace(expr.SQL)
	}
	return db.Statement.Table
}

// objectName is the name of a trigger or function for a table. Where two tables
// could have one name, a hash tells them apart: a name with a schema's, one that
// is too long for the databases and is cut, and one that looks like either.
func objectName(table, suffix string) string {
	name := "whodunit_record_" + strings.ReplaceAll(table, ".", "_") + suffix
	if len(name) <= 60 && !strings.Contains(table, ".") && !hashedName.MatchString(table) {
		return name
	}
	return strings.ToValidUTF8(name[:min(len(name), 43)], "") + "_" + fingerprint(table+suffix)
}

// hashedName is what objectName makes of a name.
var hashedName = regexp.MustCompile(`_[0-9a-f]{16}$`)

// parseModels describes models, each table once.
func parseModels(db *gorm.DB, d columnReader, models []any) ([]table, error) {
	var tables []table
	var errs []error
	seen := map[string]bool{}
	for _, model := range models {
		t, err := describe(db, d, model)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if !seen[t.name] {
			seen[t.name] = true
			tables = append(tables, t)
		}
	}
	if name := tableNameOf(db); name != "" && (len(models) > 1 || strings.Contains(name, " ")) {
		errs = append(errs, fmt.Errorf("history: db.Table(%q) must name one table, for one model", name))
	}
	return tables, errors.Join(errs...)
}

// blanks are what [strings.TrimSpace] trims. What the databases call white space is
// less, or more, or depends on a locale.
const blanks = "\t\n\v\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"

// eachBlank joins the numbers of blanks in a format.
func eachBlank(format, separator string) string {
	var parts []string
	for _, r := range blanks {
		parts = append(parts, fmt.Sprintf(format, r))
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

func checkKeys(t table) error {
	for _, c := range t.keys {
		switch {
		case c.redact:
			return fmt.Errorf("history: table %q: primary key column %q can't be redacted", t.name, c.name)
		case c.kind == kindFloat, c.kind == kindTime, c.kind == kindInstant:
			return fmt.Errorf("history: table %q: primary key column %q is of type %s, which has more than one spelling", t.name, c.name, c.dbType)
		}
	}
	return nil
}

// mark is that of the triggers of t, without the hash.
func (t table) mark() mark {
	m := mark{Table: t.name, LeftOut: t.leftOut, RequireActor: t.requireActor, RequireMetadata: t.requireMetadata}
	for _, c := range t.columns {
		m.Columns = append(m.Columns, t.columnMark(c))
	}
	return m
}

// columnMark is a column as it is kept in the mark of its table.
func (t table) columnMark(c column) markColumn {
	flags := ""
	for _, f := range []struct {
		set  bool
		flag string
	}{
		{c.key, "k"},
		{c.small, "s"},
		{c.bookkeeping, "b"},
		{c.updated, "u"},
		{c.redact, "r"},
		{t.alive != nil && t.alive.name == c.name, "a"},
	} {
		if f.set {
			flags += f.flag
		}
	}
	return markColumn{Name: c.name, Type: c.dbType, Kind: string(c.kind), Flags: flags, Zero: c.zero}
}
