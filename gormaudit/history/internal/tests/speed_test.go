package tests

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

var (
	speed   = flag.Bool("speed", false, "measure the ratios of costs.md and benchmarks.md, which takes minutes")
	changes = flag.Int("changes", 100_000, "how many changes the larger histories have that are measured, up to a million")
)

// speedNote has nine columns, seven of them watched.
type speedNote struct {
	ID        uint
	Title     string `gorm:"size:200"`
	Body      string
	Slug      string `gorm:"size:100"`
	Likes     int
	Score     float64
	Pinned    bool
	UpdatedAt time.Time
	UpdatedBy *string `gorm:"size:64"`
}

// selectBefore is what histories inside an ORM do: they read the rows that an
// UPDATE is about to change, and insert what differs.
type selectBefore struct{}

type speedVersion struct {
	ID            uint
	NoteID        uint `gorm:"index"`
	Actor         string
	Before, After string
}

func (selectBefore) Name() string { return "select-before" }

func (selectBefore) Initialize(db *gorm.DB) error {
	if err := db.Callback().Update().Before("gorm:update").Register("before:select", func(db *gorm.DB) {
		var rows []speedNote
		query := db.Session(&gorm.Session{NewDB: true})
		if where, ok := db.Statement.Clauses["WHERE"].Expression.(clause.Where); ok {
			query = query.Clauses(where)
		}
		if note, ok := db.Statement.Model.(*speedNote); ok && note.ID != 0 {
			query = query.Where("id = ?", note.ID)
		}
		_ = db.AddError(query.Find(&rows).Error)
		db.InstanceSet("before:rows", rows)
	}); err != nil {
		return err
	}
	return db.Callback().Update().After("gorm:update").Before("gorm:save_after_associations").Register("before:insert", func(db *gorm.DB) {
		value, _ := db.InstanceGet("before:rows")
		rows, _ := value.([]speedNote)
		after, _ := json.Marshal(db.Statement.Dest)
		versions := make([]speedVersion, len(rows))
		for i, row := range rows {
			before, _ := json.Marshal(row)
			versions[i] = speedVersion{NoteID: row.ID, Actor: "42", Before: string(before), After: string(after)}
		}
		_ = db.AddError(db.Session(&gorm.Session{NewDB: true}).CreateInBatches(&versions, 500).Error)
	})
}

var speedWays = []string{"stamped", "stamped again", "plain", "history", "select before"}

func speedDB(tb testing.TB, kind, way string) *gorm.DB {
	tb.Helper()
	db := dbtest.New(tb, kind).Open(tb)
	must2(db.DB()).SetMaxOpenConns(1)
	must(tb, db.AutoMigrate(&speedNote{}))
	if way != "plain" {
		must(tb, db.Use(gormaudit.New()))
	}
	switch way {
	case "history":
		must(tb, db.Use(history.New()))
		must(tb, history.Migrate(db, &speedNote{}))
	case "select before":
		must(tb, db.Use(selectBefore{}))
		must(tb, db.AutoMigrate(&speedVersion{}))
	}
	notes := make([]speedNote, 1000)
	for i := range notes {
		notes[i] = speedNote{Title: "the first title of a note", Body: "some text", Slug: fmt.Sprint("note-", i)}
	}
	must(tb, db.WithContext(as(ann)).CreateInBatches(&notes, 250).Error)
	return db
}

// speedJobs are what is measured. i makes each run change something.
var speedJobs = []struct {
	name   string
	rounds int
	do     func(db *gorm.DB, i int) error
}{
	{"update one row", 300, func(db *gorm.DB, i int) error {
		return db.Model(&speedNote{ID: 7}).Updates(map[string]any{"title": fmt.Sprint("title ", i), "likes": i}).Error
	}},
	{"update 1,000 rows", 40, func(db *gorm.DB, i int) error {
		return db.Model(&speedNote{}).Where("id > 0 AND id <= 1000").Updates(map[string]any{"title": fmt.Sprint("title ", i), "likes": i}).Error
	}},
	{"create one row", 300, func(db *gorm.DB, _ int) error {
		return db.Create(&speedNote{Title: "t", Body: "b", Slug: "s"}).Error
	}},
	{"create 1,000 rows", 40, func(db *gorm.DB, _ int) error {
		notes := make([]speedNote, 1000)
		for i := range notes {
			notes[i] = speedNote{Title: "t", Body: "b", Slug: "s"}
		}
		return db.CreateInBatches(&notes, 1000).Error
	}},
}

