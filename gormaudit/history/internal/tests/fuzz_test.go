package tests

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// Thing is what the fuzzer writes.
type Thing struct {
	ID        uint
	Name      *string `gorm:"size:100"`
	Size      int64
	Data      []byte
	DeletedAt gorm.DeletedAt
	UpdatedBy *string
}

// state is a table as texts: by key, by column.
type state map[string]map[string]string

// snapshot reads the table without the plugin. SQL says where data is NULL: a
// driver gives nil for an empty blob too.
func snapshot(tb testing.TB, plain *gorm.DB) state {
	tb.Helper()
	var things []Thing
	must(tb, plain.Unscoped().Find(&things).Error)
	var filled []uint
	must(tb, plain.Raw("SELECT id FROM things WHERE data IS NOT NULL").Scan(&filled).Error)
	s := state{}
	for _, thing := range things {
		row := map[string]string{"id": fmt.Sprint(thing.ID), "size": fmt.Sprint(thing.Size)}
		if thing.Name != nil {
			row["name"] = *thing.Name
		}
		if slices.Contains(filled, thing.ID) {
			row["data"] = fmt.Sprintf("%x", thing.Data)
		}
		if thing.DeletedAt.Valid {
			row["deleted_at"] = "set"
		}
		s[row["id"]] = row
	}
	return s
}

// replay applies a change to what the history alone knows.
func (s state) replay(tb testing.TB, c history.Change) {
	tb.Helper()
	key := strings.Join(c.Key, ",")
	row, exists := s[key]
	if (c.Action == history.ActionCreate) == exists {
		tb.Fatalf("change %d is a %s of row %s, which exists: %t", c.ID, c.Action, key, exists)
	}
	if !exists {
		row = map[string]string{}
	}
	delete(s, key)
	for _, f := range c.Fields {
		before, had := row[f.Column]
		if f.Bookkeeping || f.Column == "deleted_at" && had {
			before = f.Before.String()
		}
		if had == f.Before.IsNull() && !f.Bookkeeping || had && before != f.Before.String() {
			tb.Fatalf("change %d: %s was %q, the history says %q", c.ID, f.Column, before, f.Before)
		}
		delete(row, f.Column)
		switch {
		case f.Bookkeeping || f.After.IsNull():
		case f.Column == "deleted_at":
			row[f.Column] = "set"
		default:
			row[f.Column] = f.After.String()
		}
	}
	if c.Action != history.ActionDelete {
		s[row["id"]] = row // an update may have moved the key
	}
}

