package httpauth

import (
	"fmt"
	"log/slog"
	"net/http"
	"sync"
)

// Context carries one request through Echo. The echo.Context of v4 and the
// *echo.Context of v5 satisfy it as they are.
type Context interface {
	Request() *http.Request
	SetRequest(r *http.Request)
	Get(key string) any
	Set(key string, value any)
	Scheme() string
}

// Adapter is what each version of Echo does in its own way.
type Adapter struct {
	// Response returns the response of c.
	Response func(c Context) http.ResponseWriter

	// Committed tells whether w is an Echo response whose headers are sent.
	Committed func(w http.ResponseWriter) bool

	// App returns something comparable that stands for the application which
	// serves c.
	App func(c Context) any

	// Route returns the path with which the handler of c was registered.
	Route func(c Context) string

	// ClientIP returns the address that the application's IPExtractor finds.
	// Without an IPExtractor it may return "", which stands for the address of the
	// connection. It never returns what a forwarding header says.
	ClientIP func(c Context) string

	// Log logs a mistake of wiring, or a failure. The text says everything;
	// attrs repeat parts of it for those who filter.
	Log func(c Context, text string, attrs ...slog.Attr)

	logged sync.Map // of lines that logOnce has logged
}

// logOnce logs text unless the application of c logged it before.
func (ad *Adapter) logOnce(c Context, text string) {
	type line struct {
		app  any
		text string
	}
	if _, before := ad.logged.LoadOrStore(line{ad.App(c), text}, nil); !before {
		ad.Log(c, text)
	}
}

// LogFailure logs the err of a request whose actor can't be told. It does not log
// a bad credential.
func (ad *Adapter) LogFailure(c Context, err error) {
	if FailureStatus(err) == http.StatusServiceUnavailable {
		ad.Log(c, fmt.Sprintf("echoauth: cannot tell who makes the request: %v", err), slog.Any("error", err))
	}
}

// The keys of a [Context].
const (
	// Of others.
	storeKey        = "_session_store" // the sessions.Store, by echo-contrib's session.Middleware
	defaultTokenKey = "user"           // the *jwt.Token, by echo-jwt
	csrfKey         = "csrf"           // the token, by Echo's CSRF middleware
	allowKey        = "echo_header_allow"

	// Our own. They begin with ownPrefix.
	ownPrefix         = "echoauth:"
	defaultContextKey = "actor"            // the actor.Actor
	requestKey        = "echoauth:request" // the *request
	sawStoreKey       = "echoauth:store"   // set once a source saw the session store
	sawTokenKey       = "echoauth:token"   // set once a source saw a valid token
	noSubjectKey      = "echoauth:nosub"   // set once a source saw a token without a subject
	loggedKey         = "echoauth:logged"  // set once a mistake of wiring was logged
)
