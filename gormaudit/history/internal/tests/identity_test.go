package tests

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"testing"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// pause is a time between two statements.
func pause() time.Time {
	time.Sleep(2 * time.Millisecond)
	defer time.Sleep(2 * time.Millisecond)
	return time.Now()
}

// Pair has a key of two columns, the second of which sorts first.
type Pair struct {
	Shop string `gorm:"primaryKey;type:varchar(20)"`
	No   uint   `gorm:"primaryKey;autoIncrement:false"`
	Name string
}

// wantAt holds what At says against a row, or an error.
func wantAt[T comparable](t *testing.T, db *gorm.DB, what string, key any, at time.Time, want T, wantErr error) {
	t.Helper()
	if got, err := history.At[T](db, key, at); got != want || !errors.Is(err, wantErr) {
		t.Errorf("%s: At = %+v, %v, want %+v, %v", what, got, err, want, wantErr)
	}
}

// A moved key changes no past: the row is found under the key that it had at the
// time, and its changes under both.
func TestAMovedKeyChangesNoPast(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &textKey{}, &Pair{}))
		must(t, db.Create(&textKey{ID: "a", Name: "n"}).Error)
		created := pause()
		must(t, db.Model(&textKey{}).Where("id = 'a'").Updates(map[string]any{"id": "b", "name": "m"}).Error)
		moved := pause()
		must(t, db.Model(&textKey{ID: "b"}).Update("name", "o").Error)
		changed := pause()
		check := func(when string) {
			t.Helper()
			wantAt(t, db, when+": a when it was", "a", created, textKey{ID: "a", Name: "n"}, nil)
			wantAt(t, db, when+": b before it was", "b", created, textKey{}, history.ErrNotYet)
			wantAt(t, db, when+": a when it was b", "a", moved, textKey{}, history.ErrDeleted)
			wantAt(t, db, when+": b when it had moved", "b", moved, textKey{ID: "b", Name: "m"}, nil)
			wantAt(t, db, when+": b when it had changed", "b", changed, textKey{ID: "b", Name: "o"}, nil)
		}
		check("now")
		sameLines(t, "the trail of a", trail(t, db, &textKey{ID: "a"}),
			`create; nobody said; id NULL>"a"; name NULL>"n"`, `update; nobody said; id "a">"b"; name "n">"m"`)
		sameLines(t, "the trail of b", trail(t, db, &textKey{ID: "b"}),
			`update; nobody said; id "a">"b"; name "n">"m"`, `update; nobody said; name "m">"o"`)
		must(t, db.Create(&textKey{ID: "a", Name: "another"}).Error)
		check("with another a")
		must(t, db.Delete(&textKey{ID: "b"}).Error)
		check("deleted")
		must(t, db.Model(&textKey{}).Where("id = 'a'").Update("id", "b").Error)
		check("with another b")

		must(t, db.Create(&Pair{Shop: "x,y", No: 1, Name: "n"}).Error)
		created = pause()
		must(t, db.Model(&Pair{}).Where("no = 1").Updates(map[string]any{"shop": "~", "no": 2}).Error)
		must(t, db.Model(&Pair{}).Where("no = 2").Updates(map[string]any{"no": 0, "name": "o"}).Error)
		wantAt(t, db, "a pair", Pair{Shop: "x,y", No: 1}, created, Pair{Shop: "x,y", No: 1, Name: "n"}, nil)
		wantAt(t, db, "a pair now", Pair{Shop: "~"}, pause(), Pair{Shop: "~", Name: "o"}, nil)
		wantAt(t, db, "a pair before", Pair{Shop: "~"}, created, Pair{}, history.ErrNotYet)
	})
}

// Word has a key whose column does not tell upper from lower case.
type Word struct {
	W    folded `gorm:"primaryKey"`
	Note string
}

type folded string

func (folded) GormDBDataType(db *gorm.DB, _ *schema.Field) string {
	switch db.Name() {
	case "postgres":
		return "citext"
	case "mysql":
		return "varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
	}
	return "text COLLATE NOCASE"
}

// Padded has a key that the database pads.
type Padded struct {
	Code string `gorm:"primaryKey;type:char(5)"`
	Note string
}

