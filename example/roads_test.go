package main_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	echojwt "github.com/labstack/echo-jwt/v4"
	"github.com/labstack/echo/v4"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed-3826ef92/whodunit/echoauth"
	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// The roads that gormaudit/actor/workers.md and echoauth/jwt.md describe,
// walked. See TestDocumentedCodeCompiles.

func openEmpty(t *testing.T) *gorm.DB {
	t.Helper()
	dsn := "file:" + filepath.ToSlash(filepath.Join(t.TempDir(), "road.db"))
	db, err := gorm.Open(sqlite.New(sqlite.Config{DriverName: "sqlite", DSN: dsn}), &gorm.Config{Logger: logger.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pool(t, db).Close() })
	return db
}

func pool(t *testing.T, db *gorm.DB) *sql.DB {
	t.Helper()
	pool, err := db.DB()
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

type Message struct {
	Actor    actor.Actor       `json:"actor"`
	Metadata map[string]string `json:"metadata,omitempty"`
	Invoice  uint              `json:"invoice"`
}

func TestWorkers(t *testing.T) {
	sent := make(chan actor.Actor, 1)
	send := func(ctx context.Context) {
		a, _ := actor.FromContext(ctx)
		if ctx.Err() != nil {
			t.Errorf("the work is cancelled with its request: %v", ctx.Err())
		}
		sent <- a
	}
	e := echo.New()
	e.GET("/", func(c echo.Context) error {
		ctx := actor.Detach(c.Request().Context())
		go func() {
			ctx, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			send(ctx)
		}()
		return nil
	})
	ctx, cancel := context.WithCancel(actor.NewContext(context.Background(), actor.User(42)))
	cancel()
	e.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
	if a := <-sent; a != actor.User(42) {
		t.Errorf("the work's actor = %v, want user:42", a)
	}
}

func TestQueue(t *testing.T) {
	publish := func(ctx context.Context, invoice uint) ([]byte, error) {
		a, ok := actor.FromContext(ctx)
		if !ok {
			return nil, errors.New("publish: no actor in the context")
		}
		return json.Marshal(Message{Actor: a, Metadata: actor.MetadataFromContext(ctx), Invoice: invoice})
	}
	work := func(ctx context.Context, queued []byte) (a actor.Actor, err error) {
		var message Message
		if err := json.Unmarshal(queued, &message); err != nil {
			return actor.Actor{}, err
		}
		{
			if message.Actor.IsAnonymous() {
				message.Actor = actor.System("queue")
			}
			ctx := actor.NewContext(ctx, message.Actor)
			ctx = actor.NewMetadataContext(ctx, message.Metadata)
			a, _ = actor.FromContext(ctx)
		}
		return a, nil
	}
	if queued, err := publish(t.Context(), 1); err == nil {
		t.Errorf("publish where nobody said who = %s, want an error", queued)
	}
	queued, err := publish(actor.NewContext(t.Context(), actor.User("9007199254740993")), 1)
	if err != nil {
		t.Fatal(err)
	}
	for message, want := range map[string]actor.Actor{
		string(queued):  actor.User("9007199254740993"),
		`{"invoice":1}`: actor.System("queue"),
	} {
		if a, err := work(t.Context(), []byte(message)); err != nil || a != want {
			t.Errorf("the actor of the message %s = %v, %v, want %v", message, a, err, want)
		}
	}
}

func _(ctx context.Context) {
	{
		ctx := actor.NewContext(ctx, actor.System("archiver"))
		_ = ctx
	}
	{
		ctx := actor.NewContext(context.Background(), actor.System("import-invoices"))
		_ = ctx
	}
}

func TestTokensOnly(t *testing.T) {
	e, key := echo.New(), []byte("a secret of the test, 32 bytes or so")
	api := e.Group("/api")
	api.Use(echojwt.WithConfig(echojwt.Config{SigningKey: key}))
	api.Use(echoauth.Middleware())
	api.Use(echoauth.RequireUserWithConfig(echoauth.RequireConfig{Challenge: "Bearer"}))
	api.GET("/me", func(c echo.Context) error { return c.String(http.StatusOK, echoauth.Current(c).String()) })

	for _, test := range []struct {
		path   string
		claims jwt.MapClaims
		status int
		body   string
	}{
		{"/api/me", jwt.MapClaims{"sub": "42"}, http.StatusOK, "user:42"},
		{"/api/me", jwt.MapClaims{"aud": "x"}, http.StatusUnauthorized, ""},
		{"/api/me", jwt.MapClaims{"sub": true}, http.StatusUnauthorized, ""},
	} {
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, test.claims).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		request := httptest.NewRequest(http.MethodGet, test.path, nil)
		request.Header.Set("Authorization", "Bearer "+token)
		recorder := httptest.NewRecorder()
		e.ServeHTTP(recorder, request)
		if recorder.Code != test.status || test.body != "" && recorder.Body.String() != test.body {
			t.Errorf("%s with %v = %d %s, want %d %s", test.path, test.claims, recorder.Code, recorder.Body, test.status, test.body)
		}
	}
}

type Member struct {
	ID   uint
	Name string
}

type Audited struct {
	ID   uint
	Name string
	gormaudit.By[uint]
}

type Page struct {
	ID uint
	gormaudit.By[uint]
	Creator *Member `gorm:"foreignKey:CreatedBy;references:ID;constraint:-"`
}

type Sheet struct {
	ID          uint
	CreatedByID *uint
	CreatedBy   *Audited `gorm:"constraint:-"`
}

func TestRelationsToWhoeverDidIt(t *testing.T) {
	db := openEmpty(t)
	if err := errors.Join(db.Use(gormaudit.New()), db.AutoMigrate(&Member{}, &Audited{}, &Page{}, &Sheet{})); err != nil {
		t.Fatal(err)
	}
	db = db.WithContext(actor.NewContext(context.Background(), actor.User(2)))
	page, sheet := Page{}, Sheet{}
	for _, row := range []any{
		&[]Member{{Name: "one"}, {Name: "two"}}, &[]Audited{{Name: "one"}, {Name: "two"}}, &Page{ID: 1}, &Sheet{ID: 1},
	} {
		if err := db.Create(row).Error; err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(db.Preload("Creator").Take(&page).Error, db.Preload("CreatedBy").Take(&sheet).Error); err != nil {
		t.Fatal(err)
	}
	if page.Creator == nil || page.Creator.Name != "two" || sheet.CreatedBy == nil || sheet.CreatedBy.Name != "two" {
		t.Errorf("creators = %+v, %+v, want two", page.Creator, sheet.CreatedBy)
	}
	expectRow(t, pool(t, db), "SELECT count(*) FROM sqlite_master WHERE sql LIKE '%FOREIGN KEY%'", "0")
}
