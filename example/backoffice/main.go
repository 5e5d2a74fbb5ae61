// Command backoffice is a shop for Echo v5, with UUIDs as keys. Customers use an API, with tokens. The staff
// uses a back-office, with sessions: support acts as a customer, administrators read the history. Jobs pack
// orders and prune the history. accounts.go says who may do what.
//
//	go run ./example/backoffice & # DATABASE_URL=postgres://… takes a PostgreSQL; kill %1 stops it
//	token=$(curl -s --retry 60 --retry-connrefused localhost:8081/api/token -d name=carol -d password=swordfish | cut -d'"' -f4)
//	curl -H "Authorization: Bearer $token" localhost:8081/api/orders -d item=Tea
//	curl -c cookies.txt localhost:8081/signin -d name=sam -d password=swordfish
//	curl -c cookies.txt -b cookies.txt -X POST localhost:8081/act-as/00000000-0000-0000-0000-000000000003 # carol
//	curl -b cookies.txt localhost:8081/orders -d item=Milk
//
// Then open http://localhost:8081/admin/history and sign in as ada, with the same password.
package main

import (
	"cmp"
	"context"
	"errors"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"
	"github.com/labstack/echo-contrib/v5/session"
	echojwt "github.com/labstack/echo-jwt/v5"
	"github.com/labstack/echo/v5"
	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	_ "modernc.org/sqlite" // the driver "sqlite", which needs no C compiler

	"github.com/seed-3826ef92/whodunit/echoauth/v5"
	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
	"github.com/seed-3826ef92/whodunit/gormaudit/history/historyweb"
)

type Order struct {
	ID                          uuid.UUID      `gorm:"type:uuid" json:"id"`
	CreatedAt                   time.Time      `json:"-"` // no request sets it
	DeletedAt                   gorm.DeletedAt `json:"-"`
	gormaudit.SoftBy[uuid.UUID]                // created_by, updated_by, deleted_by
	Item                        string         `json:"item" form:"item"`
	Status                      string         `json:"status"`
}

type orders struct{ db *gorm.DB }

func (o orders) create(c *echo.Context) error {
	var order Order
	if err := c.Bind(&order); err != nil { // a forged created_by is dropped by Create
		return err
	}
	order.ID, order.Status = uuid.New(), "new"
	if err := o.db.WithContext(c.Request().Context()).Create(&order).Error; err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, order)
}

// cancel deletes an order softly, if whoever asks created it.
func (o orders) cancel(c *echo.Context) error {
	id, err := echo.PathParam[uuid.UUID](c, "id")
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	found := o.db.WithContext(ctx).Delete(&Order{}, "id = ? AND created_by = ?", id, echoauth.Current(c).ID)
	if found.Error == nil && found.RowsAffected == 0 {
		return echo.ErrNotFound
	}
	return found.Error
}

// pack is a job. It has no user's id, so updated_by becomes NULL, and the history names it.
func (o orders) pack(ctx context.Context) error {
	return o.db.WithContext(ctx).Model(&Order{}).Where("status = ?", "new").Update("status", "packed").Error
}

// every runs a job for ever, in the job's own name.
func every(interval time.Duration, name string, job func(ctx context.Context) error) {
	ctx := actor.NewContext(context.Background(), actor.System(name))
	for ; ; time.Sleep(interval) {
		if err := job(ctx); err != nil {
			log.Printf("%s: %v", name, err)
		}
	}
}

// open connects to a PostgreSQL or, without an address, to a file of SQLite's.
func open(address string) (*gorm.DB, error) {
	const file = "backoffice.db?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_txlock=immediate"
	dialector := sqlite.New(sqlite.Config{DriverName: "sqlite", DSN: file})
	if address != "" {
		dialector = postgres.Open(address)
	}
	db, err := gorm.Open(dialector)
	if err != nil {
		return nil, err
	}
	return db, errors.Join(
		db.Use(gormaudit.NewWithConfig(gormaudit.Config{
			Models:  []any{&User{}, &Order{}}, // so that created_by is a uuid on PostgreSQL
			Missing: gormaudit.Reject,         // no write without an actor
		})),
		db.Use(history.New()),
		history.Migrate(db, &User{}, &Order{}),
		seed(db.WithContext(actor.NewContext(context.Background(), actor.System("seed")))),
	)
}

// serve returns the API and the back-office. Each has its own way to say who makes a request.
func serve(db *gorm.DB) *echo.Echo {
	key := securecookie.GenerateRandomKey(32) // keep your own keys: with new ones, nobody is signed in any more
	store := sessions.NewCookieStore(securecookie.GenerateRandomKey(32))
	store.Options.Secure = false // for plain http in development; on https, Login sets it
	a, o := accounts{db, key}, orders{db}
	e := echo.New()
	e.Use(echo.WrapMiddleware(http.NewCrossOriginProtection().Handler)) // refuses the forms of other sites
	e.POST("/api/token", a.postToken)
	api := e.Group("/api", echojwt.JWT(key), a.middleware(), only("customer"))
	office := e.Group("", session.Middleware(store), a.middleware())
	office.GET("/signin", func(c *echo.Context) error { return c.HTML(http.StatusOK, signInPage) })
	office.POST("/signin", a.signIn)
	users := office.Group("", echoauth.RequireUserWithConfig(echoauth.RequireConfig{LoginURL: "/signin"}))
	users.GET("/", func(c *echo.Context) error { return c.String(http.StatusOK, echoauth.Current(c).String()) })
	users.POST("/signout", echoauth.Logout)
	users.POST("/act-as/:id", a.actAs)
	users.POST("/stop-acting", echoauth.StopImpersonating)
	for _, group := range []*echo.Group{api, users.Group("", only("customer"))} { // and whoever acts as one
		group.POST("/orders", o.create)
		group.DELETE("/orders/:id", o.cancel)
	}
	admins := users.Group("/admin", only("admin"), themselves)
	admins.GET("/history", func(c *echo.Context) error { return c.Redirect(http.StatusSeeOther, "/admin/history/") })
	admins.Any("/history/*", echo.WrapHandler(historyweb.Handler(db, historyweb.Config{
		Tables: []historyweb.Table{
			historyweb.For[Order](historyweb.Table{Title: "item"}), historyweb.For[User](historyweb.Table{Title: "name"}),
		},
		Names: a.names,
	})))
	return e
}

func main() {
	db, err := open(os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	go every(2*time.Second, "packer", orders{db}.pack)
	go every(24*time.Hour, "pruner", func(ctx context.Context) error { // the history goes back for a year
		_, err := history.Prune(db.WithContext(ctx), time.Now().AddDate(-1, 0, 0))
		return err
	})
	log.Fatal(serve(db).Start(cmp.Or(os.Getenv("ADDR"), "localhost:8081")))
}
