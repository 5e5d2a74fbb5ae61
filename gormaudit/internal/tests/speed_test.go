package tests

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"gorm.io/driver/mysql"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

var speed = flag.Bool("speed", false, "measure the ratios of the table in benchmarks.md, which takes a minute")

// The same columns: without by-columns, with them, with hooks that fill them by
// hand, and both with pointers.
type (
	benchPlain struct {
		ID                   uint
		Title, Body, Slug    string
		Likes, Views         int
		CreatedAt, UpdatedAt time.Time
	}
	benchNote struct {
		ID                   uint
		Title, Body, Slug    string
		Likes                int
		CreatedAt, UpdatedAt time.Time
		CreatedBy, UpdatedBy string
	}
	benchHooks struct {
		ID                   uint
		Title, Body, Slug    string
		Likes                int
		CreatedAt, UpdatedAt time.Time
		CreatedBy, UpdatedBy string `gorm:"autoCreateBy:false;autoUpdateBy:false"`
	}
	benchBy struct {
		ID                   uint
		Title, Body, Slug    string
		Likes                int
		CreatedAt, UpdatedAt time.Time
		gormaudit.By[uint]
	}
	benchByHooks struct {
		ID                   uint
		Title, Body, Slug    string
		Likes                int
		CreatedAt, UpdatedAt time.Time
		CreatedBy, UpdatedBy *uint `gorm:"autoCreateBy:false;autoUpdateBy:false"`
	}
)

func (n *benchByHooks) BeforeCreate(tx *gorm.DB) error {
	a, ok := actor.FromContext(tx.Statement.Context)
	if !ok {
		return nil
	}
	id, err := strconv.ParseUint(a.ID, 10, 64)
	createdBy, updatedBy := uint(id), uint(id)
	n.CreatedBy, n.UpdatedBy = &createdBy, &updatedBy
	return err
}

func (n *benchHooks) BeforeCreate(tx *gorm.DB) error {
	if a, ok := actor.FromContext(tx.Statement.Context); ok {
		n.CreatedBy, n.UpdatedBy = a.ID, a.ID
	}
	return nil
}

func (n *benchHooks) BeforeUpdate(tx *gorm.DB) error {
	if a, ok := actor.FromContext(tx.Statement.Context); ok {
		tx.Statement.SetColumn("UpdatedBy", a.ID)
	}
	return nil
}

// setColumn is the plugin that blog posts show.
type setColumn struct{}

func (setColumn) Name() string { return "setcolumn" }

func (setColumn) Initialize(db *gorm.DB) error {
	stamp := func(columns ...string) func(*gorm.DB) {
		return func(db *gorm.DB) {
			a, ok := actor.FromContext(db.Statement.Context)
			if !ok || db.Statement.Schema == nil {
				return
			}
			for _, column := range columns {
				if db.Statement.Schema.LookUpField(column) != nil {
					db.Statement.SetColumn(column, a.ID, true)
				}
			}
		}
	}
	if err := db.Callback().Create().Before("gorm:create").Register("setcolumn:create", stamp("created_by", "updated_by")); err != nil {
		return err
	}
	return db.Callback().Update().Before("gorm:update").Register("setcolumn:update", stamp("updated_by"))
}

// noop is a connection that does nothing, so that what is measured is GORM.
type noop struct{}

func (noop) PrepareContext(context.Context, string) (*sql.Stmt, error) { return nil, nil }
func (noop) ExecContext(context.Context, string, ...any) (sql.Result, error) {
	return driver.RowsAffected(1), nil
}

func (noop) QueryContext(context.Context, string, ...any) (*sql.Rows, error) {
	return nil, sql.ErrNoRows
}
func (noop) QueryRowContext(context.Context, string, ...any) *sql.Row { return nil }

