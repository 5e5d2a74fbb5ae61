package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v5"
	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/echoauth/v5"
	"github.com/seed-3826ef92/whodunit/example/internal/exampletest"
	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
)

const (
	ada   = "00000000-0000-0000-0000-000000000001"
	sam   = "00000000-0000-0000-0000-000000000002"
	carol = "00000000-0000-0000-0000-000000000003"
	dave  = "00000000-0000-0000-0000-000000000004"
)

// program is what runs, and its database.
type program struct {
	url, driver, dsn string
	plain            *gorm.DB // without plugins
}

// TestProgram runs it on SQLite last: its jobs go on after the test.
func TestProgram(t *testing.T) {
	t.Run("PostgreSQL", func(t *testing.T) {
		dsn := exampletest.Postgres(t)
		t.Setenv("DATABASE_URL", dsn)
		testProgram(t, program{"http://" + exampletest.Start(t, main), "pgx", dsn, openPlain(t, postgres.Open(dsn))})
	})
	t.Run("SQLite", func(t *testing.T) {
		t.Setenv("DATABASE_URL", "")
		const dsn = "backoffice.db?_pragma=busy_timeout(10000)&_txlock=immediate"
		address := exampletest.Start(t, main)
		plain := openPlain(t, sqlite.New(sqlite.Config{DriverName: "sqlite", DSN: dsn}))
		testProgram(t, program{"http://" + address, "sqlite", dsn, plain})
	})
}

func testProgram(t *testing.T, p program) {
	customer := p.customer(t, "carol")
	tea := p.testToken(t, customer)
	support, milk := p.testSupport(t)
	p.testPacker(t, tea, milk)
	p.testPage(t, support)
	p.testCancel(t, customer, tea)
	p.testRoles(t, customer, support)
	p.verify(t)
}

// testToken orders with a token and a forged created_by, and returns the order.
func (p program) testToken(t *testing.T, customer client) Order {
	t.Helper()
	nobody := p.client(t)
	exampletest.Expect(t, "a token for a wrong password", nobody.ask(t, "POST", "/api/token", "name=carol&password=x"), "401 ")
	exampletest.Expect(t, "a token for a stranger", nobody.ask(t, "POST", "/api/token", "name=zoe&password=swordfish"), "401 ")
	exampletest.Expect(t, "an order without a token", nobody.ask(t, "POST", "/api/orders", "item=Tea"), "401 ")
	staff := p.customer(t, "sam")
	exampletest.Expect(t, "an order of the staff's", staff.ask(t, "POST", "/api/orders", "item=Tea"), "403 ")
	tea := p.order(t, customer, "/api/orders", fmt.Sprintf(`{"id": %q, "item": "Tea", "status": "packed", "created_by": %[1]q,
		"updated_by": %[1]q, "deleted_by": %[1]q, "CreatedAt": "2001-01-01T00:00:00Z", "DeletedAt": "2001-01-01T00:00:00Z"}`, dave))
	if tea.ID.String() == dave {
		t.Error("a request chose the order's id")
	}
	rows := p.rows(t, "SELECT created_by, deleted_by, deleted_at FROM orders WHERE created_at > '2020-01-01'")
	if want := []string{carol + " NULL NULL"}; !slices.Equal(rows, want) {
		t.Errorf("orders = %q, want %q", rows, want)
	}
	return tea
}

