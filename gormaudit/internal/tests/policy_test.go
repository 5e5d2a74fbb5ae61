package tests

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// Models that hold anybody's id, and users' ids only.
type (
	page struct {
		ID    uint
		Title string
		gormaudit.SoftBy[string]
		DeletedAt gorm.DeletedAt
	}
	ticket struct {
		ID    uint
		Title string
		gormaudit.SoftBy[uint]
		DeletedAt gorm.DeletedAt
	}
	parcel struct {
		ID    uint
		Title string
		gormaudit.SoftBy[uuid.UUID]
		DeletedAt gorm.DeletedAt
	}
	strictPage struct { // no column can be NULL
		ID        uint
		Title     string
		CreatedBy string `gorm:"not null"`
		UpdatedBy string `gorm:"not null"`
		Count     int
	}
	freePage struct {
		ID    uint
		Title string
	}
)

var policyModels = []any{&page{}, &ticket{}, &parcel{}, &strictPage{}, &freePage{}}

func TestWhatColumnsHoldForEachKindOfActor(t *testing.T) {
	id := ownUUID
	tests := []struct {
		who                  actor.Actor
		page, ticket, parcel string
	}{
		{actor.User(42), "42", "42", ""},
		{actor.User(id), id, "", id},
		{actor.Service(42), "service:42", "NULL", "NULL"},
		{actor.Service(id), "service:" + id, "NULL", "NULL"},
		{actor.System("42"), "system:42", "NULL", "NULL"},
		{actor.System("archiver"), "system:archiver", "NULL", "NULL"},
		{actor.User(7).As(actor.User(42)), "42", "42", ""},
		{actor.Actor{}, "NULL", "NULL", "NULL"},
		{actor.Actor{Identity: actor.Identity{Kind: actor.KindUser, Name: "Zoë"}}, "NULL", "NULL", "NULL"},
		{actor.Actor{Identity: actor.Identity{ID: "42"}}, "NULL", "NULL", "NULL"},
	}
	eachStage(t, gormaudit.Config{Missing: gormaudit.Reject}, policyModels, func(t *testing.T, s *stage) {
		for _, test := range tests {
			for _, c := range []struct {
				row  any
				want string
			}{{&page{}, test.page}, {&ticket{}, test.ticket}, {&parcel{}, test.parcel}} {
				table := tableOf(t, s.plain, c.row)
				err := s.as(test.who).Create(c.row).Error
				if c.want == "" {
					if wrong := new(gormaudit.ColumnError); !errors.As(err, &wrong) {
						t.Errorf("Create(%s by %v) = %v, want a ColumnError", table, test.who, err)
					}
					continue
				}
				var n uint
				ok(t, s.plain.Table(table).Select("max(id)").Scan(&n))
				want := c.want + " " + c.want + " NULL"
				if got := s.cells(t, table, n, "created_by", "updated_by", "deleted_by"); err != nil || got != want {
					t.Errorf("Create(%s by %v): row holds %q, %v, want %q", table, test.who, got, err, want)
				}
				ok(t, s.as(test.who).Delete(c.row))
				if got := s.cell(t, table, "deleted_by", n); got != c.want {
					t.Errorf("Delete(%s by %v): row holds %q, want %q", table, test.who, got, c.want)
				}
			}
		}
	})
}

func TestAnonymousUpdateForgetsThePreviousPerson(t *testing.T) {
	eachStage(t, gormaudit.Config{Missing: gormaudit.Reject}, policyModels, func(t *testing.T, s *stage) {
		row, strict := &page{ID: 1}, &strictPage{ID: 1}
		ok(t, s.user(5).Create(row))
		ok(t, s.user(5).Create(strict))
		ok(t, s.as(actor.Actor{}).Model(row).Update("title", "x"))
		ok(t, s.as(actor.Actor{}).Model(strict).Update("title", "x"))
		if got, want := s.by(t, "pages", 1), "5 NULL"; got != want {
			t.Errorf("Update(page): row holds %q, want %q", got, want)
		}
		if got, want := s.by(t, "strict_pages", 1), "5 "; got != want {
			t.Errorf("Update(strictPage): row holds %q, want %q", got, want)
		}
		if row.UpdatedBy != nil || strict.UpdatedBy != "" {
			t.Errorf("Update: structs hold %v and %q, want nil and nothing", row.UpdatedBy, strict.UpdatedBy)
		}
	})
}

