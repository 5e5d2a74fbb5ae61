package echoauth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/gorilla/sessions"
	"github.com/labstack/echo-contrib/v5/session"
	"github.com/labstack/echo/v5"

	"github.com/seed-3826ef92/whodunit/echoauth/v5"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// visit sends one request with the cookies that the response before it set,
// and prints the answer.
func visit(e *echo.Echo, method, path string, before *http.Response) *http.Response {
	req := httptest.NewRequest(method, "https://notes.example"+path, nil)
	if before != nil {
		for _, cookie := range before.Cookies() {
			req.AddCookie(cookie)
		}
	}
	rec := httptest.NewRecorder()
	e.ServeHTTP(rec, req)
	fmt.Println(strings.TrimSpace(fmt.Sprint(method, " ", path, " ", rec.Code, " ", rec.Body)))
	return rec.Result()
}

func Example() {
	e := echo.New()
	store := sessions.NewCookieStore([]byte("32 random bytes, kept in a secret"))

	e.Use(session.Middleware(store))
	e.Use(echoauth.Middleware())

	e.POST("/login", func(c *echo.Context) error {
		// After the password was checked:
		if err := echoauth.Login(c, actor.User(42)); err != nil {
			return err
		}
		return c.String(http.StatusOK, "welcome")
	})
	e.GET("/", func(c *echo.Context) error {
		ctx := c.Request().Context() // for services, GORM, goroutines
		a, _ := actor.FromContext(ctx)
		return c.String(http.StatusOK, fmt.Sprint(a, " ", echoauth.Current(c), " ", c.Get("actor")))
	})

	visit(e, "GET", "/", nil)
	signedIn := visit(e, "POST", "/login", nil)
	visit(e, "GET", "/", signedIn)
	// Output:
	// GET / 200 anonymous anonymous anonymous
	// POST /login 200 welcome
	// GET / 200 user:42 user:42 user:42
}
