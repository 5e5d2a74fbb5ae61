package writes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"
)

// Trial tries paths on a model in a transaction that is rolled back.
type Trial struct {
	model  *Model
	tx     *transaction
	tables map[string]*table
	// rows are the table and key of rows by their names in [Path.Want].
	rows   map[string]rowKey
	before map[string]contents
	// history is what is recorded of the paths, wrong what the last one has wrong
	// there.
	history history
	wrong   []string
}

type rowKey struct{ table, key string }

// NewTrial makes the rows that the paths of a model need; others are the
// models at the other end of its associations. Close ends it.
func NewTrial(db *gorm.DB, m *Model, others []*Model) (*Trial, error) {
	tx, err := begin(m.Users.context(m.Users.Author), db)
	if err != nil {
		return nil, err
	}
	t := &Trial{model: m, tx: tx, tables: map[string]*table{}, rows: map[string]rowKey{}}
	if err := t.prepare(others); err != nil {
		return nil, errors.Join(tx.first.because(err), tx.end())
	}
	return t, nil
}

// Close undoes everything.
func (t *Trial) Close() error { return t.tx.end() }

func (t *Trial) prepare(others []*Model) error {
	t.model.rewind()
	if err := t.seed(t.model, ""); err != nil {
		return err
	}
	t.model.Relate(others)
	for _, r := range t.model.relations {
		if !r.ready() {
			continue
		}
		if err := t.tx.attempt(func() error { return t.relate(r) }); err != nil {
			r.Missing = "rows of it can't be made: " + err.Error()
			maps.DeleteFunc(t.rows, func(name string, _ rowKey) bool { return strings.HasPrefix(name, r.name()) })
		}
	}
	if err := t.reload(); err != nil {
		return err
	}
	t.model.count.base = t.model.count.next
	for _, r := range t.model.relations {
		if r.Child != nil {
			r.Child.count.base = r.Child.count.next
		}
	}
	var err error
	t.before, err = t.read()
	t.model.absentKey = t.highestKey() + 90
	t.openHistory()
	return errors.Join(err, t.tx.savePoint("path"))
}

// seed makes the rows 1, 2 and 3 of a model. bind readies each, by its number.
func (t *Trial) seed(m *Model, prefix string, bind ...func(n int, row any) error) error {
	for n := 1; n <= 3; n++ {
		row := m.honest()
		for _, f := range bind {
			if err := f(n, row); err != nil {
				return err
			}
		}
		if err := t.tx.plain.Create(row).Error; err != nil {
			return fmt.Errorf("row %d that the function of audittest.Model made of %s can't be created without the plugin: %w", m.count.next-1, m.table(), err)
		}
		m.rows[n] = m.clear(row)
		if n == 3 && len(m.softDeletes) > 0 && prefix == "" {
			if err := t.tx.plain.Delete(m.key(n)).Error; err != nil {
				return fmt.Errorf("delete from %s without the plugin: %w", m.table(), err)
			}
		}
		if t.tables[m.table()] == nil {
			t.tables[m.table()] = &table{model: m}
			if err := t.tables[m.table()].calibrate(t.tx, m.is(n)); err != nil {
				delete(t.tables, m.table())
				return err
			}
		}
		if err := t.tables[m.table()].authored(t.tx.plain.Table(m.table()).Where(m.is(n)), n == 3 && prefix == "" && len(m.softDeletes) > 0); err != nil {
			return err
		}
		key, err := t.keyOf(m, m.is(n))
		if err != nil {
			return err
		}
		t.rows[prefix+strconv.Itoa(n)] = rowKey{m.table(), key}
	}
	return nil
}

// keyOf returns the key of the row that where finds, as the database has it.
func (t *Trial) keyOf(m *Model, where clause.Expression) (string, error) {
	raw, err := rawRows(t.tx.plain.Table(m.table()).Where(where), m.keyNames())
	if err == nil && len(raw) != 1 {
		err = fmt.Errorf("%s: found %d rows of one primary key: its Go type and its column disagree", m.table(), len(raw))
	}
	if err != nil {
		return "", err
	}
	return strings.Join(raw[0], ","), nil
}

// relate makes the rows of an association.
func (t *Trial) relate(r *Relation) error {
	prefix := r.name() + " "
	owns := func(n int, child any) error {
		r.loosen(child)
		switch {
		case r.rel.Type == schema.HasOne && n == 3:
			return nil // whoever its factory says
		case r.rel.Type == schema.HasOne:
			return r.bind(t.model.rows[n], child)
		case r.rel.Type == schema.HasMany:
			return r.bind(t.model.rows[1+n/3], child)
		}
		return nil
	}
	if err := t.seed(r.Child, prefix, owns); err != nil {
		return err
	}
	switch r.rel.Type {
	case schema.BelongsTo:
		return t.tx.plain.Table(t.model.table()).Where(t.model.is(1)).UpdateColumns(r.foreignKey(r.Child.rows[1])).Error
	case schema.Many2Many:
		return t.joinRows(r)
	}
	return nil
}