func openNoop(tb testing.TB, plugins ...gorm.Plugin) *gorm.DB {
	tb.Helper()
	db, err := gorm.Open(mysql.New(mysql.Config{Conn: noop{}, SkipInitializeWithVersion: true, DisableWithReturning: true}),
		&gorm.Config{SkipDefaultTransaction: true, DisableAutomaticPing: true, Logger: logger.Discard})
	if err != nil {
		tb.Fatal(err)
	}
	for _, plugin := range plugins {
		if err := db.Use(plugin); err != nil {
			tb.Fatal(err)
		}
	}
	return db.WithContext(actor.NewContext(context.Background(), actor.User("1234")))
}

// A contest is one job done in several ways. The second is the first once more,
// over another gorm.DB: what the two differ by is noise.
type contest struct {
	name string
	ways []way
}

type way struct {
	name string
	do   func()
}

const batch = 1000

func contests(tb testing.TB) []contest {
	tb.Helper()
	bare, again := openNoop(tb), openNoop(tb)
	stamped, naive := openNoop(tb, gormaudit.New()), openNoop(tb, setColumn{})
	rows := make([]benchNote, batch)
	hooked := make([]benchHooks, batch)
	pointers := make([]benchBy, batch)
	hookedPointers := make([]benchByHooks, batch)
	create := func(db *gorm.DB) func() { return func() { db.Create(&benchNote{Title: "t", Body: "b", Slug: "s"}) } }
	byPointer := func(db *gorm.DB) func() { return func() { db.Create(&benchBy{Title: "t", Body: "b", Slug: "s"}) } }
	plain := func(db *gorm.DB) func() { return func() { db.Create(&benchPlain{Title: "t", Body: "b", Slug: "s"}) } }
	many := func(db *gorm.DB) func() { return func() { clear(rows); db.Create(&rows) } }
	manyByPointer := func(db *gorm.DB) func() { return func() { clear(pointers); db.Create(&pointers) } }
	byMap := func(db *gorm.DB, model any) func() {
		return func() { db.Model(model).Updates(map[string]any{"title": "t", "body": "b"}) }
	}
	byStruct := func(db *gorm.DB) func() {
		return func() { db.Model(&benchNote{ID: 1}).Updates(benchNote{Title: "t", Body: "b"}) }
	}
	return []contest{
		{"create", []way{
			{"unstamped", create(bare)},
			{"again", create(again)},
			{"stamped", create(stamped)},
			{"hooks", func() { bare.Create(&benchHooks{Title: "t", Body: "b", Slug: "s"}) }},
			{"setcolumn", create(naive)},
		}},
		{"create, By[uint]", []way{
			{"unstamped", byPointer(bare)},
			{"again", byPointer(again)},
			{"stamped", byPointer(stamped)},
			{"hooks", func() { bare.Create(&benchByHooks{Title: "t", Body: "b", Slug: "s"}) }},
		}},
		{"create 1,000 rows", []way{
			{"unstamped", many(bare)},
			{"again", many(again)},
			{"stamped", many(stamped)},
			{"hooks", func() { clear(hooked); bare.Create(&hooked) }},
			{"setcolumn", many(naive)},
		}},
		{"create 1,000 rows, By[uint]", []way{
			{"unstamped", manyByPointer(bare)},
			{"again", manyByPointer(again)},
			{"stamped", manyByPointer(stamped)},
			{"hooks", func() { clear(hookedPointers); bare.Create(&hookedPointers) }},
		}},
		{"update by map", []way{
			{"unstamped", byMap(bare, &benchNote{ID: 1})},
			{"again", byMap(again, &benchNote{ID: 1})},
			{"stamped", byMap(stamped, &benchNote{ID: 1})},
			{"hooks", byMap(bare, &benchHooks{ID: 1})},
			{"setcolumn", byMap(naive, &benchNote{ID: 1})},
		}},
		{"update by struct", []way{
			{"unstamped", byStruct(bare)},
			{"again", byStruct(again)},
			{"stamped", byStruct(stamped)},
			{"hooks", func() { bare.Model(&benchHooks{ID: 1}).Updates(benchHooks{Title: "t", Body: "b"}) }},
			{"setcolumn", byStruct(naive)},
		}},
		{"create, no by-columns", []way{
			{"no plugin", plain(bare)},
			{"again", plain(again)},
			{"plugin", plain(stamped)},
		}},
		{"update, no by-columns", []way{
			{"no plugin", byMap(bare, &benchPlain{ID: 1})},
			{"again", byMap(again, &benchPlain{ID: 1})},
			{"plugin", byMap(stamped, &benchPlain{ID: 1})},
		}},
	}
}

