package tests

import (
	"bytes"
	"crypto/rand"
	"database/sql"
	"errors"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"
	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// tool runs a database's client program, or skips the test where there is none.
func tool(t *testing.T, input []byte, name string, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed: nothing to dump or restore with", name)
	}
	command := exec.Command(name, args...)
	command.Stdin = bytes.NewReader(input)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if strings.Contains(stderr.String(), "server version mismatch") {
		t.Skipf("%s is older than the server", name)
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, stderr.String())
	}
	return out
}

// postgresAccount makes an account that may log in, and a database of its own. It
// returns the database's address as that account and as the tests' own.
func postgresAccount(t *testing.T) (mine, owners string) {
	t.Helper()
	base := must2(url.Parse(dbtest.Address(t, "WHODUNIT_POSTGRES")))
	admin := must2(gorm.Open(postgres.Open(base.String()), &gorm.Config{Logger: logger.Discard}))
	name := "whodunit_" + strings.ToLower(rand.Text()[:12])
	must(t, admin.Exec("CREATE ROLE "+name+" LOGIN PASSWORD 'a password'").Error)
	must(t, admin.Exec("CREATE DATABASE "+name+" OWNER "+name).Error)
	t.Cleanup(func() {
		must(t, admin.Exec("DROP DATABASE "+name+" WITH (FORCE)").Error)
		must(t, admin.Exec("DROP ROLE "+name).Error)
		_ = must2(admin.DB()).Close()
	})
	base.Path = "/" + name
	owners = base.String()
	base.User = url.UserPassword(name, "a password")
	return base.String(), owners
}

func openDialector(t *testing.T, d gorm.Dialector) *gorm.DB {
	t.Helper()
	db := must2(gorm.Open(d, &gorm.Config{Logger: logger.Discard}))
	t.Cleanup(func() { _ = must2(db.DB()).Close() })
	return db
}

// checkRestored writes as somebody and past the plugin, and reads that back with
// what there was before.
func checkRestored(t *testing.T, open func() *gorm.DB) {
	t.Helper()
	db, plain := open(), open()
	must(t, history.Verify(plain, &Note{}, &otherNote{}))
	must(t, db.Use(history.New()))
	must(t, db.WithContext(as(bob)).Model(&Note{ID: 1}).Update("title", "b").Error)
	must(t, plain.Exec("UPDATE notes SET title = 'raw' WHERE id = 1").Error)
	sameLines(t, "trail", titles(t, plain, &Note{ID: 1}),
		`create; user:42; title NULL>"a"`, `update; user:7; title "a">"b"`, `update; nobody said; title "b">"raw"`)
	if n := len(by(t, plain, ann)); n != 1 {
		t.Errorf("By(ann) has %d changes, want 1", n)
	}
	must(t, history.Migrate(plain, &Note{}, &otherNote{}))
}

// otherNote's table could have the name of an object of notes.
type otherNote struct {
	ID    uint
	Title string
}

func (otherNote) TableName() string { return "notes_insert" }

func dumped(t *testing.T, kind string) (d *dbtest.Database, home string) {
	t.Helper()
	d = dbtest.New(t, kind)
	db, plain := open(t, d)
	must(t, history.Migrate(db, &Note{}, &otherNote{}))
	must(t, db.WithContext(as(ann)).Create(&Note{ID: 1, Title: "a"}).Error)
	return d, homeOf(t, plain)
}

func TestRestoredOnPostgres(t *testing.T) {
	for _, format := range []string{"plain", "custom"} {
		t.Run(format, func(t *testing.T) {
			_, home := dumped(t, dbtest.Postgres)
			restored := restorePostgres(t, dbtest.Address(t, "WHODUNIT_POSTGRES"), home, format)
			checkRestored(t, func() *gorm.DB { return openDialector(t, restored) })
		})
	}
}

