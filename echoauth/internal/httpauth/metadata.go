package httpauth

import (
	"cmp"
	"net"
	"net/http"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

const headerRequestID = "X-Request-Id"

// metadata copies out of c what [actor.NewRequestContext] then sanitises.
func (ad *Adapter) metadata(c Context) actor.Request {
	r := c.Request()
	return actor.Request{
		// The id that Echo's RequestID middleware made is in the response only.
		ID:        cmp.Or(ad.Response(c).Header().Get(headerRequestID), r.Header.Get(headerRequestID)),
		IP:        cmp.Or(ad.ClientIP(c), peer(r)),
		UserAgent: r.UserAgent(),
		Method:    r.Method,
		Route:     ad.Route(c),
	}
}

// peer is the address of whoever is connected.
func peer(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}
