package tests

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/writes"
)

// uuidDefault has a key that the database makes, uuidHooked one of a hook's.
type uuidDefault struct {
	ID uuid.UUID `gorm:"type:uuid;default:gen_random_uuid()"`
	gormaudit.By[uuid.UUID]
	Number string `gorm:"unique"`
}

type uuidText struct {
	ID string `gorm:"type:uuid;default:gen_random_uuid()"`
	gormaudit.By[uuid.UUID]
	Number string `gorm:"unique"`
}

type uuidHooked struct {
	ID uuid.UUID `gorm:"type:uuid;primaryKey"`
	gormaudit.By[uuid.UUID]
	Number string `gorm:"unique"`
}

func (h *uuidHooked) BeforeCreate(*gorm.DB) error {
	if h.ID == uuid.Nil {
		h.ID = uuid.New()
	}
	return nil
}

// careless asks, in a hook, for a table that is not there, and tells nobody.
type careless struct {
	ID uint
	gormaudit.By[uint]
	Number string
}

func (c *careless) AfterUpdate(tx *gorm.DB) error {
	tx.Exec("INSERT INTO outbox (number) VALUES (?)", c.Number)
	return nil
}

// skipped returns why write paths of a model are not tried, and which.
func skipped(t *testing.T, m *writes.Model) map[string][]string {
	t.Helper()
	db := dbtest.New(t, dbtest.Postgres).Open(t)
	must(t, db.Use(gormaudit.NewWithConfig(gormaudit.Config{Models: []any{m.Zero()}})))
	must(t, db.AutoMigrate(m.Zero()))
	models := []*writes.Model{m}
	must(t, writes.LearnAll(db, models, writes.Users{}))
	trial, err := writes.NewTrial(db, m, models)
	must(t, err)
	t.Cleanup(func() { must(t, trial.Close()) })
	why := map[string][]string{}
	for _, section := range trial.Sections() {
		for _, path := range section.Paths {
			problems, skip := trial.Try(path)
			if len(problems) > 0 {
				t.Errorf("%s: %q", path.Call, problems)
			}
			why[skip] = append(why[skip], path.Call)
		}
	}
	return why
}

func TestSuiteTriesUUIDKeys(t *testing.T) {
	for name, why := range map[string]map[string][]string{
		"of the database":         skipped(t, writes.NewModel(func(i int) *uuidDefault { return &uuidDefault{Number: fmt.Sprint(i)} })),
		"of the database, a text": skipped(t, writes.NewModelWithoutG(func(i int) *uuidText { return &uuidText{Number: fmt.Sprint(i)} })),
		"of a hook":               skipped(t, writes.NewModelWithoutG(func(i int) *uuidHooked { return &uuidHooked{Number: fmt.Sprint(i)} })),
	} {
		if calls := why["callers don't choose its keys"]; len(calls) > 0 || len(why[""]) < 100 {
			t.Errorf("a key %s: %d paths are tried, and these are not:\n%s", name, len(why[""]), strings.Join(calls, "\n"))
		}
	}
}

func TestSuiteNamesTheFirstCause(t *testing.T) {
	found := 0
	for why, calls := range skipped(t, writes.NewModelWithoutG(func(i int) *careless { return &careless{Number: fmt.Sprint(i)} })) {
		if strings.Contains(why, "aborted") {
			found += len(calls)
			if !strings.HasPrefix(why, `GORM alone fails too: ERROR: relation "outbox" does not exist`) {
				t.Errorf("paths are skipped, since %s, want the outbox that does not exist", why)
			}
		}
	}
	if found == 0 {
		t.Error("no path failed")
	}
}
