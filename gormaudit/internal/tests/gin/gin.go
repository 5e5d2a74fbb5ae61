// Package gin has a context like that of github.com/gin-gonic/gin, as far as
// its name and what it hides go.
package gin

import (
	"context"
	"net/http"
)

// Context is a context.Context that does not look into its request's, as gin's
// does not unless ContextWithFallback is set.
type Context struct {
	context.Context
	Request *http.Request
}

// NewContext returns the context of a request.
func NewContext(r *http.Request) *Context { return &Context{context.Background(), r} }