// restorePostgres restores a dump of a schema in a new database.
func restorePostgres(t *testing.T, from, home, format string) gorm.Dialector {
	t.Helper()
	mine, _ := postgresAccount(t)
	file := filepath.Join(t.TempDir(), "dump")
	tool(t, nil, "pg_dump", "--format="+format, "--schema="+home, "--file="+file, "--no-owner", from)
	if format == "plain" {
		tool(t, nil, "psql", "--quiet", "--set=ON_ERROR_STOP=1", "--file="+file, mine)
	} else {
		tool(t, nil, "pg_restore", "--exit-on-error", "--no-owner", "--dbname="+mine, file)
	}
	return postgres.Open(mine + "&search_path=" + home)
}

// A dump without privileges loses the REVOKE: anybody may execute the functions.
func TestRestoredWithoutPrivilegesOnPostgres(t *testing.T) {
	_, home := dumped(t, dbtest.Postgres)
	mine, _ := postgresAccount(t)
	file := filepath.Join(t.TempDir(), "dump")
	tool(t, nil, "pg_dump", "--format=custom", "--schema="+home, "--file="+file, "--no-privileges", "--no-owner", dbtest.Address(t, "WHODUNIT_POSTGRES"))
	tool(t, nil, "pg_restore", "--exit-on-error", "--no-owner", "--no-privileges", "--dbname="+mine, file)
	db := openDialector(t, postgres.Open(mine+"&search_path="+home))
	if err := history.Verify(db, &Note{}); !errors.Is(err, history.ErrExposed) {
		t.Errorf("Verify = %v, want ErrExposed", err)
	}
	must(t, history.Migrate(db, &Note{}, &otherNote{}))
	must(t, history.Verify(db, &Note{}, &otherNote{}))
}

// A dump of a whole database with rows, views and routines whose texts look like a
// definer's: what schema.md has sed drop from it takes nothing from these.
func TestRestoredOnMariaDB(t *testing.T) {
	d, home := dumped(t, dbtest.MariaDB)
	db, plain := open(t, d)
	const hostile = "use DEFINER=admin@host here\nCREATE DEFINER=`admin`@`host` there\r\n/*!50013 DEFINER=`admin`@`host` */"
	must(t, db.WithContext(as(bob)).Create(&Note{ID: 2, Title: hostile}).Error)
	for _, statement := range []string{
		"CREATE VIEW of_notes AS SELECT id, 'DEFINER=`a`@`b`' AS mark FROM notes",
		"CREATE DEFINER=`a person`@`%` PROCEDURE mark() SELECT 'DEFINER=`a`@`b`' AS mark",
		"CREATE FUNCTION two() RETURNS int DETERMINISTIC RETURN 2",
		inSQL(t)[1],
	} {
		must(t, plain.Exec(statement).Error)
	}
	restored := restoreMariaDB(t, d, home, "--routines", "--ignore-table="+home+".whodunit_history")
	checkRestored(t, func() *gorm.DB { return openDialector(t, restored) })
	plain = openDialector(t, restored)
	must(t, plain.Exec(inSQL(t)[1]).Error) // it is not there: it would read the other database's history
	var title, view, routine string
	must(t, plain.Raw("SELECT title FROM notes WHERE id = 2").Scan(&title).Error)
	must(t, plain.Raw("SELECT mark FROM of_notes WHERE id = 2").Scan(&view).Error)
	must(t, plain.Raw("CALL mark()").Scan(&routine).Error)
	if title != hostile || view != "DEFINER=`a`@`b`" || routine != view {
		t.Errorf("restored are %q, %q and %q", title, view, routine)
	}
	if f, _ := last(t, plain, &Note{ID: 2}).Field("title"); f.After.String() != hostile {
		t.Errorf("the history has %q", f.After.String())
	}
}

