package gormaudit

import (
	"fmt"
	"slices"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// rewriteValues rewrites the VALUES clause of an INSERT.
func rewriteValues(a *auditor, stmt *gorm.Statement, m *model, c clause.Clause, next builder) {
	values, ok := c.Expression.(clause.Values)
	if !ok {
		m.refuse(stmt, "VALUES", c)
		return
	}
	if sql := stmt.SQL.String(); replaces(sql) {
		_ = stmt.AddError(fmt.Errorf("gormaudit: %s on %q: REPLACE deletes the old row and with it who created it; use clause.OnConflict", strings.TrimSpace(sql), m.table))
		return
	}
	i := insert{columns: values.Columns, rows: values.Values}
	i.begin(a, stmt, m)
	if a.config.DryRun {
		i.rows = slices.Clone(i.rows)
		for r, row := range i.rows {
			i.rows[r] = slices.Clone(row)
		}
	}
	_, i.upsert = stmt.Clauses["ON CONFLICT"]
	i.arrange()
	var buffer [3]stampedColumn // off the heap
	stamps := i.decide(buffer[:0])
	if stmt.Error != nil {
		return // nothing is sent, so that nothing is written into models either
	}
	i.pointers.rows = len(i.rows)
	stmt.Vars = slices.Grow(stmt.Vars, len(i.rows)*len(i.columns)) // GORM would let them grow one by one
	if next.buildsStandard(&c) && len(i.columns) > 0 {
		i.build(stamps)
		return
	}
	for r := range i.rows {
		i.stamp(r, stamps)
	}
	if i.rearranged {
		c.Expression = clause.Values{Columns: i.columns, Values: i.rows}
	}
	next.build(c, stmt)
}

// replaces reports whether a statement that has come as far as its table is a
// REPLACE or an INSERT OR REPLACE. The table may be named so.
func replaces(sql string) bool {
	if strings.HasPrefix(sql, "INSERT INTO ") {
		return false
	}
	verb := strings.ToUpper(sql)
	if into := strings.LastIndex(verb, " INTO "); into >= 0 {
		verb = verb[:into]
	}
	return strings.Contains(verb, "REPLACE")
}

// insert is a VALUES clause being rewritten. GORM makes the rows anew for each
// statement, so they are changed in place.
type insert struct {
	statement
	columns []clause.Column
	rows    [][]any
	// at holds the index of each of the model's by-columns in columns, or -1.
	at indexes
	// rearranged says that columns is a copy.
	rearranged bool
	// upsert says that rows may be there already.
	upsert bool
	// keys are the indexes of the primary key in columns, nil before they are
	// asked for.
	keys []int
}

// indexes keeps those of a usual model off the heap.
type indexes struct {
	inline [4]int
	more   []int
}

func (x *indexes) of(columns int) []int {
	if columns <= len(x.inline) {
		return x.inline[:columns]
	}
	if x.more == nil {
		x.more = make([]int, columns)
	}
	return x.more
}

// stampedColumn is a by-column of an INSERT, its index and what it gets.
type stampedColumn struct {
	*column
	index int
	value value
	// dropped and stamped say that it was reported.
	dropped, stamped bool
}

// arrange finds the by-columns, each once and by its own name, and adds those
// that are written all the same.
func (i *insert) arrange() {
	at := i.at.of(len(i.model.columns))
	if i.hasModelColumns() {
		i.find(at)
	} else {
		i.resolveSpellings(at)
	}
	for n, c := range i.model.columns {
		if at[n] < 0 && c.role != deleted && !i.omits(c) {
			at[n] = i.add(c)
		}
	}
}

// hasModelColumns reports whether the columns are GORM's own, of a model, each once. A
// map can come in Dest's place after GORM has seen a model there.
func (i *insert) hasModelColumns() bool {
	return !i.fromMap() && len(i.Omits) == 0 && !i.model.ambiguous && i.targets.value.IsValid()
}

// fromMap reports whether the rows are made of maps.
func (i *insert) fromMap() bool {
	switch i.Dest.(type) {
	case map[string]any, *map[string]any, []map[string]any, *[]map[string]any:
		return true
	}
	return false
}

// find looks where GORM puts the columns if nothing is selected, first.
func (i *insert) find(at []int) {
	for n, c := range i.model.columns {
		if c.position < len(i.columns) && i.columns[c.position].Name == c.name {
			at[n] = c.position
		} else {
			at[n] = slices.IndexFunc(i.columns, func(column clause.Column) bool { return column.Name == c.name })
		}
	}
}

// resolveSpellings takes whatever addresses a by-column for it.
func (i *insert) resolveSpellings(at []int) {
	for n := range at {
		at[n] = -1
	}
	for j := 0; j < len(i.columns); j++ {
		c := i.model.column(i.columns[j].Name)
		if c == nil {
			continue
		}
		n := slices.Index(i.model.columns, c)
		if at[n] >= 0 || i.omits(c) {
			if at[n] >= 0 {
				i.reportSecond(j, c)
			}
			i.drop(j)
			j--
			continue
		}
		at[n] = j
		if i.columns[j].Name != c.name || i.columns[j].Raw {
			i.cloneColumns()
			i.columns[j] = clause.Column{Name: c.name}
		}
	}
}

// reportSecond reports what column j holds, a second spelling of c.
func (i *insert) reportSecond(j int, c *column) {
	gets := i.nobody(c)
	if c.role != deleted && i.mode != skip && i.hasActor {
		gets = *i.valueFor(c)
	}
	for _, row := range i.rows {
		if j < len(row) && i.isDropped(c, row[j], &gets, row) {
			i.reportDropped("create", c)
		}
	}
}

func (i *insert) cloneColumns() {
	if !i.rearranged {
		i.rearranged = true
		i.columns = slices.Clone(i.columns)
	}
}

func (i *insert) drop(j int) {
	i.cloneColumns()
	i.columns = slices.Delete(i.columns, j, j+1)
	for r, row := range i.rows {
		if j < len(row) {
			i.rows[r] = slices.Delete(row, j, j+1)
		}
	}
}

func (i *insert) add(c *column) int {
	i.cloneColumns()
	i.columns = append(i.columns, clause.Column{Name: c.name})
	if len(i.rows) == 0 {
		i.rows = [][]any{nil} // it was DEFAULT VALUES
	}
	for r, row := range i.rows {
		i.rows[r] = append(row, nil)
	}
	return len(i.columns) - 1
}

// decide adds to stamps what each by-column gets.
func (i *insert) decide(stamps []stampedColumn) []stampedColumn {
	for n, index := range i.at.of(len(i.model.columns)) {
		c := i.model.columns[n]
		if index < 0 {
			continue
		}
		if c.role == deleted || i.mode == skip {
			stamps = append(stamps, stampedColumn{column: c, index: index, value: i.nobody(c)})
			continue
		}
		i.reportMissing("create", c)
		v := i.valueFor(c)
		if i.Error != nil {
			break
		}
		stamps = append(stamps, stampedColumn{column: c, index: index, value: *v})
	}
	return stamps
}

// stamp writes it into a row, and into the model it was made from. In an upsert
// the row that counts may be an older one: there a model's field is filled if
// it is zero and left alone if not, as GORM does with CreatedAt.
func (i *insert) stamp(r int, stamps []stampedColumn) {
	row, model := i.rows[r], i.targets.at(r)
	for n := range stamps {
		s := &stamps[n]
		if s.index >= len(row) || i.mode == preserve && !isZero(row[s.index]) {
			continue
		}
		if !s.dropped && given(row[s.index]) && i.isDropped(s.column, row[s.index], &s.value, row) {
			s.dropped = true
			i.reportDropped("create", s.column)
		}
		row[s.index] = s.value.bind
		switch {
		case i.auditor.config.DryRun:
			i.rehearse(s)
		case !s.declared || !model.IsValid() || i.upsert && !s.in(i.ctx, model).IsZero():
		case s.direct >= 0 && s.value.kind == textValue:
			model.Field(s.direct).SetString(s.value.text)
		default:
			i.store(s.column, model, &s.value)
		}
	}
}

// rehearse reports a stamp of a dry run, in place of setting it in the model.
func (i *insert) rehearse(s *stampedColumn) {
	if !s.stamped && i.hasActor && i.mode != skip && s.role != deleted {
		s.stamped = true
		i.reportStamp("create", s.column)
	}
}

// given reports whether a row may hold a caller's value.
func given(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case string:
		return v != ""
	case *string:
		return v != nil
	case uint:
		return v != 0
	case *uint:
		return v != nil
	}
	return !isZero(v)
}

