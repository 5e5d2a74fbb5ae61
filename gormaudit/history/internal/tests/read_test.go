package tests

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/google/uuid"
	"gorm.io/driver/mysql"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
	"gorm.io/gorm/schema"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// statements is a logger that keeps all statements, and the last one.
type statements struct {
	logger.Interface
	all  []string
	last string
}

func (s *statements) LogMode(logger.LogLevel) logger.Interface { return s }

func (s *statements) Trace(_ context.Context, _ time.Time, statement func() (string, int64), _ error) {
	s.last, _ = statement()
	s.all = append(s.all, s.last)
}

// The index of impersonators leaves out the change sets that have none.
func TestByUsesItsIndexesOnPostgres(t *testing.T) {
	db, plain := open(t, dbtest.New(t, dbtest.Postgres))
	must(t, db.WithContext(as(ann.As(bob))).Create(&Note{ID: 1}).Error)
	var definition string
	must(t, plain.Raw("SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema() AND indexname = 'whodunit_change_sets_impersonator'").Scan(&definition).Error)
	if !strings.Contains(definition, "IS NOT NULL") {
		t.Errorf("index = %s, want a partial one", definition)
	}
	log := &statements{}
	by(t, plain.Session(&gorm.Session{Logger: log}), ann)
	must(t, plain.Transaction(func(tx *gorm.DB) error {
		must(t, tx.Exec("SET LOCAL enable_seqscan = off").Error)
		var plan []string
		must(t, tx.Raw("EXPLAIN "+log.last).Scan(&plan).Error)
		for _, index := range []string{"whodunit_change_sets_actor", "whodunit_change_sets_impersonator"} {
			if !strings.Contains(strings.Join(plan, "\n"), index) {
				t.Errorf("By does not use %s:\n%s", index, strings.Join(plan, "\n"))
			}
		}
		return nil
	}))
}

func TestAtTellsNotYetFromDeleted(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		var at []time.Time
		tick := func() {
			time.Sleep(3 * time.Millisecond)
			var now time.Time
			if d.Kind == dbtest.Postgres { // the server's clock, as the history's
				must(t, plain.Raw("SELECT clock_timestamp()").Scan(&now).Error)
			} else {
				now = time.Now()
			}
			at = append(at, now)
			time.Sleep(3 * time.Millisecond)
		}
		note := Note{ID: 1, Title: "a", Secret: "s", Draft: "d"}
		tick()
		must(t, db.Create(&note).Error)
		tick()
		must(t, db.Model(&note).Updates(map[string]any{"title": "b", "secret": "s2", "draft": "e"}).Error)
		tick()
		must(t, db.Delete(&note).Error)
		tick()
		must(t, db.Unscoped().Delete(&note).Error)
		tick()
		must(t, plain.Create(&Note{ID: 1, Title: "again"}).Error)
		tick()
		for i, want := range []struct {
			title, secret, draft string
			deleted              bool
			err                  error
		}{
			{err: history.ErrNotYet},
			{title: "a"},
			{title: "b"},
			{title: "b", deleted: true},
			{err: history.ErrDeleted},
			{title: "again"},
		} {
			got, err := history.At[Note](plain, note.ID, at[i])
			if !errors.Is(err, want.err) || got.Title != want.title || got.Secret != want.secret || got.DeletedAt.Valid != want.deleted {
				t.Errorf("At(%d) = %q, secret %q, deleted %t, %v; want %+v", i, got.Title, got.Secret, got.DeletedAt.Valid, err, want)
			}
		}
		if _, err := history.At[Note](plain, 99, time.Now()); !errors.Is(err, gorm.ErrRecordNotFound) {
			t.Errorf("At of an unknown row = %v, want ErrRecordNotFound", err)
		}
		must(t, plain.Unscoped().Delete(&note).Error)
		if _, err := history.At[Note](plain, &note, time.Now().Add(time.Hour)); !errors.Is(err, history.ErrDeleted) {
			t.Errorf("At of a deleted row = %v, want ErrDeleted", err)
		}
	})
}

