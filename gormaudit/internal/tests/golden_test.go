package tests

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// everything is every path and, for their conditions, some more.
func everything[B bys]() []path {
	paths := conditionPaths[B]()
	for _, section := range sections[B]() {
		paths = append(paths, section.paths...)
	}
	return paths
}

// conditionPaths have conditions that a careless plugin would break: OR binds
// less than AND, and GORM adds keys and soft delete to what the caller wrote.
func conditionPaths[B bys]() []path {
	first := func() *note[B] { return &note[B]{Model: gorm.Model{ID: 1}} }
	values := map[string]any{"title": "changed"}
	named := func(call string, run func(db *gorm.DB) error) path { return path{call: call, run: run} }
	return []path{
		named("Where.Or.Updates", func(db *gorm.DB) error {
			return db.Model(&note[B]{}).Where("size > ?", 0).Or("size < ?", 0).Updates(values).Error
		}),
		named("Model.Where.Or.Updates", func(db *gorm.DB) error {
			return db.Model(first()).Where("size > ?", 0).Or("size < ?", 0).Updates(values).Error
		}),
		named("Model.Or.Updates of a struct", func(db *gorm.DB) error {
			return db.Model(first()).Or("size < ?", 0).Updates(note[B]{Title: "changed"}).Error
		}),
		named("Model.Where.Or.Delete", func(db *gorm.DB) error {
			return db.Model(first()).Where("size > ?", 0).Or("size < ?", 0).Delete(&note[B]{}).Error
		}),
		named("Where.Or.Delete", func(db *gorm.DB) error {
			return db.Where("size > ?", 0).Or("size < ?", 0).Delete(first()).Error
		}),
		named("Where.Or.Save", func(db *gorm.DB) error {
			return db.Where("size > ?", 0).Or("size < ?", 0).Save(first()).Error
		}),
		named("Where.Or.UpdateColumn", func(db *gorm.DB) error {
			return db.Model(first()).Where("size > ?", 0).Or("size < ?", 0).UpdateColumn("title", "changed").Error
		}),
		named("Where by struct", func(db *gorm.DB) error {
			return db.Model(&note[B]{}).Where(&note[B]{Title: "one", Size: 1}).Updates(values).Error
		}),
		named("Where by created_by", func(db *gorm.DB) error {
			return db.Model(&note[B]{}).Where(with[B](map[string]any{"size": 1})).Updates(values).Error
		}),
		named("subquery", func(db *gorm.DB) error {
			return db.Model(&note[B]{}).Where("writer_id IN (?)", db.Model(&writer[B]{}).Select("id")).Updates(values).Error
		}),
		named("gorm.Expr", func(db *gorm.DB) error {
			return db.Model(first()).Update("size", gorm.Expr("size + ?", 1)).Error
		}),
	}
}

// What is sent for models without by-columns is what GORM alone sends, byte
// for byte.
func TestSQLWithoutByColumnsIsGORMs(t *testing.T) {
	forEachDialect(t, func(t *testing.T, kind string) {
		compare[none](t, kind, func(s statement) string { return s.sql })
	})
}

// What is sent for models with by-columns has GORM's conditions, and as many
// statements in the same order.
func TestConditionsAreGORMs(t *testing.T) {
	forEachDialect(t, func(t *testing.T, kind string) {
		compare[texts](t, kind, func(s statement) string {
			if strings.HasPrefix(s.sql, "INSERT") {
				return strings.Join(strings.Fields(s.sql)[:3], " ")
			}
			before, where, _ := strings.Cut(s.sql, " WHERE ")
			return strings.Join(strings.Fields(before)[:min(2, len(strings.Fields(before)))], " ") + " … WHERE " + where
		})
	})
}

// forEachDialect is dbtest.Each with one driver for each SQL dialect. Under the race
// detector there is one, for statements are compared and nothing runs beside another.
func forEachDialect(t *testing.T, f func(t *testing.T, kind string)) {
	t.Helper()
	kinds := dbtest.Kinds()
	switch {
	case dbtest.LessUnderRace(t):
		kinds = []string{dbtest.SQLiteC}
	case slices.Contains(kinds, dbtest.SQLite):
		kinds = slices.DeleteFunc(kinds, func(kind string) bool { return kind == dbtest.SQLiteC }) // says the same
	}
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f(t, kind)
		})
	}
}

// compare runs all paths with and without the plugin and compares what was
// sent.
func compare[B bys](t *testing.T, kind string, of func(statement) string) {
	t.Helper()
	alone := newWorld[B](t, kind)
	audited := newWorld[B](t, kind, gormaudit.NewWithConfig(gormaudit.Config{Models: known[B]()}))
	for _, p := range everything[B]() {
		t.Run(p.call, func(t *testing.T) {
			if why, ok := p.not[kind]; ok {
				t.Skip(why)
			}
			want, wantErr := alone.sends(t, p)
			if alone.bare && slices.ContainsFunc(want, func(s statement) bool { return !isBare(s.sql) }) {
				return // of a model that has by-columns in every world
			}
			if !alone.bare && wantErr != nil {
				return // where GORM alone fails, the plugin drops what it fails for
			}
			got, gotErr := audited.sends(t, p)
			if p.fails && !alone.bare {
				return
			}
			if text(gotErr) != text(wantErr) {
				t.Fatalf("%s = %v, want %v", p.call, gotErr, wantErr)
			}
			if len(got) != len(want) {
				t.Fatalf("%s sent %d statements, want %d:\n%v\n%v", p.call, len(got), len(want), got, want)
			}
			for n := range want {
				if of(got[n]) != of(want[n]) {
					t.Errorf("%s sent %s\nwant %s", p.call, got[n].sql, want[n].sql)
				}
				if got[n].rows != want[n].rows && !changesNothing(got[n].sql) {
					t.Errorf("%s: RowsAffected of %s = %d, want %d", p.call, got[n].sql, got[n].rows, want[n].rows)
				}
			}
		})
	}
}