func TestConfigID(t *testing.T) {
	asked := 0
	config := gormaudit.Config{ID: func(a actor.Actor) string {
		asked++
		switch {
		case !a.Impersonator.IsAnonymous():
			return a.Impersonator.ID // the one at the keyboard
		case a.Kind == actor.KindSystem:
			return "1" // the users row for jobs
		case a.Kind == actor.KindService:
			return "" // NULL
		}
		return a.ID
	}}
	tests := []struct {
		who  actor.Actor
		want string
	}{
		{actor.User(42), "42 42"},
		{actor.User(7).As(actor.User(42)), "7 7"},
		{actor.System("archiver"), "1 1"},
		{actor.Service("key"), "NULL NULL"},
		{actor.Actor{}, "NULL NULL"},
	}
	dbtest.EachAlone(t, func(t *testing.T, d *dbtest.Database) {
		s := newStage(t, d, config, policyModels...)
		for i, test := range tests {
			asked = 0
			n := uint(i + 1)
			ok(t, s.as(test.who).Create(&page{ID: n}))
			if got := s.by(t, "pages", n); got != test.want {
				t.Errorf("Create(page by %v): row holds %q, want %q", test.who, got, test.want)
			}
			if test.who.IsAnonymous() != (asked == 0) {
				t.Errorf("Create(page by %v): Config.ID asked %d times", test.who, asked)
			}
			ok(t, s.as(test.who).Create(&ticket{ID: n}))
			if got := s.by(t, "tickets", n); got != test.want {
				t.Errorf("Create(ticket by %v): row holds %q, want %q", test.who, got, test.want)
			}
		}
		same := s.unchanged(t, "tickets")
		for _, who := range []actor.Actor{actor.User("abc"), actor.User("010"), actor.User(7).As(actor.User(42))} {
			bad := who
			if !who.Impersonator.IsAnonymous() {
				bad.Impersonator.ID = "x7"
			}
			err := s.as(bad).Create(&ticket{}).Error
			wrong := new(gormaudit.ColumnError)
			if !errors.As(err, &wrong) || wrong.Actor != bad.String() || wrong.ID != config.ID(bad) {
				t.Errorf("Create(ticket by %v) = %v, want a ColumnError that names both", bad, err)
			}
			same("Create")
		}
	})
}

type ownUserKey struct{}

func TestConfigActor(t *testing.T) {
	config := gormaudit.Config{
		Missing: gormaudit.Reject,
		Actor: func(ctx context.Context) (actor.Actor, bool) {
			id, ok := ctx.Value(ownUserKey{}).(uint)
			return actor.User(id), ok
		},
	}
	s := newSQLiteStage(t, config, policyModels...)
	ctx := context.WithValue(context.Background(), ownUserKey{}, uint(42))
	ok(t, s.WithContext(ctx).Create(&page{ID: 1}))
	if got, want := s.by(t, "pages", 1), "42 42"; got != want {
		t.Errorf("Create: row holds %q, want %q", got, want)
	}
	if err := s.user(7).Create(&page{}).Error; !errors.Is(err, gormaudit.ErrNoActor) {
		t.Errorf("Create without the application's own user = %v, want ErrNoActor", err)
	}
	nobody := context.WithValue(context.Background(), ownUserKey{}, uint(0))
	ok(t, s.WithContext(nobody).Model(&page{ID: 1}).Update("title", "x"))
	if got, want := s.by(t, "pages", 1), "42 NULL"; got != want {
		t.Errorf("Update by the own user 0: row holds %q, want %q", got, want)
	}
}

