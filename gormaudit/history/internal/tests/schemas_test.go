package tests

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/history/historyweb"
)

type SalesOrder struct {
	ID    uint
	Title string
}

func (SalesOrder) TableName() string { return "sales.orders" }

type CRMCustomer struct {
	ID   uint
	Name string
}

func (CRMCustomer) TableName() string { return "crm.customers" }

// SalesPurchase is SalesOrder after its table was renamed.
type SalesPurchase SalesOrder

func (SalesPurchase) TableName() string { return "sales.purchases" }

// severalSchemas are the accounts of schema.md's "Tables in several schemas", with the
// rights that its SQL gives them, in a database of its own.
func severalSchemas(t *testing.T) (account func(name string) *gorm.DB, owners string) {
	t.Helper()
	_, owners = postgresAccount(t)
	admin := openDialector(t, postgres.Open(owners))
	suffix := strings.TrimPrefix(must2(url.Parse(owners)).Path, "/whodunit")
	run := func(db *gorm.DB, begins string) {
		text := regexp.MustCompile(`\b(migrator|writer|reader|keeper)\b`).ReplaceAllString(snippet(t, "schema.md", begins), "${1}"+suffix)
		must(t, db.Exec(text).Error)
	}
	t.Cleanup(func() {
		for _, name := range []string{"keeper", "reader", "writer", "migrator"} {
			must(t, admin.Exec("DROP OWNED BY "+name+suffix+" CASCADE; DROP ROLE "+name+suffix).Error)
		}
	})
	for _, name := range []string{"migrator", "writer", "reader", "keeper"} {
		must(t, admin.Exec("CREATE ROLE "+name+suffix+" LOGIN PASSWORD 'a password'").Error)
	}
	account = func(name string) *gorm.DB {
		address := must2(url.Parse(owners))
		address.User = url.UserPassword(name+suffix, "a password")
		return openDialector(t, postgres.Open(address.String()))
	}
	run(admin, "CREATE SCHEMA audit")
	migrator := account("migrator")
	must(t, history.Migrate(migrator, &SalesOrder{}, &CRMCustomer{}))
	run(migrator, "GRANT USAGE ON SCHEMA audit, sales, crm TO writer")
	must(t, history.Verify(migrator, &SalesOrder{}, &CRMCustomer{}))
	return account, owners
}

func TestTablesInSeveralSchemas(t *testing.T) {
	t.Parallel()
	account, owners := severalSchemas(t)
	writer, reader, keeper, migrator := account("writer"), account("reader"), account("keeper"), account("migrator")
	config, logs := logged()
	writer.Logger = config.Logger
	must(t, writer.Use(history.NewWithConfig(history.Config{Models: []any{&SalesOrder{}, &CRMCustomer{}}})))
	must(t, writer.WithContext(as(ann)).Create(&SalesOrder{ID: 1, Title: "a"}).Error)
	must(t, writer.WithContext(as(ann)).Create(&CRMCustomer{Name: "c"}).Error)
	if logs.Len() > 0 {
		t.Errorf("the plugin says %s", logs)
	}
	refused(t, writer, "SELECT * FROM audit.whodunit_changes", "DELETE FROM audit.whodunit_changes")
	must(t, history.Verify(migrator, &SalesOrder{}, &CRMCustomer{}))
	sameLines(t, "the trail", trail(t, reader, &SalesOrder{ID: 1}), `create; user:42; id NULL>"1"; title NULL>"a"`)
	if order, err := history.At[SalesOrder](reader, 1, time.Now()); err != nil || order.Title != "a" {
		t.Errorf("At = %v, %v", order, err)
	}

	page := historyweb.Handler(reader, historyweb.Config{Tables: []historyweb.Table{historyweb.For[SalesOrder](historyweb.Table{})}})
	answer := httptest.NewRecorder()
	page.ServeHTTP(answer, httptest.NewRequestWithContext(as(ann), http.MethodGet, "/history/row?table=sales.orders&key=1", nil))
	if answer.Code != http.StatusOK {
		t.Errorf("the row's page answers %d: %s", answer.Code, answer.Body)
	}

	file := filepath.Join(t.TempDir(), "dump")
	tool(t, nil, "pg_dump", "--format=custom", "--schema=audit", "--schema=sales", "--schema=crm", "--file="+file, "--no-owner", "--no-privileges", owners)
	mine, _ := postgresAccount(t)
	tool(t, nil, "pg_restore", "--exit-on-error", "--no-owner", "--dbname="+mine, file)
	restored := openDialector(t, postgres.Open(mine+"&search_path=audit"))
	must(t, history.Migrate(restored, &SalesOrder{}, &CRMCustomer{}))
	must(t, restored.WithContext(as(bob)).Model(&SalesOrder{ID: 1}).Update("title", "b").Error)
	sameLines(t, "the restored trail", trail(t, restored, &SalesOrder{ID: 1}), `create; user:42; id NULL>"1"; title NULL>"a"`, `update; nobody said; title "a">"b"`)

	names := strings.NewReplacer("'customers'", "'sales.orders'", "'7'", "'1'")
	must(t, keeper.Exec(names.Replace(snippet(t, "schema.md", "BEGIN;\nSELECT set_config('whodunit.maintenance'"))).Error)
	if n := len(must2(history.Of(reader, &SalesOrder{ID: 1}))); n != 0 {
		t.Errorf("after erasing there are %d changes", n)
	}
	must(t, writer.WithContext(as(ann)).Model(&SalesOrder{ID: 1}).Update("title", "b").Error)
	must(t, migrator.Exec("DROP TRIGGER whodunit_insert ON sales.orders; ALTER TABLE sales.orders RENAME TO purchases").Error)
	_, create := texts(t, migrator, &SalesPurchase{})
	for _, prefix := range []string{"", "SET LOCAL search_path = public; "} {
		statement := renamingOf(t, migrator, "sales.orders", "sales.purchases")
		if prefix != "" {
			statement = prefix + strings.Replace(statement, "INTO whodunit_", "INTO audit.whodunit_", 1)
		}
		must(t, migrator.Exec(statement).Error)
	}
	runScript(t, migrator, create)
	sameLines(t, "the trail of the renamed table", trail(t, reader, &SalesPurchase{ID: 1}), `update; user:42; title "a">"b"`)
}
