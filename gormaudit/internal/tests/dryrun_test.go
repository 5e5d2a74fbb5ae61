package tests

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// Under Config.DryRun every path sends, byte for byte, what GORM alone sends.
func TestConfigDryRunSendsWhatGORMSends(t *testing.T) {
	less := dbtest.LessUnderRace(t)
	forEachDialect(t, func(t *testing.T, kind string) {
		t.Run("texts", func(t *testing.T) { compareDryRun[texts](t, kind) })
		if less {
			return // another type runs nothing else beside it
		}
		t.Run("pointers", func(t *testing.T) { compareDryRun[gormaudit.SoftBy[string]](t, kind) })
	})
}

func compareDryRun[B bys](t *testing.T, kind string) {
	t.Helper()
	var w witness
	alone := newWorld[B](t, kind)
	dry := newWorld[B](t, kind, gormaudit.NewWithConfig(gormaudit.Config{
		Models: known[B](), DryRun: true, Observe: w.observe, Missing: gormaudit.Reject,
	}))
	for _, p := range everything[B]() {
		t.Run(p.call, func(t *testing.T) {
			if why, ok := p.not[kind]; ok {
				t.Skip(why)
			}
			want, wantErr := alone.sends(t, p)
			got, gotErr := dry.sends(t, p)
			if text(gotErr) != text(wantErr) {
				t.Fatalf("%s = %v, want %v", p.call, gotErr, wantErr)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s sent %v\nwant %v", p.call, got, want)
			}
		})
	}
	kinds := map[gormaudit.EventKind]int{}
	for _, e := range w.take() {
		kinds[e.Kind]++
	}
	for _, kind := range []gormaudit.EventKind{gormaudit.EventDropped, gormaudit.EventWouldStamp, gormaudit.EventWouldFail} {
		if kinds[kind] == 0 {
			t.Errorf("no event %s among %v", kind, kinds)
		}
	}
}

// What a dry run says is stamped is what is stamped without it: no less on
// every path, and no more where it is not for the database to say which rows
// are there.
func TestConfigDryRunTellsWhatIsStamped(t *testing.T) {
	var w witness
	dry := newWorld[texts](t, dbtest.SQLite, gormaudit.NewWithConfig(gormaudit.Config{Models: known[texts](), DryRun: true, Observe: w.observe}))
	var plain []path
	for _, section := range sections[texts]() {
		if section.title == "Create" || section.title == "Update" {
			plain = append(plain, section.paths...)
		}
	}
	for n, p := range append(plain, everything[texts]()...) {
		if p.want == nil || p.not[dbtest.SQLite] != "" || p.fails {
			continue
		}
		_, _ = dry.sends(t, p)
		told := strings.Join(w.takeTexts(gormaudit.EventWouldStamp), " ")
		for _, role := range []struct {
			column string
			place  int
		}{{"created_by", 0}, {"updated_by", 1}, {"deleted_by", 2}} {
			stamps := false
			for key, by := range p.want {
				was, is := before()[key].by, strings.Fields(by)
				stamps = stamps || len(is) == 3 && is[role.place] == "7" && (was == "" || strings.Fields(was)[role.place] != "7")
			}
			if tells := strings.Contains(told, role.column); stamps && !tells || tells && !stamps && n < len(plain) {
				t.Errorf("%s: stamps %s: %t, told %s", p.call, role.column, stamps, told)
			}
		}
	}
}