// changesNothing reports whether created_by was all that a statement was to
// change. MySQL counts rows that changed, and now none does.
func changesNothing(sql string) bool { return strings.Contains(sql, "SET `id`=`notes`.`id` WHERE") }

// random is what differs from one run to the next: names of databases and
// savepoints; and numbers of placeholders, which differ with the columns
// before them.
var random = regexp.MustCompile(`whodunit_[a-z0-9]{12}|sp[0-9]{9,}|\$[0-9]+\$?`)

func isBare(sql string) bool {
	return !slices.ContainsFunc([]string{"posts", "tags", "guarded", "defaulted", "packed"}, func(table string) bool { return strings.Contains(sql, table) })
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// sends runs a path on fresh rows and returns what it sent.
func (w *world) sends(t *testing.T, p path) ([]statement, error) {
	t.Helper()
	w.reset(t)
	w.log.take()
	err := p.run(w.db.WithContext(acting(7)))
	sent := w.log.take()
	for n := range sent {
		sent[n].sql = random.ReplaceAllString(sent[n].sql, "…")
	}
	if p.unordered {
		slices.SortFunc(sent, func(a, b statement) int { return strings.Compare(a.sql, b.sql) })
	}
	return sent, err
}

// DryRun and ToSQL show what would be sent, stamps included, and send nothing.
func TestDryRunShowsWhatIsSent(t *testing.T) {
	forEachDialect(t, func(t *testing.T, kind string) {
		w := newWorld[texts](t, kind, gormaudit.New())
		db := w.db.Session(&gorm.Session{Context: acting(7), SkipDefaultTransaction: true})
		for name, write := range map[string]func(db *gorm.DB) *gorm.DB{
			"create": func(db *gorm.DB) *gorm.DB { return db.Create(&note[texts]{Title: "new", By: said[texts](66)}) },
			"upsert": func(db *gorm.DB) *gorm.DB {
				return db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&note[texts]{Model: gorm.Model{ID: 1}, By: said[texts](66)})
			},
			"update": func(db *gorm.DB) *gorm.DB {
				return db.Model(&note[texts]{Model: gorm.Model{ID: 1}}).Updates(with[texts](map[string]any{"title": "changed"}))
			},
			"delete": func(db *gorm.DB) *gorm.DB { return db.Delete(&note[texts]{Model: gorm.Model{ID: 1}}) },
		} {
			t.Run(name, func(t *testing.T) {
				w.reset(t)
				w.log.take()
				dry := write(db.Session(&gorm.Session{DryRun: true}))
				shown := db.ToSQL(write)
				if sent := w.log.take(); dry.Error != nil || len(sent) != 0 {
					t.Fatalf("DryRun sent %v, %v", sent, dry.Error)
				}
				if err := write(db).Error; err != nil {
					t.Fatal(err)
				}
				want := w.log.take()[0].sql
				if got := w.db.Explain(dry.Statement.SQL.String(), dry.Statement.Vars...); got != want {
					t.Errorf("DryRun = %s\nwant %s", got, want)
				}
				if shown != want {
					t.Errorf("ToSQL = %s\nwant %s", shown, want)
				}
			})
		}
	})
}

// The SQL is the same whoever acts, so that a cache of prepared statements
// does not grow with the number of users.
func TestPreparedStatementsAreShared(t *testing.T) {
	w := newWorld[gormaudit.SoftBy[string]](t, dbtest.SQLite, gormaudit.New())
	db := w.db.Session(&gorm.Session{PrepareStmt: true})
	w.reset(t)
	w.log.take()
	for user := range 20 {
		ctx := acting(user)
		if user == 0 {
			ctx = actor.NewContext(t.Context(), actor.Actor{}) // nobody is signed in
		}
		db := db.WithContext(ctx)
		n := note[gormaudit.SoftBy[string]]{Title: "new"}
		for _, err := range []error{
			wrote(db.Create(&n)), wrote(db.Model(&n).Update("title", "changed")), wrote(db.Delete(&n)),
			wrote(db.Unscoped().Model(&n).Update("deleted_at", nil)), wrote(db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&n)),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	prepared := slices.DeleteFunc(w.log.take(), func(s statement) bool { return !strings.HasPrefix(s.sql, "PREPARE") })
	if len(prepared) != 5 {
		t.Errorf("20 users prepared %d statements, want 5: %v", len(prepared), prepared)
	}
}

// What exactly is sent, for people to read.
func TestStampedSQL(t *testing.T) {
	w := newWorld[texts](t, dbtest.SQLite, gormaudit.New())
	db := w.db.Session(&gorm.Session{Context: acting(7), DryRun: true})
	first := &tag{Model: gorm.Model{ID: 1}, Name: "go"}
	for want, tx := range map[string]*gorm.DB{
		"UPDATE `tags` SET `name`=?,`updated_at`=?,`updated_by`=? WHERE `tags`.`deleted_at` IS NULL AND `id` = ?": db.Model(first).Updates(with[texts](map[string]any{"name": "x"})),
		"UPDATE `tags` SET `deleted_at`=?,`deleted_by`=? WHERE `tags`.`id` = ? AND `tags`.`deleted_at` IS NULL":   db.Delete(first),
		"INSERT INTO `tags` (`created_by`,`name`,`updated_by`) VALUES (?,?,?)":                                    db.Table("tags").Create(map[string]any{"name": "x", "CREATED_BY": "66"}),
	} {
		if got := tx.Statement.SQL.String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