func BenchmarkWrites(b *testing.B) {
	for _, c := range contests(b) {
		for _, w := range c.ways {
			b.Run(c.name+"/"+w.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					w.do()
				}
			})
		}
	}
}

// TestSpeed prints each way's time as a ratio to the first of its contest: the
// 10th percentile of interleaved rounds, so that a busy machine disturbs all
// ways alike.
func TestSpeed(t *testing.T) {
	if !*speed {
		t.Skip("prints a table: run with -speed")
	}
	for _, c := range contests(t) {
		t.Run(c.name, func(t *testing.T) {
			times := measure(c.ways)
			for n, w := range c.ways {
				fmt.Printf("%-28s %-10s %10.0f ns  %.3f  %6.0f allocs\n",
					c.name, w.name, times[n], times[n]/times[0], testing.AllocsPerRun(100, w.do))
			}
		})
	}
}

func measure(ways []way) []float64 {
	const rounds = 400
	repeat := 1
	for start := time.Now(); time.Since(start) < 50*time.Millisecond; repeat++ {
		ways[0].do()
	}
	repeat = max(1, repeat/100) // a round is about half a millisecond
	samples := make([][]float64, len(ways))
	for round := range rounds {
		for k := range ways {
			n := (k + round) % len(ways) // none always comes after the same one
			start := time.Now()
			for range repeat {
				ways[n].do()
			}
			samples[n] = append(samples[n], float64(time.Since(start).Nanoseconds())/float64(repeat))
		}
	}
	tenth := make([]float64, len(ways))
	for n, s := range samples {
		slices.Sort(s)
		tenth[n] = s[len(s)/10]
	}
	return tenth
}

// TestAllocations holds what stamping may allocate beside GORM alone: less, for
// the plugin writes from names that it quoted once. Times are not tested: they
// are noise on a shared machine.
func TestAllocations(t *testing.T) {
	if dbtest.LessUnderRace(t) {
		t.Skip("under the race detector, a sync.Pool drops some of what it is given")
	}
	budgets := map[string]float64{
		"create": -8, "create, By[uint]": -6,
		"create 1,000 rows": -4, "create 1,000 rows, By[uint]": 0,
		"update by map": -5, "update by struct": -5,
		"create, no by-columns": 0, "update, no by-columns": 0,
	}
	for _, c := range contests(t) {
		t.Run(c.name, func(t *testing.T) {
			budget, ok := budgets[c.name]
			if !ok {
				t.Fatal("no budget for it")
			}
			first, stamped := testing.AllocsPerRun(50, c.ways[0].do), testing.AllocsPerRun(50, c.ways[2].do)
			if stamped-first > budget {
				t.Errorf("%s allocates %v times, %s %v times: %v more, want at most %v",
					c.ways[2].name, stamped, c.ways[0].name, first, stamped-first, budget)
			}
		})
	}
}

// In a default transaction, too, a model without by-columns costs no
// allocation: the transaction tells whose it is.
func TestAllocationsInATransaction(t *testing.T) {
	if dbtest.LessUnderRace(t) {
		t.Skip("under the race detector, a sync.Pool drops some of what it is given")
	}
	allocations := func(plugins ...gorm.Plugin) float64 {
		db := dbtest.New(t, dbtest.SQLite).Open(t)
		must(t, db.AutoMigrate(&freePage{}))
		for _, plugin := range plugins {
			must(t, db.Use(plugin))
		}
		ok(t, db.Create(&freePage{ID: 1}))
		return testing.AllocsPerRun(200, func() { _ = db.Model(&freePage{ID: 1}).Update("title", "x") })
	}
	if without, with := allocations(), allocations(gormaudit.New()); with > without {
		t.Errorf("an update allocates %v times, %v without the plugin", with, without)
	}
}
