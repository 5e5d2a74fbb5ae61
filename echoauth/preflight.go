package echoauth

import (
	"net/http"
	"reflect"
	"runtime"

	"github.com/labstack/echo/v4"
)

// isHarmlessPreflight tells whether c serves a CORS preflight, which never
// carries a credential, and no handler of the application would run: any
// client may send one, and a route registered with Any takes OPTIONS as well.
func isHarmlessPreflight(c echo.Context) bool {
	r := c.Request()
	return r.Method == http.MethodOptions &&
		r.Header.Get(echo.HeaderOrigin) != "" &&
		r.Header.Get(echo.HeaderAccessControlRequestMethod) != "" &&
		(isUnmatched(c) || isGroupsNotFound(c))
}

// isUnmatched tells whether Echo's router found routes for other methods only,
// which it says by the Allow header to answer with. An empty path says nothing:
// so it is for unknown paths, and for all before the router was asked, in Pre.
func isUnmatched(c echo.Context) bool {
	return c.Path() != "" && c.Get(echo.ContextKeyHeaderAllow) != nil
}

// isGroupsNotFound tells whether the router found the handler for unknown
// paths that Echo gives each group with middleware, and not one of the
// application's.
func isGroupsNotFound(c echo.Context) bool {
	if c.Path() == "" {
		return false
	}
	routes := c.Echo().Routes()
	for _, router := range c.Echo().Routers() {
		routes = append(routes, router.Routes()...)
	}
	own := runtime.FuncForPC(reflect.ValueOf(echo.NotFoundHandler).Pointer()).Name()
	found := false
	for _, route := range routes {
		switch {
		case route.Path != c.Path():
		case route.Method == http.MethodOptions, route.Method == echo.RouteNotFound && route.Name != own:
			return false
		case route.Method == echo.RouteNotFound:
			found = true
		}
	}
	return found
}