// isDropped reports whether a caller gave c's value v in a row and gets
// another one. It is not the caller's if GORM puts it there, and may be the
// row's own if the row may be there already.
func (i *insert) isDropped(c *column, v any, gets *value, row []any) bool {
	switch nobody := i.nobody(c); {
	case sameValue(v, gets.bind), sameValue(v, nobody.bind), sameValue(v, ""), v == c.field.DefaultValueInterface:
		return false
	case i.fromMap():
		return true
	}
	_, isDefault := v.(clause.Expr)
	return !isDefault && (!i.upsert || !i.hasKey(row))
}

// hasKey reports whether the primary key is set in a row.
func (i *insert) hasKey(row []any) bool {
	if i.keys == nil {
		i.keys = []int{}
		for _, field := range i.model.schema.PrimaryFields {
			i.keys = append(i.keys, slices.IndexFunc(i.columns, func(column clause.Column) bool { return column.Name == field.DBName }))
		}
	}
	for _, index := range i.keys {
		if index < 0 || index >= len(row) || isZero(row[index]) {
			return false
		}
		if _, isDefault := row[index].(clause.Expr); isDefault {
			return false
		}
	}
	return true
}

// build is [clause.Values.Build], with names that are quoted already and each
// row stamped when it is written.
func (i *insert) build(stamps []stampedColumn) {
	_ = i.WriteByte('(')
	for n := range i.columns {
		if n > 0 {
			_ = i.WriteByte(',')
		}
		if c := &i.columns[n]; n < len(i.model.insertColumns) && *c == i.model.insertColumns[n].column {
			_, _ = i.WriteString(i.model.insertColumns[n].quoted)
		} else {
			i.WriteQuoted(*c)
		}
	}
	_, _ = i.WriteString(") VALUES ")
	for r := range i.rows {
		if r > 0 {
			_ = i.WriteByte(',')
		}
		i.stamp(r, stamps)
		_ = i.WriteByte('(')
		for n, v := range i.rows[r] {
			if n > 0 {
				_ = i.WriteByte(',')
			}
			i.addVar(v)
		}
		_ = i.WriteByte(')')
	}
}