// stamped are writes that stamp something. Each takes its own line in here.
func stamped(db *gorm.DB) []struct {
	name, op string
	write    func() (string, error)
} {
	return []struct {
		name, op string
		write    func() (string, error)
	}{
		{"Create", "create", func() (string, error) { return here(), db.Create(&page{}).Error }},
		{"Create of many", "create", func() (string, error) { return here(), db.Create(&[]page{{}, {}, {}}).Error }},
		{"Create of map", "create", func() (string, error) { return here(), db.Model(&page{}).Create(map[string]any{"title": "x"}).Error }},
		{"gorm.G Create", "create", func() (string, error) { return here(), gorm.G[page](db).Create(db.Statement.Context, &page{}) }},
		{"FirstOrCreate", "create", func() (string, error) { return here(), db.Where(&page{Title: "new"}).FirstOrCreate(&page{}).Error }},
		{"Update", "update", func() (string, error) { return here(), db.Model(&page{ID: 1}).Update("title", "x").Error }},
		{"Updates", "update", func() (string, error) { return here(), db.Updates(&page{ID: 1, Title: "x"}).Error }},
		{"Save", "update", func() (string, error) { return here(), db.Save(&page{ID: 1, Title: "x"}).Error }},
		{"gorm.G Update", "update", func() (string, error) {
			_, err := gorm.G[page](db).Where("id = ?", 1).Update(db.Statement.Context, "title", "x")
			return above(1), err
		}},
		{"Table", "update", func() (string, error) {
			return here(), db.Table("pages").Where("id = 1").Updates(map[string]any{"title": "x"}).Error
		}},
		{"Delete", "delete", func() (string, error) { return here(), db.Delete(&page{}, "id = 2").Error }},
		{"Transaction", "update", func() (line string, err error) {
			err = db.Transaction(func(tx *gorm.DB) error { return tx.Model(&page{ID: 1}).Update("title", "x").Error })
			return above(1), err
		}},
	}
}

// here is the caller's file and line.
func here() string {
	_, file, line, _ := runtime.Caller(1)
	return fmt.Sprintf("%s:%d", filepath.ToSlash(file), line)
}

// above is so many lines above the caller.
func above(lines int) string {
	_, file, line, _ := runtime.Caller(1)
	return fmt.Sprintf("%s:%d", filepath.ToSlash(file), line-lines)
}

const noContext = ": no context, and so no actor; pass the request's: db.WithContext(ctx)"

func TestMissingWarnsOncePerStatementAndNamesTheCaller(t *testing.T) {
	s := newSQLiteStage(t, gormaudit.Config{}, policyModels...)
	j := newJournal()
	db := s.Session(&gorm.Session{Logger: j})
	for _, test := range stamped(db) {
		t.Run(test.name, func(t *testing.T) {
			ok(t, s.plain.Exec("DELETE FROM pages"))
			ok(t, s.plain.Create(&page{ID: 1, SoftBy: gormaudit.SoftBy[string]{UpdatedBy: ptr("5")}}))
			ok(t, s.plain.Create(&page{ID: 2, SoftBy: gormaudit.SoftBy[string]{UpdatedBy: ptr("5")}}))
			line, err := test.write()
			if err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprintf(`gormaudit: %s on "pages" at %s, called from `, test.op, line)
			if got := j.take(); len(got) != 1 || !strings.HasPrefix(got[0], want) || !strings.HasSuffix(got[0], noContext) {
				t.Errorf("warnings = %q, want %q…%q", got, want, noContext)
			}
			var wrong int64
			ok(t, s.plain.Unscoped().Model(&page{}).Where("created_by IS NOT NULL OR updated_by IS NOT NULL AND id > 2 OR updated_by <> '5' OR deleted_by IS NOT NULL").Count(&wrong))
			if wrong != 0 {
				t.Errorf("%d rows are stamped by nobody: %v", wrong, s.rows(t, "pages"))
			}
			if got := s.cell(t, "pages", "updated_by", 1); got != "5" {
				t.Errorf("updated_by = %s, want 5 as before", got)
			}
		})
	}
}