func TestSpeed(t *testing.T) {
	if !*speed {
		t.Skip("run with -speed, alone on the machine")
	}
	dbtest.EachAlone(t, func(t *testing.T, d *dbtest.Database) {
		var dbs []*gorm.DB
		for _, way := range speedWays {
			dbs = append(dbs, speedDB(t, d.Kind, way).WithContext(as(ann)))
		}
		for _, job := range speedJobs {
			times := make([][]time.Duration, len(dbs))
			for i := range job.rounds {
				for _, way := range rand.Perm(len(dbs)) { // what comes before costs too
					start := time.Now()
					must(t, job.do(dbs[way], i))
					times[way] = append(times[way], time.Since(start))
				}
			}
			base := p10(times[0])
			line := fmt.Sprintf("%-18s", job.name)
			for j, way := range speedWays[1:] {
				line += fmt.Sprintf("  %s %.2f×", way, float64(p10(times[j+1]))/float64(base))
			}
			t.Logf("%s  (stamped: %v)", line, base)
		}
	})
}

func p10(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/10]
}

func BenchmarkUpdate(b *testing.B) {
	for _, way := range []string{"plain", "stamped", "history", "select before"} {
		b.Run(way, func(b *testing.B) {
			db := speedDB(b, dbtest.SQLite, way).WithContext(as(ann))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				must(b, speedJobs[0].do(db, i))
			}
		})
	}
}

func TestRoundTrips(t *testing.T) {
	extra := map[string]int64{dbtest.Postgres: 1, dbtest.MariaDB: 2, dbtest.MySQL: 2}
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		plain, plainTrips := counting(t, dbtest.New(t, d.Kind))
		db, trips := counting(t, d)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &speedNote{}))
		must(t, plain.AutoMigrate(&speedNote{}))
		jobs := map[string]func(db *gorm.DB) error{
			"one update": func(db *gorm.DB) error { return speedJobs[0].do(db.WithContext(as(ann)), 1) },
			"a transaction of three": func(db *gorm.DB) error {
				return db.WithContext(as(ann)).Transaction(func(tx *gorm.DB) error {
					for i := range 3 {
						must(t, speedJobs[0].do(tx, 10+i))
					}
					return nil
				})
			},
			"a read": func(db *gorm.DB) error { return db.Find(&[]speedNote{}).Error },
		}
		for name, job := range jobs {
			must(t, job(db)) // the first use looks for triggers, and drivers prepare
			must(t, job(plain))
			before, plainBefore := trips.Load(), plainTrips.Load()
			must(t, job(db))
			must(t, job(plain))
			got := trips.Load() - before - (plainTrips.Load() - plainBefore)
			want, known := extra[d.Kind]
			switch {
			case name == "a read":
				want = 0
			case !known:
				continue // SQLite has no server
			case d.Kind != dbtest.Postgres && name == "a transaction of three":
				want *= 3
			}
			if got > want {
				t.Errorf("%s takes %d round trips more than without a history, want %d", name, got, want)
			}
		}
	})
}

func TestAnUnauditedTableCostsNothing(t *testing.T) {
	skipUnderRace(t, "a sync.Pool drops some of what it is given")
	db := dbtest.New(t, dbtest.SQLite).Open(t, &gorm.Config{Logger: logger.Discard, SkipDefaultTransaction: true})
	bare := dbtest.New(t, dbtest.SQLite).Open(t, &gorm.Config{Logger: logger.Discard, SkipDefaultTransaction: true})
	must(t, db.Use(history.New()))
	must(t, history.Migrate(db, &Note{}))
	allocs := func(db *gorm.DB) float64 {
		must(t, db.AutoMigrate(&speedNote{}))
		db = db.WithContext(as(ann)).Session(&gorm.Session{DryRun: false})
		return testing.AllocsPerRun(200, func() { db.Model(&speedNote{ID: 1}).Update("title", "x") })
	}
	if got, want := allocs(db), allocs(bare); got > want {
		t.Errorf("an update of a table without triggers allocates %v times, want %v", got, want)
	}
}

func TestRawSQLWithoutAHistoryCostsNothing(t *testing.T) {
	skipUnderRace(t, "a sync.Pool drops some of what it is given")
	d := dbtest.New(t, dbtest.SQLite)
	db, bare := d.Open(t), d.Open(t)
	must(t, db.AutoMigrate(&speedNote{}))
	must(t, db.Use(history.New()))
	allocs := func(db *gorm.DB) float64 {
		db = db.WithContext(as(ann))
		return testing.AllocsPerRun(200, func() { db.Exec("UPDATE speed_notes SET likes = 1 WHERE id = 1") })
	}
	if got, want := allocs(db), allocs(bare); got > want {
		t.Errorf("Exec allocates %v times, want %v", got, want)
	}
}