// names are texts that escaping gets wrong.
var names = []string{"", "a", "A", "a ", `"`, `\`, "'", "]],[[", "\n\t", "é🦉", "\u2028", "%s ? @x $1", "NULL", "0"}

// step does one write, told by data, as some actor.
func step(tx *gorm.DB, b []byte) error {
	id, arg := uint(b[1]%5+1), int(b[2])
	name := names[arg%len(names)]
	switch b[0] % 12 {
	case 0, 1:
		return tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&Thing{ID: id, Name: &name, Size: int64(arg)}).Error
	case 2:
		return tx.Unscoped().Model(&Thing{ID: id}).Updates(map[string]any{"name": name, "size": arg}).Error
	case 3:
		return tx.Model(&Thing{}).Where("size >= ?", arg/2).Update("name", name).Error
	case 4:
		return tx.Save(&Thing{ID: id, Data: b, Size: int64(arg)}).Error
	case 5:
		return tx.Delete(&Thing{ID: id}).Error
	case 6:
		return tx.Unscoped().Delete(&Thing{ID: id}).Error
	case 7:
		return tx.Unscoped().Model(&Thing{ID: id}).Update("deleted_at", nil).Error
	case 8:
		return tx.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "id"}}, DoUpdates: clause.AssignmentColumns([]string{"name", "data"})}).
			Create(&[]Thing{{ID: id, Name: &name}, {ID: id%5 + 1, Data: []byte(name)}}).Error
	case 9:
		return tx.Exec("UPDATE things SET name = NULL, size = size + ? WHERE id <> ?", arg%3, id).Error
	case 10:
		return tx.Exec("UPDATE things SET id = ? WHERE id = ?", 5+uint(arg), id).Error
	default:
		_ = tx.Transaction(func(tx *gorm.DB) error {
			_ = tx.Unscoped().Model(&Thing{ID: id}).Update("size", -arg).Error
			_ = tx.Unscoped().Where("id > ?", id).Delete(&Thing{}).Error
			return errRollback
		})
		return nil
	}
}

// play runs data as transactions of a few steps and holds the history against
// the table after each.
func play(t *testing.T, db, plain *gorm.DB, data []byte) {
	t.Helper()
	known := state{}
	seen := int64(0)
	people := []actor.Actor{ann, bob, {}}
	for len(data) >= 4 && seen < 400 {
		head := data[0]
		data = data[1:]
		who := people[int(head)%len(people)]
		// An error takes all of the transaction back, for a key that is taken say.
		_ = db.WithContext(as(who)).Transaction(func(tx *gorm.DB) error {
			for range head%3 + 1 {
				if len(data) < 3 {
					return nil
				}
				op := data[:3]
				data = data[3:]
				if err := step(tx, op); err != nil {
					return err
				}
			}
			if head&64 != 0 {
				return errRollback
			}
			return nil
		})
		var ids []int64
		var recorded int64
		must(t, plain.Table("whodunit_changes").Where("id > ?", seen).Count(&recorded).Error)
		var mine []history.Change
		for c, err := range history.All(plain, history.Query{Actors: []actor.Identity{who.Identity}}) {
			must(t, err)
			if c.ID <= seen {
				break
			}
			mine = append(mine, c)
		}
		if int64(len(mine)) != recorded {
			t.Fatalf("%d of %d changes are by %v", len(mine), recorded, who)
		}
		for _, c := range mine {
			if !slices.Contains(ids, c.ChangeSet.ID) {
				ids = append(ids, c.ChangeSet.ID)
			}
		}
		if len(ids) > 1 {
			t.Fatalf("one transaction has the change sets %v", ids)
		}
		for _, id := range ids {
			set, changes, err := history.ChangeSetOf(plain, id)
			must(t, err)
			if !set.Attributed || !set.Actor.Same(who.Identity) {
				t.Fatalf("change set %d is by %v, want %v", id, set.Actor, who)
			}
			for _, c := range changes {
				known.replay(t, c)
				seen = max(seen, c.ID)
			}
		}
		actual := snapshot(t, plain)
		if !maps.EqualFunc(known, actual, maps.Equal[map[string]string, map[string]string]) {
			t.Fatalf("the history makes it\n%v, the table is\n%v", known, actual)
		}
	}
}

func things(tb testing.TB, d *dbtest.Database) (db, plain *gorm.DB) {
	tb.Helper()
	db = d.Open(tb)
	must(tb, db.Use(history.New()))
	must(tb, history.Migrate(db, &Thing{}))
	return db, d.Open(tb)
}

func FuzzHistory(f *testing.F) {
	kinds := dbtest.Kinds()
	kind := kinds[0]
	if last := kinds[len(kinds)-1]; last == "sqlite-cgo" {
		kind = last // the fuzzer's instrumentation makes the other crawl
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		db, plain := things(t, dbtest.New(t, kind))
		play(t, db, plain, data)
	})
}

func TestTheHistoryReplaysToTheTable(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		for seed := range uint64(3) {
			db, plain := things(t, d)
			random := rand.New(rand.NewPCG(seed, 7))
			data := make([]byte, 400)
			for i := range data {
				data[i] = byte(random.Uint32())
			}
			play(t, db, plain, data)
			must(t, plain.Migrator().DropTable("things", "whodunit_changes", "whodunit_change_sets"))
		}
	})
}
