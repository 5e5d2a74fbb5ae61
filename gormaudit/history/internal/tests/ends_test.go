package tests

import (
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// The changes of a transaction end together, whoever made them, of whatever row.
func TestEndsAreThoseOfTransactions(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		var want []time.Time
		for range 3 {
			must(t, db.Transaction(func(tx *gorm.DB) error {
				for i := range 60 {
					if i%20 == 0 {
						time.Sleep(3 * time.Millisecond)
					}
					must(t, tx.WithContext(as([]actor.Actor{ann, bob}[i%2])).Create(&Note{}).Error)
				}
				return nil
			}))
			end := must2(history.Find(plain, history.Query{Limit: 1}))[0].At
			for range 60 {
				want = append(want, end)
			}
		}
		changes := must2(history.Find(plain, history.Query{Limit: 180}))
		gone := history.Change{ID: 1 << 40, At: time.Date(2020, 2, 3, 4, 5, 6, 7, time.UTC)}
		ends := must2(history.Ends(plain, append(changes, gone)))
		if len(ends) != 181 || !ends[180].Equal(gone.At) {
			t.Fatalf("Ends has %d times, the last is %v, want 181 and %v", len(ends), ends[len(ends)-1], gone.At)
		}
		for i, end := range ends[:180] {
			if !end.Equal(want[179-i]) {
				t.Fatalf("change %d of %v ends at %v, want %v", i, changes[i].At, end, want[179-i])
			}
		}
	})
}