func TestMissingWarnsOncePerBatchAndOncePerRelation(t *testing.T) {
	type Chapter struct {
		ID     uint
		BookID uint
		gormaudit.By[string]
	}
	type Book struct {
		ID uint
		gormaudit.By[string]
		Chapters []Chapter
	}
	s := newSQLiteStage(t, gormaudit.Config{}, &Book{}, &Chapter{})
	j := newJournal()
	db := s.Session(&gorm.Session{Logger: j})
	tests := []struct {
		name  string
		write func() (string, error)
		want  []string // operation and table of each warning
	}{
		{"CreateInBatches", func() (string, error) { return here(), db.CreateInBatches(make([]Book, 5), 2).Error }, []string{
			`create on "books"`, // the second and the third are from the same place
		}},
		{"nested create", func() (string, error) {
			return here(), db.Create(&Book{ID: 10, Chapters: []Chapter{{}, {}}}).Error
		}, []string{`create on "books"`, `create on "chapters"`}},
		{"FullSaveAssociations", func() (string, error) {
			return here(), db.Session(&gorm.Session{FullSaveAssociations: true}).Save(&Book{ID: 10, Chapters: []Chapter{{ID: 1}}}).Error
		}, []string{`update on "books"`, `create on "chapters"`}},
		{"Association Append", func() (string, error) {
			return here(), db.Model(&Book{ID: 10}).Association("Chapters").Append(&Chapter{})
		}, []string{`create on "chapters"`}},
		{"Save of no row", func() (string, error) { return here(), db.Save(&Book{ID: 99}).Error }, []string{
			`update on "books"`, `create on "books"`,
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			line, err := test.write()
			if err != nil {
				t.Fatal(err)
			}
			got := j.take()
			if len(got) != len(test.want) {
				t.Fatalf("warnings = %q, want %q", got, test.want)
			}
			for i, want := range test.want {
				if !strings.HasPrefix(got[i], "gormaudit: "+want+" at "+line+", ") {
					t.Errorf("warning %d = %q, want %s at %s", i, got[i], want, line)
				}
			}
		})
	}
}

func TestMissingNamesACallerInAnotherPackage(t *testing.T) {
	s := newSQLiteStage(t, gormaudit.Config{}, policyModels...)
	j := newJournal()
	if err := dbtest.Save(s.Session(&gorm.Session{Logger: j}), &page{}); err != nil {
		t.Fatal(err)
	}
	if got := j.take(); len(got) != 1 || !strings.Contains(got[0], "/gormaudit/internal/dbtest/save.go:") {
		t.Errorf("warnings = %q, want one from dbtest/save.go", got)
	}
}

func TestAllowIsSilent(t *testing.T) {
	s := newSQLiteStage(t, gormaudit.Config{Missing: gormaudit.Allow}, policyModels...)
	j := newJournal()
	db := s.Session(&gorm.Session{Logger: j})
	ok(t, s.user(5).Create(&[]page{{ID: 1}, {ID: 2}}))
	for _, test := range stamped(db) {
		if _, err := test.write(); err != nil {
			t.Errorf("%s = %v, want nil", test.name, err)
		}
	}
	if got := j.take(); len(got) != 0 {
		t.Errorf("warnings = %q, want none", got)
	}
	if got, want := s.by(t, "pages", 1), "5 5"; got != want {
		t.Errorf("row holds %q, want %q as before", got, want)
	}
	if got, want := s.cells(t, "pages", 2, "created_by", "updated_by", "deleted_by"), "5 5 NULL"; got != want {
		t.Errorf("deleted row holds %q, want %q as before", got, want)
	}
	if got, want := s.by(t, "pages", 3), "NULL NULL"; got != want {
		t.Errorf("new row holds %q, want %q", got, want)
	}
}

