package tests

import (
	"os"
	"strings"
	"testing"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// recipes returns the SQL blocks of a section of a page.
func recipes(t *testing.T, page, section string) []string {
	t.Helper()
	text, err := os.ReadFile("../../" + page)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n## "+section+"\n")
	rest, _, _ = strings.Cut(rest, "\n## ")
	var blocks []string
	for _, part := range strings.Split(rest, "```sql\n")[1:] {
		if block, _, isBlock := strings.Cut(part, "```"); isBlock {
			blocks = append(blocks, block)
		}
	}
	if !found || len(blocks) == 0 {
		t.Fatalf("%s has no SQL under %q", page, section)
	}
	return blocks
}

// recipeSections are those of triggers.md, by the kind of a database.
var recipeSections = map[string]string{
	dbtest.SQLite: "SQLite", "sqlite-cgo": "SQLite", dbtest.Postgres: "PostgreSQL", dbtest.MariaDB: "MariaDB and MySQL", dbtest.MySQL: "MariaDB and MySQL",
}

func TestTriggersGuardCreatedByAgainstRawSQL(t *testing.T) {
	type Note struct {
		ID    uint
		Title string
		gormaudit.SoftBy[string]
		DeletedAt gorm.DeletedAt
	}
	eachStage(t, gormaudit.Config{}, []any{&Note{}}, func(t *testing.T, s *stage) {
		ok(t, s.plain.Exec(recipes(t, "triggers.md", recipeSections[s.kind])[0]))
		ok(t, s.user(5).Create(&[]Note{{ID: 1}, {ID: 2}}))
		ok(t, s.plain.Exec("INSERT INTO notes (id, title) VALUES (3, 'nobody''s')"))

		same := s.unchanged(t, "notes")
		for _, sql := range []string{
			"UPDATE notes SET created_by = '66'",
			"UPDATE notes SET created_by = NULL WHERE id = 1",
			"UPDATE notes SET title = 'x', created_by = '66' WHERE id = 2",
			"UPDATE notes SET created_by = '66' WHERE id = 3",
		} {
			for _, db := range []*gorm.DB{s.plain, s.user(7)} {
				if err := db.Exec(sql).Error; err == nil || !strings.Contains(err.Error(), "created_by is written once") {
					t.Errorf("%s = %v, want it refused", sql, err)
				}
				same(sql)
			}
		}
		if err := s.user(7).Model(&Note{ID: 1}).Update("title", gorm.Expr("'x', created_by = '66'")).Error; err == nil {
			t.Error("gorm.Expr = nil, want it refused")
		}
		same("gorm.Expr")

		// What goes through the plugin is not refused.
		ok(t, s.user(7).Model(&Note{ID: 1}).Updates(map[string]any{"title": "x", "created_by": "66"}))
		ok(t, s.user(8).Save(&Note{ID: 1, Title: "y"}))
		ok(t, s.user(9).Clauses(clause.OnConflict{UpdateAll: true}).Create(&Note{ID: 1, Title: "z"}))
		ok(t, s.user(10).Delete(&Note{ID: 2}))
		if got, want := s.by(t, "notes", 1)+", "+s.cells(t, "notes", 2, "created_by", "deleted_by"), "5 9, 5 10"; got != want {
			t.Errorf("rows hold %q, want %q", got, want)
		}
	})
}

func TestSQLiteTriggerAgainstReplace(t *testing.T) {
	type Note struct {
		ID    uint
		Title string
		gormaudit.By[string]
	}
	s := newSQLiteStage(t, gormaudit.Config{}, &Note{})
	for _, sql := range recipes(t, "triggers.md", "SQLite") {
		ok(t, s.plain.Exec(sql))
	}
	ok(t, s.user(5).Create(&Note{ID: 1}))
	same := s.unchanged(t, "notes")
	sql := "INSERT OR REPLACE INTO notes (id, title, created_by) VALUES (1, 'x', '66')"
	if err := s.plain.Exec(sql).Error; err == nil || !strings.Contains(err.Error(), "created_by is written once") {
		t.Errorf("%s = %v, want it refused", sql, err)
	}
	same(sql)
	ok(t, s.user(7).Create(&Note{ID: 2}))
	ok(t, s.user(5).Clauses(clause.OnConflict{UpdateAll: true}).Create(&Note{ID: 1, Title: "x"}))
	if err := s.user(7).Clauses(clause.OnConflict{UpdateAll: true}).Create(&Note{ID: 1, Title: "x"}).Error; err == nil {
		t.Error("upsert on another's row = nil, want it refused as triggers.md says")
	}
}

// A foreign key empties created_by past the trigger, where the database runs it at all
// for that: with the condition of triggers.md.
func TestTriggersAndForeignKeys(t *testing.T) {
	type Person struct{ ID uint }
	type Note struct {
		ID          uint
		CreatedByID *uint   `gorm:"column:created_by;autoCreateBy"`
		CreatedBy   *Person `gorm:"constraint:OnDelete:SET NULL" json:"-"`
	}
	const old, more = "NEW.created_by", "NEW.created_by AND NEW.created_by IS NOT NULL"
	eachStage(t, gormaudit.Config{}, []any{&Person{}, &Note{}}, func(t *testing.T, s *stage) {
		if s.Name() == "sqlite" {
			ok(t, s.plain.Exec("PRAGMA foreign_keys = ON"))
		}
		ok(t, s.plain.Create(&[]Person{{ID: 5}, {ID: 6}}))
		ok(t, s.user(5).Create(&Note{ID: 1}))
		trigger := recipes(t, "triggers.md", recipeSections[s.kind])[0]
		ok(t, s.plain.Exec(trigger))
		if s.Name() != "mysql" {
			if err := s.plain.Delete(&Person{ID: 5}).Error; err == nil || !strings.Contains(err.Error(), "created_by is written once") {
				t.Errorf("the user's deletion = %v, want it refused by the trigger", err)
			}
			ok(t, s.plain.Exec("DROP TRIGGER notes_keep_created_by"+map[string]string{"postgres": " ON notes"}[s.Name()]))
			_, create, _ := strings.Cut(trigger, "CREATE TRIGGER")
			ok(t, s.plain.Exec("CREATE TRIGGER"+strings.Replace(create, old, more, 1)))
		}
		if err := s.plain.Exec("UPDATE notes SET created_by = 6").Error; err == nil {
			t.Error("raw SQL put another user there, want it refused")
		}
		ok(t, s.plain.Delete(&Person{ID: 5}))
		if got := s.cells(t, "notes", 1, "created_by"); got != "NULL" {
			t.Errorf("created_by of a user who is gone = %s, want NULL", got)
		}
	})
}

// Rights on columns guard created_by without a trigger, from the account that writes.
func TestRightsOnColumnsGuardCreatedBy(t *testing.T) {
	type Entry struct {
		gorm.Model
		gormaudit.SoftBy[uint]
		Title string
	}
	dbtest.Beside(t, []string{dbtest.Postgres, dbtest.MariaDB}, func(t *testing.T, d *dbtest.Database) {
		owner := d.Open(t)
		must(t, owner.AutoMigrate(&Entry{}))
		s := &stage{DB: asWriter(t, d), plain: owner, kind: d.Kind}
		var account string
		ok(t, s.Raw("SELECT current_user").Scan(&account))
		account, _, _ = strings.Cut(account, "@")
		ok(t, owner.Exec("REVOKE UPDATE ON entries FROM "+account))
		for _, sql := range strings.Split(strings.TrimSpace(recipes(t, "triggers.md", "Rights on columns")[0]), "\n") {
			ok(t, owner.Exec(strings.NewReplacer("notes", "entries", "writer", account).Replace(sql)))
		}
		if d.Kind == dbtest.Postgres {
			ok(t, owner.Exec("GRANT USAGE ON SEQUENCE entries_id_seq TO "+account))
		}
		must(t, s.Use(gormaudit.New()))
		entry := Entry{Title: "a"}
		ok(t, s.user(5).Create(&entry))
		entry.Title = "b"
		ok(t, s.user(7).Save(&entry))
		ok(t, s.user(7).Updates(&entry))
		ok(t, s.user(8).Model(&entry).Update("title", "c"))
		ok(t, s.user(9).Delete(&entry))
		if err := s.Exec("UPDATE entries SET created_by = 66").Error; err == nil {
			t.Error("raw SQL changed created_by, want it refused")
		}
		if got, want := s.cells(t, "entries", entry.ID, "created_by", "updated_by", "deleted_by"), "5 8 9"; got != want {
			t.Errorf("the row is by %s, want %s", got, want)
		}
		checkUpserts(t, s)
	})
}

// checkUpserts holds what triggers.md says of upserts under rights on columns.
func checkUpserts(t *testing.T, s *stage) {
	t.Helper()
	type Entry struct {
		gorm.Model
		gormaudit.SoftBy[uint]
		Title string
	}
	one := func() *Entry { return &Entry{Model: gorm.Model{ID: 1}, Title: "d"} }
	title := clause.OnConflict{Columns: []clause.Column{{Name: "id"}}, DoUpdates: clause.AssignmentColumns([]string{"title"})}
	upserts := map[string]func() error{
		"UpdateAll":      func() error { return s.user(7).Clauses(clause.OnConflict{UpdateAll: true}).Create(one()).Error },
		"Save of no row": func() error { return s.user(7).Save(&Entry{Model: gorm.Model{ID: 100}}).Error },
		"DoNothing":      func() error { return s.user(7).Clauses(clause.OnConflict{DoNothing: true}).Create(one()).Error },
		"DoUpdates":      func() error { return s.user(7).Clauses(title).Create(one()).Error },
	}
	for name, upsert := range upserts {
		if err := upsert(); (err == nil) != (s.kind == dbtest.Postgres) {
			t.Errorf("%s = %v, want it refused on MariaDB alone", name, err)
		}
	}
}
