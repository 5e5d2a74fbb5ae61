package tests

import (
	"database/sql"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

var (
	importer = actor.System("importer")
	zoe      = actor.User("99")
	customer = actor.User("98")
)

func pruneYesterday(t *testing.T, d *day) {
	id := d.note()
	must(t, d.as(ann).Create(&Note{ID: id, Title: "yesterday"}).Error)
	must(t, d.as(bob).Model(&Note{ID: id}).Update("title", "old").Error)
	if n := must2(history.Prune(d.plain, pause())); n != 2 {
		t.Errorf("Prune = %d, want 2", n)
	}
	d.titles[id] = "old"
}

// beginToRead reads until the evening, when it must still see the morning.
func beginToRead(t *testing.T, d *day) {
	id := d.note()
	must(t, d.as(ann).Create(&Note{ID: id, Title: "morning"}).Error)
	d.did(id, "evening", `create; user:42; title NULL>"morning"`, `update; user:7; title "morning">"evening"`)
	var options []*sql.TxOptions
	if d.d.Kind == dbtest.Postgres {
		options = append(options, &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	}
	reader := d.open().Begin(options...)
	must(t, reader.Error)
	check := func(t *testing.T) {
		sameLines(t, "what the long reader sees", titles(t, reader, &Note{ID: id}), `create; user:42; title NULL>"morning"`)
		var note Note
		must(t, reader.First(&note, id).Error)
		if note.Title != "morning" {
			t.Errorf("the long reader sees %q, want morning", note.Title)
		}
	}
	check(t)
	must(t, d.as(bob).Model(&Note{ID: id}).Update("title", "evening").Error)
	d.ended = append(d.ended, func(t *testing.T) {
		check(t)
		must(t, reader.Rollback().Error)
	})
}

func writeSingles(t *testing.T, d *day) {
	id, gone := d.note(), d.note()
	note := Note{ID: id, Title: "a", Secret: "s"}
	must(t, d.as(ann).Create(&note).Error)
	created := pause()
	must(t, d.as(bob).Model(&note).Update("title", "b").Error)
	must(t, d.as(actor.Actor{}).Save(&Note{ID: id, Title: "c"}).Error)
	must(t, d.as(bob).Delete(&note).Error)
	must(t, d.as(ann).Unscoped().Model(&note).Update("deleted_at", nil).Error)
	d.did(id, "c", `create; user:42; title NULL>"a"`, `update; user:7; title "a">"b"`, `update; anonymous; title "b">"c"`,
		`soft_delete; user:7`, `restore; user:42`)
	must(t, d.as(ann).Create(&Note{ID: gone, Title: "a"}).Error)
	must(t, d.as(bob).Unscoped().Delete(&Note{ID: gone}).Error)
	d.did(gone, "", `create; user:42; title NULL>"a"`, `delete; user:7; title "a">NULL`)
	d.later = append(d.later, func(t *testing.T, db *gorm.DB) {
		if row, err := history.At[Note](db, id, created); err != nil || row.Title != "a" {
			t.Errorf("the note was %+v, %v, want a", row, err)
		}
		if row, err := history.At[Note](db, gone, time.Now().Add(time.Minute)); err == nil {
			t.Errorf("the note that is gone is %+v", row)
		}
	})
}

func rollBackSome(t *testing.T, d *day) {
	id := d.note()
	must(t, d.as(ann).Create(&Note{ID: id, Title: "a"}).Error)
	if err := d.as(ann).Transaction(func(tx *gorm.DB) error {
		must(t, tx.Model(&Note{ID: id}).Update("title", "never").Error)
		return errRollback
	}); err == nil {
		t.Error("the transaction was not rolled back")
	}
	must(t, d.as(ann).Transaction(func(tx *gorm.DB) error {
		must(t, tx.Model(&Note{ID: id}).Update("title", "b").Error)
		must(t, tx.SavePoint("here").Error)
		must(t, tx.WithContext(as(bob)).Model(&Note{ID: id}).Update("title", "never").Error)
		must(t, tx.RollbackTo("here").Error)
		return tx.WithContext(as(bob)).Model(&Note{ID: id}).Update("title", "c").Error
	}))
	d.did(id, "c", `create; user:42; title NULL>"a"`, `update; user:42; title "a">"b"`, `update; user:7; title "b">"c"`)
}

func actAs(t *testing.T, d *day) {
	id := d.note()
	must(t, d.as(importer.As(customer)).Create(&Note{ID: id, Title: "a"}).Error)
	d.did(id, "a", `create; user:98 (by system:importer); title NULL>"a"`)
}

func writePast(t *testing.T, d *day) {
	id := d.note()
	must(t, d.plain.Exec("INSERT INTO notes (id, title) VALUES (?, 'a')", id).Error)
	must(t, d.as(ann).Exec("UPDATE notes SET title = 'b' WHERE id = ?", id).Error) // in no transaction
	must(t, d.as(ann).Transaction(func(tx *gorm.DB) error { return tx.Exec("UPDATE notes SET title = 'c' WHERE id = ?", id).Error }))
	must(t, d.plain.WithContext(as(ann)).Model(&Note{ID: id}).Update("title", "d").Error)
	d.did(id, "d", `create; nobody said; title NULL>"a"`, `update; user:42; title "a">"b"`, `update; user:42; title "b">"c"`,
		`update; nobody said; title "c">"d"`)
}

func writeByTell(t *testing.T, d *day) {
	id := d.note()
	tx := must2(must2(d.plain.DB()).BeginTx(t.Context(), nil))
	exec := func(format string) error {
		_, err := tx.ExecContext(t.Context(), fmt.Sprintf(format, id))
		return err
	}
	dialect := dialectOf(d.d)
	must(t, dialect.Tell(as(importer), tx, func() error { return exec("INSERT INTO notes (id, title) VALUES (%d, 'a')") }))
	must(t, dialect.Tell(as(ann), tx, func() error { return exec("UPDATE notes SET title = 'b' WHERE id = %d") }))
	must(t, tx.Commit())
	d.did(id, "b", `create; system:importer; title NULL>"a"`, `update; user:42; title "a">"b"`)
}

func writePrepared(t *testing.T, d *day) {
	db := must2(gorm.Open(dialectorOf(d.d), &gorm.Config{Logger: logger.Discard, PrepareStmt: true}))
	d.t.Cleanup(func() { _ = must2(db.DB()).Close() })
	must(t, db.Use(history.New()))
	for range 3 {
		id := d.note()
		must(t, db.WithContext(as(ann)).Create(&Note{ID: id, Title: "a"}).Error)
		must(t, db.WithContext(as(bob)).Model(&Note{ID: id}).Update("title", "b").Error)
		d.did(id, "b", `create; user:42; title NULL>"a"`, `update; user:7; title "a">"b"`)
	}
}

func putBack(t *testing.T, d *day) {
	id := d.note()
	must(t, d.as(ann).Create(&Note{ID: id, Title: "a", Stars: 7}).Error)
	created := pause()
	must(t, d.as(bob).Model(&Note{ID: id}).Update("title", "b").Error)
	must(t, history.Revert(signing(t, d.as(ann)), must2(history.Of(d.db, &Note{ID: id}))[0]))
	must(t, d.as(bob).Model(&Note{ID: id}).Update("title", "c").Error)
	must2(history.Restore[Note](d.as(importer), id, created))
	d.did(id, "a", `create; user:42; title NULL>"a"`, `update; user:7; title "a">"b"`, `update; user:42; title "b">"a"`,
		`update; user:7; title "a">"c"`, `update; system:importer; title "c">"a"`)
}

func writeTwoHomes(t *testing.T, d *day) {
	id, there := d.note(), homeOf(t, d.branch)+".notes"
	must(t, d.as(ann).Transaction(func(tx *gorm.DB) error {
		must(t, tx.Create(&Note{ID: id, Title: "a"}).Error)
		must(t, tx.Table(there).Create(&Note{ID: id, Title: "a there"}).Error)
		must(t, tx.WithContext(as(bob)).Table(there).Where("id = ?", id).Update("title", "b there").Error)
		return tx.WithContext(as(bob)).Model(&Note{ID: id}).Update("title", "b").Error
	}))
	must(t, d.db.Exec("UPDATE "+there+" SET title = 'raw' WHERE id = ?", id).Error)
	d.did(id, "b", `create; user:42; title NULL>"a"`, `update; user:7; title "a">"b"`)
	d.wroteBranch.add(fmt.Sprint("notes ", id), `create; user:42; title NULL>"a there"`,
		`update; user:7; title "a there">"b there"`, `update; nobody said; title "b there">"raw"`)
}

// writeTwoDatabases has one request write to two databases, by one plugin.
func writeTwoDatabases(t *testing.T, d *day) {
	id := d.note()
	other := dbtest.New(d.t, d.d.Kind)
	db, plain := openDialector(d.t, dialectorOf(other)), openDialector(d.t, dialectorOf(other))
	must(t, db.Use(d.plugin))
	must(t, history.Migrate(db, &Note{}))
	must(t, d.as(ann).Transaction(func(here *gorm.DB) error {
		must(t, here.Create(&Note{ID: id, Title: "a"}).Error)
		must(t, db.WithContext(as(bob)).Transaction(func(there *gorm.DB) error {
			must(t, there.Create(&Note{ID: id, Title: "a there"}).Error)
			must(t, here.Model(&Note{ID: id}).Update("title", "b").Error)
			return there.Model(&Note{ID: id}).Update("title", "b there").Error
		}))
		return here.Exec("UPDATE notes SET title = 'c' WHERE id = ?", id).Error
	}))
	d.did(id, "c", `create; user:42; title NULL>"a"`, `update; user:42; title "a">"b"`, `update; user:42; title "b">"c"`)
	d.ended = append(d.ended, func(t *testing.T) {
		d.checkHome(t, plain, lines{fmt.Sprint("notes ", id): {`create; user:7; title NULL>"a there"`, `update; user:7; title "a there">"b there"`}})
	})
}

// writeWithLeastRights is an application whose account has the rights of schema.md.
func writeWithLeastRights(t *testing.T, d *day) {
	id, home := d.note(), homeOf(t, d.plain)
	config, logs := logged()
	var db *gorm.DB
	if d.d.Kind == dbtest.MariaDB {
		db = mysqlAccount(d.t, d.d, config.Logger, rightsOf(t, "MariaDB and MySQL", "writer", home)...)
	} else {
		mine, _ := postgresAccount(d.t)
		account := must2(url.Parse(mine))
		d.t.Cleanup(func() { must(d.t, d.plain.Exec("DROP OWNED BY "+account.User.Username()).Error) })
		for _, right := range rightsOf(t, "PostgreSQL", "writer", home) {
			must(t, d.plain.Exec("GRANT "+right+" TO "+account.User.Username()).Error)
		}
		address := must2(url.Parse(d.d.DSN))
		address.User = account.User
		db = openDialector(d.t, postgres.Open(address.String()))
		db.Logger = config.Logger
	}
	must(t, db.Use(history.New()))
	must(t, db.WithContext(as(ann)).Create(&Note{ID: id, Title: "a"}).Error)
	must(t, db.WithContext(as(bob)).Model(&Note{ID: id}).Update("title", "b").Error)
	must(t, db.Exec("UPDATE notes SET title = 'raw' WHERE id = ?", id).Error)
	d.did(id, "raw", `create; user:42; title NULL>"a"`, `update; user:7; title "a">"b"`, `update; nobody said; title "b">"raw"`)
	if strings.Contains(logs.String(), "history") {
		t.Errorf("the log has %s", logs)
	}
	refused(t, db, "DELETE FROM whodunit_changes", "SELECT * FROM whodunit_changes")
	var own string
	must(t, d.plain.Raw("SELECT CURRENT_USER").Scan(&own).Error)
	d.later = append(d.later, func(t *testing.T, db *gorm.DB) {
		if user := last(t, db, &Note{ID: id}).ChangeSet.DatabaseUser; user == "" || user == own || strings.HasPrefix(user, "root") {
			t.Errorf("the database's user is %q, want the account's", user)
		}
	})
}

// shift has values that a session spells in its own way.
type shift struct {
	ID   uint
	Days string `gorm:"type:date[]"`
	Took string `gorm:"type:interval"`
}

func writeInDMY(t *testing.T, d *day) {
	must(t, history.Migrate(d.db, &shift{}))
	must(t, d.as(bob).Transaction(func(tx *gorm.DB) error {
		for _, setting := range hostileSettings {
			if !strings.HasPrefix(setting, "search_path") {
				must(t, tx.Exec("SET LOCAL "+setting).Error)
			}
		}
		must(t, tx.Create(&shift{ID: 1, Days: "{01/02/2026}", Took: "1 day"}).Error)
		return tx.Model(&shift{ID: 1}).Updates(&shift{Days: "{03/04/2026}", Took: "2 days"}).Error
	}))
	d.wrote.add("shifts 1", `create; user:7; id NULL>"1"; days NULL>"{2026-02-01}"; took NULL>"1 day"`,
		`update; user:7; days "{2026-02-01}">"{2026-04-03}"; took "1 day">"2 days"`)
}

type visit struct {
	ID uint
	At time.Time `gorm:"type:timestamp"`
}

// writeInTokyo is a program whose DSN has another zone than the server.
func writeInTokyo(t *testing.T, d *day) {
	tokyo := must2(time.LoadLocation("Asia/Tokyo"))
	open := func(dsn string) *gorm.DB {
		config := must2(mysqldriver.ParseDSN(dsn))
		config.Loc = tokyo
		return openDialector(d.t, mysql.Open(config.FormatDSN()))
	}
	db := open(d.d.DSN)
	must(t, db.Use(history.New()))
	must(t, history.Migrate(d.db, &visit{}))
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, tokyo)
	must(t, db.WithContext(as(ann)).Create(&visit{ID: 1, At: at}).Error)
	created := pause()
	must(t, db.WithContext(as(bob)).Model(&visit{ID: 1}).Update("at", at.Add(time.Hour)).Error)
	d.wrote.add("visits 1", `create; user:42; id NULL>"1"; at NULL>"2026-01-02T03:04:05Z"`,
		`update; user:7; at "2026-01-02T03:04:05Z">"2026-01-02T04:04:05Z"`)
	d.later = append(d.later, func(t *testing.T, db *gorm.DB) {
		row, err := history.At[visit](open(db.Dialector.(*mysql.Dialector).DSN), 1, created)
		if err != nil || !row.At.Equal(at) {
			t.Errorf("the visit was at %v, %v, want %v", row.At, err, at)
		}
	})
}

// publish makes PostgreSQL ask for a key of each table that is changed.
func publish(t *testing.T, d *day) {
	must(t, d.plain.Exec("CREATE PUBLICATION everything FOR ALL TABLES").Error)
	id := d.note()
	must(t, d.as(ann).Create(&Note{ID: id, Title: "a"}).Error)
	must(t, d.as(bob).Unscoped().Delete(&Note{ID: id}).Error)
	d.did(id, "", `create; user:42; title NULL>"a"`, `delete; user:7; title "a">NULL`)
}

func forgetZoe(t *testing.T, d *day) {
	id := d.note()
	named := zoe
	named.Name = "Zoe"
	must(t, d.as(named).Create(&Note{ID: id, Title: "a"}).Error)
	if n := must2(history.Anonymize(d.as(bob), zoe)); n != 1 {
		t.Errorf("Anonymize = %d, want 1", n)
	}
	d.did(id, "a", `create; user:99; title NULL>"a"`)
	d.wrote.add("whodunit_change_sets user:99", `anonymize; user:7`)
	d.later = append(d.later, func(t *testing.T, db *gorm.DB) {
		if name := last(t, db, &Note{ID: id}).ChangeSet.Actor.Name; name == "Zoe" {
			t.Error("Zoe's name is still there")
		}
	})
}

func writeWide(t *testing.T, d *day) {
	row := wideRow()
	changed := reflect.New(row.Type().Elem())
	changed.Elem().Field(0).SetUint(1)
	must(t, history.Migrate(d.db.Table("wides"), row.Interface()))
	must(t, d.as(ann).Table("wides").Create(row.Interface()).Error)
	must(t, d.as(bob).Table("wides").Save(changed.Interface()).Error)
	d.wrote.add("wides 1", "create; user:42; 201 columns", "update; user:7; 200 columns")
	d.later = append(d.later, func(t *testing.T, db *gorm.DB) {
		for _, f := range last(t, db.Table("wides"), row.Interface()).Fields {
			if "c"+f.Before.String() != f.Column || !f.After.IsNull() {
				t.Errorf("%s was %q and is %q, want its number and NULL", f.Column, f.Before, f.After)
			}
		}
	})
}

func renameTable(t *testing.T, d *day) {
	must(t, history.Migrate(d.db, &OldName{}))
	must(t, d.as(ann).Create(&OldName{ID: 1, Name: "a"}).Error)
	created := pause()
	must(t, d.db.Migrator().RenameTable(&OldName{}, &NewName{}))
	must(t, d.as(bob).Model(&NewName{ID: 1}).Update("name", "b").Error)
	must(t, history.Migrate(d.db, &NewName{}))
	must(t, d.as(ann).Model(&NewName{ID: 1}).Update("name", "c").Error)
	a, b, c := `create; user:42; id NULL>"1"; name NULL>"a"`, `update; user:7; name "a">"b"`, `update; user:42; name "b">"c"`
	d.wrote.add("old_names 1", a, b)
	d.wrote.add("old_names new_names", "rename; nobody said")
	d.wrote.add("new_names 1", c)
	d.later = append(d.later, func(t *testing.T, db *gorm.DB) {
		sameLines(t, "the trail of the renamed table", trail(t, db, &NewName{ID: 1}), a, b, c)
		wantAt(t, db, "under its old name", 1, created, NewName{1, "a"}, nil)
	})
}

func moveKey(t *testing.T, d *day) {
	must(t, history.Migrate(d.db, &Pair{}))
	must(t, d.as(ann).Create(&Pair{Shop: "x,y", No: 1, Name: "n"}).Error)
	created := pause()
	must(t, d.as(bob).Model(&Pair{}).Where("no = 1").Updates(map[string]any{"shop": "z", "no": 2}).Error)
	must(t, d.as(ann).Model(&Pair{Shop: "z", No: 2}).Update("name", "o").Error)
	d.wrote.add("pairs 1,x,y", `create; user:42; shop NULL>"x,y"; no NULL>"1"; name NULL>"n"`, `update; user:7; shop "x,y">"z"; no "1">"2"`)
	d.wrote.add("pairs 2,z", `update; user:42; name "n">"o"`)
	d.later = append(d.later, func(t *testing.T, db *gorm.DB) {
		wantAt(t, db, "under its old key", Pair{Shop: "x,y", No: 1}, created, Pair{"x,y", 1, "n"}, nil)
		wantAt(t, db, "under its old key now", Pair{Shop: "x,y", No: 1}, time.Now(), Pair{}, history.ErrDeleted)
		wantAt(t, db, "under its new key", Pair{Shop: "z", No: 2}, time.Now().Add(time.Minute), Pair{"z", 2, "o"}, nil)
		wantAt(t, db, "under its new key before", Pair{Shop: "z", No: 2}, created, Pair{}, history.ErrNotYet)
	})
}

// startOldRelease migrates by a newer release, then by an older one, with its older
// models.
func startOldRelease(t *testing.T, d *day) {
	must(t, history.Migrate(d.db, &olderNote{}))
	must(t, history.Migrate(d.db, &newerNote{}))
	must(t, history.Migrate(d.open(), &olderNote{}, &Note{}))
	must(t, d.as(ann).Create(&olderNote{ID: 1, Title: "a", Token: "hush", Scrap: "private", Doomed: "d"}).Error)
	must(t, d.plain.Exec("UPDATE released SET added = 'new', token = 'hushed', scrap = 'secret' WHERE id = 1").Error)
	d.wrote.add("released 1", `create; user:42; id NULL>"1"; title NULL>"a"; token redacted; doomed NULL>"d"`,
		`update; nobody said; token redacted; added NULL>"new"`)
}

// writeInBulk changes many rows in one statement while others are written singly.
func writeInBulk(t *testing.T, d *day) {
	const from, n = 1000, 400
	id := d.note()
	notes := make([]Note, n)
	for i := range notes {
		notes[i] = Note{ID: uint(from + i), Title: "a"}
		d.did(notes[i].ID, "bulk", `create; system:importer; title NULL>"a"`, `update; user:7; title "a">"bulk"`)
	}
	must(t, d.as(importer).CreateInBatches(notes, 100).Error)
	must(t, d.as(ann).Create(&Note{ID: id, Title: "0"}).Error)
	d.did(id, "20", `create; user:42; title NULL>"0"`)
	bulk := make(chan error)
	go func() {
		bulk <- d.as(bob).Model(&Note{}).Where("id >= ?", from).Update("title", "bulk").Error
	}()
	for i := range 20 {
		must(t, d.as(ann).Model(&Note{ID: id}).Update("title", fmt.Sprint(i+1)).Error)
		d.did(id, "20", fmt.Sprintf(`update; user:42; title "%d">"%d"`, i, i+1))
	}
	must(t, <-bulk)
}
