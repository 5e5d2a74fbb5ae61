package history

import (
	"fmt"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// anonymized is what stands for the name of a person who was anonymized.
const anonymized = "anonymized"

// Anonymize replaces one person's name and metadata in all change sets: the name
// becomes "anonymized"; address, user agent, request id and
// [ChangeSet.Metadata] become NULL. Kind, id, time, route and the changes stay, and
// with them the trail's structure: [Find] still finds it. It returns how many change
// sets it changed, and records itself with the actor of db's context, as an
// [ActionAnonymize] of table change_sets.
//
// What the changes themselves hold is not touched: leave columns with personal
// data out of the history or redact them, or [Prune].
func Anonymize(db *gorm.DB, person actor.Actor) (int64, error) {
	d, err := dialectOf(db)
	if err != nil {
		return 0, err
	}
	if person.IsAnonymous() {
		return 0, fmt.Errorf("history: anonymizing: %s is no person", person)
	}
	var n int64
	err = maintained(db.Session(&gorm.Session{NewDB: true}), d, func(tx *gorm.DB) (err error) {
		n, err = anonymize(tx, d, person.Identity)
		return err
	}, func(tx *gorm.DB) error { return recordAnonymized(tx, d, person.Identity) })
	if err != nil {
		return 0, fmt.Errorf("history: anonymizing: %w", err)
	}
	return n, nil
}

func anonymize(tx *gorm.DB, d dialect, person actor.Identity) (int64, error) {
	var n int64
	for _, role := range []string{"actor", "impersonator"} {
		updated := tx.Exec("UPDATE whodunit_change_sets SET "+role+"_name = ?, request_id = NULL, ip = NULL, user_agent = NULL, metadata = NULL WHERE "+
			role+"_kind = ? AND "+d.actorID(role+"_id"), anonymized, person.Kind.String(), person.ID, person.ID)
		if updated.Error != nil {
			return 0, updated.Error
		}
		n += updated.RowsAffected
	}
	return n, nil
}

func recordAnonymized(tx *gorm.DB, d dialect, person actor.Identity) error {
	p := pluginOf(tx)
	if p == nil {
		p = New()
	}
	w, err := p.config.attribution(tx.Statement.Context)
	if err != nil {
		return err
	}
	record := map[string]any{"table_name": changeSetsTable, "row_key": person.String(), "action": ActionAnonymize}
	return d.recordChange(tx, w, record)
}