// testSupport lets sam act as carol, and returns both sam's session and carol's order.
func (p program) testSupport(t *testing.T) (support client, milk Order) {
	t.Helper()
	support = p.client(t)
	exampletest.Expect(t, "a wrong password", support.ask(t, "POST", "/signin", "name=sam&password=x"), "401 ")
	support = p.staff(t, "sam")
	exampletest.Expect(t, "sam as a customer", support.ask(t, "POST", "/orders", "item=Milk"), "403 ")
	exampletest.Expect(t, "sam as ada", support.ask(t, "POST", "/act-as/"+ada, ""), "403 ")
	exampletest.Expect(t, "sam as nobody", support.ask(t, "POST", "/act-as/"+uuid.NewString(), ""), "403 ")
	exampletest.Expect(t, "sam as 42", support.ask(t, "POST", "/act-as/42", ""), "400 ")
	exampletest.Expect(t, "who acts", support.ask(t, "GET", "/", ""), "200 user:"+sam)
	exampletest.Expect(t, "ada as carol", p.staff(t, "ada").ask(t, "POST", "/act-as/"+carol, ""), "403 ")

	exampletest.Expect(t, "sam as carol", support.ask(t, "POST", "/act-as/"+strings.ToUpper(carol), ""), "200 ")
	exampletest.Expect(t, "who acts", support.ask(t, "GET", "/", ""), "200 user:"+carol+" (by user:"+sam+")")
	milk = p.order(t, support, "/orders", fmt.Sprintf(`{"item": "Milk", "created_by": %q}`, dave))
	rows := p.rows(t, "SELECT created_by FROM orders WHERE item = 'Milk'")
	if want := []string{carol}; !slices.Equal(rows, want) {
		t.Errorf("the order of milk is by %q, want %q", rows, want)
	}
	return support, milk
}

// testPacker waits for the job.
func (p program) testPacker(t *testing.T, tea, milk Order) {
	t.Helper()
	for n := 0; len(p.rows(t, "SELECT id FROM orders WHERE status <> 'packed'")) > 0; n++ {
		if n == 300 {
			t.Fatal("nobody packs the orders")
		}
		time.Sleep(50 * time.Millisecond)
	}
	rows := p.rows(t, "SELECT item, created_by, updated_by FROM orders ORDER BY created_at")
	if want := []string{"Tea " + carol + " NULL", "Milk " + carol + " NULL"}; !slices.Equal(rows, want) {
		t.Errorf("packed orders = %q, want %q", rows, want)
	}
	p.expectHistory(t, tea, "update by system:packer", "create by user:"+carol)
	p.expectHistory(t, milk, "update by system:packer", "create by user:"+carol+" (by user:"+sam+")")
}

// testPage opens the page as everybody. sam acts as carol.
func (p program) testPage(t *testing.T, support client) {
	t.Helper()
	const page = "/admin/history/"
	nobody, admin := p.client(t), p.staff(t, "ada")
	exampletest.Expect(t, "a stranger's page", nobody.ask(t, "GET", page, ""), "401 ")
	nobody.accept = "text/html"
	exampletest.Expect(t, "a stranger's page in a browser", nobody.ask(t, "GET", page, ""),
		"302 /signin?next=%2Fadmin%2Fhistory%2F")
	exampletest.Expect(t, "the sign-in", nobody.ask(t, "GET", "/signin", ""), "200 <!doctype html>")
	exampletest.Expect(t, "the page after the sign-in",
		nobody.ask(t, "POST", "/signin?next="+url.QueryEscape(page), "name=ada&password=swordfish"), "303 "+page)
	exampletest.Expect(t, "the page with a token", p.customer(t, "carol").ask(t, "GET", page, ""), "401 ")
	exampletest.Expect(t, "a customer's page", p.staff(t, "carol").ask(t, "GET", page, ""), "403 ")
	exampletest.Expect(t, "sam's page", p.staff(t, "sam").ask(t, "GET", page, ""), "403 ")
	exampletest.Expect(t, "the page of sam, who acts as carol", support.ask(t, "GET", page, ""), "403 ")
	exampletest.Expect(t, "the page without a slash", admin.ask(t, "GET", "/admin/history", ""), "303 "+page)
	got := admin.ask(t, "GET", page, "")
	for _, want := range []string{"200 ", ">ada<", ">sam<", ">carol<", "packer", "“Milk”", "“Tea”"} {
		if !strings.Contains(got, want) {
			t.Errorf("the page has no %q:\n%s", want, got)
		}
	}
	if hash := p.rows(t, "SELECT password_hash FROM users")[0]; strings.Contains(got, hash[:20]) {
		t.Error("the page shows a password's hash")
	}
}