func TestRejectWritesNothing(t *testing.T) {
	eachStage(t, gormaudit.Config{Missing: gormaudit.Reject}, policyModels, func(t *testing.T, s *stage) {
		ok(t, s.user(5).Create(&[]page{{ID: 1}, {ID: 2}}))
		same := s.unchanged(t, "pages")
		for _, skip := range []bool{false, true} {
			db := s.Session(&gorm.Session{SkipDefaultTransaction: skip})
			for _, test := range stamped(db) {
				_, err := test.write()
				want := fmt.Sprintf(`gormaudit: %s on "pages"%s`, test.op, noContext)
				if !errors.Is(err, gormaudit.ErrNoActor) || err.Error() != want {
					t.Errorf("%s = %v, want %s", test.name, err, want)
				}
				same(test.name)
			}
		}
	})
}

func TestPolicyIsSilentWhereNothingWouldBeStamped(t *testing.T) {
	for _, missing := range []gormaudit.MissingPolicy{gormaudit.Warn, gormaudit.Reject} {
		s := newSQLiteStage(t, gormaudit.Config{Missing: missing}, policyModels...)
		ok(t, s.user(5).Create(&[]page{{ID: 1}, {ID: 2}, {ID: 3}, {ID: 4}}))
		ok(t, s.user(5).Create(&[]strictPage{{ID: 1}, {ID: 2}}))
		j := newJournal()
		db := s.Session(&gorm.Session{Logger: j})
		skip := db.WithContext(gormaudit.Skip(context.Background()))
		preserve := db.WithContext(gormaudit.Preserve(context.Background()))
		for name, tx := range map[string]*gorm.DB{
			"UpdateColumn":              db.Model(&page{ID: 1}).UpdateColumn("title", "x"),
			"UpdateColumns":             db.Model(&page{ID: 1}).UpdateColumns(page{Title: "x"}),
			"SkipHooks":                 db.Session(&gorm.Session{SkipHooks: true}).Model(&page{ID: 1}).Update("title", "x"),
			"hard Delete":               db.Unscoped().Delete(&page{ID: 2}),
			"Delete without deleted_at": db.Delete(&strictPage{ID: 2}),
			"no by-columns, Create":     db.Create(&freePage{ID: 1}),
			"no by-columns, Update":     db.Model(&freePage{ID: 1}).Update("title", "x"),
			"no by-columns, Delete":     db.Delete(&freePage{ID: 1}),
			"Find":                      db.Find(&[]page{}),
			"omitted":                   db.Model(&page{ID: 1}).Omit("updated_by").Update("title", "x"),
			"Updates of nothing":        db.Model(&strictPage{ID: 1}).Updates(map[string]any{}),
			"DoNothing":                 skip.Clauses(clause.OnConflict{DoNothing: true}).Create(&page{ID: 1}),
			"Skip, Create":              skip.Create(&page{}),
			"Skip, Update":              skip.Model(&page{ID: 1}).Update("title", "x"),
			"Skip, Delete":              skip.Delete(&page{ID: 3}),
			"Preserve, Create":          preserve.Create(&page{}),
			"Preserve, Update":          preserve.Model(&page{ID: 1}).Update("title", "x"),
			"Preserve, Delete":          preserve.Delete(&page{ID: 4}),
			"raw":                       db.Exec("UPDATE pages SET title = 'x'"),
		} {
			if tx.Error != nil {
				t.Errorf("%s = %v, want nil", name, tx.Error)
			}
		}
		if got := j.take(); len(got) != 0 {
			t.Errorf("warnings = %q, want none", got)
		}
	}
}

