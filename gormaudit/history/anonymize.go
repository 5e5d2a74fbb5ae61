package history

import (
	"fmt"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// anonymized is what stands for the name of a person who was anonymized.
const anonymized = "anonymized"

// Anonymize removes one person's name, request and metadata from all change sets. The
// name becomes "anonymized". Address, user agent, request id and [ChangeSet.Metadata]
// become NULL. Kind, id, time, method, route and the changes stay, so that [Find]
// still finds what the person did. Anonymize returns how many change sets it changed.
// It records itself with the actor of db's context, as an [ActionAnonymize] of the
// table whodunit_change_sets.
//
// It works in batches of rows, each its own transaction, with pauses in which
// others write. It can be stopped by the context of db. A run that was stopped has
// recorded nothing of itself, and must be repeated.
//
// What the changes themselves hold is not touched. So leave columns with personal
// data out of the history, redact them, or call [Prune]. The page schema.md has the
// SQL that erases the changes of one row.
func Anonymize(db *gorm.DB, person actor.Actor) (int64, error) {
	d, err := dialectOf(db)
	if err != nil {
		return 0, err
	}
	if person.IsAnonymous() {
		return 0, fmt.Errorf("history: anonymizing: %s is not a person", person)
	}
	p := pluginOf(db)
	if p == nil {
		p = New()
	}
	by, err := p.config.attribution(contextOf(db))
	if err != nil {
		return 0, err
	}
	u := newUpkeeper(db, d)
	n, err := u.anonymize(person.Identity)
	if err == nil {
		err = u.db.Transaction(func(tx *gorm.DB) error {
			return d.recordChange(tx, by, map[string]any{"table_name": changeSetsTable, "row_key": person.String(), "action": ActionAnonymize})
		})
	}
	if err != nil {
		return n, fmt.Errorf("history: anonymizing: %w", err)
	}
	return n, nil
}

func (u *upkeeper) anonymize(person actor.Identity) (n int64, err error) {
	for _, role := range []string{"actor", "impersonator"} {
		changed, err := u.sets(role+"_kind = ? AND "+u.dialect.actorID(role+"_id"), []any{person.Kind.String(), person.ID, person.ID},
			func(tx *gorm.DB, these string, keys []any) error {
				return tx.Exec("UPDATE whodunit_change_sets SET "+role+"_name = ?, request_id = NULL, ip = NULL, user_agent = NULL, metadata = NULL WHERE "+these,
					anonymized, keys).Error
			})
		if n += changed; err != nil {
			return n, err
		}
	}
	return n, nil
}