// Stamped is a note whose secrets are nobody's business, so that all of it can
// be put back.
type Stamped struct {
	ID        uint
	Title     string
	CreatedAt time.Time
	UpdatedAt time.Time
	DeletedAt gorm.DeletedAt
	gormaudit.SoftBy[string]
}

func TestRevertIsAChangeOfItsOwn(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := d.Open(t), d.Open(t)
		must(t, db.Use(gormaudit.New()))
		must(t, db.Use(history.NewWithConfig(history.Config{Models: []any{&Stamped{}}})))
		must(t, history.Migrate(db, &Stamped{}))
		row := func() (s Stamped) {
			t.Helper()
			must(t, plain.Unscoped().First(&s, 1).Error)
			return s
		}
		revert := func() {
			t.Helper()
			must(t, history.Revert(db.WithContext(as(bob)), last(t, db, &Stamped{ID: 1})))
		}
		me := db.WithContext(as(ann))
		must(t, me.Create(&Stamped{ID: 1, Title: "a"}).Error)
		must(t, me.Model(&Stamped{ID: 1}).Update("title", "b").Error)
		revert()
		if s := row(); s.Title != "a" || *s.UpdatedBy != "7" || *s.CreatedBy != "42" {
			t.Errorf("after Revert of an update: title %q, updated_by %q, created_by %q, want a by 7 and 42", s.Title, *s.UpdatedBy, *s.CreatedBy)
		}
		must(t, me.Delete(&Stamped{ID: 1}).Error)
		revert()
		if s := row(); s.DeletedAt.Valid || s.DeletedBy != nil {
			t.Errorf("after Revert of a soft delete: deleted_at %v, deleted_by %v", s.DeletedAt, s.DeletedBy)
		}
		before := row()
		must(t, me.Unscoped().Delete(&Stamped{ID: 1}).Error)
		revert()
		if s := row(); s.Title != "a" || *s.CreatedBy != "42" || !s.CreatedAt.Equal(before.CreatedAt) || !s.UpdatedAt.Equal(before.UpdatedAt) {
			t.Errorf("after Revert of a delete: %+v, want %+v", s, before)
		}
		revert() // takes the creation back
		if s := row(); !s.DeletedAt.Valid {
			t.Error("after Revert of a creation the row is still there")
		}
		var actions []string
		for _, c := range by(t, plain, bob) {
			actions = append(actions, string(c.Action))
		}
		if got := fmt.Sprint(actions); got != "[soft_delete create restore update]" {
			t.Errorf("By(bob) = %s", got)
		}
		must(t, plain.Exec("DELETE FROM stampeds").Error)
		for _, c := range by(t, db, bob) {
			if err := history.Revert(db, c); c.Action != history.ActionDelete && !errors.Is(err, gorm.ErrRecordNotFound) {
				t.Errorf("Revert(%s) of a row that is gone = %v, want ErrRecordNotFound", c.Action, err)
			}
		}
	})
}

func TestRevertMovesUpdatedAt(t *testing.T) {
	db, plain := open(t, dbtest.New(t, dbtest.SQLite))
	must(t, db.Create(&Note{ID: 1, Title: "a"}).Error)
	time.Sleep(3 * time.Millisecond)
	must(t, db.Model(&Note{ID: 1}).Update("title", "b").Error)
	var changed, reverted Note
	must(t, plain.First(&changed, 1).Error)
	time.Sleep(3 * time.Millisecond)
	must(t, history.Revert(signing(t, db), last(t, plain, &Note{ID: 1})))
	must(t, plain.First(&reverted, 1).Error)
	if !reverted.UpdatedAt.After(changed.UpdatedAt) || reverted.Title != "a" {
		t.Errorf("after Revert: title %q, updated at %v, want a, later than %v", reverted.Title, reverted.UpdatedAt, changed.UpdatedAt)
	}
}

