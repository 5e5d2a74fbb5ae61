package tests

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// MariaDB embeds a JSON column's text as JSON, unless it is told that it is text.
func TestJSONColumnsAreRecordedAsText(t *testing.T) {
	type Doc struct {
		ID      uint
		Data    *string `gorm:"type:json"`
		Checked *string `gorm:"type:text"`
	}
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, history.Migrate(db, &Doc{}))
		if d.Kind == dbtest.MariaDB || d.Kind == dbtest.MySQL {
			must(t, db.Exec("ALTER TABLE docs ADD CHECK (json_valid(checked))").Error)
		}
		row := Doc{ID: 1, Data: ptr(`{"b":1,"a":[1.0,"é"]}`), Checked: ptr(`{"b":1}`)}
		must(t, db.Create(&row).Error)
		for _, text := range []string{`"text"`, `null`, `{}`, `[]`, `true`, `"\u0000\\\""`} {
			must(t, db.Model(&row).Updates(map[string]any{"data": text, "checked": text}).Error)
			for _, column := range []string{"data", "checked"} {
				if f, _ := last(t, db, &row).Field(column); f.After.IsNull() || f.After.String() != text {
					t.Errorf("%s is recorded as %q (NULL: %t), want %s", column, f.After, f.After.IsNull(), text)
				}
			}
		}
		must(t, db.Model(&row).Updates(map[string]any{"data": nil, "checked": nil}).Error)
		if f, _ := last(t, db, &row).Field("data"); !f.After.IsNull() {
			t.Errorf("NULL is recorded as %q", f.After)
		}
		for _, c := range must2(history.Of(db, &row)) {
			if c.Action == history.ActionUpdate {
				must(t, history.Revert(signing(t, db), c))
			}
		}
		var now Doc
		must(t, db.First(&now, 1).Error)
		if *now.Checked != `{"b":1}` || *now.Data != `{"b":1,"a":[1.0,"é"]}` {
			t.Errorf("after the Reverts, data = %s and checked = %s", *now.Data, *now.Checked)
		}
	})
}

// MariaDB's triggers write short columns down whether they differ or not.
func TestAColumnThatStaysIsInNoChange(t *testing.T) {
	type Doc struct {
		ID     uint
		Title  string `gorm:"size:50"`
		Word   string `gorm:"size:50"`
		Text   string
		Secret string `gorm:"size:50;history:redact"`
		Score  float64
		Count  *int
		Flag   bool
	}
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		db := d.Open(t)
		must(t, history.Migrate(db, &Doc{}))
		must(t, db.Exec("INSERT INTO docs (id, title, word, text, secret, score) VALUES (1, 'a', '', 'a', 'a', 0)").Error)
		for _, c := range []struct{ set, want string }{
			{"score = -0e0, title = 'A'", "title: a -> A"},
			{"title = 'A ', word = 'b'", "title: A -> A , word:  -> b"},
			{"word = 'c', text = 'b', secret = 'b', count = 0", "word: b -> c, text: a -> b, secret:  -> , count:  -> 0"},
			{"flag = NULL, score = 1, count = NULL", "score: 0 -> 1, count: 0 -> "},
			{"text = 'c'", "text: b -> c"},
		} {
			must(t, db.Exec("UPDATE docs SET "+c.set+" WHERE id = 1").Error)
			var got []string
			for _, f := range last(t, db, &Doc{ID: 1}).Fields {
				got = append(got, fmt.Sprintf("%s: %s -> %s", f.Column, strings.TrimPrefix(f.Before.String(), "-"), f.After))
			}
			if got := strings.Join(got, ", "); got != c.want {
				t.Errorf("UPDATE %s is recorded as %q, want %q", c.set, got, c.want)
			}
		}
	})
}

