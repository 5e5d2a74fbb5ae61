package tests

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/tests/gin"
)

// structured is a logger as those over zap and zerolog are: the message and
// the arguments apart, as the library formats them.
type structured struct {
	logger.Interface
	out io.Writer
}

func (l structured) LogMode(logger.LogLevel) logger.Interface { return l }

func (l structured) Warn(_ context.Context, format string, args ...any) {
	message := format
	if len(args) > 0 {
		message = fmt.Sprintf(format, args...)
	}
	_, _ = fmt.Fprintf(l.out, "level=warn message=%s\n", message)
}

// A table's name may hold what a logger takes for a verb.
type percent struct {
	ID        uint
	CreatedBy string
}

func (percent) TableName() string { return "100%s" }

// Every logger prints one finished text.
func TestEveryLoggerPrintsTheText(t *testing.T) {
	loggers := map[string]func(out io.Writer, level logger.LogLevel) logger.Interface{
		"GORM's default": func(out io.Writer, level logger.LogLevel) logger.Interface {
			return logger.New(log.New(out, "", 0), logger.Config{LogLevel: level})
		},
		"GORM's default, in colors": func(out io.Writer, level logger.LogLevel) logger.Interface {
			return logger.New(log.New(out, "", 0), logger.Config{LogLevel: level, Colorful: true})
		},
		"slog": func(out io.Writer, level logger.LogLevel) logger.Interface {
			return logger.NewSlogLogger(slog.New(slog.NewTextHandler(out, nil)), logger.Config{LogLevel: level})
		},
		"structured": func(out io.Writer, level logger.LogLevel) logger.Interface {
			if level < logger.Warn {
				return logger.Discard
			}
			return structured{logger.Discard, out}
		},
	}
	for name, open := range loggers {
		t.Run(name, func(t *testing.T) {
			for _, level := range []logger.LogLevel{logger.Silent, logger.Error, logger.Warn} {
				var w witness
				var out bytes.Buffer
				s := newSQLiteStage(t, gormaudit.Config{Observe: w.observe}, &percent{})
				tx := s.Session(&gorm.Session{Logger: open(&out, level)})
				line := here()
				ok(t, tx.Create(&percent{}))
				line = line[:strings.LastIndex(line, ":")+1]
				if told := len(w.take()); told != 1 {
					t.Errorf("level %d: Observe was told %d events, want 1", level, told)
				}
				if level < logger.Warn {
					if out.Len() > 0 {
						t.Errorf("level %d: logged %q, want nothing", level, out.String())
					}
					continue
				}
				want := `gormaudit: create on "100％s" at ` + line
				got := strings.ReplaceAll(out.String(), `\"`, `"`)
				if strings.Count(got, want) != 1 || !strings.Contains(got, noContext) {
					t.Errorf("logged %q, want %q…%q", got, want, noContext)
				}
				if strings.ContainsAny(strings.ReplaceAll(got, "％", ""), "%") || strings.Contains(got, "EXTRA") || strings.Contains(got, "MISSING") {
					t.Errorf("logged %q, want no verbs", got)
				}
			}
		})
	}
}

// logged returns the plugin's side with a logger.
func logged(s *stage, j *journal) *gorm.DB { return s.Session(&gorm.Session{Logger: j}) }

// Each place is logged at 1, 10, 100 and so on. Another caller of a function of
// a repository is another place, and so is another table.
func TestEachPlaceIsLoggedAtPowersOfTen(t *testing.T) {
	var w witness
	s := newSQLiteStage(t, gormaudit.Config{Observe: w.observe}, policyModels...)
	j := newJournal()
	db := logged(s, j)
	for range 1000 {
		must(t, dbtest.Save(db, &page{}))
	}
	got := j.take()
	if len(got) != 4 || strings.Contains(got[0], "time)") {
		t.Fatalf("1000 writes from a place were logged %d times, want 4: %q", len(got), got)
	}
	for n, times := range []string{"10", "100", "1000"} {
		if want := " (for the " + times + "th time)"; !strings.HasSuffix(got[n+1], want) {
			t.Errorf("warning %d = %q, want …%q", n+1, got[n+1], want)
		}
	}
	must(t, dbtest.Save(db, &page{}))
	must(t, dbtest.Save(db, &ticket{}))
	if got := j.take(); len(got) != 2 {
		t.Errorf("another caller and another table were logged %d times, want 2: %q", len(got), got)
	}
	if got := len(w.take()); got != 1002 {
		t.Errorf("Observe was told %d times, want 1002", got)
	}
}

// However many places there are, the memory for them is bounded, and what is
// beyond is not silent.
func TestPlacesAreBounded(t *testing.T) {
	s := newSQLiteStage(t, gormaudit.Config{}, &page{})
	j := newJournal()
	db := logged(s, j).Session(&gorm.Session{DryRun: true})
	const tables = 3000
	for n := range tables {
		ok(t, db.Table(fmt.Sprintf("pages_%d", n)).Create(&page{}))
	}
	ok(t, db.Table("pages").Create(&page{}))
	if got := len(j.take()); got > 1100 {
		t.Errorf("%d tables were logged %d times, want about 1000", tables, got)
	}
}

