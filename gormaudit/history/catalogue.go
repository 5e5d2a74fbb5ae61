package history

import (
	"fmt"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/schema"
)

// installation is what a table has for triggers.
type installation struct {
	triggers    int
	fingerprint string // of all its triggers, "mixed" when they differ
}

func (i installation) with(fingerprint string) installation {
	if i.triggers > 0 && i.fingerprint != fingerprint {
		fingerprint = "mixed"
	}
	return installation{triggers: i.triggers + 1, fingerprint: fingerprint}
}

// mark is the comment by which installed finds a fingerprint.
func mark(fingerprint string) string { return "/* whodunit:" + fingerprint + " */" }

func markIn(text string) string {
	_, rest, _ := strings.Cut(text, "/* whodunit:")
	found, _, _ := strings.Cut(rest, " */")
	return found
}

// marked puts the fingerprint of all triggers into each.
func marked(triggers []string) []string {
	all := mark(fingerprint(strings.Join(triggers, "\n")))
	for i := range triggers {
		triggers[i] = strings.Replace(triggers[i], "/* whodunit */", all, 1)
	}
	return triggers
}

// readInstalled runs a query for the table and the body of each trigger.
func readInstalled(db *gorm.DB, query string) (map[string]installation, error) {
	rows, err := db.Statement.ConnPool.QueryContext(db.Statement.Context, query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	found := map[string]installation{}
	for rows.Next() {
		var name, body string
		if err := rows.Scan(&name, &body); err != nil {
			return nil, err
		}
		found[name] = found[name].with(markIn(body))
	}
	return found, rows.Err()
}

// audited reports whether the statement writes to a table that has triggers.
// What they are is asked once.
func (p *Plugin) audited(db *gorm.DB) bool {
	if db.Error != nil || db.DryRun {
		return false
	}
	installed := p.installed(db)
	ok := touches(db.Statement, installed)
	if db.Statement.Schema != nil && (ok || len(p.required) > 0) {
		p.check(db, db.Statement.Schema, installed)
	}
	return ok
}

// touches also takes an alias for a table with triggers, and on SQLite, which
// knows no case, a name in another one: rather tell too often.
func touches(stmt *gorm.Statement, installed map[string]installation) bool {
	if _, ok := installed[stmt.Table]; ok || stmt.TableExpr != nil && len(installed) > 0 {
		return true
	}
	_, ok := installed[strings.ToLower(stmt.Table)]
	return ok
}

// touched reports whether begin and tell may have done something. It is asked
// before anything that allocates.
func (p *Plugin) touched(db *gorm.DB) bool {
	known := p.catalog.Load()
	return known == nil || touches(db.Statement, *known)
}

func (p *Plugin) installed(db *gorm.DB) map[string]installation {
	if known := p.catalog.Load(); known != nil {
		return *known
	}
	p.lockForWrite(db)
	found, err := p.dialect.installed(db)
	if err != nil {
		_ = db.AddError(fmt.Errorf("history: looking for triggers: %w", err))
		return nil
	}
	p.catalog.Store(&found)
	return found
}

// check warns, once per model, of triggers that are not what they should be.
func (p *Plugin) check(db *gorm.DB, s *schema.Schema, installed map[string]installation) {
	if _, done := p.checked.Load(s); done {
		return
	}
	if _, done := p.checked.LoadOrStore(s, true); done {
		return
	}
	found := lookUp(installed, s.Table)
	if found.triggers == 0 && !p.required[s.Table] {
		return
	}
	p.lockForWrite(db)
	d, err := p.dialect.locate(db)
	if err != nil {
		return
	}
	t, err := describeSchema(db, d, s)
	if err == nil {
		err = compare(d, t, found)
	}
	if err != nil {
		db.Logger.Warn(db.Statement.Context, "%v", err)
	}
}

// forget makes the plugin ask again, after a migration.
func (p *Plugin) forget() {
	p.catalog.Store(nil)
	p.checked.Clear()
}

func lookUp(installed map[string]installation, table string) installation {
	if found, ok := installed[table]; ok {
		return found
	}
	return installed[table[strings.LastIndexByte(table, '.')+1:]]
}

// compare holds what is installed against what the model says now.
func compare(d generator, t table, found installation) error {
	want := installation{}
	mark := ""
	for _, statement := range d.triggers(t) {
		if m := markIn(statement); m != "" {
			mark = m
		}
		if strings.HasPrefix(statement, "CREATE TRIGGER") {
			want = want.with("")
		}
	}
	want.fingerprint = mark
	switch {
	case found.triggers == 0:
		return &TableError{Table: t.name, Err: ErrMissing}
	case found != want:
		return &TableError{Table: t.name, Err: ErrOutdated}
	}
	return nil
}
