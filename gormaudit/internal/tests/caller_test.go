package tests

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	"gorm.io/gorm"

	"github.com/seed-3826ef92/whodunit/echoauth"
	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/history"
)

// The history writes for its caller.
func TestMissingNamesTheCallerOfRevert(t *testing.T) {
	s := newSQLiteStage(t, gormaudit.Config{}, policyModels...)
	j := newJournal()
	db := s.Session(&gorm.Session{Logger: j})
	if err := s.Use(history.New()); err != nil {
		t.Fatal(err)
	}
	if err := history.Migrate(s.plain, &page{}); err != nil {
		t.Fatal(err)
	}
	ok(t, s.plain.Create(&page{ID: 1, Title: "a"}))
	ok(t, s.plain.Model(&page{ID: 1}).Update("title", "b"))
	changes, err := history.Of(db, &page{ID: 1})
	if err != nil {
		t.Fatal(err)
	}
	j.take()
	_, file, line, _ := runtime.Caller(0)
	if err := history.Revert(db, changes[0]); err != nil {
		t.Fatal(err)
	}
	want := " at " + file + ":" + strconv.Itoa(line+1) + ", "
	if got := j.take(); len(got) != 1 || !strings.Contains(got[0], want) {
		t.Errorf("warnings = %q, want one with %q", got, want)
	}
}

// The compiler puts http.StripPrefix into its caller, and names its closure for
// that.
func TestMissingNamesNoMiddlewareThatIsInlined(t *testing.T) {
	s := newSQLiteStage(t, gormaudit.Config{}, policyModels...)
	j := newJournal()
	inlined := false
	handler := http.StripPrefix("/pages", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		inlined = calledByAnInlined("net/http/server.go")
		ok(t, s.Session(&gorm.Session{Logger: j}).Create(&page{}))
	}))
	server := httptest.NewServer(handler)
	defer server.Close()
	response, err := http.Get(server.URL + "/pages/1")
	must(t, err)
	must(t, response.Body.Close())
	if !inlined {
		t.Skip("this build inlines nothing")
	}
	if got := j.take(); len(got) != 1 || strings.Contains(got[0], "net/http/") || !strings.Contains(got[0], "caller_test.go:") {
		t.Errorf("warnings = %q, want one that names lines of caller_test.go only", got)
	}
}

// calledByAnInlined reports whether a function on the stack is in a file, and has
// a name of this package.
func calledByAnInlined(file string) bool {
	stack := make([]uintptr, 20)
	frames := runtime.CallersFrames(stack[:runtime.Callers(1, stack)])
	for {
		frame, more := frames.Next()
		if strings.Contains(frame.File, file) && strings.Contains(frame.Function, "/gormaudit/internal/tests.") {
			return true
		}
		if !more {
			return false
		}
	}
}

// Middleware in the package of the handlers is the same for all of them.
func TestMissingTellsHandlersUnderOneMiddlewareApart(t *testing.T) {
	s := newSQLiteStage(t, gormaudit.Config{}, policyModels...)
	j := newJournal()
	create := func() error { return s.Session(&gorm.Session{Logger: j}).Create(&page{}).Error }
	ours := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(w, r) })
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/a", func(http.ResponseWriter, *http.Request) { must(t, create()) })
	mux.HandleFunc("/b", func(http.ResponseWriter, *http.Request) { must(t, create()) })
	_, _, line, _ := runtime.Caller(0)
	e := echo.New()
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc { return func(c echo.Context) error { return next(c) } }, echoauth.Middleware())
	e.GET("/c", func(echo.Context) error { return create() })
	e.GET("/d", func(echo.Context) error { return create() })
	for target, want := range map[string]int{"/a": line - 2, "/b": line - 1, "/c": line + 3, "/d": line + 4} {
		var handler http.Handler = e
		if want < line {
			handler = ours(mux)
		}
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, target, nil))
		if got := j.take(); len(got) != 1 || !strings.Contains(got[0], fmt.Sprintf("called from %s:%d: ", callerFile(), want)) {
			t.Errorf("%s: warnings = %q, want one from line %d", target, got, want)
		}
	}
}

// An application of one package: what writes, its handlers and the guard that calls
// them. Echo calls the guard of a route, and the guard calls the handler.
func TestMissingTellsHandlersUnderAGuardApart(t *testing.T) {
	s := newSQLiteStage(t, gormaudit.Config{}, policyModels...)
	j := newJournal()
	create := func() error { return s.Session(&gorm.Session{Logger: j}).Create(&page{}).Error }
	guard := func(next echo.HandlerFunc) echo.HandlerFunc { return func(c echo.Context) error { return next(c) } }
	e := echo.New()
	_, _, line, _ := runtime.Caller(0)
	e.GET("/a", func(echo.Context) error { return create() }, guard)
	e.GET("/b", func(echo.Context) error { return create() }, guard, guard, guard)
	for target, handler := range map[string]int{"/a": line + 1, "/b": line + 2} {
		e.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, target, nil))
		file := callerFile()
		want := fmt.Sprintf(" at %s:%d, called from %s:%d, called from %s:%d", file, line-3, file, handler, file, line-2)
		if got := j.take(); len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("%s: warnings = %q, want one with %q", target, got, want)
		}
	}
}

func callerFile() string {
	_, file, _, _ := runtime.Caller(1)
	return file
}
