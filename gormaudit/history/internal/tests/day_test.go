package tests

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// day is one day of one application, and what its history must say of it.
type day struct {
	t      *testing.T // of the whole day
	d      *dbtest.Database
	server string // PostgreSQL's database, as the tests' own account
	plugin gorm.Plugin

	db, plain *gorm.DB // with the plugin, and without
	branch    *gorm.DB // another home, without the plugin

	wrote, wroteBranch lines           // of each row, as it was written
	titles             map[uint]string // of the notes that are there

	later    []func(t *testing.T, db *gorm.DB)
	ended    []func(t *testing.T)
	lastNote uint
}

// lines are those of changes, oldest first, by table and key.
type lines map[string][]string

func (l lines) add(row string, more ...string) { l[row] = append(l[row], more...) }

// occasion is something that happens in the day. It leaves rows of its own.
type occasion struct {
	name  string
	kinds string // where it can happen, everywhere if that is empty
	do    func(t *testing.T, d *day)
}

const (
	onServers  = dbtest.Postgres + " " + dbtest.MariaDB
	onPostgres = dbtest.Postgres
	onMariaDB  = dbtest.MariaDB
)

// The day begins and ends in this order. What is between may come in any.
var (
	morning = []occasion{{"yesterday is pruned", "", pruneYesterday}, {"somebody begins to read", "", beginToRead}}
	anytime = []occasion{
		{"one row's life", "", writeSingles},
		{"a rollback and a savepoint", "", rollBackSome},
		{"support acts as a customer", "", actAs},
		{"past the plugin", "", writePast},
		{"database/sql says who", "", writeByTell},
		{"a program with prepared statements", "", writePrepared},
		{"a change is reverted, a row restored", "", putBack},
		{"two schemas", onServers, writeTwoHomes},
		{"two databases", "", writeTwoDatabases},
		{"an account with the least rights", onServers, writeWithLeastRights},
		{"a session in DMY", onPostgres, writeInDMY},
		{"a DSN of Tokyo", onMariaDB, writeInTokyo},
		{"a publication of all tables", onPostgres, publish},
		{"a person is forgotten", "", forgetZoe},
		{"300 columns", "", writeWide},
		{"a table is renamed", "", renameTable},
		{"a key is moved", "", moveKey},
		{"an old release starts again", "", startOldRelease},
		{"a bulk update beside single ones", "", writeInBulk},
	}
)

// Whatever happens in a day, in whichever order, spoils nothing else: in the evening
// the history has what was written, who wrote it and what it was before, no more and
// no less. So has a restored dump.
func TestADay(t *testing.T) {
	t.Parallel()
	orders := []string{"shuffled", "in order"}
	if dbtest.LessUnderRace(t) {
		orders = orders[:1]
	}
	for _, kind := range []string{dbtest.SQLite, dbtest.Postgres, dbtest.MariaDB} {
		for _, order := range orders {
			t.Run(kind+"/"+order, func(t *testing.T) {
				t.Parallel()
				d := beginDay(t, kind)
				between := slices.Clone(anytime)
				if order == "shuffled" {
					seed := uint64(time.Now().UnixNano())
					t.Logf("seed %d", seed)
					rand.New(rand.NewPCG(seed, 0)).Shuffle(len(between), func(i, j int) { between[i], between[j] = between[j], between[i] })
				}
				for _, o := range append(slices.Clone(morning), between...) {
					if o.kinds == "" || strings.Contains(o.kinds, kind) {
						t.Run(o.name, func(t *testing.T) { o.do(t, d) })
					}
				}
				for _, end := range d.ended {
					end(t)
				}
				t.Run("in the evening", d.check)
				t.Run("restored", d.checkRestored)
			})
		}
	}
}

// beginDay opens the application's database, which on PostgreSQL is one of its own:
// a publication of all tables is one of all tests' otherwise.
func beginDay(t *testing.T, kind string) *day {
	t.Helper()
	d := &day{t: t, plugin: history.New(), wrote: lines{}, wroteBranch: lines{}, titles: map[uint]string{}}
	if kind == dbtest.Postgres {
		_, d.server = postgresAccount(t)
		admin := openDialector(t, dialectorOf(&dbtest.Database{Kind: kind, DSN: d.server}))
		must(t, admin.Exec("CREATE SCHEMA app").Error)
		must(t, admin.Exec("CREATE SCHEMA branch").Error)
		d.d = &dbtest.Database{Kind: kind, DSN: d.server + "&search_path=app"}
		d.branch = openDialector(t, dialectorOf(&dbtest.Database{Kind: kind, DSN: d.server + "&search_path=branch"}))
	} else {
		d.d = dbtest.New(t, kind)
		d.branch = openDialector(t, dialectorOf(dbtest.New(t, kind)))
	}
	d.db, d.plain = d.open(), d.open()
	must(t, d.db.Use(d.plugin))
	must(t, history.Migrate(d.db, &Note{}))
	must(t, history.Migrate(d.branch, &Note{}))
	return d
}

