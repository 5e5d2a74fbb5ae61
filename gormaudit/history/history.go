package history

import (
	"context"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// Plugin tells the database who acts. Register it with [gorm.DB.Use]. It serves
// whatever databases its callbacks meet: those of dbresolver too, and several
// *gorm.DB.
type Plugin struct {
	config       Config
	pools        pools
	transactions transactions
}

var _ gorm.Plugin = (*Plugin)(nil)

// Config says how a [Plugin] works. Its zero value is what [New] uses.
type Config struct {
	// Actor says who acts under a context, and false when nobody said. By
	// default [actor.FromContext].
	Actor func(ctx context.Context) (actor.Actor, bool)
	// Models are those whose changes must be recorded: the plugin warns where one
	// has no triggers, and attributes their writes also before it has seen any. Of
	// others it warns where their triggers are outdated or were lost. [Revert] knows
	// their keys. By default none.
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
// of [Config] that can't be recorded.
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
	p, _ := db.Plugins[pluginName].(*Plugin)
	return p
}