func (p program) testCancel(t *testing.T, customer client, tea Order) {
	t.Helper()
	order := "/api/orders/" + tea.ID.String()
	exampletest.Expect(t, "another's order", p.customer(t, "dave").ask(t, "DELETE", order, ""), "404 ")
	exampletest.Expect(t, "what is not a key", customer.ask(t, "DELETE", "/api/orders/42", ""), "400 ")
	exampletest.Expect(t, "carol's order", customer.ask(t, "DELETE", order, ""), "200 ")
	rows := p.rows(t, "SELECT deleted_by FROM orders WHERE deleted_at IS NOT NULL")
	if want := []string{carol}; !slices.Equal(rows, want) {
		t.Errorf("deleted_by = %q, want %q", rows, want)
	}
	p.expectHistory(t, tea, "soft_delete by user:"+carol, "update by system:packer", "create by user:"+carol)
}

// testRoles takes roles away. sam acts as carol at first.
func (p program) testRoles(t *testing.T, customer, support client) {
	t.Helper()
	p.setRole(t, carol, "admin")
	exampletest.Expect(t, "sam, who acted as carol", support.ask(t, "GET", "/admin/history/", ""), "403 ")
	exampletest.Expect(t, "sam, afterwards", support.ask(t, "GET", "/", ""), "200 user:"+sam)
	exampletest.Expect(t, "the token of a customer no longer", customer.ask(t, "POST", "/api/orders", "item=Tea"), "403 ")
	p.setRole(t, carol, "customer")
	exampletest.Expect(t, "sam as carol again", support.ask(t, "POST", "/act-as/"+carol, ""), "200 ")
	exampletest.Expect(t, "sam stops", support.ask(t, "POST", "/stop-acting", ""), "200 ")
	exampletest.Expect(t, "who acts", support.ask(t, "GET", "/", ""), "200 user:"+sam)

	admin := p.staff(t, "ada")
	p.setRole(t, ada, "support")
	exampletest.Expect(t, "an administrator no longer", admin.ask(t, "GET", "/admin/history/", ""), "403 ")
	exampletest.Expect(t, "the token of carol again", customer.ask(t, "POST", "/api/orders", "item=Tea"), "201 ")
	orders := len(p.rows(t, "SELECT id FROM orders"))
	p.exec(t, "UPDATE users SET password_hash = '' WHERE id = ?", ada)
	exampletest.Expect(t, "a session of before a new password", admin.ask(t, "GET", "/", ""), "401 ")
	p.setRole(t, carol, "")
	exampletest.Expect(t, "the token of a closed account", customer.ask(t, "POST", "/api/orders", "item=Tea"), "401 ")
	p.setRole(t, sam, "")
	exampletest.Expect(t, "the session of a closed account", support.ask(t, "GET", "/", ""), "401 ")
	exampletest.Expect(t, "a sign-in to it", support.ask(t, "POST", "/signin", "name=sam&password=swordfish"), "401 ")
	if now := len(p.rows(t, "SELECT id FROM orders")); now != orders {
		t.Errorf("there are %d orders, want %d", now, orders)
	}
}

// verify opens the database once more, as after a restart.
func (p program) verify(t *testing.T) {
	t.Helper()
	address := p.dsn
	if p.driver == "sqlite" {
		address = ""
	}
	db, err := open(address)
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, db)
	if err := errors.Join(gormaudit.Verify(db, &User{}, &Order{}), history.Verify(db, &User{}, &Order{})); err != nil {
		t.Error(err)
	}
	if rows := p.rows(t, "SELECT role FROM users WHERE id = '"+sam+"'"); !slices.Equal(rows, []string{""}) {
		t.Errorf("after a restart, sam's role is %q, want none", rows)
	}
	if err := db.Create(&Order{ID: uuid.New()}).Error; !errors.Is(err, gormaudit.ErrNoActor) {
		t.Errorf("an order by nobody = %v, want %v", err, gormaudit.ErrNoActor)
	}
	if p.driver == "sqlite" {
		return
	}
	types := p.rows(t, "SELECT DISTINCT pg_typeof(id), pg_typeof(created_by), pg_typeof(deleted_by) FROM orders")
	if want := []string{"uuid uuid uuid"}; !slices.Equal(types, want) {
		t.Errorf("the keys' types = %q, want %q", types, want)
	}
}