// A column that was NULL stays so, whatever its default is. What the history
// leaves out is not known, and gets the default.
func TestRevertOfADeletionPutsNullsBack(t *testing.T) {
	type Task struct {
		ID     uint
		State  *string `gorm:"size:20;default:open"`
		Effort *int    `gorm:"default:3"`
		Place  *string `gorm:"size:20;default:inbox;history:-"`
		Must   string  `gorm:"size:20;not null;default:must"`
	}
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := d.Open(t), d.Open(t)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &Task{}))
		must(t, plain.Model(&Task{}).Create(map[string]any{"id": 1, "state": nil, "effort": nil, "place": nil}).Error)
		must(t, db.Delete(&Task{ID: 1}).Error)
		must(t, history.Revert(db, last(t, db, &Task{ID: 1})))
		var now Task
		must(t, plain.First(&now, 1).Error)
		if now.State != nil || now.Effort != nil {
			t.Errorf("after Revert the row is %+v, want state and effort NULL", now)
		}
		if now.Place == nil || *now.Place != "inbox" || now.Must != "must" {
			t.Errorf("after Revert the row is %+v, want the default place and must", now)
		}
	})
}

func TestRevertRefusesWhatIsNotRecorded(t *testing.T) {
	db, plain := open(t, dbtest.New(t, dbtest.SQLite))
	note := Note{Title: "a", Secret: "s"}
	must(t, db.Create(&note).Error)
	must(t, db.Model(&note).Updates(Note{Title: "b", Secret: "t"}).Error)
	if err := history.Revert(db, last(t, db, &note)); !errors.Is(err, history.ErrNotReversible) {
		t.Errorf("Revert of a redacted column = %v, want ErrNotReversible", err)
	}
	set := last(t, db, &note).ChangeSet.ID
	_, changes, err := history.ChangeSetOf(plain, set)
	must(t, err)
	if err := history.Revert(plain, changes[0]); err == nil {
		t.Error("Revert without a model succeeded")
	}
	must(t, db.Model(&note).Update("title", "c").Error)
	_, changes, err = history.ChangeSetOf(plain, last(t, db, &note).ChangeSet.ID)
	must(t, err)
	// Nobody's changes of one millisecond are one set on SQLite.
	must(t, history.Revert(signing(t, plain.Model(&Note{})), changes[len(changes)-1]))
}

// removed is a soft delete of another shape: a flag.
type removed uint8

func (removed) DeleteClauses(*schema.Field) []clause.Interface { return nil }

func TestAFlagIsASoftDeleteToo(t *testing.T) {
	type Flagged struct {
		ID      uint
		Removed removed
	}
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, history.Migrate(db, &Flagged{}))
		must(t, db.Create(&Flagged{}).Error)
		for _, value := range []int{1, 2, 0} {
			must(t, db.Exec("UPDATE flaggeds SET removed = ?", value).Error)
		}
		var actions []history.Action
		for _, c := range must2(history.Of(db, &Flagged{ID: 1})) {
			actions = append(actions, c.Action)
		}
		if got := fmt.Sprint(actions); got != "[restore update soft_delete create]" {
			t.Errorf("actions = %s", got)
		}
	})
}

