package tests

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

type parent struct {
	ID       uint
	Children []child `gorm:"foreignKey:ParentID;constraint:OnDelete:CASCADE"`
}
type child struct {
	ID       uint
	ParentID uint
}

func (parent) TableName() string { return "parents" }
func (child) TableName() string  { return "children" }

func TestCascades(t *testing.T) {
	dbtest.EachDriver(t, func(t *testing.T, d *dbtest.Database) {
		config, warnings := logged()
		db := d.Open(t, config)
		must(t, db.Use(history.New()))
		must(t, history.Migrate(db, &parent{}, &child{}))
		p := parent{Children: []child{{}}}
		must(t, db.WithContext(as(ann)).Create(&p).Error)
		must(t, db.WithContext(as(ann)).Delete(&p).Error)
		changes := must2(history.Of(db, &p.Children[0]))
		hidden := d.Kind == dbtest.MariaDB || d.Kind == dbtest.MySQL
		if deleted := changes[0].Action == history.ActionDelete; deleted == hidden {
			t.Errorf("the cascade was recorded: %t, want %t", deleted, !hidden)
		}
		if !hidden && changes[0].ChangeSet.Actor != ann {
			t.Errorf("the cascade is by %v, want %v", changes[0].ChangeSet.Actor, ann)
		}
		if warned := strings.Contains(warnings.String(), "cascades"); warned != hidden {
			t.Errorf("Migrate warned of cascades: %t, want %t", warned, hidden)
		}
		warnings.Reset()
		must(t, history.Verify(db, &child{}))
		if warned := strings.Contains(warnings.String(), "cascades"); warned != hidden {
			t.Errorf("Verify warned of cascades: %t, want %t", warned, hidden)
		}
		warnings.Reset()
		if must(t, history.Verify(db, &parent{})); warnings.Len() > 0 {
			t.Errorf("Verify of the table that nothing cascades into warned %q", warnings)
		}
	})
}

func TestSettingNullIsACascade(t *testing.T) {
	type Orphan struct {
		ID       uint
		ParentID *uint
		Parent   *parent `gorm:"constraint:OnDelete:SET NULL"`
	}
	config, warnings := logged()
	db := dbtest.New(t, dbtest.MariaDB).Open(t, config)
	must(t, history.Migrate(db, &parent{}, &Orphan{}))
	if want := "ON DELETE SET NULL"; !strings.Contains(warnings.String(), want) {
		t.Errorf("warnings are %q, want %q", warnings, want)
	}
}

func TestReplaceOnSQLite(t *testing.T) {
	for _, recursive := range []bool{false, true} {
		d := dbtest.New(t, dbtest.SQLite)
		db, _ := open(t, d)
		must2(db.DB()).SetMaxOpenConns(1)
		if recursive {
			must(t, db.Exec("PRAGMA recursive_triggers = ON").Error)
		}
		note := Note{Title: "a"}
		must(t, db.Create(&note).Error)
		must(t, db.Exec("INSERT OR REPLACE INTO notes (id, title) VALUES (?, 'b')", note.ID).Error)
		var actions []string
		for _, c := range must2(history.Of(db, &note)) {
			actions = append(actions, string(c.Action))
		}
		want := "create create"
		if recursive {
			want = "create delete create"
		}
		if got := strings.Join(actions, " "); got != want {
			t.Errorf("recursive_triggers %t: REPLACE recorded %q, want %q", recursive, got, want)
		}
	}
}

func TestInsertOrIgnoreLosesNoRecord(t *testing.T) {
	d := dbtest.New(t, dbtest.SQLite)
	db, _ := open(t, d)
	must(t, db.Exec("INSERT OR IGNORE INTO notes (id, title) VALUES (1, 'a'), (1, 'b'), (2, 'c')").Error)
	must(t, db.Exec("UPDATE OR IGNORE notes SET id = 2, title = 'x' WHERE id = 1").Error)
	must(t, db.Exec("UPDATE OR REPLACE notes SET title = 'y' WHERE id = 1").Error)
	if n := count(t, db, "whodunit_changes"); n != 3 {
		t.Errorf("%d changes, want 3", n)
	}
}

func TestTruncate(t *testing.T) {
	for _, kind := range []string{dbtest.Postgres, dbtest.MariaDB} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			db, plain := open(t, dbtest.New(t, kind))
			note := Note{Title: "a"}
			must(t, db.Create(&note).Error)
			time.Sleep(2 * time.Millisecond)
			created := last(t, db, &note).At
			must(t, plain.Exec("TRUNCATE TABLE notes").Error)
			c := last(t, db, &note)
			want := history.ActionTruncate
			if kind == dbtest.MariaDB {
				want = history.ActionCreate // MariaDB hides it from triggers
			}
			if c.Action != want {
				t.Errorf("after TRUNCATE the last change is %q, want %q", c.Action, want)
			}
			if kind != dbtest.Postgres {
				return
			}
			if _, err := history.At[Note](db, note.ID, created); !errors.Is(err, history.ErrTruncated) {
				t.Errorf("At(before TRUNCATE) = %v, want ErrTruncated", err)
			}
			if _, err := history.At[Note](db, note.ID, created.Add(-time.Hour)); !errors.Is(err, history.ErrNotYet) {
				t.Errorf("At(before create) = %v, want ErrNotYet", err)
			}
			if err := history.Revert(db, c); !errors.Is(err, history.ErrNotReversible) {
				t.Errorf("Revert(truncate) = %v, want ErrNotReversible", err)
			}
		})
	}
}

