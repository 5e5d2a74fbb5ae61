package tests

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/seed-3826ef92/whodunit/echoauth"
)

// wrapped is a response that a middleware of net/http put something around.
type wrapped struct{ http.ResponseWriter }

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// netHTTP is a middleware of net/http that wraps the response, and does
// something before it calls the next.
func netHTTP(before func(w http.ResponseWriter)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			before(w)
			next.ServeHTTP(wrapped{w}, r)
		})
	}
}

// TestLoginAfterTheHeaders: whoever signs in or out once the headers are sent,
// however that came about, is told.
func TestLoginAfterTheHeaders(t *testing.T) {
	nothing := func(http.ResponseWriter) {}
	for name, test := range map[string]struct {
		outside, inside func(w http.ResponseWriter)
		want            error
	}{
		"not yet":                              {nothing, nothing, nil},
		"a status by the handler":              {nothing, func(w http.ResponseWriter) { w.WriteHeader(http.StatusAccepted) }, echoauth.ErrResponseCommitted},
		"a body by the handler":                {nothing, func(w http.ResponseWriter) { _, _ = w.Write([]byte("text")) }, echoauth.ErrResponseCommitted},
		"a status by a middleware of net/http": {func(w http.ResponseWriter) { w.WriteHeader(http.StatusAccepted) }, nothing, echoauth.ErrResponseCommitted},
		"a flush":                              {nothing, func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }, echoauth.ErrResponseCommitted},
		"a hijack":                             {nothing, hijack, echoauth.ErrResponseCommitted},
		"a hijack by a middleware of net/http": {hijack, nothing, echoauth.ErrResponseCommitted},
		"an early hint, which is no header": {nothing, func(w http.ResponseWriter) {
			for w := range layersOf(w) {
				if _, ok := w.(interface{ Unwrap() http.ResponseWriter }); !ok {
					w.WriteHeader(http.StatusEarlyHints)
				}
			}
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			eachVersion(t, func(t *testing.T, v version) {
				eachProtocol(t, func(t *testing.T, protocol string) {
					if protocol != "HTTP/1.1" && (test.want != nil && (name == "a hijack" || name == "a hijack by a middleware of net/http")) {
						t.Skip("HTTP/2 hijacks nothing")
					}
					e, _ := v.NewApp(t)
					e.Use(v.WrapMiddleware(netHTTP(test.outside)), v.Sessions(newCookieStore()), v.Middleware())
					got, done := map[string]error{}, make(chan struct{})
					e.POST("/", func(c Context) error {
						defer close(done) // the answer of a hijack comes before
						test.inside(v.Response(c))
						got["Logout"] = v.Logout(c)
						got["Login"] = v.Login(c, alice)
						return nil
					})
					post(t, e, protocol)
					<-done
					for _, name := range []string{"Login", "Logout"} {
						if err, called := got[name]; !called || !errors.Is(err, test.want) {
							t.Errorf("%s = %v, want %v", name, err, test.want)
						}
					}
				})
			})
		})
	}
}

func hijack(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		_ = conn.(*net.TCPConn).CloseWrite()
	}
}

func layersOf(w http.ResponseWriter) func(yield func(http.ResponseWriter) bool) {
	return func(yield func(http.ResponseWriter) bool) {
		for yield(w) {
			wrapper, ok := w.(interface{ Unwrap() http.ResponseWriter })
			if !ok {
				return
			}
			w = wrapper.Unwrap()
		}
	}
}

// eachProtocol runs test for what a listener speaks.
func eachProtocol(t *testing.T, test func(t *testing.T, protocol string)) {
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(protocol, func(t *testing.T) { test(t, protocol) })
	}
}

func post(t *testing.T, handler http.Handler, protocol string) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	defer server.Close()
	if server.EnableHTTP2 = protocol == "HTTP/2.0"; server.EnableHTTP2 {
		server.StartTLS()
	} else {
		server.Start()
	}
	response, err := server.Client().Post(server.URL, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.Proto != protocol {
		t.Errorf("protocol = %s, want %s", response.Proto, protocol)
	}
}
