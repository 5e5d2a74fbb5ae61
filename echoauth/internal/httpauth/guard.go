package httpauth

import (
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// Guard lets requests pass, or refuses them.
type Guard struct {
	adapter *Adapter
	check   func(c Context) (*Refusal, error)

	preflight, unseen sync.Once // logged once
}

// Refusal is the answer to a request that may not pass.
type Refusal struct {
	Status   int
	Location string // of a redirect
	Cause    error
}

const wwwAuthenticate = "WWW-Authenticate"

// RequireUser returns the guard that lets only users pass. login is the URL to
// which a browser is redirected, challenge the WWW-Authenticate of the 401;
// either may be empty. It panics if login can't be parsed.
func (ad *Adapter) RequireUser(login, challenge string) *Guard {
	page, err := url.Parse(login)
	if err != nil {
		panic("echoauth: RequireConfig.LoginURL: " + err.Error())
	}
	return &Guard{adapter: ad, check: func(c Context) (*Refusal, error) {
		switch a := Current(c); {
		case a.IsAnonymous() && login != "" && wantsPage(c.Request()) && !isAt(c.Request(), page):
			return &Refusal{Status: http.StatusFound, Location: withNext(*page, c.Request().URL.RequestURI())}, nil
		case a.IsAnonymous():
			if challenge != "" {
				ad.Response(c).Header().Set(wwwAuthenticate, challenge)
			}
			return &Refusal{Status: http.StatusUnauthorized, Cause: ErrAnonymous}, nil
		case a.Kind != actor.KindUser:
			return &Refusal{Status: http.StatusForbidden}, nil
		}
		return nil, nil
	}}
}

// RequireFunc returns the guard that lets pass whom allow allows.
func (ad *Adapter) RequireFunc(allow func(c Context, a actor.Actor) (bool, error)) *Guard {
	return &Guard{adapter: ad, check: func(c Context) (*Refusal, error) {
		if ok, err := allow(c, Current(c)); ok || err != nil {
			return nil, err
		}
		return &Refusal{Status: http.StatusForbidden}, nil
	}}
}

// Check returns nil where the request may pass, and else how it is refused. An
// error fails the request. After [ErrEnded], c may serve another request.
func (g *Guard) Check(c Context) (*Refusal, error) {
	r, ctx := c.Request(), c.Request().Context()
	no, err := g.check(c)
	if over := ended(ctx); over != nil {
		return nil, over
	}
	if no == nil {
		return nil, err
	}
	if isPreflight(r) {
		g.preflight.Do(func() { g.adapter.Log(c, preflightText) })
	}
	if _, said := actor.FromContext(ctx); !said {
		g.unseen.Do(func() { g.adapter.Log(c, unseenText) })
	}
	return no, err
}

const (
	preflightText = "echoauth: a guard refused a CORS preflight, which never carries a credential: " +
		"register middleware.CORS() before RequireUser and RequireFunc"
	unseenText = "echoauth: a guard refused a request that no echoauth.Middleware saw, and will refuse everybody: " +
		"register echoauth.Middleware() before RequireUser and RequireFunc, and let its Skipper skip nothing that they guard"
)

func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions &&
		r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// wantsPage tells a browser that follows a link from a script that fetches.
func wantsPage(r *http.Request) bool {
	mode := r.Header.Get("Sec-Fetch-Mode")
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) &&
		strings.Contains(strings.Join(r.Header.Values("Accept"), ","), "text/html") &&
		!strings.EqualFold(r.Header.Get("X-Requested-With"), "XMLHttpRequest") &&
		(mode == "" || mode == "navigate")
}

// isAt tells whether r asks for the login page itself, which would redirect to
// itself for ever.
func isAt(r *http.Request, login *url.URL) bool {
	return r.URL.Path == login.Path && (login.Host == "" || login.Host == r.Host)
}

func withNext(login url.URL, next string) string {
	query := login.Query()
	query.Set("next", SafeNext(next))
	login.RawQuery = query.Encode()
	return login.String()
}
