package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// Options say how the history is kept. The zero Options are those of [Migrate]
// and [SQL].
type Options struct {
	// AppendOnly makes the database refuse UPDATE and DELETE on the history's tables
	// ([ErrAppendOnly]), except from [Prune] and [Anonymize]. By default off. Once it
	// is on, a migration without AppendOnly leaves it on, unless the migration is
	// Exact.
	//
	// Security: AppendOnly stops mistakes, and programs that write through this
	// library. Whoever may run any SQL with the application's account can drop the
	// triggers, unless the tables belong to another account.
	AppendOnly bool
	// RequireActor makes the database refuse to change the tables of this call's
	// models if nobody said who acts ([ErrRequired]): in psql, by a program without
	// the plugin, in a context without an actor. An anonymous actor is enough. By
	// default off. What is not recorded, such as TRUNCATE on MariaDB, is not refused
	// either.
	//
	// A migration that writes rows must say who it is, too: with [actor.System],
	// [Dialect.Tell] or the protocol of attribution.md.
	RequireActor bool
	// RequireMetadata are keys that the metadata of a change must have, such as
	// "reason", see [actor.NewMetadataContext]. A key has up to 64 letters, digits
	// and "_.:-". The database refuses to change the tables of this call's models
	// without them, or with nothing but white space in one: [ErrRequired]. By default
	// none.
	RequireMetadata []string
	// Exact makes the triggers record what the models say, no more. By default a
	// migration takes nothing away: columns that the models don't know stay recorded,
	// columns that were redacted or left out stay so, and AppendOnly, RequireActor
	// and RequireMetadata stay on. So an older release that is started once more
	// takes nothing from a newer one.
	Exact bool
	// Definer is the account ('user@host') or role that MariaDB's and MySQL's
	// triggers and procedures run as. It needs the rights that schema.md names, and
	// the migrating account needs the right to choose it (SET USER). By default the
	// account that migrates, or the role that an earlier migration chose. If a
	// definer is dropped, every write fails.
	Definer string
}

// generator generates one database's triggers and tables.
type generator interface {
	columnReader
	recorder
	// renamed returns the statements that record that t had another name, unless that
	// is recorded, and drop the triggers that it brought along. was is the name, "" if
	// the triggers that t has when the statements run are to say it, where they can.
	renamed(t table, was string) []string
	// catalogue asks what there is in the current home.
	catalogue(db *gorm.DB) (*catalogue, error)
	// in is the dialect in a home, which knows what is there.
	in(c *catalogue, o Options) generator
	// objects returns the statements that create the history's own tables, and
	// what protects them. Each may run again.
	objects(o Options, tables []table) []string
	// elsewhere is one of the tables that the history of another schema than the current
	// home records, and that schema, else "". If here, names without a schema's are
	// looked for in the home only.
	elsewhere(db *gorm.DB, tables []string, here bool) (table, home string, err error)
	// claim returns the statements that fail if elsewhere is not "" when they run.
	claim(t table) []string
	// storedKeys asks for the keys of a table.
	storedKeys(db *gorm.DB, table string) (storedKeys, error)
	// room returns the statements that the history's own tables need, so that the
	// widest of tables fits.
	room(tables []table) []string
	// record returns the statements that replace what records the changes of t,
	// with its mark. attach are those that hang it on the table, where that is
	// something else.
	record(t table) []string
	attach(t table) []string
	// drop removes the triggers of t, whichever exist.
	drop(t table) []string
	// parts are the history's own objects without which writes fail or have no actor.
	parts() []string
	// triggerCount is how many triggers a table has, refusals how many protect the
	// history's own tables.
	triggerCount() int
	refusals() int
	// mayMigrate is an error for an account that lacks a right that m needs. It
	// changes nothing that stays.
	mayMigrate(db *gorm.DB, m *migration) error
	// migrate runs m in the order that is safe.
	migrate(db *gorm.DB, m *migration) error
	// warnOfCascades warns of foreign keys by which tables change unseen.
	warnOfCascades(db *gorm.DB, tables []table) error
	// verify finds what is wrong with the history's own objects, and with those who
	// may use them. tables have triggers.
	verify(db *gorm.DB, c *catalogue, tables []table) error
}

// migration is what [Migrate] has to do.
type migration struct {
	options Options
	models  []any

	dialect generator
	found   *catalogue
	tables  []table
	stale   []table  // of those, whose triggers are written
	objects []string // the statements for the history's own objects, if any
}

// plan holds what there is against what there should be. It runs again once the
// others, who may have migrated too, are done.
func (m *migration) plan(db *gorm.DB) error {
	if err := m.locate(db); err != nil {
		return err
	}
	m.stale, m.objects = nil, nil
	for i, t := range m.tables {
		have := m.found.of(t.name)
		m.tables[i] = m.options.covering(t, have)
		if m.options.stale(m.dialect, t, have) {
			m.stale = append(m.stale, m.tables[i])
		}
	}
	m.planObjects()
	if err := m.checkHomes(db, true); err != nil {
		return err
	}
	return m.checkRenamed()
}