// foreignKey are the columns by which a row belongs to a child.
func (r *Relation) foreignKey(child any) map[string]any {
	key := map[string]any{}
	for _, ref := range r.rel.References {
		key[ref.ForeignKey.DBName], _ = ref.PrimaryKey.ValueOf(context.Background(), reflect.ValueOf(child))
	}
	return key
}

// joinRows joins row 1 with the children 1 and 2.
func (t *Trial) joinRows(r *Relation) error {
	if err := r.LearnJoin(r.rel.JoinTable); err != nil {
		return err
	}
	m := r.joinModel
	if t.tables[m.table()] != nil {
		return fmt.Errorf("its join table %s has another part in the test", m.table())
	}
	joins := &table{model: m}
	for n := 1; n <= 2; n++ {
		key := r.joinKey(t.model.rows[1], r.Child.rows[n])
		values, where := maps.Clone(key), []clause.Expression{}
		for name, v := range key {
			where = append(where, clause.Eq{Column: clause.Column{Name: name}, Value: v})
		}
		maps.Copy(values, m.mapOf(m.zero(), false))
		maps.Copy(values, key)
		if err := t.tx.plain.Table(m.table()).Create(values).Error; err != nil {
			return err
		}
		if err := joins.calibrate(t.tx, clause.And(where...)); err != nil {
			return err
		}
		text, err := t.keyOf(m, clause.And(where...))
		if err != nil {
			return err
		}
		t.rows[r.join(strconv.Itoa(n))] = rowKey{m.table(), text}
	}
	t.tables[m.table()] = joins
	return nil
}

// LearnJoin reads the schema of a many2many's join table.
func (r *Relation) LearnJoin(s *schema.Schema) error {
	zero := reflect.New(s.ModelType).Interface()
	r.joinModel = &Model{zeroRow: zero, make: func(int) any { return reflect.New(s.ModelType).Interface() }, rows: map[int]any{}, count: &counter{}}
	if err := r.joinModel.Learn(s); err != nil {
		return err
	}
	var err error
	r.joinModel.Users, err = r.owner.Users.fit(r.joinModel.by.All())
	return err
}

// reload reads the model's rows as they are now.
func (t *Trial) reload() error {
	for _, r := range t.model.relations {
		if r.ready() {
			if err := t.load(r.Child); err != nil {
				return err
			}
		}
	}
	return t.load(t.model)
}

func (t *Trial) load(m *Model) error {
	for n := 1; n <= 3; n++ {
		row := m.zero()
		if err := t.tx.plain.Session(&gorm.Session{SkipHooks: true}).Unscoped().Where(m.is(n)).First(row).Error; err != nil {
			return fmt.Errorf("read row %d of %s: %w", n, m.table(), err)
		}
		m.rows[n] = row
	}
	return nil
}

