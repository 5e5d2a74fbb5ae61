package history

import (
	"fmt"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// erased is what stands for the name of a person who was erased.
const erased = "erased"

// Erase replaces one person's name and metadata in all change sets: the name
// becomes "erased"; address, user agent and request id become NULL. Kind, id,
// time, route and the changes stay, and with them the trail's structure: [By]
// still finds it. It returns how many change sets it changed, and records itself
// with the actor of db's context, as an [ActionErase] of table change_sets.
//
// What the changes themselves hold is not touched: leave columns with personal
// data out of the history or redact them, or [Prune].
func Erase(db *gorm.DB, person actor.Actor) (int64, error) {
	dialect, err := engineOf(db)
	if err != nil {
		return 0, err
	}
	if person.IsAnonymous() {
		return 0, fmt.Errorf("history: erasing: %s is no person", person)
	}
	var n int64
	err = maintained(db.Session(&gorm.Session{NewDB: true}), dialect, func(tx *gorm.DB) (err error) {
		n, err = erase(tx, dialect, person.Identity)
		return err
	}, func(tx *gorm.DB) error { return recordErasure(tx, dialect, person.Identity) })
	if err != nil {
		return 0, fmt.Errorf("history: erasing: %w", err)
	}
	return n, nil
}

func erase(tx *gorm.DB, dialect engine, person actor.Identity) (int64, error) {
	var n int64
	for _, role := range []string{"actor", "impersonator"} {
		updated := tx.Exec("UPDATE change_sets SET "+role+"_name = ?, request_id = NULL, ip = NULL, user_agent = NULL WHERE "+
			role+"_kind = ? AND "+dialect.actorID(role+"_id"), erased, person.Kind.String(), person.ID, person.ID)
		if updated.Error != nil {
			return 0, updated.Error
		}
		n += updated.RowsAffected
	}
	return n, nil
}

func recordErasure(tx *gorm.DB, dialect engine, person actor.Identity) error {
	p := pluginOf(tx)
	if p == nil {
		p = New()
	}
	w, err := p.who(tx.Statement.Context)
	if err != nil {
		return err
	}
	record := map[string]any{"table_name": changeSetsTable, "row_key": person.String(), "action": ActionErase}
	return dialect.erasure(tx, w, record)
}
