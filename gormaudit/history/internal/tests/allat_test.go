package tests

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// A table as it was is what a SELECT read then.
func TestAllAtIsWhatASelectRead(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		s := newShop(t, d)
		orders, lines := [][]string{}, [][]string{}
		for range 6 {
			s.tick(t)
			orders, lines = append(orders, rowsNow[Order](t, s.plain)), append(lines, rowsNow[Line](t, s.plain))
			for range 10 {
				s.trade(t)
			}
			must(t, s.plain.Model(&Line{}).Where("no % 3 = 0 AND no < 1000").Update("no", gorm.Expr("no + 1000")).Error) // keys move, too
		}
		for i, then := range s.ticks {
			sameRows(t, fmt.Sprint("orders at ", i), rowsAt[Order](t, s.plain, then.at), orders[i])
			sameRows(t, fmt.Sprint("lines at ", i), rowsAt[Line](t, s.plain, then.at), lines[i])
		}
	})
}

func rowsNow[T any](t *testing.T, db *gorm.DB) (rows []string) {
	t.Helper()
	var all []T
	query := db.Unscoped()
	switch any(all).(type) {
	case []Line:
		query = query.Order("order_id, no")
	default:
		query = query.Order("id")
	}
	must(t, query.Find(&all).Error)
	for _, row := range all {
		rows = append(rows, fmt.Sprintf("%+v", row))
	}
	return rows
}

func rowsAt[T any](t *testing.T, db *gorm.DB, at time.Time) (rows []string) {
	t.Helper()
	for row, err := range history.AllAt[T](db, at) {
		must(t, err)
		rows = append(rows, fmt.Sprintf("%+v", row))
	}
	return rows
}

func sameRows(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s =\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestAllAtOfManyRows(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := open(t, d)
		notes := make([]Note, 1200)
		must(t, db.Create(&notes).Error)
		then := moment(t, d, plain)
		must(t, db.Unscoped().Delete(&[]Note{{ID: notes[0].ID}, {ID: notes[700].ID}, {ID: notes[1199].ID}}).Error)
		must(t, db.Create(&Note{}).Error)
		must2(plain.DB()).SetMaxOpenConns(1) // it holds no connection
		n := 0
		for note, err := range history.AllAt[Note](plain, then) {
			must(t, err)
			if n >= len(notes) || note.ID != notes[n].ID {
				t.Fatalf("row %d has the id %d", n, note.ID)
			}
			if note.Title != "" {
				t.Errorf("note %d has the title %q of later", note.ID, note.Title)
			}
			if n++; n == 5 { // before, on and behind this page
				must(t, plain.Model(&Note{}).Where("id IN ?", []uint{notes[2].ID, notes[300].ID, notes[900].ID}).Update("title", "later").Error)
				must(t, plain.Unscoped().Delete(&Note{ID: notes[1000].ID}).Error)
			}
		}
		if n != len(notes) {
			t.Errorf("%d rows, want %d", n, len(notes))
		}
		for _, err := range history.AllAt[Note](plain, then) {
			must(t, err)
			break
		}
		for note, err := range history.AllAt[Note](plain.Where("id > 0"), then) {
			if err == nil || !strings.Contains(err.Error(), "WHERE") {
				t.Errorf("AllAt with conditions yields %v, %v, want an error", note, err)
			}
		}
	})
}

// What it keeps in memory does not grow with what has changed since.
func TestAllAtTakesBoundedMemory(t *testing.T) {
	skipUnderRace(t, "it takes memory of its own")
	var kept []uint64
	for _, n := range []int{2_500, 15_000} {
		d := dbtest.New(t, dbtest.SQLite)
		_, plain := open(t, d)
		must(t, plain.Exec("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT INTO notes (id, title) SELECT i, '0' FROM n", n).Error)
		then := moment(t, d, plain)
		must(t, plain.Exec("UPDATE notes SET title = '' WHERE id % 10 = 0").Error)
		must(t, plain.Exec("DELETE FROM notes WHERE id % 10 <> 0").Error)
		rows := 0
		for note, err := range history.AllAt[Note](plain, then) {
			must(t, err)
			if rows++; note.ID != uint(rows) || note.Title != "0" {
				t.Fatalf("row %d is the note %d, %q", rows, note.ID, note.Title)
			}
			if rows == 1 { // all changes have been read
				kept = append(kept, heap())
			}
			if n > 2_500 {
				break
			}
		}
		if rows != n && n == 2_500 {
			t.Errorf("%d rows, want %d", rows, n)
		}
	}
	t.Logf("%v bytes", kept)
	if kept[1] > kept[0]+1<<20 {
		t.Errorf("it keeps %d bytes of 15,000 changes, %d of 2,500", kept[1], kept[0])
	}
}

