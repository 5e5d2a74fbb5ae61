package gormaudit

import (
	"strings"

	"gorm.io/gorm/clause"
)

// part is a table of an UPDATE of several, with by-columns of its own.
type part struct {
	// qualifier is the table's alias or name, which its columns need before
	// them.
	qualifier string
	model     *model
}

// joinParts returns the model of an UPDATE of several tables. Its first part is
// the table of the statement's own model, if that declares by-columns.
func joinParts(declared *model, parts []*part) *model {
	if len(parts) == 0 {
		return declared
	}
	first := parts[0].model
	if first.err != nil {
		return first
	}
	m := &model{schema: first.schema, table: first.table, quote: first.quote, parts: parts}
	for n, p := range parts {
		for _, c := range p.model.columns {
			same := *c
			same.part = p
			same.declared = c.declared && n == 0 && declared != nil && declared.schema == first.schema
			m.columns = append(m.columns, &same)
		}
		m.deletedAt = append(m.deletedAt, p.model.deletedAt...)
	}
	m.index()
	m.otherColumns, m.insertColumns = nil, nil // they are not the columns of one table
	return m
}

// partOf returns the part that an assignment is to, nil where it is a table
// without by-columns: by the name before the column, or else the first that has
// such a column.
func (m *model) partOf(c clause.Column) *part {
	table, name := c.Table, c.Name
	if dot := strings.LastIndexByte(name, '.'); table == "" && dot >= 0 {
		table, name = name[:dot], name[dot+1:]
	}
	if table == "" {
		for _, p := range m.parts {
			if p.has(name) {
				return p
			}
		}
		return nil
	}
	var found *part
	for _, p := range m.parts {
		if ok, exactly := p.named(table); exactly {
			return p
		} else if ok && found == nil {
			found = p
		}
	}
	return found
}

// named reports whether a name before a column can be the part's, and exactly
// if both have the same schema before them, or none.
func (p *part) named(table string) (ok, exactly bool) {
	own, given := parseName(p.qualifier), parseName(table)
	exactly = sameFold(own.schema, given.schema)
	ok = sameFold(own.name, given.name) && (exactly || own.schema == "" || given.schema == "")
	return ok, ok && exactly
}

func (p *part) has(column string) bool {
	_, ok := p.model.otherColumns[column]
	return ok || p.model.column(column) != nil
}