// TestThemselves holds that the page's guard alone keeps out who acts as an administrator.
func TestThemselves(t *testing.T) {
	e := echo.New()
	e.Use(echoauth.Middleware())
	e.GET("/", func(c *echo.Context) error { return nil }, themselves)
	for who, want := range map[actor.Actor]int{
		actor.User(ada):                      http.StatusOK,
		actor.User(sam).As(actor.User(ada)):  http.StatusForbidden,
		actor.User(ada).As(actor.User(dave)): http.StatusForbidden,
	} {
		answer := httptest.NewRecorder()
		e.ServeHTTP(answer, httptest.NewRequestWithContext(actor.NewContext(t.Context(), who), http.MethodGet, "/", nil))
		if answer.Code != want {
			t.Errorf("%v gets %d, want %d", who, answer.Code, want)
		}
	}
}

func (p program) rows(t *testing.T, query string) []string {
	t.Helper()
	return exampletest.Rows(t, p.driver, p.dsn, query)
}

func (p program) setRole(t *testing.T, id, role string) {
	t.Helper()
	p.exec(t, "UPDATE users SET role = ? WHERE id = ?", role, id)
}

// exec writes past the program.
func (p program) exec(t *testing.T, statement string, values ...any) {
	t.Helper()
	if err := p.plain.Exec(statement, values...).Error; err != nil {
		t.Fatal(err)
	}
}

// order orders, and returns what the program answers.
func (p program) order(t *testing.T, c client, path, form string) Order {
	t.Helper()
	created := c.ask(t, "POST", path, form)
	exampletest.Expect(t, "an order", created, "201 ")
	var order Order
	if err := json.Unmarshal([]byte(strings.TrimPrefix(created, "201 ")), &order); err != nil {
		t.Fatal(err)
	}
	return order
}

func (p program) expectHistory(t *testing.T, order Order, want ...string) {
	t.Helper()
	changes, err := history.Of(p.plain, &Order{ID: order.ID})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range changes {
		got = append(got, fmt.Sprint(c.Action, " by ", c.ChangeSet.Actor))
	}
	if !slices.Equal(got, want) {
		t.Errorf("the history of %s = %q, want %q", order.Item, got, want)
	}
}

// client is a browser, or a program with a token.
type client struct {
	url, token, accept string
	http               *http.Client
}

func (p program) client(t *testing.T) client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return client{url: p.url, http: &http.Client{Jar: jar, CheckRedirect: stay}}
}

// customer returns a client with a token.
func (p program) customer(t *testing.T, name string) client {
	t.Helper()
	c := p.client(t)
	got := c.ask(t, "POST", "/api/token", "name="+name+"&password=swordfish")
	exampletest.Expect(t, "a token for "+name, got, `200 {"token":"`)
	c.token = strings.Split(got, `"`)[3]
	return c
}

// staff returns a client with a session.
func (p program) staff(t *testing.T, name string) client {
	t.Helper()
	c := p.client(t)
	exampletest.Expect(t, "the sign-in of "+name, c.ask(t, "POST", "/signin", "name="+name+"&password=swordfish"), "303 /")
	return c
}

// ask sends JSON or a form, and returns status and body, of a redirect its target.
func (c client) ask(t *testing.T, method, path, body string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if strings.HasPrefix(body, "{") {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Accept", c.accept)
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(response.StatusCode, " ", response.Header.Get("Location"), string(text))
}

func openPlain(t *testing.T, dialector gorm.Dialector) *gorm.DB {
	t.Helper()
	db, err := gorm.Open(dialector)
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, db)
	return db
}

func closeAfter(t *testing.T, db *gorm.DB) {
	t.Helper()
	pool, err := db.DB()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pool.Close() })
}
