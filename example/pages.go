package main

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/seed-3826ef92/whodunit/echoauth"
)

//go:embed assets templates
var files embed.FS

// page is what every template gets.
type page struct {
	Title    string
	SignedIn bool
	Me       *User  // nil when nobody is signed in, or the record can't be had
	ActedBy  *User  // who is really at the keyboard, while acting as Me
	Flash    string // what the previous request did
	Path     string
	Data     any // what this page shows
}

// render shows one page with its status.
func (a *app) render(c echo.Context, status int, name, title string, data any) error {
	ctx := c.Request().Context()
	p := page{
		Title:    title,
		SignedIn: !echoauth.Current(c).IsAnonymous(),
		Flash:    takeFlash(c),
		Path:     c.Request().URL.Path,
		Data:     data,
	}
	// A page about a lost database must not need it: without names, then.
	p.Me, _ = echoauth.User[*User](ctx)
	if by := echoauth.Current(c).Impersonator; !by.IsAnonymous() {
		p.ActedBy, _ = a.user(ctx, by.ID)
	}
	// What one person sees must not come back to the next from a cache.
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return c.Render(status, name, p)
}

// templates are the pages, each with the layout around it.
type templates map[string]*template.Template

func newTemplates() templates {
	pages := templates{}
	layout := template.Must(template.New("layout.html").Funcs(functions).ParseFS(files, "templates/layout.html", "templates/parts.html"))
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		panic(err) // a bad pattern
	}
	for _, name := range names {
		page := strings.TrimSuffix(path.Base(name), ".html")
		pages[page] = template.Must(template.Must(layout.Clone()).ParseFS(files, name))
	}
	return pages
}

// Render implements [echo.Renderer].
func (t templates) Render(w io.Writer, name string, data any, _ echo.Context) error {
	page, ok := t[name]
	if !ok {
		return fmt.Errorf("no template %q", name)
	}
	return page.ExecuteTemplate(w, "layout.html", data)
}

var functions = template.FuncMap{"event": newEvent, "avatar": newAvatar}