// Many goroutines may miss at once.
func TestMissesOfManyGoroutines(t *testing.T) {
	var w witness
	s := newSQLiteStage(t, gormaudit.Config{Observe: w.observe}, policyModels...)
	j := newJournal()
	db := logged(s, j).Session(&gorm.Session{DryRun: true, SkipDefaultTransaction: true})
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 125 {
				_ = dbtest.Save(db, &page{})
			}
		})
	}
	group.Wait()
	if got := len(w.take()); got != 1000 {
		t.Errorf("Observe was told %d times, want 1000", got)
	}
	if got := j.take(); len(got) != 4 {
		t.Errorf("logged %d times, want 4: %q", len(got), got)
	}
}

// What is wrong with a context is told apart, with the remedy, in the log, in
// the event and in the error.
func TestMissesAreToldApart(t *testing.T) {
	request := httptest.NewRequest("GET", "/", nil)
	request = request.WithContext(actor.NewContext(request.Context(), actor.User(7)))
	timeout, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	tests := []struct {
		name string
		ctx  context.Context
		kind gormaudit.EventKind
		want string
	}{
		{"none", context.Background(), gormaudit.EventNoContext, noContext},
		{"TODO", context.TODO(), gormaudit.EventNoContext, noContext},
		{
			"without an actor", context.WithValue(context.Background(), ownUserKey{}, 1), gormaudit.EventNoActor,
			": no actor in the context; a middleware puts one there, or actor.NewContext",
		},
		{"a job's timeout", timeout, gormaudit.EventNoActor, ": no actor in the context; a middleware puts one there, or actor.NewContext"},
		{
			"gin", gin.NewContext(request), gormaudit.EventNoActor,
			": no actor in the context, a *gin.Context, which hides the request's; pass c.Request.Context(), or set ContextWithFallback of gin's Engine",
		},
	}
	for _, missing := range []gormaudit.MissingPolicy{gormaudit.Warn, gormaudit.Reject} {
		for _, test := range tests {
			var w witness
			s := newSQLiteStage(t, gormaudit.Config{Missing: missing, Observe: w.observe}, policyModels...)
			j := newJournal()
			err := logged(s, j).WithContext(test.ctx).Create(&page{}).Error
			texts := j.take()
			if missing == gormaudit.Reject {
				texts = append(texts, text(err))
			}
			if len(texts) != 1 || !strings.HasPrefix(texts[0], `gormaudit: create on "pages"`) || !strings.HasSuffix(texts[0], test.want) {
				t.Errorf("%s: said %q, want …%q", test.name, texts, test.want)
			}
			if events := w.take(); len(events) != 1 || events[0].Kind != test.kind {
				t.Errorf("%s: told %v, want %v", test.name, events, test.kind)
			}
			ok(t, s.WithContext(request.Context()).Create(&page{}))
		}
	}
}

// GORM puts a timeout around no context if it is told to.
func TestNoContextUnderDefaultContextTimeout(t *testing.T) {
	var w witness
	d := dbtest.New(t, dbtest.SQLite)
	db := d.Open(t, &gorm.Config{Logger: logger.Discard, DefaultContextTimeout: time.Hour})
	must(t, db.AutoMigrate(&page{}))
	must(t, db.Use(gormaudit.NewWithConfig(gormaudit.Config{Observe: w.observe})))
	ok(t, db.Create(&page{}))
	ok(t, db.WithContext(context.WithValue(context.Background(), ownUserKey{}, 1)).Create(&page{}))
	events := w.take()
	if len(events) != 2 || events[0].Kind != gormaudit.EventNoContext || events[1].Kind != gormaudit.EventNoActor {
		t.Errorf("told %v, want no context and no actor", events)
	}
}

// Where the application says who acts in its own way, actor.NewContext is no
// remedy.
func TestMissUnderConfigActor(t *testing.T) {
	config := gormaudit.Config{Missing: gormaudit.Reject, Actor: func(context.Context) (actor.Actor, bool) { return actor.Actor{}, false }}
	s := newSQLiteStage(t, config, policyModels...)
	err := s.user(7).Create(&page{}).Error
	if want := `gormaudit: create on "pages": Config.Actor found no actor in the context`; text(err) != want {
		t.Errorf("Create = %v, want %s", err, want)
	}
}

func TestDroppedValuesAreLogged(t *testing.T) {
	s := newSQLiteStage(t, gormaudit.Config{Missing: gormaudit.Allow}, eventModels...)
	j := newJournal()
	db := logged(s, j).WithContext(contextOf(actor.User(7)))
	ok(t, db.Create(&chat{CreatorID: 8}))
	ok(t, db.Model(&chat{ID: 1}).Update("creator_id", 8))
	place := regexp.MustCompile(` at .*?: `)
	want := []string{
		`gormaudit: create on "chats", column "creator_id",: the caller's value is dropped; only the plugin writes this column (for imports, see gormaudit.Preserve)`,
		`gormaudit: update on "chats", column "creator_id",: the caller's value is dropped; this column is written once, on create (a column that may change can't be a by-column)`,
	}
	got := j.take()
	for n := range got {
		got[n] = place.ReplaceAllString(got[n], ": ")
	}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("logged %q\nwant %q", got, want)
	}
}
