package tests

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

func because(ctx context.Context, metadata map[string]string) context.Context {
	return actor.NewMetadataContext(ctx, metadata)
}

func TestMetadataIsRecorded(t *testing.T) {
	t.Parallel()
	widest := map[string]string{"": "no name", "k": strings.Repeat("é", 1900)}
	for i := range 14 {
		widest[fmt.Sprint("key ", i)] = `"'\<>&,` + "\t\u2028💶"
	}
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		for name, want := range map[string]map[string]string{
			"none": nil, "one": {"reason": "refund"}, "the most": widest,
		} {
			for who, ctx := range map[string]context.Context{"somebody": as(ann), "nobody said": context.Background()} {
				note := Note{Title: "a"}
				must(t, db.WithContext(because(ctx, want)).Create(&note).Error)
				if got := last(t, plain, &note).ChangeSet; !maps.Equal(got.Metadata, want) || got.Attributed != (who == "somebody") || (got.Metadata == nil) != (want == nil) {
					t.Errorf("%s, %s: the change set of %v (attributed %t) has the metadata %#v, want %#v", name, who, got.Actor, got.Attributed, got.Metadata, want)
				}
			}
		}
	})
}

func TestMetadataBeyondItsLimitsFailsTheWrite(t *testing.T) {
	t.Parallel()
	many := map[string]string{}
	for i := range 17 {
		many[fmt.Sprint(i)] = "x"
	}
	eachSQLite(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		for name, metadata := range map[string]map[string]string{
			"17 keys":        many,
			"4097 bytes":     {"k": strings.Repeat("x", 4096)},
			"no UTF-8":       {"k": "a\xff"},
			"a key of none":  {"\xff": "a"},
			"a zero byte":    {"k": "a\x00"},
			"a key with one": {"\x00": "a"},
		} {
			err := db.WithContext(because(as(ann), metadata)).Create(&Note{Title: "a"}).Error
			if !errors.Is(err, history.ErrMetadata) {
				t.Errorf("Create with metadata of %s = %v, want %v", name, err, history.ErrMetadata)
			}
		}
		if n := count(t, plain, "notes") + count(t, plain, "whodunit_changes"); n != 0 {
			t.Errorf("%d notes and changes were written, want none", n)
		}
	})
}

func TestAnonymizeClearsMetadata(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		note := Note{Title: "a"}
		must(t, db.WithContext(because(as(ann), map[string]string{"reason": "Ann's wish"})).Create(&note).Error)
		must2(history.Anonymize(db, ann))
		if got := last(t, plain, &note).ChangeSet.Metadata; got != nil {
			t.Errorf("the metadata of somebody anonymized is %v, want none", got)
		}
	})
}

func TestOtherWordsMakeAnotherChangeSet(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		note := Note{Title: "a"}
		must(t, db.Transaction(func(tx *gorm.DB) error {
			must(t, tx.WithContext(because(as(ann), map[string]string{"reason": "a"})).Create(&note).Error)
			return tx.WithContext(because(as(ann), map[string]string{"reason": "b"})).Model(&note).Update("title", "b").Error
		}))
		for i, want := range []string{"b", "a"} {
			if got := must2(history.Of(plain, &note))[i].ChangeSet.Metadata["reason"]; got != want {
				t.Errorf("the reason of change %d is %q, want %q", i, got, want)
			}
		}
	})
}

// A session keeps a name, a token may have none.
func TestANameMakesNoOtherChangeSet(t *testing.T) {
	t.Parallel()
	nameless := func(a actor.Actor) actor.Actor {
		a.Name, a.Impersonator.Name = "", ""
		return a
	}
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		for _, named := range []actor.Actor{ann, bob.As(ann)} {
			note := Note{Title: "a"}
			must(t, db.Transaction(func(tx *gorm.DB) error {
				must(t, tx.WithContext(as(named)).Create(&note).Error)
				must(t, tx.WithContext(as(nameless(named))).Model(&note).Update("title", "b").Error)
				return tx.WithContext(as(named)).Model(&note).Update("title", "c").Error
			}))
			sets := map[int64]actor.Actor{}
			for _, c := range must2(history.Of(plain, &note)) {
				sets[c.ChangeSet.ID] = c.ChangeSet.Actor
			}
			if len(sets) != 1 || sets[last(t, plain, &note).ChangeSet.ID] != named {
				t.Errorf("the change sets are %v, want one of %#v", sets, named)
			}
		}
	})
}
