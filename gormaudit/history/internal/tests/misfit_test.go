package tests

import (
	"errors"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// loose is a table before its column c gets a stricter type.
type loose struct {
	ID uint
	C  *string `gorm:"size:50"`
	N  string
}

func (loose) TableName() string { return "fittings" }

type strict[T any] struct {
	ID uint
	C  T
	N  string
}

func (strict[T]) TableName() string { return "fittings" }

type short struct {
	ID uint
	C  string `gorm:"type:varchar(3);not null"`
	N  string
}

func (short) TableName() string { return "fittings" }

// alterC gives the column a type. SQLite can't, but for a table that is made anew; what
// a column holds there may be of any type.
func alterC(t *testing.T, db *gorm.DB, dbType string) {
	t.Helper()
	switch dbType, null, _ := strings.Cut(strings.Replace(dbType, "_", " ", 1), " "); db.Name() {
	case "postgres":
		dbType = strings.Replace(dbType, "datetime", "timestamptz", 1)
		must(t, db.Exec("ALTER TABLE fittings ALTER c TYPE "+dbType+" USING c::"+dbType).Error)
		if null != "" {
			must(t, db.Exec("ALTER TABLE fittings ALTER c SET NOT NULL").Error)
		}
	case "mysql":
		must(t, db.Exec("ALTER TABLE fittings MODIFY c "+strings.Replace(dbType, "unsigned", "bigint unsigned", 1)+" "+null).Error)
	case "sqlite":
		must(t, db.Exec("CREATE TABLE anew (id integer PRIMARY KEY, c "+dbType+" "+null+", n text)").Error)
		must(t, db.Exec("INSERT INTO anew SELECT id, c, n FROM fittings").Error)
		must(t, db.Exec("DROP TABLE fittings").Error)
		must(t, db.Exec("ALTER TABLE anew RENAME TO fittings").Error)
	}
}

// misfit has a row whose c was before, and is now.
func misfit(t *testing.T, d *dbtest.Database, before *string, now, dbType string, gone bool) (db *gorm.DB, then time.Time) {
	t.Helper()
	db = d.Open(t)
	must(t, db.Use(history.New()))
	must(t, history.Migrate(db, &loose{}))
	must(t, db.WithContext(as(ann)).Create(&loose{ID: 7, C: before, N: "n"}).Error)
	then = pause()
	must(t, db.WithContext(as(bob)).Model(&loose{ID: 7}).Updates(map[string]any{"c": now, "n": "m"}).Error)
	if gone {
		must(t, db.Delete(&loose{ID: 7}).Error)
	}
	alterC(t, db, dbType)
	db = d.Open(t)
	must(t, db.Use(history.New()))
	return db, then
}

func saysWhich(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s succeeded", what)
		return
	}
	for _, word := range []string{`table "fittings"`, "row 7", " c"} {
		if !strings.Contains(strings.ReplaceAll(err.Error(), `"c"`, "c"), word) {
			t.Errorf("%s = %v, want it to name the table, the row and the column", what, err)
		}
	}
	if strings.Count(err.Error(), "history: ") != 1 {
		t.Errorf("%s = %v, want an error that says once that it is history's", what, err)
	}
}

// A value that the column could not hold now is an error that says which, in a
// transaction of the caller too, which goes on.
func wantMisfit[T any](t *testing.T, db *gorm.DB, then time.Time) {
	t.Helper()
	_, err := history.At[strict[T]](db, 7, then)
	saysWhich(t, "At", err)
	for _, err := range history.AllAt[strict[T]](db, then) {
		saysWhich(t, "AllAt", err)
	}
	_, err = history.Restore[strict[T]](db, 7, then)
	if saysWhich(t, "Restore", err); !errors.Is(err, history.ErrNotReversible) {
		t.Errorf("Restore = %v, want ErrNotReversible", err)
	}
	must(t, db.Transaction(func(tx *gorm.DB) error {
		_, err := history.At[strict[T]](tx, 7, then)
		saysWhich(t, "At in a transaction", err)
		_, err = history.Restore[strict[T]](tx, 7, then)
		saysWhich(t, "Restore in a transaction", err)
		return tx.Create(&loose{ID: 8}).Error
	}))
	var rows int64
	must(t, db.Model(&loose{}).Where("id = 8 OR n = 'n'").Count(&rows).Error)
	if rows != 1 {
		t.Errorf("%d rows, want the one that was created", rows)
	}
}

