package history

import (
	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/plugins"
)

// Plugin tells the database who acts. Register it with [gorm.DB.Use]. One Plugin can
// serve several *gorm.DB, and the databases of dbresolver.
type Plugin struct{ callbacks }

var _ gorm.Plugin = (*Plugin)(nil)

// New returns a plugin with the zero [Config].
func New() *Plugin { return NewWithConfig(Config{}) }

// NewWithConfig returns a plugin. If config is bad, [gorm.DB.Use] returns an error.
func NewWithConfig(config Config) *Plugin {
	if config.Actor == nil {
		config.Actor = actor.FromContext
	}
	return &Plugin{callbacks{config: config}}
}

// Name implements [gorm.Plugin].
func (p *Plugin) Name() string { return plugins.History }

// Initialize implements [gorm.Plugin]. It asks the database nothing. It returns an
// error for databases other than SQLite, PostgreSQL, MariaDB and MySQL, and for a
// model of [Config] that can't be recorded.
func (p *Plugin) Initialize(db *gorm.DB) error {
	d, err := dialectOf(db)
	if err != nil {
		return err
	}
	tables, err := parseModels(db, d, p.config.Models)
	if err != nil {
		return err
	}
	for _, t := range tables {
		p.pools.required.Store(t.name, true)
	}
	return p.register(db)
}

// pluginOf returns the plugin of db, nil if it has none.
func pluginOf(db *gorm.DB) *Plugin {
	p, _ := db.Plugins[plugins.History].(*Plugin)
	return p
}