// A row is found however its key is spelled, if the database takes it for the same:
// while it is there, and when it is gone.
func TestAKeyAsTheDatabaseComparesIt(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		code := "ab"
		if d.Kind == dbtest.Postgres {
			code = "ab   "
			must(t, db.Exec("CREATE EXTENSION IF NOT EXISTS citext").Error)
		}
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &Word{}, &Padded{}))
		before := pause()
		must(t, db.Create(&Word{W: "Hello", Note: "a"}).Error)
		must(t, db.Create(&Padded{Code: "ab", Note: "a"}).Error)
		created := pause()
		must(t, db.Model(&Word{W: "hello"}).Update("note", "b").Error)
		must(t, db.Model(&Padded{Code: "ab"}).Update("note", "b").Error)
		check := func(n int) {
			t.Helper()
			for _, w := range []folded{"Hello", "hello", "HELLO"} {
				changes, err := history.Of(db, &Word{W: w})
				must(t, err)
				if len(changes) != n {
					t.Errorf("Of(%q) has %d changes, want %d", w, len(changes), n)
				}
				wantAt(t, db, string(w)+" before", string(w), before, Word{}, history.ErrNotYet)
				wantAt(t, db, string(w), string(w), created, Word{W: "Hello", Note: "a"}, nil)
			}
			wantAt(t, db, "ab before", "ab", before, Padded{}, history.ErrNotYet)
			wantAt(t, db, "ab", "ab", created, Padded{Code: code, Note: "a"}, nil)
		}
		check(2)
		must(t, db.Delete(&Word{W: "HELLO"}).Error)
		must(t, db.Delete(&Padded{Code: "ab"}).Error)
		check(3)
		wantAt(t, db, "no such word", "other", created, Word{}, gorm.ErrRecordNotFound)
	})
}

// The key 0 is one like any other.
func TestTheKeyZero(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &Account{}))
		must(t, db.Exec("INSERT INTO accounts (id, balance, owner) VALUES (1, 1, 'a')").Error)
		must(t, db.Exec("UPDATE accounts SET id = 0").Error)
		moved := pause()
		must(t, db.Exec("UPDATE accounts SET balance = 2").Error)
		wantAt(t, db, "key 0", 0, moved, Account{ID: 0, Balance: 1, Owner: "a"}, nil)
		if _, err := history.Of(db, &Account{}); !errors.Is(err, gorm.ErrPrimaryKeyRequired) {
			t.Errorf("Of a row without a key = %v, want ErrPrimaryKeyRequired", err)
		}
	})
}

// What was meant for the caller's own table reaches none of the history's.
func TestNothingOfTheCallersQueryReachesTheHistorys(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &Account{}))
		must(t, db.Create(&Account{1, 1, "a"}).Error)
		created := pause()
		must(t, db.Model(&Account{ID: 1}).Update("balance", 2).Error)
		for what, used := range map[string]*gorm.DB{
			"Unscoped": db.Unscoped(), "Set": db.Set("gorm:query_option", "x"), "Model": db.Model(&Pair{}),
			"Select": db.Select("owner"), "Omit": db.Omit("owner"), "Joins": db.Joins("Nothing"), "Preload": db.Preload("Nothing"),
			"Clauses": db.Clauses(clause.Locking{Strength: "UPDATE"}), "Distinct": db.Distinct(), "one that has run": db.Session(&gorm.Session{}).Find(&[]Account{}),
		} {
			wantAt(t, used, what, 1, created, Account{1, 1, "a"}, nil)
			if changes, err := history.Of(used, &Account{ID: 1}); err != nil || len(changes) != 2 {
				t.Errorf("%s: Of = %d changes, %v, want 2", what, len(changes), err)
			}
		}
		for what, used := range map[string]*gorm.DB{"Where": db.Where("owner = 'b'"), "Limit": db.Limit(1), "Order": db.Order("id"), "Group": db.Group("id")} {
			if got, err := history.At[Account](used, 1, created); err == nil {
				t.Errorf("%s: At = %+v and no error", what, got)
			}
		}
	})
}

type (
	// OldName and NewName are one table, before and after.
	OldName struct {
		ID   uint
		Name string
	}
	NewName struct {
		ID   uint
		Name string
	}
)

