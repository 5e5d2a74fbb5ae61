package history

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"gorm.io/gorm"
	"gorm.io/gorm/schema"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// Plugin tells the database who acts. Register it with [gorm.DB.Use], for one
// *gorm.DB.
type Plugin struct {
	config   Config
	engine   engine
	required map[string]bool // the tables of config.Models

	told    sync.Map // weak.Pointer[sql.Tx] to *told
	catalog atomic.Pointer[map[string]installation]
	checked sync.Map // *schema.Schema, once it was compared with the catalog

	compiled *compiled // nil where there is nothing to compile
}

var _ gorm.Plugin = (*Plugin)(nil)

// Config says how a [Plugin] works. Its zero value is what [New] uses.
type Config struct {
	// Actor says who acts under a context, and false when nobody said. By
	// default [actor.FromContext].
	Actor func(ctx context.Context) (actor.Actor, bool)
	// Models are those whose changes must be recorded. Without it the plugin
	// warns of outdated triggers only: it can't know which tables should have
	// some and have none. [Revert] knows their keys. By default none.
	Models []any
}

// New returns a plugin with the zero [Config].
func New() *Plugin { return NewWithConfig(Config{}) }

// NewWithConfig returns a plugin. A bad Config is an error from [gorm.DB.Use].
func NewWithConfig(config Config) *Plugin {
	if config.Actor == nil {
		config.Actor = actor.FromContext
	}
	return &Plugin{config: config}
}

// pluginName, and with it the names of callbacks and settings, must not be one
// that an application gives its own history.
const pluginName = "gormaudit/history"

// Name implements [gorm.Plugin].
func (p *Plugin) Name() string { return pluginName }

// Initialize implements [gorm.Plugin]. It asks the database nothing. Databases
// other than SQLite, PostgreSQL, MariaDB and MySQL are an error, as is a model
// of [Config] that can't be recorded, or a Plugin that already serves another
// *gorm.DB.
func (p *Plugin) Initialize(db *gorm.DB) error {
	if p.engine != nil {
		return errors.New("history: this Plugin serves another *gorm.DB already: call New for each")
	}
	dialect, err := engineOf(db)
	if err != nil {
		return err
	}
	tables, err := parseModels(db, dialect, p.config.Models)
	if err != nil {
		return err
	}
	p.required = map[string]bool{}
	for _, t := range tables {
		p.required[t.name] = true
	}
	p.engine = dialect
	if _, ok := dialect.(sqliteEngine); ok {
		p.compiled = newCompiled()
	}
	return p.register(db)
}

// pluginOf returns the plugin of db, nil if it has none.
func pluginOf(db *gorm.DB) *Plugin {
	p, _ := db.Plugins[pluginName].(*Plugin)
	return p
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
	p.claim(db)
	found, err := p.engine.installed(db)
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
	p.claim(db)
	dialect, err := located(db, p.engine)
	if err != nil {
		return
	}
	t, err := describeSchema(db, dialect, s)
	if err == nil {
		err = compare(dialect, t, found)
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
