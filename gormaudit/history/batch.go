package history

import (
	"context"
	"strings"
	"time"

	"gorm.io/gorm"
)

// One transaction of Prune and Anonymize changes as many rows as it can in about
// batchTime, for on SQLite all others wait for it.
const (
	batchTime     = 10 * time.Millisecond
	smallestBatch = 50
	largestBatch  = 500
)

// longestPause bounds how long Prune and Anonymize let others write between two
// batches.
const longestPause = 100 * time.Millisecond

// upkeeper changes the history's tables a batch of rows at a time.
type upkeeper struct {
	dialect   dialect
	db, reads *gorm.DB // reads go to the place that db writes to
	within    bool     // a transaction, which no pause helps
	rows      int      // of the next batch
}

func newUpkeeper(db *gorm.DB, d dialect) upkeeper {
	ctx := context.WithValue(contextOf(db), maintenance{}, true)
	db = uncached(db.WithContext(ctx))
	return upkeeper{d, db, onePlace(db), inTransaction(db), smallestBatch}
}

// batch runs f in a transaction that may change the history's tables, again where
// others were in its way, and then lets them write for as long as that took.
func (u *upkeeper) batch(f func(tx *gorm.DB) error) error {
	ctx, began := contextOf(u.db), time.Now()
	busy := u.dialect.busy
	if u.within {
		busy = func(error) bool { return false } // it is lost with all that came before
	}
	err := retry(ctx, busy, func() error {
		return maintained(u.db, u.dialect, func(tx *gorm.DB) error {
			began = time.Now() // nobody waits while it waits itself
			return f(tx)
		})
	})
	took := time.Since(began)
	if err != nil || u.within {
		return err
	}
	u.resize(took)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(min(took, longestPause)):
		return nil
	}
}

func (u *upkeeper) resize(took time.Duration) {
	switch {
	case took > batchTime:
		u.rows = max(u.rows/2, smallestBatch)
	case took < batchTime/2:
		u.rows = min(u.rows*2, largestBatch)
	}
}

// sets calls f with a condition on all change sets that meet another one, a batch
// at a time, and returns how many that were.
func (u *upkeeper) sets(condition string, args []any, f func(tx *gorm.DB, these string, keys []any) error) (n int64, err error) {
	names := strings.Split(u.dialect.setKey(), ", ")
	these := "(" + strings.Join(names, ", ") + ") IN ?"
	query := u.reads.Table(changeSetsTable+" AS change_sets").Select(append(names, "0")[:2]).Where(condition, args...).
		Order("change_sets.id").Session(&gorm.Session{})
	for after := int64(0); ; {
		found, err := readPairs(query.Where("change_sets.id > ?", after).Limit(u.rows))
		if err != nil || len(found) == 0 {
			return n, err
		}
		after = found[len(found)-1][0]
		keys := make([]any, len(found))
		for i, key := range found {
			if keys[i] = key[0]; len(names) > 1 {
				keys[i] = []any{key[0], key[1]}
			}
		}
		if err := u.batch(func(tx *gorm.DB) error { return f(tx, these, keys) }); err != nil {
			return n, err
		}
		n += int64(len(keys))
	}
}

func readPairs(query *gorm.DB) (pairs [][2]int64, err error) {
	rows, err := query.Rows()
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var pair [2]int64
		if err := rows.Scan(&pair[0], &pair[1]); err != nil {
			return nil, err
		}
		pairs = append(pairs, pair)
	}
	return pairs, rows.Err()
}