func TestTimesAreOfTheApplicationsZone(t *testing.T) {
	type Dated struct {
		ID uint
		At time.Time
	}
	d := dbtest.New(t, dbtest.MariaDB)
	config, err := mysqldriver.ParseDSN(d.DSN)
	must(t, err)
	config.Loc, err = time.LoadLocation("Europe/Berlin")
	must(t, err)
	db, err := gorm.Open(mysql.Open(config.FormatDSN()), &gorm.Config{Logger: logger.Discard})
	must(t, err)
	defer func() { _ = must2(db.DB()).Close() }()
	must(t, history.Migrate(db, &Dated{}))
	noon := time.Date(2024, 7, 1, 12, 0, 0, 0, time.UTC)
	must(t, db.Create(&Dated{ID: 1, At: noon}).Error)
	created := last(t, db, &Dated{ID: 1})
	time.Sleep(2 * time.Millisecond)
	must(t, db.Model(&Dated{ID: 1}).Update("at", noon.Add(time.Hour)).Error)
	past, err := history.At[Dated](db, 1, created.At)
	must(t, err)
	f, _ := created.Field("at")
	if at := must2(history.ValueAs[time.Time](f.After)); !at.Equal(noon) || !past.At.Equal(noon) {
		t.Errorf("recorded %v, At %v, want %v", at, past.At, noon)
	}
	if age := time.Since(created.ChangeSet.At); age < -time.Minute || age > time.Minute {
		t.Errorf("change set is %v old", age)
	}
	must(t, history.Revert(signing(t, db), last(t, db, &Dated{ID: 1})))
	var now Dated
	must(t, db.First(&now).Error)
	if !now.At.Equal(noon) {
		t.Errorf("at = %v after Revert, want %v", now.At, noon)
	}
}

type (
	textKey struct {
		ID   string `gorm:"primaryKey;size:50"`
		Name string
	}
	uuidKey struct {
		ID   uuid.UUID `gorm:"primaryKey;size:36"`
		Name string
	}
	bytesKey struct {
		ID   []byte `gorm:"primaryKey;size:16"`
		Name string
	}
)

func TestKeysOfOtherTypes(t *testing.T) {
	id := uuid.MustParse("F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6")
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		otherKey(t, d, &textKey{ID: `it's "1,2"~\`}, `it's "1,2"~\`, func(k *textKey) *string { return &k.Name })
		otherKey(t, d, &uuidKey{ID: id}, id.String(), func(k *uuidKey) *string { return &k.Name })
		otherKey(t, d, &bytesKey{ID: []byte("printable")}, "7072696e7461626c65", func(k *bytesKey) *string { return &k.Name })
	})
}

func otherKey[T any](t *testing.T, d *dbtest.Database, row *T, key string, name func(*T) *string) {
	t.Helper()
	db := d.Open(t)
	must(t, db.Use(history.New()))
	must(t, history.Migrate(db, new(T)))
	must(t, db.Create(row).Error)
	must(t, db.Model(row).Update("name", "b").Error)
	changes := must2(history.Of(db, row))
	if len(changes) != 2 || len(changes[0].Key) != 1 || changes[0].Key[0] != key {
		t.Fatalf("%T: Of = %+v, want two changes of %q", row, changes, key)
	}
	time.Sleep(2 * time.Millisecond)
	must(t, history.Revert(db, changes[0]))
	var now T
	must(t, db.First(&now).Error)
	then, err := history.At[T](db, row, changes[0].At)
	if err != nil || *name(&then) != "b" || *name(&now) != "" {
		t.Errorf("%T: At = %q, %v and after Revert %q, want b and empty", row, *name(&then), err, *name(&now))
	}
}

// Reads on MariaDB name the indexes of changes: the error says which one is gone.
func TestAnIndexIsMissingOnMariaDB(t *testing.T) {
	d := dbtest.New(t, dbtest.MariaDB)
	_, plain := open(t, d)
	must(t, plain.Exec("DROP INDEX whodunit_changes_moved ON whodunit_changes").Error)
	_, err := history.Of(plain, &Note{ID: 1})
	if err == nil || !strings.Contains(err.Error(), "Error 1176") || strings.Contains(err.Error(), "tables are missing") {
		t.Errorf("Of = %v, want an error of the index", err)
	}
	_, rest, _ := strings.Cut(string(must2(os.ReadFile("../../schema.md"))), "`CREATE INDEX ")
	create, _, _ := strings.Cut(rest, "`")
	must(t, plain.Exec("CREATE INDEX "+create).Error)
	must2(history.Of(plain, &Note{ID: 1}))
}