// A history may have changes from when triggers recorded each column by itself.
func TestARecordOfOlderTriggersIsRead(t *testing.T) {
	db, plain := open(t, dbtest.New(t, dbtest.MariaDB))
	must(t, db.Create(&Note{ID: 1, Title: "a"}).Error)
	must(t, plain.Exec(`UPDATE whodunit_changes SET fields = '[["id","i",null,"1"],["title","s",null,"old"],["secret","r"]]'`).Error)
	var got []string
	for _, f := range last(t, plain, &Note{ID: 1}).Fields {
		got = append(got, f.Column+" "+f.After.String())
	}
	sameLines(t, "the older record", got, "id 1", "title old", "secret ")
}

// A record that can't be read says so. It hides no other.
func TestARecordThatCannotBeReadHidesNoOther(t *testing.T) {
	type Doc struct {
		ID    uint
		Title string
		Score float64
	}
	packed := []string{
		"UPDATE whodunit_changes SET fields = 'x'", "UPDATE whodunit_changes SET fields = '[[]]'", "UPDATE whodunit_changes SET fields = '[[null,\"s\"]]'",
		`UPDATE whodunit_changes SET fields = '[["title","s",{"a":1},"b"]]'`, `UPDATE whodunit_changes SET fields = '[["score","f","a","b"]]'`,
	}
	runs := []string{
		`UPDATE whodunit_changes SET fields = '[[["title","s"]]]'`, `UPDATE whodunit_changes SET fields = '[[["title","s"]],["a"]]'`,
		`UPDATE whodunit_changes SET fields = '[[["title"]],["a","b"]]'`, `UPDATE whodunit_changes SET fields = '[[[]],["a","b"]]'`,
		`UPDATE whodunit_changes SET fields = '[[["score","f"]],["a","b"]]'`, `UPDATE whodunit_changes SET fields = '[[[["title"],"s"]],["a","b"]]'`,
		`UPDATE whodunit_changes SET fields = '[[["title","s"]],[],["title","s","a","b"]]'`,
	}
	damages := map[string][]string{dbtest.Postgres: packed, dbtest.MariaDB: append(runs, packed...), dbtest.SQLite: {
		"UPDATE whodunit_changes SET layout = 1", "UPDATE whodunit_changes SET layout = 2", "UPDATE whodunit_changes SET layout = 3",
	}}
	for kind, statements := range damages {
		t.Run(kind, func(t *testing.T) {
			db := dbtest.New(t, kind).Open(t)
			must(t, history.Migrate(db, &Doc{}))
			if kind == dbtest.SQLite {
				must(t, db.Exec("INSERT INTO whodunit_layouts VALUES (1, 'x'), (2, '[[\"id\"]]')").Error)
			}
			row := Doc{ID: 1, Title: "a"}
			must(t, db.Create(&row).Error)
			for _, statement := range statements {
				must(t, db.Model(&row).Update("title", statement).Error)
				c := last(t, db, &row)
				must(t, db.Exec(statement+" WHERE id = ?", c.ID).Error)
				must(t, db.Model(&row).Update("title", "a").Error)
				changes := must2(history.Of(db, &row))
				if f := changes[1].Fields[0]; f.Err == nil || changes[0].Fields[0].Err != nil {
					t.Errorf("%s: the change's field is %+v, the next one's %+v", statement, f, changes[0].Fields[0])
				}
				if _, err := history.At[Doc](db, 1, changes[1].ChangeSet.At.Add(-time.Millisecond)); err == nil {
					t.Errorf("%s: At before it is no error", statement)
				}
				if err := history.Revert(db, changes[1]); err == nil {
					t.Errorf("%s: Revert is no error", statement)
				}
				text := must2(json.Marshal(changes[1]))
				var again history.Change
				if must(t, json.Unmarshal(text, &again)); again.Fields[0].Err == nil {
					t.Errorf("%s: in JSON, the change is %s", statement, text)
				}
				var out strings.Builder
				must(t, history.WriteCSV(&out, history.All(db, history.Query{})))
				if !strings.Contains(out.String(), changes[1].Fields[0].Err.Error()[:30]) {
					t.Errorf("%s: in CSV, the changes are %s", statement, &out)
				}
			}
			if f := must2(history.Find(db, history.Query{}))[0].Fields[0]; f.Err != nil {
				t.Errorf("the newest change is %+v", f)
			}
		})
	}
}
