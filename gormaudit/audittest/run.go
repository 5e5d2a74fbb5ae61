package audittest

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/writes"
)

// Option says what [Run] tries, and how.
type Option func(*writes.Suite)

// Model tries the write paths, which are the ways to call GORM, on T's table.
// The function row returns the i-th of some new rows; i begins at 1. db.Create
// must accept each row: it needs its required columns and foreign keys, and
// different values in every column that is unique. The function may itself create
// rows that foreign keys need: see the example. The rows should differ in at
// least one column that is neither a primary nor a foreign key: that is the
// column that paths change. Leave by-columns to Run.
//
// Run tries an association if the model at its other end is given too, and
// otherwise reports it as skipped. A T without by-columns is only for that.
func Model[T any](row func(i int) *T) Option {
	return func(s *writes.Suite) { s.Models = append(s.Models, writes.NewModel(row)) }
}

// Users names the ids that by-columns hold during the test: who wrote the rows
// that are there, who acts, and whom callers name in forged by-columns. By
// default Run makes up numbers, or UUIDs where numbers don't fit. If by-columns
// have a foreign key, give ids of users that exist.
func Users(author, actor, forged string) Option {
	return func(s *writes.Suite) { s.Users.Author, s.Users.Actor, s.Users.Forged = author, actor, forged }
}

// As says how Run makes a context for an id: the one in which somebody acts whom
// by-columns hold as id. By default it is
// actor.NewContext(context.Background(), actor.User(id)). Give As if
// [gormaudit.Config] has an Actor or an ID of its own, or if tables refuse changes
// without metadata (RequireMetadata of gormaudit/history): put the metadata in.
func As(as func(id string) context.Context) Option {
	return func(s *writes.Suite) { s.Users.Context = as }
}

// Run tries every write path on each [Model], through db, and fails the test
// once for each by-column that then holds something wrong. The file writes.md
// beside the package gormaudit lists the paths and what each does. Paths that a
// model can't take, or that GORM itself fails on, are logged with the reason:
// go test -v shows them. A model on which no path can be tried fails the test.
//
// db is the application's, with the plugin of gormaudit and all other plugins.
// Its tables must be there, and hold at most 1,000 rows. Each model has a
// transaction that is rolled back, and each path starts from the same three
// rows in it. Some paths change rows that were there before, too: GORM writes
// all rows then, and Run does not check the by-columns of yours. Hooks of the
// models run, and sequences move. Meanwhile db logs nothing.
//
// If db has the plugin of gormaudit/history, and db's account may read what the
// history records, each change of a path must be attributed to who acts, too. With
// that plugin, tables may refuse what nobody said who did (RequireActor): Run's own
// rows are then written by the author of [Users].
func Run(t *testing.T, db *gorm.DB, options ...Option) {
	t.Helper()
	var s writes.Suite
	for _, option := range options {
		option(&s)
	}
	switch {
	case db.Plugins[gormaudit.New().Name()] == nil:
		t.Fatal("audittest: db has no plugin of gormaudit: call db.Use(gormaudit.New()) first")
	case db.DryRun:
		t.Fatal("audittest: db is in DryRun and writes nothing")
	case len(s.Models) == 0:
		t.Fatal("audittest: there is no audittest.Model to try")
	}
	if err := writes.LearnAll(db, s.Models, s.Users); err != nil {
		t.Fatalf("audittest: %v", err)
	}
	for _, m := range s.Models {
		t.Run(m.Schema.Table, func(t *testing.T) {
			t.Helper()
			try(t, db, m, s.Models)
		})
	}
}

// try tries the paths of one model, with others at the other end of its
// associations.
func try(t *testing.T, db *gorm.DB, m *writes.Model, others []*writes.Model) {
	t.Helper()
	if !m.Stamped() {
		t.Skipf("audittest: %s has no by-columns", m.Schema.Name)
	}
	trial, err := writes.NewTrial(db, m, others)
	if err != nil {
		t.Fatalf("audittest: %v", err)
	}
	defer func() {
		if err := trial.Close(); err != nil {
			t.Errorf("audittest: %v", err)
		}
	}()
	if trial.Idle() {
		t.Fatalf("audittest: db.Create(&%s) leaves by-columns empty as if nobody acted. "+
			"If gormaudit.Config has an Actor or ID of its own, give audittest.As", m.Schema.Name)
	}
	tryAll(t, trial)
}

// tryAll tries every path, and reports what it could not try.
func tryAll(t *testing.T, trial *writes.Trial) {
	t.Helper()
	held, skipped, failed := 0, map[string][]string{}, 0
	for _, section := range trial.Sections() {
		for _, path := range section.Paths {
			problems, why := trial.Try(path)
			for _, problem := range problems {
				t.Errorf("%s: %s", path.Call, problem)
			}
			switch {
			case why != "":
				skipped[why] = append(skipped[why], path.Call)
			case len(problems) > 0:
				failed++
			default:
				held++
			}
		}
	}
	t.Logf("%d write paths held, %d failed", held, failed)
	for _, why := range slices.Sorted(maps.Keys(skipped)) {
		t.Logf("skipped, because %s:\n\t%s", why, strings.Join(skipped[why], "\n\t"))
	}
	switch {
	case failed > 0:
		t.Log(advice)
	case held == 0:
		t.Error("audittest: no write path could be tried, for the reasons above")
	}
}

const advice = `what makes a path fail, most often:
	gormaudit.Config.DryRun, with which nothing is stamped;
	a hook of the model, or a plugin registered after gormaudit's, that writes by-columns itself;
	a column that gormaudit does not take for a by-column: name the field CreatedBy, UpdatedBy or DeletedBy, or tag it autoCreateBy, autoUpdateBy or autoDeleteBy;
	a trigger of the database or a default that writes the column`
