package actor_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// whoIs stands for how an application authenticates: it returns the id of the
// user whose credential r carries, "" for none.
func whoIs(r *http.Request) string {
	id, password, _ := r.BasicAuth()
	if password != "swordfish" {
		return ""
	}
	return id
}

// withActor says, for each request, who makes it. An empty id is anonymous.
func withActor(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := actor.NewContext(r.Context(), actor.User(whoIs(r)))
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// withRequest says, for the history, what the request is. It goes around each
// handler: only there the mux has set r.Pattern.
func withRequest(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ip, _, _ := net.SplitHostPort(r.RemoteAddr) // behind a proxy: what the proxy says
		ctx := actor.NewRequestContext(r.Context(), actor.Request{
			ID: r.Header.Get("X-Request-Id"), IP: ip, UserAgent: r.UserAgent(), Method: r.Method, Route: r.Pattern,
		})
		next(w, r.WithContext(ctx))
	}
}

// The history has a request's id, address and route where they are in the context.
func ExampleNewRequestContext_netHTTP() {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /notes/{id}", withRequest(func(_ http.ResponseWriter, r *http.Request) {
		request, _ := actor.RequestFromContext(r.Context())
		fmt.Println(request.IP, request.Method, request.Route)
	}))

	withActor(mux).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("PUT", "/notes/17", nil))
	// Output: 192.0.2.1 PUT /notes/{id}
}

// Without Echo, a middleware of your own puts the actor into the request's
// context, behind whatever authenticates.
//
// With chi, the same function is r.Use(withActor). With gin, it is a handler
// that sets c.Request = c.Request.WithContext(ctx) and calls c.Next().
//
// With gin, write db.WithContext(c.Request.Context()), and not
// db.WithContext(c): a *gin.Context is a context, too, but it has the values of
// its request only if the engine's ContextWithFallback is set. Without, nobody
// said who, and rows have no creator.
func Example_netHTTP() {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /notes", func(w http.ResponseWriter, r *http.Request) {
		a, _ := actor.FromContext(r.Context()) // db.WithContext(r.Context()) does
		if _, err := fmt.Fprintln(w, "created by", a); err != nil {
			panic(err)
		}
	})
	handler := withActor(mux)

	for _, password := range []string{"swordfish", "guess"} {
		r := httptest.NewRequest("POST", "/notes", nil)
		r.SetBasicAuth("42", password)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Print(w.Body)
	}
	// Output:
	// created by user:42
	// created by anonymous
}

// actsAs stands for how an application keeps whom r acts as: it returns "" for nobody,
// and for who may not.
func actsAs(r *http.Request, who actor.Actor) string {
	if !who.Same(actor.User(7).Identity) { // support
		return ""
	}
	return r.Header.Get("X-Act-As")
}

// Support acts as a customer. Rows have the customer's id, and the history has both.
func ExampleActor_As_netHTTP() {
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		a := actor.User(whoIs(r))
		if customer := actsAs(r, a); customer != "" { // only for support, and never for an administrator
			a = a.As(actor.User(customer))
		}
		ctx := actor.NewContext(r.Context(), a)
		by, _ := actor.FromContext(ctx) // db.WithContext(ctx) does
		fmt.Println("created by", by)
	})

	for _, id := range []string{"7", "42", ""} {
		r := httptest.NewRequest("POST", "/notes", nil)
		r.SetBasicAuth(id, "swordfish")
		r.Header.Set("X-Act-As", "43")
		handler.ServeHTTP(httptest.NewRecorder(), r)
	}
	// Output:
	// created by user:43 (by user:7)
	// created by user:42
	// created by anonymous
}