func TestPreserveKeepsWhatTheCallerSet(t *testing.T) {
	eachStage(t, gormaudit.Config{Missing: gormaudit.Reject}, policyModels, func(t *testing.T, s *stage) {
		import7 := s.WithContext(gormaudit.Preserve(contextOf(actor.User(7))))
		nobody := s.WithContext(gormaudit.Preserve(context.Background()))
		holds := func(what string, id uint, want string) {
			t.Helper()
			if got := s.cells(t, "pages", id, "created_by", "updated_by", "deleted_by"); got != want {
				t.Errorf("%s: row holds %q, want %q", what, got, want)
			}
		}
		by := func(created, updated, deleted *string) gormaudit.SoftBy[string] {
			return gormaudit.SoftBy[string]{CreatedBy: created, UpdatedBy: updated, DeletedBy: deleted}
		}
		one := ptr("1")
		rows := []page{{ID: 1, SoftBy: by(one, one, one)}, {ID: 2, SoftBy: by(one, nil, nil)}, {ID: 3}}
		ok(t, import7.Create(&rows))
		holds("Create, all set", 1, "1 1 1")
		holds("Create, some set", 2, "1 7 NULL")
		holds("Create, none set", 3, "7 7 NULL")
		if got := asText(rows[1].UpdatedBy) + asText(rows[2].CreatedBy) + asText(rows[0].CreatedBy); got != "771" {
			t.Errorf("Create: structs hold %q, want 771", got)
		}
		ok(t, nobody.Create(&[]page{{ID: 4, SoftBy: by(one, nil, nil)}, {ID: 5}}))
		holds("Create without actor", 4, "1 NULL NULL")
		holds("Create without actor", 5, "NULL NULL NULL")
		ok(t, import7.Model(&page{}).Create(&[]map[string]any{{"id": 6, "created_by": "1"}, {"id": 7, "CreatedBy": nil, "UPDATED_BY": "1"}}))
		holds("Create of map", 6, "1 7 NULL")
		holds("Create of map", 7, "7 1 NULL")
		ok(t, import7.Create(&page{ID: 8, SoftBy: by(ptr(""), ptr(""), nil)}))
		holds("Create with pointers to nothing", 8, "  NULL")

		ok(t, import7.Model(&page{ID: 3}).Updates(map[string]any{"title": "x", "created_by": "1", "updated_by": "1", "deleted_by": "1"}))
		holds("Updates", 3, "7 1 1")
		ok(t, import7.Model(&page{ID: 2}).Updates(page{Title: "x", SoftBy: by(ptr("2"), nil, nil)}))
		holds("Updates with nothing to keep", 2, "1 7 NULL")
		ok(t, nobody.Model(&page{ID: 2}).Update("updated_by", "3"))
		holds("Update without actor", 2, "1 3 NULL")
		ok(t, nobody.Model(&page{ID: 2}).Update("title", "y"))
		holds("Update without actor, nothing set", 2, "1 3 NULL")
		ok(t, import7.Save(&page{ID: 2, SoftBy: by(ptr("9"), ptr("9"), nil)}))
		holds("Save", 2, "1 9 NULL")
		ok(t, import7.Model(&page{ID: 2}).UpdateColumn("updated_by", "4"))
		holds("UpdateColumn", 2, "1 4 NULL")

		upsert := clause.OnConflict{Columns: []clause.Column{{Name: "id"}}, UpdateAll: true}
		ok(t, import7.Clauses(upsert).Create(&[]page{{ID: 2, SoftBy: by(ptr("8"), ptr("8"), nil)}, {ID: 3, SoftBy: by(ptr("8"), nil, nil)}, {ID: 9, SoftBy: by(ptr("8"), ptr("8"), nil)}}))
		holds("upsert on a row", 2, "1 8 NULL")
		holds("upsert on a row, nothing set", 3, "7 7 NULL")
		holds("upsert of a new row", 9, "8 8 NULL")
		ok(t, nobody.Clauses(upsert).Create(&[]page{{ID: 2, SoftBy: by(ptr("6"), ptr("6"), nil)}, {ID: 9}}))
		holds("upsert without actor", 2, "1 6 NULL")
		holds("upsert without actor, nothing set", 9, "8 8 NULL")
	})
}