// Doc lives in more than one table on PostgreSQL.
type Doc struct {
	ID    int `gorm:"primaryKey;autoIncrement:false"`
	Title string
	Part  int
}

// recordedDocs is what was recorded of docs since, as lines.
func recordedDocs(tb testing.TB, db *gorm.DB, since int64) []string {
	tb.Helper()
	var lines []string
	must(tb, db.Raw("SELECT table_name || ' ' || row_key || ' ' || action FROM whodunit_changes WHERE id > ? ORDER BY row_key, id", since).Scan(&lines).Error)
	return lines
}

// A statement may move rows between tables, and a trigger stop it halfway.
func TestRowsOfPartitionsAndChildrenOnPostgreSQL(t *testing.T) {
	for name, c := range map[string]struct {
		tables []string
		write  string
		want   []string
	}{
		"a partition by its own name": {nil, "UPDATE docs_1 SET title = 'x' WHERE id = 1", []string{"docs 1 update"}},
		"a move":                      {nil, "UPDATE docs SET part = 2 WHERE id = 1", []string{"docs 1 delete", "docs 1 create"}},
		"a move of rows that a trigger keeps out": {
			[]string{
				"CREATE FUNCTION keep_out() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW.id = 2 THEN RETURN NULL; END IF; RETURN NEW; END'",
				"CREATE TRIGGER keep_out BEFORE INSERT ON docs_2 FOR EACH ROW EXECUTE FUNCTION keep_out()",
			}, "UPDATE docs SET part = 2", []string{"docs 1 delete", "docs 1 create", "docs 2 delete", "docs 3 delete", "docs 3 create"},
		},
		"a MERGE that moves": {
			nil, "MERGE INTO docs USING (VALUES (1), (9)) AS v (i) ON docs.id = v.i WHEN MATCHED THEN UPDATE SET part = 2 WHEN NOT MATCHED THEN INSERT VALUES (v.i, 'new', 1)",
			[]string{"docs 1 delete", "docs 1 create", "docs 9 create"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			db := dbtest.New(t, dbtest.Postgres).Open(t)
			for _, statement := range append([]string{
				"CREATE TABLE docs (id bigint, title text, part bigint) PARTITION BY LIST (part)",
				"CREATE TABLE docs_1 PARTITION OF docs FOR VALUES IN (1)",
				"CREATE TABLE docs_2 PARTITION OF docs FOR VALUES IN (2)",
			}, c.tables...) {
				must(t, db.Exec(statement).Error)
			}
			_, triggers, err := history.SQL(db, &Doc{})
			must(t, err)
			runScript(t, db, triggers)
			must(t, db.Create([]Doc{{1, "a", 1}, {2, "b", 1}, {3, "c", 1}}).Error)
			must(t, db.Exec(c.write).Error)
			sameLines(t, name, recordedDocs(t, db, 3), c.want...)
		})
	}
}

