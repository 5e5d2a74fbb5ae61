package tests

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"
	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/history/historyweb"
	"github.com/seed-3826ef92/whodunit/gormaudit/internal/dbtest"
)

// accountName is a name for a new account, with letters of both cases.
func accountName() string { return "Who_" + strings.ToLower(rand.Text()[:10]) }

// openAs makes an account that may write lines, and returns its connection.
func openAs(t *testing.T, d *dbtest.Database, plain *gorm.DB, account string) *gorm.DB {
	t.Helper()
	var home string
	var dialector gorm.Dialector
	quoted, create, drop, rights := `"`+account+`"`, "CREATE ROLE %s LOGIN PASSWORD 'a password'", "DROP OWNED BY %[1]s; DROP ROLE %[1]s", []string{"INSERT ON lines"}
	if d.Kind == dbtest.Postgres {
		must(t, plain.Raw("SELECT current_schema()").Scan(&home).Error)
		address, err := url.Parse(d.DSN)
		must(t, err)
		address.User = url.UserPassword(account, "a password")
		dialector, rights = postgres.Open(address.String()), append(rights, "USAGE ON SCHEMA "+home)
	} else {
		must(t, plain.Raw("SELECT database()").Scan(&home).Error)
		config, err := mysqldriver.ParseDSN(d.DSN)
		must(t, err)
		config.User, config.Passwd = account, "a password"
		dialector = mysql.New(mysql.Config{DSN: config.FormatDSN(), DisableWithReturning: true})
		quoted, create, drop = "`"+account+"`@`%`", "CREATE USER %s IDENTIFIED BY 'a password'", "DROP USER %s"
		rights = []string{"INSERT ON `lines`", "EXECUTE ON PROCEDURE " + home + ".whodunit_set_actor", "EXECUTE ON PROCEDURE " + home + ".whodunit_clear_actor"}
	}
	must(t, plain.Exec(fmt.Sprintf(create, quoted)).Error)
	t.Cleanup(func() { must(t, plain.Exec(fmt.Sprintf(drop, quoted)).Error) })
	for _, right := range rights {
		must(t, plain.Exec("GRANT "+right+" TO "+quoted).Error)
	}
	db, err := gorm.Open(dialector, &gorm.Config{Logger: logger.Discard})
	must(t, err)
	pool, err := db.DB()
	must(t, err)
	t.Cleanup(func() { _ = pool.Close() })
	must(t, db.Use(history.New()))
	return db
}

// What Config.Accounts may say, tried with accounts that log in: name stands for the
// account's, and each form either hides it or does not.
func TestAccountsAreNamedAsTheDatabaseNamesThem(t *testing.T) {
	t.Parallel()
	own := map[string]map[string]bool{
		dbtest.Postgres: {"name": true, "NAME": false, `"name"`: false, "name@%": false, "other": false},
		dbtest.MariaDB:  {"name": true, "NAME": false, "'name'@'%'": false, "name@%": true, "name@localhost": true, "name@elsewhere": true, "other": false},
	}
	dbtest.Beside(t, []string{dbtest.Postgres, dbtest.MariaDB}, func(t *testing.T, d *dbtest.Database) {
		_, plain := shop(t, d)
		name := accountName()
		must(t, openAs(t, d, plain, name).WithContext(as(alice)).Create(&Line{OrderID: 1, No: 1, Text: "rope"}).Error)
		longer := name + "@home" // a name may have such a sign
		must(t, openAs(t, d, plain, longer).WithContext(as(bob)).Create(&Line{OrderID: 1, No: 2, Text: "torch"}).Error)
		page := func(accounts ...string) string {
			return text(get(historyweb.Handler(plain, historyweb.Config{Tables: tables, Names: names, Accounts: accounts}), carol, "/"))
		}
		const through = ", through the database account "
		for form, hidden := range own[d.Kind] {
			form = strings.NewReplacer("name", name, "NAME", strings.ToUpper(name)).Replace(form)
			got := page(form)
			if shown := strings.Contains(got, "alice"+through+name); shown == hidden {
				t.Errorf("Accounts %q hides the account %s: %t, want %t:\n%s", form, name, !shown, hidden, got)
			}
			expect(t, fmt.Sprintf("the page with Accounts %q", form), got, "bob"+through+longer)
		}
		if d.Kind == dbtest.MariaDB {
			longer += "@%"
		}
		if got := page(name, longer); strings.Contains(got, through) {
			t.Errorf("the page names accounts of the application's:\n%s", got)
		}
		expect(t, "the page without Accounts, which reads with another one", page(), "alice"+through+name, "bob"+through+name)
	})
}

// An account that may not read a column of a table can't show its rows as they were. The
// page says that a right is lacking, and the log which.
func TestAColumnThatTheAccountMayNotRead(t *testing.T) {
	var logged bytes.Buffer
	was := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&logged, nil)))
	t.Cleanup(func() { slog.SetDefault(was) })
	for _, kind := range []string{dbtest.Postgres, dbtest.MariaDB} {
		t.Run(kind, func(t *testing.T) {
			d := dbtest.New(t, kind)
			db, plain := shop(t, d)
			must(t, db.WithContext(as(alice)).Create(&Line{OrderID: 17, No: 1, Text: "rope"}).Error)
			account := accountName()
			reader := openAs(t, d, plain, account)
			grantee, lines := `"`+account+`"`, "lines"
			if kind == dbtest.MariaDB {
				grantee, lines = "`"+account+"`@`%`", "`lines`"
			}
			for _, right := range []string{"SELECT ON whodunit_changes", "SELECT ON whodunit_change_sets", "SELECT (order_id, no) ON " + lines} {
				must(t, plain.Exec("GRANT "+right+" TO "+grantee).Error)
			}
			h := historyweb.Handler(reader, historyweb.Config{Tables: tables, MayRestore: anybodyMay})
			query := "?table=lines&key=1&key=17"
			for page, want := range map[string]int{"": 200, "row" + query: 200, "changes.csv" + query: 200, "moment" + query: 500, "restore" + query + "&at=2026-03-09": 500} {
				logged.Reset()
				w := get(h, alice, "/"+page)
				if w.Code != want {
					t.Errorf("%s = %d, want %d", page, w.Code, want)
				}
				if want == 200 {
					expect(t, page, w.Body.String(), "rope")
					continue
				}
				expect(t, page, text(w), "The program's account of the database lacks a right that this page needs. The reason is in the program's log.")
				expect(t, "the log of "+page, logged.String(), "lines", "lacks a right to the table or to one of its columns")
			}
			must(t, plain.Exec("GRANT SELECT ON "+lines+" TO "+grantee).Error)
			if w := get(h, alice, "/moment"+query); w.Code != 200 || !strings.Contains(w.Body.String(), "rope") {
				t.Errorf("the moment with the right = %d, want the row", w.Code)
			}
		})
	}
}
