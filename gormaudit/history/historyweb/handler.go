package historyweb

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"path"
	"slices"
	"strings"

	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
)

// Handler returns the pages of db's history. It panics if a model of the config can't
// be parsed.
//
// It reads through db with the request's context. Mount it at a path that ends in a
// slash, and at all paths below.
func Handler(db *gorm.DB, config Config) http.Handler {
	h := &handler{db: db, config: config.withDefaults(), tables: map[string]*Table{}}
	for _, t := range config.Tables {
		if err := t.parse(db); err != nil {
			panic(err)
		}
		h.tables[t.schema.Table] = &t
		h.names = append(h.names, t.schema.Table)
	}
	return h
}

type handler struct {
	db     *gorm.DB
	config Config
	tables map[string]*Table
	names  []string // of tables, in the order of the config
}

// What a page ends with when it is not shown.
var (
	errForbidden = errors.New("forbidden")
	errNotFound  = errors.New("there is no such page")
	errMethod    = errors.New("the page does not take this method")
	errNoNames   = errors.New("names can't be looked up")
)

// noNames is what to do where a name is asked for and Config.Names fails.
const noNames = "Names can't be looked up now. Write a kind and an id, such as user:42."

// pages are the names of the pages, and what each shows.
var pages = map[string]map[string]func(h *handler, v *visit) error{
	"":               {http.MethodGet: (*handler).activity},
	"row":            {http.MethodGet: (*handler).story},
	"moment":         {http.MethodGet: (*handler).moment},
	"restore":        {http.MethodGet: (*handler).confirm, http.MethodPost: (*handler).restore},
	"changes.csv":    {http.MethodGet: (*handler).exportCSV},
	"changes.ndjson": {http.MethodGet: (*handler).exportNDJSON},
	"style.css":      {http.MethodGet: (*handler).style},
}

// visit is one request of somebody.
type visit struct {
	w      http.ResponseWriter
	r      *http.Request
	ctx    context.Context
	actor  actor.Actor
	db     *gorm.DB
	people people // that the page knows by name
	wrote  bool   // something of the answer is on its way

	nameless bool // Config.Names has failed
}

// ServeHTTP implements [http.Handler].
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	v := &visit{w: w, r: r, ctx: r.Context(), db: h.db.WithContext(r.Context()), people: people{}}
	who, ok := actor.FromContext(v.ctx)
	if !ok || who.IsAnonymous() {
		h.problem(v, http.StatusUnauthorized, "Sign in to see the history.")
		return
	}
	v.actor = who
	if err := h.serve(v); err != nil {
		h.fail(v, err)
	}
}

func (h *handler) serve(v *visit) error {
	_, name := path.Split(v.r.URL.Path)
	methods, ok := pages[name]
	if !ok {
		return errNotFound
	}
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, 64<<10)
	if err := v.r.ParseForm(); err != nil || !isText(v.r.Form) {
		return errNotFound
	}
	method := v.r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	page, ok := methods[method]
	if !ok {
		v.w.Header().Set("Allow", allowed(methods))
		return errMethod
	}
	if err := h.config.CrossOrigin.Check(v.r); err != nil { // another site's page sent it
		return errForbidden
	}
	return page(h, v)
}

// allowed are the methods of a page, in the form of a header.
func allowed[T any](methods map[string]T) string {
	if len(methods) > 1 {
		return "GET, HEAD, POST"
	}
	return "GET, HEAD"
}

// secure tells browsers and caches what no page here needs.
func secure(header http.Header) {
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "same-origin")
}

// fail answers with an error: once the answer has begun, by breaking it off.
func (h *handler) fail(v *visit, err error) {
	status, text := http.StatusInternalServerError, "Something went wrong. The reason is in the program's log."
	switch {
	case errors.Is(err, errForbidden):
		status, text = http.StatusForbidden, "You may not see this."
		if v.r.Method == http.MethodPost {
			text = "You may not do this."
		}
	case errors.Is(err, errNotFound), errors.Is(err, gorm.ErrRecordNotFound):
		status, text = http.StatusNotFound, "There is nothing here."
	case absence(err) != "":
		status, text = http.StatusConflict, absence(err)
	case errors.Is(err, history.ErrNotReversible):
		status, text = http.StatusConflict, "This can't be restored: not all of it is recorded, or it does not fit the table any more."
	case h.refusal(err) != "":
		status, text = http.StatusConflict, h.refusal(err)
		slog.WarnContext(v.ctx, "historyweb: a row can't be restored", "path", v.r.URL.Path, "error", err)
	case errors.Is(err, errNoNames):
		status, text = http.StatusServiceUnavailable, noNames
	case errors.Is(err, errMethod):
		status, text = http.StatusMethodNotAllowed, "This page does not take such a request."
	case lacksRight(err):
		text = "The program's account of the database lacks a right that this page needs. The reason is in the program's log."
		slog.ErrorContext(v.ctx, "historyweb: the database's account lacks a right to the table or to one of its columns", "path", v.r.URL.Path, "error", err)
	case v.ctx.Err() != nil: // nobody waits for it any more
	default:
		slog.ErrorContext(v.ctx, "historyweb: a page failed", "path", v.r.URL.Path, "error", err)
	}
	if v.wrote {
		panic(http.ErrAbortHandler)
	}
	h.problem(v, status, text)
}

// lacksRight reports whether the database refuses a statement to the account.
func lacksRight(err error) bool {
	return slices.ContainsFunc([]string{"SQLSTATE 42501", "permission denied for", "Error 1142 ", "Error 1143 "}, func(says string) bool {
		return strings.Contains(err.Error(), says)
	})
}

// mayRead asks for each table of a query, and leaves out what is refused.
func (h *handler) mayRead(v *visit, q history.Query) (history.Query, error) {
	ask := func(q history.Query) (bool, error) { return h.config.MayRead(v.ctx, v.actor, q) }
	if len(q.Tables) == 0 {
		may, err := ask(q)
		if err == nil && !may {
			err = errForbidden
		}
		return q, err
	}
	allowed := q
	allowed.Tables = nil
	for _, model := range q.Tables {
		one := q
		one.Tables = []any{model}
		may, err := ask(one)
		if err != nil {
			return q, err
		}
		if may {
			allowed.Tables = append(allowed.Tables, model)
		}
	}
	if len(allowed.Tables) == 0 {
		return q, errForbidden
	}
	return allowed, nil
}