// What gaps.md says of partitions that come and go with their rows.
func TestPartitionsThatComeAndGoOnPostgreSQL(t *testing.T) {
	t.Parallel()
	type PartDoc struct {
		ID    int `gorm:"primaryKey;autoIncrement:false"`
		Part  int `gorm:"primaryKey;autoIncrement:false"`
		Title string
	}
	for name, c := range map[string]struct {
		write string
		then  string // what AllAt has for the time before write
		want  []string
	}{
		"TRUNCATE of a partition": {"TRUNCATE part_docs_1", "[b]", nil},
		"DROP":                    {"DROP TABLE part_docs_1", "[b]", nil},
		"DETACH":                  {"ALTER TABLE part_docs DETACH PARTITION part_docs_1", "[b]", nil},
		"ATTACH":                  {"ALTER TABLE part_docs ATTACH PARTITION part_docs_3 FOR VALUES IN (3)", "[a b c]", nil},
		"a move":                  {"UPDATE part_docs SET part = 2 WHERE id = 1", "[a b]", []string{"part_docs 1,1 delete", "part_docs 1,2 create"}},
		"DELETE before DROP":      {"DELETE FROM part_docs_1; DROP TABLE part_docs_1", "[a b]", []string{"part_docs 1,1 delete"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := dbtest.New(t, dbtest.Postgres).Open(t)
			runScript(t, db, "CREATE TABLE part_docs (id bigint, part bigint, title text, PRIMARY KEY (id, part)) PARTITION BY LIST (part);"+
				"CREATE TABLE part_docs_1 PARTITION OF part_docs FOR VALUES IN (1);"+
				"CREATE TABLE part_docs_2 PARTITION OF part_docs FOR VALUES IN (2);"+
				"CREATE TABLE part_docs_3 (LIKE part_docs);"+
				"INSERT INTO part_docs_3 (id, part, title) VALUES (3, 3, 'c')")
			_, triggers, err := history.SQL(db, &PartDoc{})
			must(t, err)
			runScript(t, db, triggers)
			must(t, db.Create([]PartDoc{{1, 1, "a"}, {2, 2, "b"}}).Error)
			before := pause()
			runScript(t, db, c.write)
			must(t, history.Verify(db, &PartDoc{}))
			sameLines(t, name, recordedDocs(t, db, 2), c.want...)
			var titles []string
			for doc, err := range history.AllAt[PartDoc](db, before) {
				must(t, err)
				titles = append(titles, doc.Title)
			}
			if got := fmt.Sprint(titles); got != c.then {
				t.Errorf("AllAt(before) = %v, want %v", got, c.then)
			}
			_, err = history.At[PartDoc](db, PartDoc{ID: 1, Part: 1}, before)
			if c.then == "[b]" && !errors.Is(err, gorm.ErrRecordNotFound) || c.then != "[b]" && err != nil {
				t.Errorf("At(before) of a row of the partition = %v", err)
			}
		})
	}
}

// The model of a table that is partitioned by a time has no time in its key.
func TestATablePartitionedByTimeOnPostgreSQL(t *testing.T) {
	t.Parallel()
	type Reading struct {
		ID      uint
		TakenAt time.Time `gorm:"not null"`
		Title   string
	}
	db := dbtest.New(t, dbtest.Postgres).Open(t)
	must(t, db.Use(history.New()))
	must(t, db.Exec("CREATE TABLE readings (id bigint GENERATED BY DEFAULT AS IDENTITY, taken_at timestamptz, title text, PRIMARY KEY (id, taken_at)) PARTITION BY RANGE (taken_at)").Error)
	must(t, db.Exec("CREATE TABLE readings_1 PARTITION OF readings DEFAULT").Error)
	must(t, history.Migrate(db, &Reading{}))
	must(t, history.Verify(db, &Reading{}))
	reading := Reading{TakenAt: time.Now(), Title: "a"}
	must(t, db.WithContext(as(ann)).Create(&reading).Error)
	then := pause()
	must(t, db.WithContext(as(ann)).Model(&reading).Update("title", "b").Error)
	if was, err := history.At[Reading](db, reading.ID, then); err != nil || was.Title != "a" {
		t.Errorf("At = %v, %v", was, err)
	}
}

func TestARowOfAChildTableOnPostgreSQL(t *testing.T) {
	type Sub struct {
		Doc
		Extra string
	}
	db := dbtest.New(t, dbtest.Postgres).Open(t)
	must(t, db.Exec("CREATE TABLE docs (id bigint PRIMARY KEY, title text, part bigint)").Error)
	must(t, db.Exec("CREATE TABLE subs (extra text, PRIMARY KEY (id)) INHERITS (docs)").Error)
	_, triggers, err := history.SQL(db, &Doc{}, &Sub{})
	must(t, err)
	runScript(t, db, triggers)
	must(t, db.Create(&Sub{Doc{1, "a", 1}, "x"}).Error)
	must(t, db.Delete(&Doc{ID: 1}).Error)
	sameLines(t, "recorded", recordedDocs(t, db, 0), "subs 1 create", "subs 1 delete")
}

func TestATriggerThatWritesTheRowAgainOnPostgreSQL(t *testing.T) {
	db := dbtest.New(t, dbtest.Postgres).Open(t)
	must(t, history.Migrate(db, &Doc{}))
	must(t, db.Exec(`CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN IF pg_trigger_depth() = 1 THEN UPDATE docs SET title = title || ''+'' WHERE id = NEW.id; END IF; RETURN NULL; END'`).Error)
	must(t, db.Exec("CREATE TRIGGER zz_again AFTER INSERT OR UPDATE ON docs FOR EACH ROW EXECUTE FUNCTION again()").Error)
	must(t, db.Create(&Doc{1, "a", 1}).Error)
	must(t, db.Model(&Doc{ID: 1}).Update("title", "b").Error)
	sameLines(t, "trail", trail(t, db, &Doc{ID: 1}), `create; nobody said; id NULL>"1"; title NULL>"a"; part NULL>"1"`,
		`update; nobody said; title "a">"a+"`, `update; nobody said; title "a+">"b"`, `update; nobody said; title "b">"b+"`)
}