// A renamed table keeps its past: what its triggers record under the old name until
// Migrate, and what is recorded after it, once each. Another table of the old name
// has a past of its own.
func TestARenamedTableKeepsItsPast(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &OldName{}))
		must(t, db.Create(&OldName{ID: 1, Name: "a"}).Error)
		created := pause()
		must(t, db.Migrator().RenameTable(&OldName{}, &NewName{}))
		must(t, db.Model(&NewName{ID: 1}).Update("name", "b").Error)
		renamed := pause()
		check := func(when string, want ...string) {
			t.Helper()
			sameLines(t, when+": the trail", trail(t, db, &NewName{ID: 1}), want...)
			wantAt(t, db, when+": under the old name", 1, created, NewName{1, "a"}, nil)
			wantAt(t, db, when+": before the migration", 1, renamed, NewName{1, "b"}, nil)
			if n := len(all(t, db, history.Query{Tables: []any{&NewName{}}, Actions: []history.Action{history.ActionCreate, history.ActionUpdate}})); n != len(want) {
				t.Errorf("%s: the table has %d changes, want %d", when, n, len(want))
			}
			if last, err := history.Last(db, []NewName{{ID: 1}}); err != nil || last[0].ID == 0 {
				t.Errorf("%s: Last = %+v, %v", when, last, err)
			}
		}
		a, b, c := `create; nobody said; id NULL>"1"; name NULL>"a"`, `update; nobody said; name "a">"b"`, `update; nobody said; name "b">"c"`
		check("renamed", a, b)
		if err := history.Verify(db, &NewName{}); !errors.Is(err, history.ErrOutdated) {
			t.Errorf("Verify of a renamed table = %v, want ErrOutdated", err)
		}
		must(t, db.Migrator().CreateTable(&OldName{}))
		if err := history.Migrate(db, &OldName{}); err == nil {
			t.Error("Migrate of a table whose triggers are on another one said nothing")
		}
		must(t, history.Migrate(db, &NewName{}, &OldName{}))
		must(t, history.Verify(db, &NewName{}, &OldName{}))
		must(t, db.Model(&NewName{ID: 1}).Update("name", "c").Error)
		check("migrated", a, b, c)
		must(t, history.Migrate(db, &NewName{}, &OldName{}))
		check("migrated again", a, b, c)

		must(t, db.Create(&OldName{ID: 1, Name: "another"}).Error)
		check("beside another", a, b, c)
		sameLines(t, "the trail of another", trail(t, db, &OldName{ID: 1}), `create; nobody said; id NULL>"1"; name NULL>"another"`)
		wantAt(t, db, "another before", 1, renamed, OldName{}, history.ErrNotYet)
	})
}

type (
	// firstForm, unsaid and secondForm are one table, before and after its columns are
	// renamed.
	firstForm struct {
		Zip    string `gorm:"primaryKey;type:varchar(20)"`
		No     uint   `gorm:"primaryKey;autoIncrement:false"`
		Title  string
		Secret string `gorm:"history:redact"`
		Draft  string `gorm:"history:-"`
	}
	unsaid struct {
		Zip    string `gorm:"primaryKey;type:varchar(20)"`
		No     uint   `gorm:"primaryKey;autoIncrement:false"`
		Name   string
		Secret string `gorm:"history:redact"`
		Draft  string `gorm:"history:-"`
	}
	secondForm struct {
		Code   string `gorm:"primaryKey;type:varchar(20);history:was:zip"`
		No     uint   `gorm:"primaryKey;autoIncrement:false"`
		Name   string `gorm:"history:was:title"`
		Hidden string `gorm:"history:was:secret"`
		Sketch string `gorm:"history:was:draft"`
	}
)

func (firstForm) TableName() string  { return "forms" }
func (unsaid) TableName() string     { return "forms" }
func (secondForm) TableName() string { return "forms" }

