package tests

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/history/historyweb"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

type looseSeat struct {
	ID   uint
	Code *string `gorm:"size:50"`
	Name string
}

type numberedSeat struct {
	ID   uint
	Code int
	Name string
}

type shortSeat struct {
	ID   uint
	Code string `gorm:"type:varchar(3);not null"`
	Name string
}

func (looseSeat) TableName() string    { return "seats" }
func (numberedSeat) TableName() string { return "seats" }
func (shortSeat) TableName() string    { return "seats" }

// seat has a row whose code was another one, and an address of then.
func seat(t *testing.T, d *dbtest.Database, before *string, now string, alter ...string) (db *gorm.DB, query string) {
	t.Helper()
	db = d.Open(t)
	must(t, db.Use(history.New()))
	must(t, history.Migrate(db, &looseSeat{}))
	must(t, db.WithContext(as(alice)).Create(&looseSeat{ID: 1, Code: before, Name: "Window"}).Error)
	time.Sleep(20 * time.Millisecond)
	query = "?table=seats&key=1&at=" + url.QueryEscape(time.Now().Format(time.RFC3339Nano))
	time.Sleep(20 * time.Millisecond)
	must(t, db.WithContext(as(bob)).Model(&looseSeat{ID: 1}).Updates(map[string]any{"code": now, "name": "Aisle"}).Error)
	for _, statement := range alter {
		must(t, db.Exec(statement).Error)
	}
	db = d.Open(t)
	must(t, db.Use(history.New()))
	return db, query
}

// A page shows of a row as it was what still fits its table, and restores nothing.
func TestAMomentWithAValueThatDoesNotFit(t *testing.T) {
	t.Parallel()
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		abc := "abc"
		db, query := seat(t, d, &abc, "7", map[string][]string{
			dbtest.Postgres: {"ALTER TABLE seats ALTER code TYPE bigint USING code::bigint"},
			dbtest.MariaDB:  {"ALTER TABLE seats MODIFY code bigint"},
		}[d.Kind]...)
		h := historyweb.Handler(db, historyweb.Config{Tables: []historyweb.Table{historyweb.For[numberedSeat](historyweb.Table{})}, MayRestore: anybodyMay})
		says := "What is recorded of a column does not fit it any more"
		w := get(h, bob, "/moment"+query)
		expect(t, "the moment", text(w), says, "Code not known", "Name Window")
		if w.Code != http.StatusOK || strings.Contains(w.Body.String(), `href="restore`) {
			t.Errorf("the moment = %d, want 200 and no way to restore:\n%s", w.Code, text(w))
		}
		for _, w := range []*httptest.ResponseRecorder{get(h, bob, "/restore"+query), ask(h, bob, http.MethodPost, "/restore"+query, nil, nil)} {
			if w.Code != http.StatusConflict {
				t.Errorf("restoring = %d, want 409", w.Code)
			}
			expect(t, "restoring", text(w), "This can't be restored", "does not fit")
		}
		for _, page := range []string{"/", "/row?table=seats&key=1", "/changes.csv", "/changes.ndjson"} {
			if w := get(h, bob, page); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "abc") {
				t.Errorf("%s = %d, want the value that was recorded:\n%s", page, w.Code, w.Body)
			}
		}
	})
}

// A row whose table has become stricter is shown, and not restored.
func TestRestoringWhatATableNoLongerTakes(t *testing.T) {
	t.Parallel()
	dbtest.Beside(t, []string{dbtest.Postgres, dbtest.MariaDB}, func(t *testing.T, d *dbtest.Database) {
		long := "abcdef"
		for name, before := range map[string]*string{"too long": &long, "NULL": nil} {
			db, query := seat(t, d, before, "abc", map[string][]string{
				dbtest.Postgres: {"ALTER TABLE seats ALTER code TYPE varchar(3)", "ALTER TABLE seats ALTER code SET NOT NULL"},
				dbtest.MariaDB:  {"ALTER TABLE seats MODIFY code varchar(3) NOT NULL"},
			}[d.Kind]...)
			h := historyweb.Handler(db, historyweb.Config{Tables: []historyweb.Table{historyweb.For[shortSeat](historyweb.Table{})}, MayRestore: anybodyMay})
			for _, page := range []string{"/moment", "/restore"} {
				if w := get(h, bob, page+query); w.Code != http.StatusOK {
					t.Errorf("%s of what was %s = %d, want 200", page, name, w.Code)
				}
			}
			w := ask(h, bob, http.MethodPost, "/restore"+query, nil, nil)
			if w.Code != http.StatusConflict {
				t.Errorf("restoring what was %s = %d, want 409", name, w.Code)
			}
			expect(t, "restoring what was "+name, text(w), "it does not fit the table any more")
			must(t, db.Exec("DROP TABLE seats").Error)
			must(t, db.Exec("DELETE FROM whodunit_changes").Error)
		}
	})
}
