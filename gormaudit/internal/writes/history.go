package writes

import (
	"fmt"
	"slices"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/plugins"
)

// history is what gormaudit/history records beside the rows, in the tables that
// its page schema.md describes. The zero history is that of a database which
// keeps none, or of an account that may not read it.
type history struct {
	kept bool
	last int64 // the id of the last change before a path
	who  actor.Actor
	// author wrote the rows that are there. Some paths let them write, too.
	author actor.Actor
}

// openHistory looks whether there is a history that says who acts under the
// model's context.
func (t *Trial) openHistory() {
	if _, used := t.tx.db.Plugins[plugins.History]; !used {
		return
	}
	var known bool
	users := t.model.Users
	if t.history.who, known = actor.FromContext(users.context(users.Actor)); !known {
		return
	}
	t.history.author, _ = actor.FromContext(users.context(users.Author))
	readable := t.tx.attempt(func() error {
		return t.tx.plain.Raw("SELECT COALESCE(MAX(id), 0) FROM whodunit_changes").Scan(&t.history.last).Error
	})
	t.history.kept = readable == nil
}

// misattributed says which tables have changes since the last path that the
// history does not attribute to who acts.
func (h *history) misattributed(plain *gorm.DB) ([]string, error) {
	if !h.kept {
		return nil, nil
	}
	set := "s.id = c.change_set"
	if plain.Name() == "sqlite" {
		set = "c.id BETWEEN s.id AND s.last"
	}
	var tables []string
	err := plain.Raw("SELECT DISTINCT c.table_name FROM whodunit_changes c WHERE c.id > ? AND NOT EXISTS ("+
		"SELECT 1 FROM whodunit_change_sets s WHERE "+set+" AND s.actor_kind = ? AND s.actor_id IN (?, ?))",
		h.last, h.who.Kind.String(), h.who.ID, h.author.ID).Scan(&tables).Error
	slices.Sort(tables)
	for n, table := range tables {
		tables[n] = fmt.Sprintf("the history has changes of %s that are not attributed to %s, who acts", table, h.who)
	}
	return tables, err
}