func heap() uint64 {
	var memory runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&memory)
	return memory.HeapAlloc
}

type Code struct {
	Code string `gorm:"primaryKey;size:50"`
	N    int
}

// The order of texts is the database's, and each comes once.
func TestAllAtOfTexts(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := d.Open(t), d.Open(t)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &Code{}))
		must(t, db.Create(&[]Code{{"a", 1}, {"B", 1}, {"c", 1}, {"D", 1}}).Error)
		then := moment(t, d, plain)
		must(t, db.Delete(&[]Code{{Code: "a"}, {Code: "B"}, {Code: "D"}}).Error)
		must(t, db.Create(&[]Code{{"B", 2}, {"e", 2}}).Error)
		rows := rowsAt[Code](t, plain, then)
		slices.Sort(rows)
		sameRows(t, "codes", rows, []string{"{Code:B N:1}", "{Code:D N:1}", "{Code:a N:1}", "{Code:c N:1}"})
	})
}

// A row whose key the database pads is recognized as one that was changed.
func TestAllAtOfPaddedKeys(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db, plain := d.Open(t), d.Open(t)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &Padded{}))
		must(t, db.Create(&[]Padded{{"ab", "a"}, {"abc", "a"}}).Error)
		then := moment(t, d, plain)
		must(t, db.Model(&Padded{Code: "ab"}).Update("note", "b").Error)
		must(t, db.Delete(&Padded{Code: "abc"}).Error)
		var notes []string
		for row, err := range history.AllAt[Padded](plain, then) {
			must(t, err)
			notes = append(notes, strings.TrimRight(row.Code, " ")+row.Note)
		}
		slices.Sort(notes)
		sameLines(t, "AllAt", notes, "aba", "abca")
	})
}

func TestAllAtOfATruncatedTable(t *testing.T) {
	t.Parallel()
	db, plain := open(t, dbtest.New(t, dbtest.Postgres))
	must(t, db.Create(&Note{ID: 1}).Error)
	then := time.Now()
	must(t, plain.Exec("TRUNCATE notes").Error)
	for _, err := range history.AllAt[Note](plain, then) {
		if !errors.Is(err, history.ErrTruncated) {
			t.Errorf("AllAt = %v, want ErrTruncated", err)
		}
	}
}

// oddCode is a key that has no text where it is "odd".
type oddCode string

func (c oddCode) Value() (driver.Value, error) {
	if c == "odd" {
		return nil, errOdd
	}
	return string(c), nil
}

var errOdd = errors.New("an odd code")

// A row whose key can't be told from others is not taken for unchanged.
func TestAllAtOfAKeyThatCannotBeRead(t *testing.T) {
	t.Parallel()
	type Part struct {
		Code oddCode `gorm:"primaryKey;size:50"`
		N    int
	}
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		plain := d.Open(t)
		must(t, history.Migrate(plain, &Part{}))
		must(t, plain.Exec("INSERT INTO parts (code, n) VALUES ('a', 1), ('odd', 1), ('z', 1)").Error)
		then := moment(t, d, plain)
		must(t, plain.Exec("UPDATE parts SET n = 2").Error)
		var got []string
		for part, err := range history.AllAt[Part](plain, then) {
			got = append(got, fmt.Sprint(part.Code, part.N, errors.Is(err, errOdd)))
		}
		sameLines(t, "parts", got, "a1 false", "0 true")
	})
}