// open is another program's pool, without the plugin.
func (d *day) open() *gorm.DB { return openDialector(d.t, dialectorOf(d.d)) }

// as is the application's db with an actor.
func (d *day) as(a actor.Actor) *gorm.DB { return d.db.WithContext(as(a)) }

// note is the id of a new note.
func (d *day) note() uint {
	d.lastNote++
	return d.lastNote
}

// did notes what was done to a note, and the title that it has now, "" if it is
// gone.
func (d *day) did(id uint, now string, more ...string) {
	d.wrote.add(fmt.Sprint("notes ", id), more...)
	if d.titles[id] = now; now == "" {
		delete(d.titles, id)
	}
}

// check holds the database and its history against what was written.
func (d *day) check(t *testing.T) {
	must(t, history.Verify(d.plain, &Note{}))
	d.checkHome(t, d.plain, d.wrote)
	d.checkHome(t, d.branch, d.wroteBranch)
	d.checkRows(t, d.plain)
}

// checkRows reads the notes, by SQL and as they are at last.
func (d *day) checkRows(t *testing.T, db *gorm.DB) {
	t.Helper()
	var rows []Note
	must(t, db.Unscoped().Find(&rows).Error)
	now := map[uint]string{}
	for _, row := range rows {
		now[row.ID] = row.Title
	}
	if !maps.Equal(now, d.titles) {
		t.Errorf("the notes are %v, want %v", now, d.titles)
	}
	for _, later := range d.later {
		later(t, db)
	}
	for note, err := range history.AllAt[Note](db, time.Now().Add(time.Minute)) {
		if must(t, err); now[note.ID] != note.Title {
			t.Errorf("AllAt has %q in the note %d, want %q", note.Title, note.ID, now[note.ID])
		}
		delete(now, note.ID)
	}
	if len(now) > 0 {
		t.Errorf("AllAt lacks %v", now)
	}
}

// checkHome holds a whole history against what was written.
func (d *day) checkHome(t *testing.T, db *gorm.DB, want lines) {
	t.Helper()
	got, of := lines{}, map[string]int{}
	for _, c := range slices.Backward(all(t, db, history.Query{})) {
		got.add(c.Table+" "+strings.Join(c.Key, ","), brief(c))
	}
	for row := range got {
		if want[row] == nil {
			t.Errorf("%s was not written, and has %q", row, got[row])
		}
	}
	for row, written := range want {
		if !slices.Equal(got[row], written) {
			sameLines(t, row, got[row], written...)
		}
		for _, line := range written {
			for _, who := range []actor.Actor{ann, bob, importer, zoe} {
				if strings.Contains(line, who.String()) {
					of[who.String()]++
				}
			}
		}
	}
	for _, who := range []actor.Actor{ann, bob, importer, zoe} {
		if n := len(by(t, db, who)); n != of[who.String()] {
			t.Errorf("%v has %d changes, want %d", who, n, of[who.String()])
		}
	}
	d.checkNotes(t, db, want)
}

// checkNotes asks for each note by itself, of which the bulk's are a few.
func (d *day) checkNotes(t *testing.T, db *gorm.DB, want lines) {
	t.Helper()
	for id := range uint(40) {
		if written := want[fmt.Sprint("notes ", id+1)]; written != nil {
			sameLines(t, fmt.Sprint("the trail of the note ", id+1), titles(t, db, &Note{ID: id + 1}), written...)
		}
	}
}

// brief is the line of a change, with as much of its values as is worth reading.
func brief(c history.Change) string {
	switch c.Table {
	case "notes":
		return titleOf(line(c))
	case "wides":
		return fmt.Sprint(strings.Join(strings.Split(line(c), "; ")[:2], "; "), "; ", len(c.Fields), " columns")
	}
	return line(c)
}

// checkRestored does so in a restored dump, in which the day then goes on.
func (d *day) checkRestored(t *testing.T) {
	var restored gorm.Dialector
	switch d.d.Kind {
	case dbtest.Postgres:
		restored = restorePostgres(t, d.server, "app", "custom")
	case dbtest.MariaDB:
		restored = restoreMariaDB(t, d.d, homeOf(t, d.plain), "--routines")
	default:
		file := t.TempDir() + "/copy.db"
		must(t, d.plain.Exec("VACUUM INTO ?", file).Error)
		restored = dialectorOf(&dbtest.Database{Kind: d.d.Kind, DSN: "file:" + file})
	}
	db, plain := openDialector(t, restored), openDialector(t, restored)
	must(t, db.Use(history.New()))
	must(t, history.Verify(plain, &Note{}))
	id := d.note()
	must(t, db.WithContext(as(bob)).Create(&Note{ID: id, Title: "restored"}).Error)
	must(t, plain.Exec("UPDATE notes SET title = 'raw' WHERE id = ?", id).Error)
	d.did(id, "raw", `create; user:7; title NULL>"restored"`, `update; nobody said; title "restored">"raw"`)
	d.checkHome(t, plain, d.wrote)
	d.checkRows(t, plain)
	must(t, history.Migrate(plain, &Note{}))
	must(t, history.Verify(plain, &Note{}))
}