func TestPreserveStampsWhereTheUpdateSetsZero(t *testing.T) {
	w := newWorld[texts](t, dbtest.SQLite, gormaudit.New())
	w.reset(t)
	db := w.db.WithContext(gormaudit.Preserve(acting(7)))
	must(t, wrote(db.Model(&note[texts]{}).Where("id = 1").Updates(map[string]any{"title": "x", "updated_by": ""})))
	if got := w.read(t)["notes 1"].by; got != "5 7 -" {
		t.Errorf("notes 1 = %q, want 5 7 -", got)
	}
}

// An upsert that deletes or restores leaves deleted_by where nobody said, and
// under Skip.
func TestUpsertLeavesDeletedBy(t *testing.T) {
	w := newWorld[texts](t, dbtest.SQLite, gormaudit.New())
	for name, test := range map[string]struct {
		ctx context.Context
		was any // deleted_at
		is  gorm.DeletedAt
	}{
		"a deletion that nobody said": {context.Background(), nil, gorm.DeletedAt{Time: now(), Valid: true}},
		"a deletion under Skip":       {gormaudit.Skip(acting(7)), nil, gorm.DeletedAt{Time: now(), Valid: true}},
		"a restore under Skip":        {gormaudit.Skip(acting(7)), now(), gorm.DeletedAt{}},
	} {
		w.reset(t)
		w.exec(t, "UPDATE notes SET deleted_by = '6', deleted_at = ? WHERE id = 1", test.was)
		n := note[texts]{Model: gorm.Model{ID: 1, DeletedAt: test.is}}
		upsert := clause.OnConflict{Columns: []clause.Column{{Name: "id"}}, DoUpdates: clause.AssignmentColumns([]string{"deleted_at"})}
		must(t, wrote(w.db.WithContext(test.ctx).Clauses(upsert).Create(&n)))
		if got := w.read(t)["notes 1"]; got.by != "5 5 6" || got.deleted != test.is.Valid {
			t.Errorf("%s: notes 1 = %+v, want 5 5 6, deleted %t", name, got, test.is.Valid)
		}
	}
}

// What a row that lives says of its last deletion stays too.
func TestSoftDeleteThatNobodySaidKeepsWhatIsStored(t *testing.T) {
	w := newWorld[texts](t, dbtest.SQLite, gormaudit.New())
	w.reset(t)
	w.exec(t, "UPDATE notes SET deleted_by = '6' WHERE id = 1")
	must(t, wrote(w.db.Delete(&note[texts]{}, 1)))
	if got := w.read(t)["notes 1"].by; got != "5 5 6" {
		t.Errorf("notes 1 = %q, want 5 5 6", got)
	}
}

func TestSkipLeavesByColumnsAsTheyAre(t *testing.T) {
	eachStage(t, gormaudit.Config{}, policyModels, func(t *testing.T, s *stage) {
		skip := s.WithContext(gormaudit.Skip(contextOf(actor.User(7))))
		holds := func(what string, id uint, want string) {
			t.Helper()
			if got := s.cells(t, "pages", id, "created_by", "updated_by", "deleted_by"); got != want {
				t.Errorf("%s: row holds %q, want %q", what, got, want)
			}
		}
		forged := gormaudit.SoftBy[string]{CreatedBy: ptr("66"), UpdatedBy: ptr("66"), DeletedBy: ptr("66")}
		row := &page{ID: 1, SoftBy: forged}
		ok(t, skip.Create(row))
		holds("Create", 1, "NULL NULL NULL")
		if row.CreatedBy != nil || row.UpdatedBy != nil || row.DeletedBy != nil {
			t.Errorf("Create: struct holds %v, want what the row holds", row.SoftBy)
		}
		ok(t, skip.Create(&strictPage{ID: 1, CreatedBy: "66"}))
		if got, want := s.by(t, "strict_pages", 1), " "; got != want {
			t.Errorf("Create: row holds %q, want nothing", got)
		}
		ok(t, s.user(5).Create(&page{ID: 2}))
		ok(t, skip.Model(&page{ID: 2}).Updates(map[string]any{"title": "x", "created_by": "66", "updated_by": "66", "deleted_by": "66"}))
		holds("Updates", 2, "5 5 NULL")
		ok(t, skip.Save(&page{ID: 2, SoftBy: forged}))
		holds("Save", 2, "5 5 NULL")
		ok(t, skip.Clauses(clause.OnConflict{UpdateAll: true}).Create(&page{ID: 2, SoftBy: forged}))
		holds("upsert", 2, "5 5 NULL")
		ok(t, skip.Delete(&page{ID: 2}))
		holds("Delete", 2, "5 5 NULL")
		ok(t, skip.Model(&strictPage{ID: 1}).UpdateColumn("count", gorm.Expr("count + 1")))
		if got := s.cells(t, "strict_pages", 1, "count", "updated_by"); got != "1 " {
			t.Errorf("counter: row holds %q, want 1 and nobody", got)
		}
	})
}