// mariadb-dump leaves procedures out by default, but not triggers. Verify finds that, the
// plugin logs it once, and Tell is an error. Migrate mends it.
func TestRestoredWithoutProceduresOnMariaDB(t *testing.T) {
	t.Parallel()
	d, home := dumped(t, dbtest.MariaDB)
	restored := restoreMariaDB(t, d, home)
	plain := openDialector(t, restored)
	config, logs := logged()
	db := must2(gorm.Open(restored, config))
	t.Cleanup(func() { _ = must2(db.DB()).Close() })
	must(t, db.Use(history.New()))
	for _, title := range []string{"b", "c"} {
		must(t, db.WithContext(as(bob)).Model(&Note{ID: 1}).Update("title", title).Error)
	}
	if n := strings.Count(logs.String(), "history.Migrate"); n != 1 || strings.Contains(logs.String(), "GRANT") {
		t.Errorf("the log names Migrate %d times, want once, and no GRANT:\n%s", n, logs)
	}
	err := plain.Transaction(func(tx *gorm.DB) error {
		return history.MySQL.Tell(as(bob), tx.Statement.ConnPool.(*sql.Tx), func() error { return tx.Exec("UPDATE notes SET title = 'd'").Error })
	})
	if err == nil || !strings.Contains(err.Error(), "history.Migrate") {
		t.Errorf("Tell = %v, want an error that names Migrate", err)
	}
	source := d.Open(t)
	for _, name := range []string{"whodunit_set_actor", "whodunit_clear_actor", "whodunit_rights"} {
		must(t, source.Exec("DROP PROCEDURE "+name).Error)
	}
	for account, db := range map[string]*gorm.DB{"restored": plain, "migrates": mysqlAccount(t, d, logger.Discard, migratorsRights+home+".*")} {
		if err := history.Verify(db, &Note{}); !errors.Is(err, history.ErrIncomplete) || !strings.Contains(err.Error(), "whodunit_set_actor, whodunit_clear_actor, whodunit_rights") {
			t.Errorf("Verify by the account that %s = %v, want ErrIncomplete that names the procedures", account, err)
		}
	}
	must(t, history.Verify(mysqlAccount(t, d, logger.Discard, dml), &Note{})) // can't know
	must(t, history.Migrate(plain, &Note{}))
	must(t, history.Verify(plain, &Note{}))
	must(t, db.WithContext(as(bob)).Model(&Note{ID: 1}).Update("title", "e").Error)
	sameLines(t, "trail", titles(t, plain, &Note{ID: 1}), `create; user:42; title NULL>"a"`,
		`update; nobody said; title "a">"b"`, `update; nobody said; title "b">"c"`, `update; user:7; title "c">"e"`)
}

// restoreMariaDB restores a dump of a database in a new one.
func restoreMariaDB(t *testing.T, d *dbtest.Database, home string, options ...string) gorm.Dialector {
	t.Helper()
	config := must2(mysqldriver.ParseDSN(d.DSN))
	host, port, _ := strings.Cut(config.Addr, ":")
	args := append(options, "--host="+host, "--port="+port, "--user="+config.User, "--password="+config.Passwd, home)
	dump := tool(t, nil, "mariadb-dump", args...)
	_, filter, found := strings.Cut(snippet(t, "schema.md", "pg_dump"), "--ignore-table=app.whodunit_history app |")
	filter, _, piped := strings.Cut(filter, "| mariadb app")
	if !found || !piped {
		t.Fatal("schema.md has no filter for what mariadb-dump writes")
	}
	dump = tool(t, dump, "sh", "-c", strings.ReplaceAll(filter, "\\\n", ""))
	empty := dbtest.New(t, dbtest.MariaDB)
	account := mysqlAccount(t, empty, logger.Discard, "ALL ON "+homeOf(t, empty.Open(t))+".*")
	mine := must2(mysqldriver.ParseDSN(account.Dialector.(*mysql.Dialector).DSN))
	tool(t, dump, "mariadb", "--host="+host, "--port="+port, "--user="+mine.User, "--password="+mine.Passwd, mine.DBName)
	return mysql.Open(mine.FormatDSN())
}

