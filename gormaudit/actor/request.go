package actor

import (
	"context"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Request says in which HTTP request something happened, for the history and
// for logs. It is a plain value, like [Actor].
//
// [NewRequestContext] bounds what a client sends. Even so, it is only what the
// client says: an id or a user agent proves nothing.
type Request struct {
	// ID is the request id, at most 128 bytes of letters, digits and "._:-/+=".
	ID string `json:"id,omitempty"`
	// IP is the client's address in canonical form, or empty.
	IP string `json:"ip,omitempty"`
	// UserAgent is the client's User-Agent header, at most 512 bytes.
	UserAgent string `json:"user_agent,omitempty"`
	// Method is the HTTP method, at most 32 bytes.
	Method string `json:"method,omitempty"`
	// Route is the matched pattern, such as "/notes/:id", not the path with
	// its ids. At most 256 bytes. With net/http it is the request's Pattern,
	// without the method that may begin it, as in "PUT /notes/{id}".
	Route string `json:"route,omitempty"`
}

// The most bytes of each field that a context keeps.
const (
	maxRequestID = 128
	maxUserAgent = 512
	maxMethod    = 32
	maxRoute     = 256
)

// NewRequestContext returns a copy of parent in which r is the request, capped
// and sanitised. An ID that is longer than [Request] says, or has other characters,
// is dropped. So is an IP that is not an address. The other fields lose control
// characters and broken UTF-8, and are cut to their length between characters.
// Like [context.WithValue], NewRequestContext panics when parent is nil.
func NewRequestContext(parent context.Context, r Request) context.Context {
	mustParent(parent)
	return context.WithValue(parent, requestKey{}, &Request{
		ID:        cleanID(r.ID),
		IP:        cleanIP(r.IP),
		UserAgent: cleanText(r.UserAgent, maxUserAgent),
		Method:    cleanText(r.Method, maxMethod),
		Route:     withoutMethod(cleanText(r.Route, maxRoute)),
	})
}

// RequestFromContext returns the request of ctx. ok is false when there is none,
// and for a nil ctx. RequestFromContext does not allocate.
func RequestFromContext(ctx context.Context) (r Request, ok bool) {
	if ctx == nil {
		return Request{}, false
	}
	p, ok := ctx.Value(requestKey{}).(*Request)
	if !ok {
		return Request{}, false
	}
	return *p, true
}

type requestKey struct{}

// cleanID drops an id rather than repairing it: half an id finds nothing in
// anybody's logs, or the wrong request.
func cleanID(id string) string {
	if len(id) > maxRequestID {
		return ""
	}
	for i := 0; i < len(id); i++ {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("._:-/+=", c) >= 0:
		default:
			return ""
		}
	}
	return strings.Clone(id)
}

func cleanIP(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return ""
	}
	// A zone is free text, and means something on this host only.
	return addr.Unmap().WithZone("").String()
}

func cleanText(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text[:min(len(text), 4*most)]) // bounds the work on a header of megabytes
	if len(text) > most {
		cut := most
		for !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut]
	}
	return strings.Clone(text)
}

// withoutMethod is a pattern of net/http's ServeMux without the method that may
// begin it: a HEAD matches "GET /notes", too.
func withoutMethod(route string) string {
	method, path, found := strings.Cut(route, " ")
	path = strings.TrimLeft(path, " ")
	end := strings.IndexAny(path, " /")
	if !found || method == "" || strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" || end < 0 || path[end] != '/' {
		return route
	}
	return path
}