func TestSpeedOfExec(t *testing.T) {
	if !*speed {
		t.Skip("run with -speed, alone on the machine")
	}
	dbtest.EachAlone(t, func(t *testing.T, d *dbtest.Database) {
		plain, db := speedDB(t, d.Kind, "plain").WithContext(as(ann)), speedDB(t, d.Kind, "history")
		exec := func(db *gorm.DB, i int) error {
			return db.Exec("UPDATE speed_notes SET likes = ? WHERE id = 7", i).Error
		}
		ways := []struct {
			name string
			do   func(i int) error
		}{
			{"without", func(i int) error { return exec(plain, i) }},
			{"again", func(i int) error { return exec(plain, i) }},
			{"by nobody", func(i int) error { return exec(db, i) }},
			{"by somebody", func(i int) error { return exec(db.WithContext(as(ann)), i) }},
			{"in db.Transaction", func(i int) error {
				return db.WithContext(as(ann)).Transaction(func(tx *gorm.DB) error { return exec(tx, i) })
			}},
		}
		times := make([][]time.Duration, len(ways))
		for i := range 1000 {
			for _, way := range rand.Perm(len(ways)) {
				start := time.Now()
				must(t, ways[way].do(len(ways)*i+way))
				times[way] = append(times[way], time.Since(start))
			}
		}
		base, i := p10(times[0]), 1_000_000
		for n, way := range ways {
			allocs := testing.AllocsPerRun(100, func() { i++; must(t, way.do(i)) })
			t.Logf("%-18s %.2f× (%v), %v allocations", way.name, float64(p10(times[n]))/float64(base), p10(times[n]), allocs)
		}
	})
}