func TestConfigDryRunLeavesModelsAlone(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		var w witness
		s := newStage(t, d, gormaudit.Config{DryRun: true, Missing: gormaudit.Reject, Observe: w.observe}, policyModels...)
		row := &page{ID: 1, SoftBy: forgedBy("66", "66", "66")}
		ok(t, s.user(7).Create(row))
		ok(t, s.WithContext(context.Background()).Create(&page{ID: 2}))
		if got, want := s.cells(t, "pages", 1, "created_by", "updated_by", "deleted_by"), "66 66 66"; got != want {
			t.Errorf("Create: row holds %q, want %q", got, want)
		}
		if got, want := s.by(t, "pages", 2), "NULL NULL"; got != want {
			t.Errorf("Create: row holds %q, want %q", got, want)
		}
		ok(t, s.user(7).Model(row).Updates(map[string]any{"title": "x", "created_by": "67"}))
		if got, want := s.cells(t, "pages", 1, "created_by", "updated_by", "deleted_by"), "67 66 66"; got != want {
			t.Errorf("Updates: row holds %q, want %q", got, want)
		}
		if *row.CreatedBy != "67" || *row.UpdatedBy != "66" {
			t.Errorf("Updates: struct holds %s %s, want what GORM copied there", *row.CreatedBy, *row.UpdatedBy)
		}
		ok(t, s.user(7).Delete(&page{ID: 2}))
		if got := s.cell(t, "pages", "deleted_by", 2); got != "NULL" {
			t.Errorf("Delete: deleted_by = %s, want NULL", got)
		}
		want := []string{
			"dropped create pages.created_by", "dropped create pages.deleted_by", "dropped create pages.updated_by", "dropped update pages.created_by",
			"no_context create pages.",
			"would_stamp create pages.created_by", "would_stamp create pages.updated_by", "would_stamp delete pages.deleted_by", "would_stamp update pages.updated_by",
		}
		if got := w.takeTexts(gormaudit.EventNoContext, gormaudit.EventDropped, gormaudit.EventWouldStamp, gormaudit.EventWouldFail); !slices.Equal(got, want) {
			t.Errorf("told %q\nwant %q", got, want)
		}
	})
}

// What is an error without DryRun is written, told and logged.
func TestConfigDryRunTellsWhatWouldFail(t *testing.T) {
	var w witness
	s := newSQLiteStage(t, gormaudit.Config{DryRun: true, Observe: w.observe}, policyModels...)
	j := newJournal()
	db := s.as(actor.User("abc")).Session(&gorm.Session{Logger: j})
	ok(t, db.Create(&ticket{ID: 1}))
	ok(t, db.Model(&ticket{ID: 1}).Update("title", "x"))
	ok(t, db.Clauses(clause.Insert{Modifier: "OR REPLACE"}).Create(&page{ID: 1}))
	ok(t, db.Delete(&ticket{ID: 1}))
	if got, want := s.by(t, "tickets", 1), "NULL NULL"; got != want {
		t.Errorf("row holds %q, want %q", got, want)
	}
	want := []string{"would_fail create pages.", "would_fail create tickets.created_by", "would_fail delete tickets.deleted_by", "would_fail update tickets.updated_by"}
	if got := w.takeTexts(gormaudit.EventWouldFail); !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
	got := j.take()
	if len(got) != 4 || !strings.HasPrefix(got[0], `gormaudit: without DryRun: create on "tickets", column "created_by", at `) || !strings.Contains(got[0], `can't hold the id "abc"`) ||
		!strings.Contains(got[2], ": fails: INSERT OR REPLACE INTO `pages` on") {
		t.Errorf("warnings = %q, want four that say what fails", got)
	}
}

// A driver that builds its statements around the plugin goes on doing so.
func TestConfigDryRunRefusesNoDriver(t *testing.T) {
	for _, dry := range []bool{true, false} {
		var w witness
		d := dbtest.New(t, dbtest.SQLite)
		s := &stage{DB: d.Open(t), plain: d.Open(t)}
		must(t, s.AutoMigrate(&page{}))
		must(t, s.Callback().Create().Replace("gorm:create", func(db *gorm.DB) {
			if db.Error == nil {
				_, err := db.Statement.ConnPool.ExecContext(context.Background(), "INSERT INTO pages (created_by) VALUES ('66')")
				_ = db.AddError(err)
			}
		}))
		must(t, s.Use(gormaudit.NewWithConfig(gormaudit.Config{DryRun: dry, Observe: w.observe})))
		err := s.user(7).Create(&page{}).Error
		told, held := len(w.takeTexts(gormaudit.EventWouldFail)), s.cell(t, "pages", "created_by", 1)
		if dry && (err != nil || told != 1 || held != "66") || !dry && (err == nil || told != 0 || held != "no row") {
			t.Errorf("DryRun %t: Create = %v, told %d, row holds %s", dry, err, told, held)
		}
	}
}
