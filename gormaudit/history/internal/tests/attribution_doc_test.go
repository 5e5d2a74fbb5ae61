package tests

import (
	"errors"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// The snippets of attribution.md run as they are printed, by the programs that
// their readers have.
func TestTheProtocolsSnippets(t *testing.T) {
	t.Parallel()
	type Price struct {
		ID     uint
		Amount float64
	}
	user := actor.User(42)
	for kind, test := range map[string]struct {
		run  func(t *testing.T, d *dbtest.Database, snippet string) *exec.Cmd
		what string // begins the snippet
		want actor.Actor
		why  map[string]string
	}{
		dbtest.Postgres: {psql, "BEGIN;", user, map[string]string{"reason": "refund, ticket 4711"}},
		dbtest.MariaDB:  {mariadb, "START TRANSACTION;", user, map[string]string{"reason": "refund"}},
		dbtest.SQLite:   {python, "import sqlite3", actor.System("importer"), map[string]string{"reason": "refund, ticket 4711"}},
	} {
		t.Run(kind, func(t *testing.T) {
			d := dbtest.New(t, kind)
			db := d.Open(t)
			must(t, history.Migrate(db, &Price{}))
			must(t, db.Create(&Price{ID: 7, Amount: 10}).Error)
			output, err := test.run(t, d, snippet(t, "attribution.md", test.what)).CombinedOutput()
			if errors.Is(err, exec.ErrNotFound) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatalf("%v: %s", err, output)
			}
			must(t, db.Exec("UPDATE prices SET amount = 1").Error)
			changes := must2(history.Of(db, &Price{ID: 7}))
			if got := changes[1].ChangeSet; len(changes) != 3 || got.Actor != test.want || !maps.Equal(got.Metadata, test.why) {
				t.Errorf("the snippet's change is by %v because of %v, want %v and %v", got.Actor, got.Metadata, test.want, test.why)
			}
			if got := changes[0].ChangeSet; got.Attributed {
				t.Errorf("the change after it is by %v, want nobody", got.Actor)
			}
		})
	}
}

// snippet is the fenced block of a page of the history's that begins with what.
func snippet(tb testing.TB, page, what string) string {
	tb.Helper()
	text := string(must2(os.ReadFile(filepath.Join("..", "..", page))))
	for _, block := range regexp.MustCompile("(?s)```[a-z]+\n(.*?)```").FindAllStringSubmatch(text, -1) {
		if strings.HasPrefix(block[1], what) {
			return block[1]
		}
	}
	tb.Fatalf("%s has no snippet that begins with %q", page, what)
	return ""
}

func psql(t *testing.T, d *dbtest.Database, script string) *exec.Cmd {
	t.Helper()
	address := must2(url.Parse(d.DSN))
	query := address.Query()
	search := query.Get("search_path")
	query.Del("search_path")
	query.Del("synchronous_commit")
	address.RawQuery = query.Encode()
	cmd := exec.CommandContext(t.Context(), "psql", "-v", "ON_ERROR_STOP=1", "--no-psqlrc", address.String())
	cmd.Env = append(os.Environ(), "PGOPTIONS=-csearch_path="+search)
	cmd.Stdin = strings.NewReader(script)
	return cmd
}

func mariadb(t *testing.T, d *dbtest.Database, script string) *exec.Cmd {
	t.Helper()
	config := must2(mysqldriver.ParseDSN(d.DSN))
	host, port, _ := strings.Cut(config.Addr, ":")
	cmd := exec.CommandContext(t.Context(), "mariadb", "--protocol=tcp", "--host="+host, "--port="+port, "--user="+config.User, "--password="+config.Passwd, config.DBName)
	cmd.Stdin = strings.NewReader(script)
	return cmd
}

func python(t *testing.T, d *dbtest.Database, script string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "python3", "-")
	path, _, _ := strings.Cut(strings.TrimPrefix(d.DSN, "file:"), "?")
	cmd.Dir = filepath.Dir(path)
	cmd.Stdin = strings.NewReader(strings.ReplaceAll(script, "app.db", filepath.Base(path)))
	return cmd
}