func TestSpeedOfMetadata(t *testing.T) {
	if !*speed {
		t.Skip("run with -speed, alone on the machine")
	}
	dbtest.EachAlone(t, func(t *testing.T, d *dbtest.Database) {
		db := speedDB(t, d.Kind, "history")
		reason := because(as(ann), map[string]string{"reason": "refund, ticket 4711", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"})
		ways := []*gorm.DB{db.WithContext(as(ann)), db.WithContext(as(ann)), db.WithContext(reason)}
		times := make([][]time.Duration, len(ways))
		for i := range 1500 {
			for _, way := range rand.Perm(len(ways)) {
				start := time.Now()
				must(t, speedJobs[0].do(ways[way], 3*i+way))
				times[way] = append(times[way], time.Since(start))
			}
		}
		base := p10(times[0])
		t.Logf("update one row: again %.3f×, with metadata %.3f×  (%v)", float64(p10(times[1]))/float64(base), float64(p10(times[2]))/float64(base), base)
	})
}

// largePage has a counter beside a megabyte that stays as it is.
type largePage struct {
	ID    uint
	Views int
	Body  string
	Data  string `gorm:"type:json"`
}

func TestSpeedBesideLargeValues(t *testing.T) {
	if !*speed {
		t.Skip("run with -speed, alone on the machine")
	}
	dbtest.EachAlone(t, func(t *testing.T, d *dbtest.Database) {
		half := make([]byte, 250_000)
		for i := range half {
			half[i] = byte(rand.IntN(256)) // nothing to compress
		}
		text := hex.EncodeToString(half)
		var ways []*gorm.DB
		for _, with := range []bool{false, false, true} {
			db := dbtest.New(t, d.Kind).Open(t).WithContext(as(ann))
			must(t, db.AutoMigrate(&largePage{}))
			if with {
				must(t, db.Use(history.New()))
				must(t, history.Migrate(db, &largePage{}))
			}
			must(t, db.Create(&largePage{ID: 1, Body: text, Data: `{"text":"` + text + `"}`}).Error)
			ways = append(ways, db)
		}
		times := make([][]time.Duration, len(ways))
		for range 300 {
			for _, way := range rand.Perm(len(ways)) {
				start := time.Now()
				must(t, ways[way].Model(&largePage{ID: 1}).UpdateColumn("views", gorm.Expr("views + 1")).Error)
				times[way] = append(times[way], time.Since(start))
			}
		}
		base := p10(times[0])
		t.Logf("a counter beside 1 MB: again %.2f×, history %.2f×  (%v)", float64(p10(times[1]))/float64(base), float64(p10(times[2]))/float64(base), base)
	})
}

// A page takes as long as a page, however many changes there are.
func TestSpeedOfReading(t *testing.T) {
	if !*speed {
		t.Skip("run with -speed, alone on the machine")
	}
	dbtest.EachAlone(t, func(t *testing.T, d *dbtest.Database) {
		var dbs []*gorm.DB
		for _, n := range []int{10_000, *changes} {
			d := dbtest.New(t, d.Kind)
			must(t, d.Open(t).AutoMigrate(&Note{}))
			must(t, d.Open(t).Create(&Note{ID: 1}).Error) // older than its history
			_, plain := open(t, d)
			crowd(t, plain, n)
			dbs = append(dbs, plain)
		}
		measureReading(t, dbs)
	})
}

// measureReading asks histories of two sizes the same questions, in turns.
func measureReading(t *testing.T, dbs []*gorm.DB) {
	t.Helper()
	find := func(q history.Query) func(*gorm.DB, time.Time) error {
		q.Limit = 50
		return func(db *gorm.DB, _ time.Time) error { _, err := history.Find(db, q); return err }
	}
	between := func(since, until time.Duration) func(*gorm.DB, time.Time) error {
		return func(db *gorm.DB, newest time.Time) error {
			return find(history.Query{Since: newest.Add(-since), Until: newest.Add(-until)})(db, newest)
		}
	}
	for _, q := range []struct {
		name string
		ask  func(db *gorm.DB, newest time.Time) error
	}{
		{"everything", find(history.Query{})},
		{"a row with a tenth of all", find(history.Query{Rows: []any{&Note{ID: 1}}})},
		{"Of the same", func(db *gorm.DB, _ time.Time) error { _, err := history.Of(db, &Note{ID: 1}); return err }},
		{"a row with few", find(history.Query{Rows: []any{&Note{ID: 77}}})},
		{"a table", find(history.Query{Tables: []any{&Note{}}})},
		{"an actor with a hundredth", find(history.Query{Actors: []actor.Identity{ann.Identity}})},
		{"its table too", find(history.Query{Actors: []actor.Identity{ann.Identity}, Tables: []any{&Note{}}})},
		{"unattributed, a hundredth", find(history.Query{Unattributed: true})},
		{"a request", find(history.Query{RequestID: "r-7"})},
		{"until an hour ago", between(10_000*time.Hour, time.Hour)},
		{"since an hour ago", between(time.Hour, 0)},
		{"the minute before the last hour", between(61*time.Minute, time.Hour)},
		{"At a minute ago", func(db *gorm.DB, newest time.Time) error {
			_, err := history.At[Note](db, 1, newest.Add(-time.Minute))
			return err
		}},
	} {
		times := make([][]time.Duration, len(dbs))
		for range 40 {
			for _, i := range rand.Perm(len(dbs)) {
				newest := must2(history.Find(dbs[i], history.Query{Limit: 1}))[0].At
				start := time.Now()
				must(t, q.ask(dbs[i], newest))
				times[i] = append(times[i], time.Since(start))
			}
		}
		few, many := p10(times[0]), p10(times[1])
		t.Logf("%-32s %8.2f ms, %8.2f ms, %.1f×", q.name, few.Seconds()*1000, many.Seconds()*1000, float64(many)/float64(few))
	}
}

// A table as it was a minute ago, when a few of its rows had not changed yet.
func TestSpeedOfAllAt(t *testing.T) {
	if !*speed {
		t.Skip("run with -speed, alone on the machine")
	}
	dbtest.EachAlone(t, func(t *testing.T, d *dbtest.Database) {
		must(t, d.Open(t).AutoMigrate(&Note{}))
		notes := make([]Note, 100_000)
		for i := range notes {
			notes[i].Title = "the title of a note"
		}
		must(t, d.Open(t).CreateInBatches(&notes, 1000).Error) // older than its history
		_, plain := open(t, d)
		crowd(t, plain, *changes)
		then := must2(history.Find(plain, history.Query{Limit: 1}))[0].At.Add(-time.Minute)
		read := func() error { return plain.Find(&[]Note{}).Error }
		ways := []func() error{read, read, func() error {
			n := 0
			for _, err := range history.AllAt[Note](plain, then) {
				if n++; err != nil {
					return err
				}
			}
			if n != len(notes) {
				t.Errorf("%d rows, want %d", n, len(notes))
			}
			return nil
		}}
		times := make([][]time.Duration, len(ways))
		for range 12 {
			for _, way := range rand.Perm(len(ways)) {
				start := time.Now()
				must(t, ways[way]())
				times[way] = append(times[way], time.Since(start))
			}
		}
		base := p10(times[0])
		t.Logf("reading 100,000 rows: again %.2f×, a minute ago %.2f×  (%v)", float64(p10(times[1]))/float64(base), float64(p10(times[2]))/float64(base), base)
	})
}