func (t *Trial) read() (map[string]contents, error) {
	all := map[string]contents{}
	for name, table := range t.tables {
		var err error
		if all[name], err = table.read(t.tx.plain); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// highestKey is the highest numeric key of the model's table.
func (t *Trial) highestKey() (highest int64) {
	for key := range t.before[t.model.table()] {
		if n, err := strconv.ParseInt(key, 10, 64); err == nil {
			highest = max(highest, n)
		}
	}
	return highest
}

// Sections are the model's paths, with why it can't take some of them.
func (t *Trial) Sections() []Section { return Sections(t.model) }

// Try runs a path. It returns what is wrong afterwards, or why the path could
// not be tried.
func (t *Trial) Try(p Path) (problems []string, skipped string) {
	if p.Outside {
		return nil, "it begins a transaction, and the test is within one"
	}
	if p.Skip != "" {
		return nil, p.Skip
	}
	after, readErr, err := t.run(p, t.tx.db)
	wrong := t.wrong
	switch {
	case p.Fails && err == nil:
		return []string{"no error, want one"}, ""
	case !p.Fails && errors.Join(err, readErr) != nil:
		if _, alone := t.alone(p); alone != nil {
			first, _, _ := strings.Cut(alone.Error(), "\n") // of joined errors, often one twice
			return nil, "GORM alone fails too: " + first
		}
		return []string{fmt.Sprintf("error %q, and GORM alone writes", cmp.Or(err, readErr))}, ""
	case err != nil && readErr != nil:
		return nil, "" // the transaction has failed, so nothing is written
	}
	rows, stamps := t.compare(p, after)
	if len(rows) > 0 {
		if alone, err := t.alone(p); err != nil || len(alone) > 0 {
			return nil, "GORM alone writes other rows too"
		}
	}
	return slices.Concat(rows, stamps, wrong), ""
}

// run runs a path through db, reads what there is then and undoes it.
func (t *Trial) run(p Path, db *gorm.DB) (after map[string]contents, readErr, err error) {
	t.wrong, t.tx.first.err = nil, nil
	defer func() {
		err, readErr = t.tx.first.because(err), t.tx.first.because(readErr)
		readErr = errors.Join(readErr, t.tx.rollbackTo("path"))
	}()
	err = safely(func() error { return p.Run(t.model.asActor(db)) })
	if after, readErr = t.read(); readErr == nil {
		t.wrong, readErr = t.history.misattributed(t.tx.plain)
	}
	return after, readErr, err
}

// safely has a panic, of a hook or a plugin, be an error.
func safely(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return f()
}

// alone runs a path without plugins and without by-columns. It returns which
// rows are then other ones than the path shall leave.
func (t *Trial) alone(p Path) (rows []string, err error) {
	models := []*Model{t.model}
	for _, r := range t.model.relations {
		if r.Child != nil {
			models = append(models, r.Child)
		}
	}
	for _, m := range models {
		m.honestly = true
		defer func() { m.honestly = false }()
	}
	after, readErr, err := t.run(p, t.tx.plain)
	if err == nil && readErr == nil {
		rows, _ = t.compare(p, after)
	}
	return rows, errors.Join(err, readErr)
}

// wanted is what a table shall hold after a path.
type wanted struct {
	known contents
	added [][]string
	names map[string]string // what the rows are called
}

func (t *Trial) wants(p Path) map[string]*wanted {
	all := map[string]*wanted{}
	for name, rows := range t.before {
		all[name] = &wanted{known: maps.Clone(rows), names: map[string]string{}}
	}
	for name, row := range t.rows {
		all[row.table].names[row.key] = "row " + row.key
		if name == "3" && len(t.model.softDeletes) > 0 {
			all[row.table].names[row.key] = "the softly deleted row " + row.key
		}
	}
	for name, want := range p.Want {
		if row, ok := t.rows[name]; !ok {
			if table := t.tableOf(name); table != nil {
				w := all[table.model.table()]
				w.added = append(w.added, table.expand(want))
			}
		} else if want == isGone {
			delete(all[row.table].known, row.key)
		} else {
			all[row.table].known[row.key] = t.tables[row.table].expand(want)
		}
	}
	return all
}

// tableOf returns the table of a new row.
func (t *Trial) tableOf(name string) *table {
	relation, _, found := strings.Cut(name, " ")
	if !found {
		return t.tables[t.model.table()]
	}
	relation, isJoin := strings.CutSuffix(relation, ".join")
	r := t.model.Relation(relation)
	if isJoin {
		return t.tables[r.joinModel.table()]
	}
	return t.tables[r.Child.table()]
}

// compare returns which rows are there or gone and shall not be, and which
// by-columns do not say what they shall.
func (t *Trial) compare(p Path, after map[string]contents) (rows, stamps []string) {
	for name, want := range t.wants(p) {
		if p.Any {
			others := func(key string, _ []string) bool { return want.names[key] == "" && t.before[name][key] != nil }
			maps.DeleteFunc(want.known, others)
			maps.DeleteFunc(after[name], others)
		}
		called := func(key string) string { return first(want.names[key], "row "+key) }
		var added [][]string
		for key, said := range after[name] {
			if held, ok := want.known[key]; ok {
				stamps = append(stamps, t.tables[name].differ(called(key), said, held)...)
			} else if t.before[name][key] != nil {
				rows = append(rows, fmt.Sprintf("%s: %s is there, want it deleted", name, called(key)))
			} else {
				added = append(added, said)
			}
		}
		for key := range want.known {
			if after[name][key] == nil {
				rows = append(rows, fmt.Sprintf("%s: %s is gone, want it kept", name, called(key)))
			}
		}
		if len(added) != len(want.added) {
			rows = append(rows, fmt.Sprintf("%s has %d new rows, want %d", name, len(added), len(want.added)))
			continue
		}
		slices.SortFunc(added, slices.Compare)
		slices.SortFunc(want.added, slices.Compare)
		for n := range added {
			stamps = append(stamps, t.tables[name].differ("the new row", added[n], want.added[n])...)
		}
	}
	slices.Sort(rows)
	slices.Sort(stamps)
	return rows, stamps
}

// differ reports by-columns of a row that do not say what they shall.
func (t *table) differ(row string, got, want []string) (problems []string) {
	for n, name := range t.model.byNames() {
		if got[n] != want[n] {
			users := t.model.Users
			problems = append(problems, fmt.Sprintf("%s.%s of %s = %s, want %s", t.model.table(), name, row, users.say(got[n], got[n]), users.say(want[n], want[n])))
		}
	}
	return problems
}

// Idle reports whether a new row with forged by-columns names nobody at all,
// although somebody acts.
func (t *Trial) Idle() bool {
	t.model.rewind()
	create := Path{Run: func(db *gorm.DB) error { return db.Create(t.model.fresh()).Error }}
	after, readErr, err := t.run(create, t.tx.db)
	if err != nil || readErr != nil {
		return false
	}
	for key, said := range after[t.model.table()] {
		if t.before[t.model.table()][key] == nil {
			return !slices.ContainsFunc(said, func(who string) bool { return who != "-" })
		}
	}
	return false
}