func TestTheInnerOfSkipAndPreserveHolds(t *testing.T) {
	s := newSQLiteStage(t, gormaudit.Config{}, policyModels...)
	forged := func(id uint) *page { return &page{ID: id, SoftBy: gormaudit.SoftBy[string]{CreatedBy: ptr("1")}} }
	ctx := contextOf(actor.User(7))
	ok(t, s.WithContext(gormaudit.Skip(gormaudit.Preserve(ctx))).Create(forged(1)))
	ok(t, s.WithContext(gormaudit.Preserve(gormaudit.Skip(ctx))).Create(forged(2)))
	for id, want := range map[uint]string{1: "NULL NULL", 2: "1 7"} {
		if got := s.by(t, "pages", id); got != want {
			t.Errorf("row %d holds %q, want %q", id, got, want)
		}
	}
}

func TestNilContext(t *testing.T) {
	s := newSQLiteStage(t, gormaudit.Config{Missing: gormaudit.Reject}, policyModels...)
	stmt := &gorm.Statement{DB: s.DB, Table: "pages", Clauses: map[string]clause.Clause{}}
	if err := stmt.Parse(&page{}); err != nil {
		t.Fatal(err)
	}
	stmt.AddClause(clause.Update{})
	stmt.AddClause(clause.Set{{Column: clause.Column{Name: "title"}, Value: "x"}, {Column: clause.Column{Name: "created_by"}, Value: "66"}})
	tx := s.Session(&gorm.Session{NewDB: true})
	stmt.DB = tx
	stmt.Build("UPDATE", "SET")
	if !errors.Is(tx.Error, gormaudit.ErrNoActor) {
		t.Errorf("Build without a context = %v, want ErrNoActor", tx.Error)
	}
	if got := stmt.SQL.String(); strings.Contains(got, "created_by") {
		t.Errorf("Build = %s, want no created_by", got)
	}
	for _, derive := range []func(context.Context) context.Context{gormaudit.Skip, gormaudit.Preserve} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("Skip and Preserve of a nil context don't panic, as context.WithValue does")
				}
			}()
			derive(nil)
		}()
	}
}

type binned struct {
	ID        uint
	DeletedAt gorm.DeletedAt
	DeletedBy *string
}

// Deleting by hand is stamped with deleted_by, so nobody acting is refused.
func TestRejectOfADeleteByHand(t *testing.T) {
	s := newSQLiteStage(t, gormaudit.Config{Missing: gormaudit.Reject}, &binned{})
	ok(t, s.user(5).Create(&binned{ID: 1}))
	tx := s.WithContext(context.Background()).Model(&binned{ID: 1}).Update("deleted_at", s.NowFunc())
	if !errors.Is(tx.Error, gormaudit.ErrNoActor) {
		t.Errorf("deleted by hand, by nobody: %v, deleted_by %s; want ErrNoActor", tx.Error, s.cell(t, "binneds", "deleted_by", 1))
	}
}