// Tables of two schemas, and names that are cut, have objects of their own.
func TestObjectsHaveNamesOfTheirOwn(t *testing.T) {
	d := dbtest.New(t, dbtest.Postgres)
	db, plain := open(t, d)
	sales := homeOf(t, dbtest.New(t, dbtest.Postgres).Open(t))
	tables := []string{sales + ".orders", sales + "_orders", "orders", "orders_" + strings.Repeat("l", 50), "orders_" + strings.Repeat("l", 50) + "2"}
	for _, table := range tables {
		must(t, history.Migrate(db.Table(table), &Note{}))
	}
	for i, table := range tables {
		must(t, history.Verify(plain.Table(table), &Note{}))
		must(t, db.WithContext(as(ann)).Table(table).Create(&Note{ID: uint(i + 1), Title: table}).Error)
		sameLines(t, table, titles(t, plain.Table(table), &Note{ID: uint(i + 1)}), `create; user:42; title NULL>"`+table+`"`)
	}
	if n := count(t, plain, "whodunit_changes"); n != int64(len(tables)) {
		t.Errorf("%d changes, want %d", n, len(tables))
	}
}

// The statements of schema.md put such sequences ahead.
func TestSequencesThatAreSetAhead(t *testing.T) {
	db, plain := open(t, dbtest.New(t, dbtest.Postgres))
	note := Note{Title: "a"}
	must(t, db.WithContext(as(ann)).Create(&note).Error)
	must(t, db.WithContext(as(ann)).Model(&note).Update("title", "b").Error)
	for _, table := range []string{"whodunit_changes", "whodunit_change_sets"} {
		must(t, plain.Exec("SELECT setval(pg_get_serial_sequence(?, 'id'), 1, false)", table).Error)
	}
	must(t, plain.Exec(snippet(t, "schema.md", "SELECT setval")).Error)
	must(t, db.WithContext(as(bob)).Model(&note).Update("title", "c").Error)
	sameLines(t, "the note", titles(t, plain, &note),
		`create; user:42; title NULL>"a"`, `update; user:42; title "a">"b"`, `update; user:7; title "b">"c"`)
}

// A replica that has become the primary may have sequences that are behind.
func TestSequencesThatAreBehind(t *testing.T) {
	db, plain := open(t, dbtest.New(t, dbtest.Postgres))
	for id := range uint(3) {
		must(t, db.WithContext(as(ann)).Create(&Note{ID: id + 1, Title: "a"}).Error)
	}
	for _, table := range []string{"whodunit_changes", "whodunit_change_sets"} {
		must(t, plain.Exec("SELECT setval(pg_get_serial_sequence(?, 'id'), 1, false)", table).Error)
	}
	for id := range uint(3) {
		must(t, db.WithContext(as(bob)).Model(&Note{ID: id + 1}).Update("title", "b").Error)
	}
	for _, who := range []actor.Actor{ann, bob} {
		for _, c := range by(t, plain, who) {
			if f, _ := c.Field("title"); f.After.String() != map[actor.Actor]string{ann: "a", bob: "b"}[who] {
				t.Errorf("By(%v) has the change to %q", who, f.After)
			}
		}
		if n := len(by(t, plain, who)); n != 3 {
			t.Errorf("By(%v) has %d changes, want 3", who, n)
		}
	}
}

// A table is recorded in one history. Another schema's does not take it away.
func TestATableOfAnotherHistory(t *testing.T) {
	first, _ := open(t, dbtest.New(t, dbtest.Postgres))
	second := dbtest.New(t, dbtest.Postgres).Open(t)
	table := homeOf(t, first) + ".notes"
	if err := history.Migrate(second.Table(table), &Note{}); err == nil || !strings.Contains(err.Error(), "another schema's history") {
		t.Errorf("Migrate = %v, want it refused", err)
	}
	if err := history.Verify(second.Table(table), &Note{}); !errors.Is(err, history.ErrElsewhere) {
		t.Errorf("Verify = %v, want ErrElsewhere", err)
	}
	must(t, history.Verify(first, &Note{}))
}
