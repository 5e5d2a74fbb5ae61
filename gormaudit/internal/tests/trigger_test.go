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

func TestTriggersGuardCreatedByAgainstRawSQL(t *testing.T) {
	type Note struct {
		ID    uint
		Title string
		gormaudit.SoftBy[string]
		DeletedAt gorm.DeletedAt
	}
	sections := map[string]string{
		dbtest.SQLite: "SQLite", "sqlite-cgo": "SQLite", dbtest.Postgres: "PostgreSQL", dbtest.MariaDB: "MariaDB and MySQL", dbtest.MySQL: "MariaDB and MySQL",
	}
	eachStage(t, gormaudit.Config{}, []any{&Note{}}, func(t *testing.T, s *stage) {
		ok(t, s.plain.Exec(recipes(t, "triggers.md", sections[s.kind])[0]))
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

// Rights on columns guard created_by without a trigger, from the account that writes.
func TestRightsOnColumnsGuardCreatedBy(t *testing.T) {
	type Entry struct {
		ID    uint
		Title string
		gormaudit.By[uint]
	}
	dbtest.Beside(t, []string{dbtest.Postgres, dbtest.MariaDB}, func(t *testing.T, d *dbtest.Database) {
		owner := d.Open(t)
		must(t, owner.AutoMigrate(&Entry{}))
		s := &stage{DB: asWriter(t, d), plain: owner, kind: d.Kind}
		var account string
		ok(t, s.Raw("SELECT current_user").Scan(&account))
		account, _, _ = strings.Cut(account, "@")
		for _, sql := range []string{"REVOKE UPDATE ON entries FROM ", "GRANT SELECT ON entries TO ", "GRANT UPDATE (title, updated_by) ON entries TO "} {
			ok(t, owner.Exec(sql+account))
		}
		if d.Kind == dbtest.Postgres {
			ok(t, owner.Exec("GRANT USAGE ON SEQUENCE entries_id_seq TO "+account))
		}
		must(t, s.Use(gormaudit.New()))
		entry := Entry{ID: 1, Title: "a"}
		ok(t, s.user(5).Create(&entry))
		entry.Title = "b"
		ok(t, s.user(7).Save(&entry))
		ok(t, s.user(8).Model(&entry).Update("title", "c"))
		if err := s.Exec("UPDATE entries SET created_by = 66").Error; err == nil {
			t.Error("raw SQL changed created_by, want it refused")
		}
		if got := s.by(t, "entries", 1); got != "5 8" {
			t.Errorf("the row is by %s, want 5 8", got)
		}
	})
}
