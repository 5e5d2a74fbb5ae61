package tests

import (
	"crypto/rand"
	"fmt"
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
