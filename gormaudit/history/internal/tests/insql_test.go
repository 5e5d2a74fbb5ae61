package tests

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// inSQL are the blocks of SQL in questions.md.
func inSQL(t *testing.T) (blocks []string) {
	t.Helper()
	for _, block := range regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllStringSubmatch(string(must2(os.ReadFile("../../questions.md"))), -1) {
		blocks = append(blocks, block[1])
	}
	if len(blocks) != 6 {
		t.Fatalf("questions.md has %d blocks of SQL, want 6", len(blocks))
	}
	return blocks
}

// linesOf are what some columns of a query have, by their names.
func linesOf(t *testing.T, db *gorm.DB, query string, names ...string) (lines []string) {
	t.Helper()
	rows := must2(must2(db.DB()).Query(strings.TrimRight(query, ";\n")))
	defer func() { _ = rows.Close() }()
	columns := must2(rows.Columns())
	for rows.Next() {
		values, dest := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			dest[i] = &values[i]
		}
		must(t, rows.Scan(dest...))
		var line []string
		for _, name := range names {
			for i, column := range columns {
				if column == name && values[i].Valid {
					line = append(line, fmt.Sprintf("%q", values[i].String))
				} else if column == name {
					line = append(line, "NULL")
				}
			}
		}
		lines = append(lines, strings.Join(line, " "))
	}
	must(t, rows.Err())
	return lines
}

// The SQL of questions.md says what Of says.
func TestQuestionsInSQL(t *testing.T) {
	t.Parallel()
	blocks := inSQL(t)
	for kind, view := range map[string]string{dbtest.Postgres: blocks[0], dbtest.MariaDB: blocks[1]} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			db, plain := open(t, dbtest.New(t, kind))
			must(t, plain.Exec(view).Error)
			must(t, errors.Join(history.Migrate(db, &Note{}, &Pair{}), history.Verify(db, &Note{}, &Pair{})))
			hostile := "\"q\" 'r' \\ ü\n[1] " + strings.Repeat("x", 300)
			note := Note{ID: 1, Title: "a", Secret: "s"}
			must(t, db.WithContext(as(ann)).Create(&note).Error)
			must(t, db.WithContext(as(bob.As(ann))).Model(&note).Updates(map[string]any{"title": "A", "secret": "t"}).Error)
			must(t, plain.Model(&note).UpdateColumn("title", hostile).Error)
			user, moment := `"user" "42"`, "2000-01-01"
			sameLines(t, "who changed the note's title", titlesIn(linesOf(t, plain, blocks[2], "actor_kind", "actor_id", "impersonator_id", "action", "column_name", "before_value", "after_value")),
				`NULL NULL NULL "update" "title" "A" `+fmt.Sprintf("%q", hostile), user+` "7" "update" "title" "a" "A"`, user+` NULL "create" "title" NULL "a"`)
			for _, id := range []string{"42", "7"} {
				lines := titlesIn(linesOf(t, plain, strings.ReplaceAll(blocks[3], "'42'", "'"+id+"'"), "table_name", "row_key", "action", "column_name"))
				if want := map[string]int{"42": 2, "7": 1}[id]; len(lines) != want || lines[0] != `"notes" "1" "update" "title"` {
					t.Errorf("user %s did %q", id, lines)
				}
			}
			must(t, plain.Raw("SELECT at FROM whodunit_changes WHERE action = 'update' ORDER BY id LIMIT 1").Scan(&moment).Error)
			sameLines(t, "what it had", titlesIn(linesOf(t, plain, strings.ReplaceAll(blocks[4], "2026-11-23", moment), "action", "column_name", "before_value")), `"update" "title" "a"`)
			sameLines(t, "the view", linesOf(t, plain, "SELECT id, column_name FROM whodunit_history ORDER BY id DESC, column_name", "id", "column_name"),
				columnsOf(must2(history.Of(plain, &note)))...)
		})
	}
}

// titlesIn are the lines about titles.
func titlesIn(lines []string) []string {
	return slices.DeleteFunc(lines, func(line string) bool { return !strings.Contains(line, `"title"`) })
}

// columnsOf are the columns that changes name.
func columnsOf(changes []history.Change) (lines []string) {
	for _, c := range changes {
		fields := slices.SortedFunc(slices.Values(c.Fields), func(a, b history.Field) int { return strings.Compare(a.Column, b.Column) })
		for _, f := range fields {
			lines = append(lines, fmt.Sprintf(`"%d" %q`, c.ID, f.Column))
		}
	}
	return lines
}

func TestQuestionsInSQLOnSQLite(t *testing.T) {
	t.Parallel()
	db, plain := open(t, dbtest.New(t, dbtest.SQLite))
	must(t, db.WithContext(as(ann)).Create(&Note{ID: 1, Title: "a"}).Error)
	must(t, plain.Model(&Note{ID: 1}).UpdateColumn("title", "b").Error)
	must(t, db.WithContext(as(bob)).Model(&Note{ID: 1}).Update("title", "c").Error)
	sameLines(t, "who changed the note", linesOf(t, plain, inSQL(t)[5], "actor_kind", "actor_id", "action", "before_0", "after_0", "before_1", "after_1"),
		`"user" "7" "update" "1" "1" "b" "c"`, `NULL NULL "update" "1" "1" "a" "b"`, `"user" "42" "create" NULL "1" NULL "a"`)
}