// checkHomes is an error for a table that another home's history records: its triggers
// would be replaced.
func (m *migration) checkHomes(db *gorm.DB, here bool) error {
	return checkHome(db, m.dialect, m.found, m.tables, here)
}

// checkHome asks once for all tables: a migration asks in the turn of each.
func checkHome(db *gorm.DB, d generator, c *catalogue, tables []table, here bool) error {
	var names []string
	for _, t := range tables {
		if c.of(t.name).triggers < d.triggerCount() {
			names = append(names, t.name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	table, home, err := d.elsewhere(uncached(db), names, here)
	if err != nil {
		return fmt.Errorf("history: looking for the triggers of tables: %w", err)
	}
	if home != "" {
		return &TableError{Table: table, Err: fmt.Errorf("%w: that of %q (begin the search_path with that schema, or call history.Drop there first)", ErrElsewhere, home)}
	}
	return nil
}

// locate describes the models' tables, and finds what there is in the current
// home.
func (m *migration) locate(db *gorm.DB) (err error) {
	if m.tables, err = parseModels(db, m.dialect, m.models); err != nil {
		return err
	}
	if err := m.options.require(m.tables); err != nil {
		return err
	}
	if m.found, err = m.dialect.catalogue(uncached(db)); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	m.dialect = m.dialect.in(m.found, m.options)
	return m.found.checkNames()
}

// metadataKey is what RequireMetadata takes: it stands in SQL.
var metadataKey = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,64}$`)

// require makes tables require what the options say.
func (o Options) require(tables []table) error {
	for _, key := range o.RequireMetadata {
		if !metadataKey.MatchString(key) {
			return fmt.Errorf("history: Options.RequireMetadata: %q has other characters than letters, digits and _.:-, or more than 64", key)
		}
	}
	for i := range tables {
		tables[i].require(o.RequireActor, o.RequireMetadata)
	}
	return nil
}

func (m *migration) planObjects() {
	o := m.options
	o.AppendOnly = o.AppendOnly || m.found.mark.AppendOnly && !o.Exact
	objects := m.dialect.objects(o, m.tables)
	whole := len(m.found.lacks(m.dialect.parts())) == 0 && (!o.AppendOnly || m.found.refusals >= m.dialect.refusals()) && !m.found.exposed
	switch {
	case !whole, o.definesAnew(m.found.definer), m.found.mark.Generation <= generation && !m.found.mark.same(markOf(objects)):
		m.objects = objects
	default:
		m.objects = m.dialect.room(m.tables)
	}
}

// pending reports whether there is anything to do beside AutoMigrate.
func (m *migration) pending() bool { return len(m.stale) > 0 || len(m.objects) > 0 }

// writeObjects creates the history's own objects.
func (m *migration) writeObjects(db *gorm.DB) error {
	if err := execAll(uncached(db), m.objects); err != nil {
		return fmt.Errorf("history: creating its tables: %w", err)
	}
	return nil
}

// writeRecord replaces what records the stale tables.
func (m *migration) writeRecord(db *gorm.DB) error {
	for _, t := range m.stale {
		if err := execAll(uncached(db), append(m.dropFormer(t), m.dialect.record(t)...)); err != nil {
			return fmt.Errorf("history: table %q: creating triggers: %w", t.name, err)
		}
		if err := m.recordRename(db, t); err != nil {
			return err
		}
	}
	return nil
}

// checkColumns is an error where one column of a table is gone and another one of its
// kind has come, which may be the same.
func (m *migration) checkColumns() error {
	for _, t := range m.tables {
		has := m.found.of(t.name)
		before := has.mark.renamed(t.was, has.columns)
		for _, c := range t.columns {
			known := slices.ContainsFunc(before.Columns, func(k markColumn) bool { return k.Name == c.name }) || slices.Contains(before.LeftOut, c.name)
			if known || !has.columns[c.name] || len(c.was) > 0 {
				continue
			}
			gone := before.Columns
			for _, name := range before.LeftOut {
				gone = append(gone, markColumn{Name: name, Kind: string(c.kind)})
			}
			for _, k := range gone {
				if !has.columns[k.Name] && k.Kind == string(c.kind) {
					return fmt.Errorf("history: table %q: the column %q is gone, and %q is new: if it was renamed, tag the new field gorm:\"history:was:%s\", if not, gorm:\"history:was:-\"",
						t.name, k.Name, c.name, k.Name)
				}
			}
		}
	}
	return nil
}

// dropFormer returns the statements that drop the triggers which a renamed table
// brought along, where they would stay beside those of its new name.
func (m *migration) dropFormer(t table) []string {
	former := m.found.of(t.name).former(t)
	if former == "" {
		return nil
	}
	return m.dialect.drop(table{name: former})
}

// recordRename records that a table was renamed, so that its changes are found under
// its old name too.
func (m *migration) recordRename(db *gorm.DB, t table) error {
	former := m.found.of(t.name).former(t)
	if former == "" {
		return nil
	}
	var recorded bool // by a statement of a migration's own, after which nothing else had the name
	if err := uncached(db).Raw("SELECT coalesce((SELECT moved_to = ? FROM whodunit_changes WHERE table_name = ? OR moved_to = ? ORDER BY id DESC LIMIT 1), 0 = 1)",
		t.name, former, former).Scan(&recorded).Error; err != nil || recorded {
		return err
	}
	by, err := Config{Actor: actor.FromContext}.attribution(contextOf(db))
	if err != nil {
		return err
	}
	tx := uncached(db).WithContext(context.WithValue(contextOf(db), maintenance{}, true))
	err = m.dialect.recordChange(tx, by, map[string]any{"table_name": former, "row_key": "", "moved_to": t.name, "action": ActionRename})
	if err != nil {
		return fmt.Errorf("history: table %q: recording that it was %q: %w", t.name, former, err)
	}
	return nil
}

// renaming is a statement that records under which name t was, unless the last renaming
// of that name says so. was is a query for the name. values are those of the columns of
// whodunit_changes that a renaming does not have everywhere.
func renaming(changes, columns, values, was, to string) string {
	return "INSERT INTO " + changes + " (" + columns + ", table_name, row_key, moved_to, action)\n" +
		"SELECT " + values + ", was.name, '', " + to + ", 'rename' FROM (" + was + ") AS was\n" +
		"WHERE coalesce((SELECT moved_to FROM " + changes + " AS last WHERE action = 'rename' AND (table_name = was.name OR moved_to = was.name)" +
		" ORDER BY id DESC LIMIT 1), '') <> " + to
}

// checkRenamed is an error for a table whose name another one had, which has
// brought its triggers along: they would be replaced. Tables that were renamed come
// first.
func (m *migration) checkRenamed() error {
	slices.SortStableFunc(m.stale, func(a, b table) int {
		return cmp.Compare(m.found.of(b.name).former(b), m.found.of(a.name).former(a))
	})
	for _, t := range m.stale {
		for name, other := range m.found.tables {
			given := slices.ContainsFunc(m.tables, func(t table) bool { return m.found.find(t.name) == other })
			named := slices.ContainsFunc(other.names, func(was string) bool { return sameTable(was, t.name) })
			if named && !given {
				return fmt.Errorf("history: table %q: the triggers of that name are on %q, which was renamed: migrate its model first, or with this one", t.name, name)
			}
		}
	}
	return nil
}

// recorded are the tables that have triggers.
func (m *migration) recorded() (tables []table) {
	for _, t := range m.tables {
		if m.found.of(t.name).triggers > 0 {
			tables = append(tables, t)
		}
	}
	return tables
}

// checkTable holds what a table has against what its model says, the worst first. It is
// nil where more is recorded than that, as a newer model says.
func checkTable(db *gorm.DB, d generator, c *catalogue, t table) error {
	found := c.of(t.name)
	if err := checkHome(db, d, c, []table{t}, false); err != nil {
		return err
	}
	if found.triggers == 0 {
		return &TableError{Table: t.name, Err: ErrMissing}
	}
	if found.hidden && found.triggers >= d.triggerCount() {
		return nil // Verify warns of it
	}
	var errs []error
	add := func(err error) { errs = append(errs, &TableError{Table: t.name, Err: err}) }
	if lost := found.lacks(); len(lost) > 0 {
		add(fmt.Errorf("%w: they record a column that the table does not have (%s)", ErrOutdated, strings.Join(lost, ", ")))
	}
	if was := found.former(t); was != "" {
		add(fmt.Errorf("%w: they record it as %q, the name that it had", ErrOutdated, was))
	}
	exposed := found.exposed || c.exposed
	found.exposed = false // which is an error of its own
	if len(errs) == 0 && (Options{}).stale(d, t.like(found.mark, d), found) {
		add(ErrOutdated)
	}
	if exposed {
		add(ErrExposed)
	}
	return errors.Join(errs...)
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
	return o.Definer != "" && definer != "" && definer != strings.TrimSuffix(o.Definer, "@")
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

// only is m for one of its models.
func (m *migration) only(db *gorm.DB, model any) *migration {
	one := *m
	t, err := describe(db, m.dialect, model)
	one.stale = nil
	for _, s := range m.stale {
		if err == nil && s.name == t.name {
			one.stale = append(one.stale, s)
		}
	}
	return &one
}

// recorder inserts a change that no trigger writes, in a change set of a.
type recorder interface {
	recordChange(tx *gorm.DB, a attribution, record map[string]any) error
}
