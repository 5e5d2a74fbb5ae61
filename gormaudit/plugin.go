package gormaudit

import (
	"fmt"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/plugins"
)

// Plugin stamps created_by, updated_by and deleted_by on everything that goes
// through the [gorm.DB] it is registered with. One Plugin may serve several
// gorm.DBs.
type Plugin struct {
	config Config
	// ownActor says that Config.Actor is the application's.
	ownActor bool
}

var _ gorm.Plugin = (*Plugin)(nil)

// New returns a plugin with the zero [Config].
func New() *Plugin { return NewWithConfig(Config{}) }

// NewWithConfig returns a plugin. A bad config is an error from db.Use.
func NewWithConfig(config Config) *Plugin {
	p := &Plugin{config: config, ownActor: config.Actor != nil}
	if !p.ownActor {
		p.config.Actor = actor.FromContext
	}
	return p
}

// Name implements [gorm.Plugin]. GORM refuses a second plugin of this name
// with [gorm.ErrRegistered], before it calls the plugin. So the bare
// "registered" that a second db.Use returns means that the same gorm.DB has the
// plugin already, with the Config of the first one.
func (p *Plugin) Name() string { return plugins.Stamping }

// Initialize implements [gorm.Plugin]; db.Use calls it. It must run before db
// is used by more than one goroutine, as with every plugin: GORM keeps
// callbacks and clause builders without a lock.
func (p *Plugin) Initialize(db *gorm.DB) error {
	if p.config.Missing > Reject {
		return fmt.Errorf("gormaudit: unknown MissingPolicy %d", p.config.Missing)
	}
	a := &auditor{config: p.config, registry: newRegistry(db), places: newPlaces(), ownActor: p.ownActor}
	if _, ok := db.ClauseBuilders[installed]; ok {
		// The plugin dbresolver opens its databases with the config of the
		// gorm.DB that it serves: the same builders, whose auditor knows about both.
		return registerCallback(a, db)
	}
	if err := a.registry.register(p.config.Models); err != nil {
		return err
	}
	return install(a, db)
}
