package main

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/sessions"
	"github.com/labstack/echo-contrib/session"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/echoauth"
)

// app is what the handlers share.
type app struct {
	config    config
	db        *gorm.DB
	store     sessions.Store
	tokens    tokens
	passwords *passwords
	jobs      *jobs
	warned    sync.Once // see warnOfScheme
}

func newApp(config config, db *gorm.DB, store sessions.Store) *app {
	return &app{
		config:    config,
		db:        db,
		store:     store,
		tokens:    newTokens(config.secrets),
		passwords: newPasswords(),
		jobs:      newJobs(),
	}
}

// routes returns the whole application as one handler.
func (a *app) routes() *echo.Echo {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.Renderer = newTemplates()
	e.HTTPErrorHandler = a.showError
	e.IPExtractor = a.config.ipExtractor()
	e.Pre(a.overPublicScheme)
	// The timeout is around what answers errors, which asks the database, too.
	e.Use(middleware.ContextTimeout(10*time.Second), logRequests(), middleware.Recover())
	e.Use(securityHeaders(), middleware.BodyLimit("1M"))

	e.GET("/healthz", a.health)
	assets := e.Group("/assets", cacheForAnHour)
	assets.StaticFS("/", echo.MustSubFS(files, "assets"))
	a.routeAPI(e.Group("/api"))
	a.routePages(e.Group(""))
	return e
}

// routePages serves people with browsers: sessions say who they are.
func (a *app) routePages(g *echo.Group) {
	g.Use(a.refuseOtherSites(), session.Middleware(a.store))
	g.Use(echoauth.MiddlewareWithConfig(echoauth.Config{
		Sources:        []echoauth.Source{echoauth.FromSession()},
		Load:           a.loadUser,
		SessionName:    cookieName(a.config.scheme(), "session"),
		SessionStamp:   a.sessionStamp,
		MayImpersonate: a.mayActAs,
		Request:        true, // for the history
	}))
	g.GET("/signin", a.signInPage)
	g.POST("/signin", a.signIn)
	g.POST("/signout", a.signOut)

	a.routePeople(g.Group("", echoauth.RequireUserWithConfig(echoauth.RequireConfig{LoginURL: "/signin"})))
	// A page that does not exist is that for everybody: the guard of the group
	// above would ask for a sign-in first.
	g.RouteNotFound("/*", echo.NotFoundHandler)
}

// routePeople serves those who are signed in.
func (a *app) routePeople(people *echo.Group) {
	people.GET("/", func(c echo.Context) error { return c.Redirect(http.StatusSeeOther, activityPath) })
	people.GET("/history", echo.WrapHandler(http.RedirectHandler(activityPath, http.StatusSeeOther)))
	people.Any(activityPath+"*", echo.WrapHandler(a.activity()))
	people.GET("/notes", a.notesPage)
	people.GET("/notes/new", a.newNotePage)
	people.POST("/notes", a.postNote)
	people.GET("/notes/import", a.importPage)
	people.POST("/notes/import", a.importNotes)
	people.GET("/notes/:id", a.notePage)
	people.POST("/notes/:id", a.putNote)
	people.POST("/notes/:id/delete", a.deleteNote)
	people.POST("/notes/:id/restore", a.undeleteNote)
	people.GET("/account", a.accountPage)
	people.POST("/account/password", a.changePassword)
	people.POST("/act-as/stop", a.stopActing)

	admins := people.Group("/users", echoauth.RequireFunc(isAdmin))
	admins.GET("", a.usersPage)
	admins.POST("/:id/act-as", a.actAs)
}

// routeAPI serves programs: tokens say who they are, and a cookie says
// nothing, so no other site's form can do anything here.
func (a *app) routeAPI(g *echo.Group) {
	g.Use(neverCache)
	g.POST("/token", a.postToken)

	authenticated := g.Group("/notes", a.tokens.middleware(), echoauth.MiddlewareWithConfig(echoauth.Config{
		Sources: []echoauth.Source{echoauth.FromJWT()},
		Request: true,
	}), echoauth.RequireUser())
	authenticated.GET("", a.apiNotes)
	authenticated.POST("", a.apiCreate)
	authenticated.GET("/:id", a.apiNote)
	authenticated.PUT("/:id", a.apiChange)
	authenticated.DELETE("/:id", a.apiDelete)
	authenticated.POST("/:id/restore", a.apiRestore)
}

// health tells a load balancer whether this process can serve.
func (a *app) health(c echo.Context) error {
	if !answers(c.Request().Context(), a.db) {
		return c.String(http.StatusServiceUnavailable, "no database\n")
	}
	return c.String(http.StatusOK, "ok\n")
}

func isAPI(c echo.Context) bool {
	return strings.HasPrefix(c.Request().URL.Path, "/api/")
}

// neverCache is for what one person sees: it must not come to the next from a
// cache.
func neverCache(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
		return next(c)
	}
}

func cacheForAnHour(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Header().Set(echo.HeaderCacheControl, "public, max-age=3600")
		return next(c)
	}
}