func TestWhatIsRecordedMayNotFitItsColumn(t *testing.T) {
	t.Parallel()
	abc, negative, fraction := "abc", "-1", "7.9"
	for name, test := range map[string]struct {
		before, now, dbType string
		want                func(t *testing.T, db *gorm.DB, then time.Time)
	}{
		"a text in a number":           {abc, "7", "bigint", wantMisfit[int]},
		"a text in a number or NULL":   {abc, "7", "bigint", wantMisfit[*int]},
		"a text in a time":             {abc, "2026-01-02 03:04:05", "datetime", wantMisfit[time.Time]},
		"a text in a float":            {abc, "7.5", "float", wantMisfit[float32]},
		"a fraction in a whole number": {fraction, "7", "bigint", wantMisfit[int]},
		"a negative one, unsigned":     {negative, "7", "unsigned", wantMisfit[uint64]},
	} {
		for _, gone := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", deleted"}[gone], func(t *testing.T) {
				dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
					if d.Kind == dbtest.Postgres && test.dbType == "unsigned" {
						t.Skip("PostgreSQL has no such type")
					}
					db, then := misfit(t, d, &test.before, test.now, test.dbType, gone)
					test.want(t, db, then)
				})
			})
		}
	}
}

// What is longer than its column may be now is read as it was, and not cut when it is
// written. SQLite knows no lengths.
func TestWhatIsRecordedMayBeTooLong(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		long := "abcdef"
		db, then := misfit(t, d, &long, "abc", "varchar(3)", false)
		was, err := history.At[short](db, 7, then)
		if must(t, err); was.C != long {
			t.Errorf("At = %q, want %q", was.C, long)
		}
		changes := must2(history.Of(db, &short{ID: 7}))
		if err := history.Revert(db, changes[1]); !errors.As(err, new(*history.ConflictError)) {
			t.Errorf("Revert of the creation = %v, want a conflict: the row is another one now", err)
		}
		if strings.HasPrefix(d.Kind, dbtest.SQLite) {
			return
		}
		saysWhich(t, "Revert", history.Revert(db, changes[0]))
		saysWhich(t, "Restore", second(history.Restore[short](db, 7, then)))
		must(t, db.First(&was, 7).Error)
		if was.C != "abc" || was.N != "m" {
			t.Errorf("the row is %+v, want it as it was before", was)
		}
	})
}

// NULL does not fit a column that became NOT NULL.
func TestWhatIsRecordedMayBeNULL(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		db, then := misfit(t, d, nil, "abc", "varchar(3) NOT_NULL", false)
		was, err := history.At[strict[*string]](db, 7, then)
		if must(t, err); was.C != nil || was.N != "n" {
			t.Errorf("At = %+v, want NULL in c", was)
		}
		saysWhich(t, "Revert", history.Revert(db, last(t, db, &short{ID: 7})))
		saysWhich(t, "Restore", second(history.Restore[short](db, 7, then)))
	})
}

// A number is read with the digits that it had, and held as the column rounds it.
func TestWhatIsRecordedMayHaveMoreDigits(t *testing.T) {
	t.Parallel()
	db, then := misfit(t, dbtest.New(t, dbtest.Postgres), ptr("1.2345"), "2.5000", "numeric(10,2)", false)
	was, err := history.At[strict[string]](db, 7, then)
	if must(t, err); was.C != "1.2345" {
		t.Errorf("At = %q, want 1.2345", was.C)
	}
	must(t, history.Revert(db, last(t, db, &strict[string]{ID: 7}))) // 2.5000 is 2.50
}