// A renamed column keeps its past where its tag says what it was. Without that,
// Migrate asks.
func TestARenamedColumnKeepsItsPast(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &firstForm{}))
		must(t, db.Create(&firstForm{Zip: "1010", No: 1, Title: "a", Secret: "s", Draft: "d"}).Error)
		created := pause()
		must(t, db.Model(&firstForm{Zip: "1010", No: 1}).Update("title", "b").Error)
		must(t, db.Migrator().RenameColumn(&firstForm{}, "title", "name"))
		if err := history.Migrate(db, &unsaid{}); err == nil {
			t.Error("Migrate of a column that may have been renamed said nothing")
		}
		for from, to := range map[string]string{"zip": "code", "secret": "hidden", "draft": "sketch"} {
			must(t, db.Migrator().RenameColumn(&firstForm{}, from, to))
		}
		must(t, history.Migrate(db, &secondForm{}))
		must(t, history.Verify(db, &secondForm{}))
		row := secondForm{Code: "1010", No: 1}
		must(t, db.Model(&row).Updates(map[string]any{"name": "c", "hidden": "t", "sketch": "e"}).Error)
		wantAt(t, db, "before its columns were renamed", row, created, secondForm{Code: "1010", No: 1, Name: "a", Sketch: "e"}, nil)
		sameLines(t, "the trail", trail(t, db, &row)[1:],
			`update; nobody said; name "a">"b"`, `update; nobody said; name "b">"c"; hidden redacted`)
		if n := len(all(t, db, history.Query{Tables: []any{&row}, Columns: []string{"name"}})); n != 3 {
			t.Errorf("%d changes of the column, want 3", n)
		}
		changes, err := history.Of(db, &row)
		must(t, err)
		must(t, db.Model(&row).Update("name", "b").Error)
		must(t, history.Revert(db, changes[1]))
		var now secondForm
		must(t, db.First(&now).Error)
		if now.Name != "a" {
			t.Errorf("after Revert the name is %q, want a", now.Name)
		}
	})
}

// Blobs has a key of bytes and a text.
type Blobs struct {
	A    string `gorm:"primaryKey;type:varchar(20)"`
	B    raw    `gorm:"primaryKey"`
	Note string
}

// raw are bytes that compare.
type raw string

func (raw) GormDBDataType(db *gorm.DB, _ *schema.Field) string {
	return map[string]string{"postgres": "bytea", "mysql": "varbinary(20)"}[db.Name()] + map[string]string{"sqlite": "blob"}[db.Name()]
}

func (r raw) Value() (driver.Value, error) { return []byte(r), nil }

func (r *raw) Scan(value any) error {
	*r = raw(value.([]byte))
	return nil
}

// A key may be given in any form that its column takes.
func TestAKeyAsItIsGiven(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &Account{}, &Blobs{}))
		must(t, db.Create(&Account{7, 1, "a"}).Error)
		blobs := Blobs{A: "x,", B: "\x00\xff,~", Note: "a"}
		must(t, db.Create(&blobs).Error)
		created := pause()
		must(t, db.Model(&Account{ID: 7}).Update("balance", 2).Error)
		must(t, db.Model(&blobs).Update("note", "b").Error)
		check := func(when string) {
			seven := uint64(7)
			for _, key := range []any{7, int8(7), seven, &seven, "7", "07", []byte("7"), Account{ID: 7}, &Account{ID: 7}} {
				if _, isBytes := key.([]byte); isBytes && d.Kind != dbtest.MariaDB && d.Kind != dbtest.MySQL {
					continue // which are no number elsewhere
				}
				wantAt(t, db, fmt.Sprintf("%s: the key %T", when, key), key, created, Account{7, 1, "a"}, nil)
			}
			want := blobs
			want.Note = "a"
			wantAt(t, db, when+": a key with bytes", blobs, created, want, nil)
			if changes, err := history.Of(db, &blobs); err != nil || len(changes) < 2 {
				t.Errorf("%s: Of a key with bytes = %d changes, %v", when, len(changes), err)
			}
		}
		check("there")
		must(t, db.Delete(&Account{ID: 7}).Error)
		must(t, db.Delete(&blobs).Error)
		check("gone")
		if _, err := history.At[Account](db, "seven", created); err == nil || errors.Is(err, history.ErrNotYet) {
			t.Errorf("At of a key that is no number = %v, want an error that says so", err)
		}
	})
}
