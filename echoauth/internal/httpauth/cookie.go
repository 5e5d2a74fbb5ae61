package httpauth

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/gorilla/sessions"
)

// cookieOptions returns a copy of the options of s that is safe for a cookie
// which signs somebody in. The defaults of gorilla's stores are not. It is a
// copy because a store may hand out its own.
func cookieOptions(c Context, s *sessions.Session) *sessions.Options {
	var options sessions.Options
	if s.Options != nil {
		options = *s.Options
	}
	if options.Path == "" {
		options.Path = "/"
	}
	options.HttpOnly = true
	if options.SameSite != http.SameSiteStrictMode {
		options.SameSite = http.SameSiteLaxMode
	}
	options.Secure = options.Secure || isHTTPS(c)
	// Browsers take a cookie of these names only with these attributes.
	switch name := s.Name(); {
	case strings.HasPrefix(name, "__Host-"):
		options.Secure, options.Path, options.Domain = true, "/", ""
	case strings.HasPrefix(name, "__Secure-"):
		options.Secure = true
	}
	options.Partitioned = options.Partitioned && options.Secure
	return &options
}

// logDropped logs that the browser will drop the cookie of s: one that is
// Secure, over plain http, from a host that is not the browser's own machine.
func (ad *Adapter) logDropped(c Context, options *sessions.Options) {
	r := c.Request()
	if options.Secure && !isHTTPS(c) && !isLoopback(r.Host) && !isTrustworthy(r) {
		ad.logOnce(c, droppedText)
	}
}

const droppedText = "echoauth: a session's cookie is Secure, and its request came over plain http to a host other than localhost: " +
	"the browser drops the cookie, and the next request is anonymous. If a proxy in front ends TLS, have it send X-Forwarded-Proto, " +
	"and set Echo's SchemeExtractor if its address is public. In development open http://localhost, or set Secure to false in the store's Options: " +
	"Login sets it for every request that came by https"

// isTrustworthy tells whether r shows that its page came by https, although a
// proxy in front doesn't say so: by its Origin, or by a header that browsers
// send only to https and to their own machine.
func isTrustworthy(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Origin"), "https://") || r.Header.Get("Sec-Fetch-Site") != ""
}

func isHTTPS(c Context) bool {
	scheme := c.Scheme()
	return scheme == "https" || scheme == "wss"
}

// isLoopback tells whether a browser takes host for its own machine.
func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.IsLoopback()
	}
	host = strings.ToLower(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// headerWriter is a response of which only the headers matter.
type headerWriter http.Header

func (w headerWriter) Header() http.Header         { return http.Header(w) }
func (w headerWriter) Write(b []byte) (int, error) { return len(b), nil }
func (w headerWriter) WriteHeader(int)             {}

const setCookie = "Set-Cookie"

// hasCookie tells whether header sets the cookie name to something.
func hasCookie(header http.Header, name string) bool {
	return slices.ContainsFunc(header[setCookie], func(line string) bool {
		cookie, err := http.ParseSetCookie(line)
		return err == nil && cookie.Name == name && cookie.Value != ""
	})
}

// replaceCookies adds the cookies of from to header, each in place of those
// that header already has of its name. Two of one name are decided by their
// order, differently by different clients.
func replaceCookies(header, from http.Header) {
	for _, line := range from[setCookie] {
		removeCookie(header, cookieName(line))
	}
	header[setCookie] = append(header[setCookie], from[setCookie]...)
	keepOutOfCaches(header)
}

func removeCookie(header http.Header, name string) {
	header[setCookie] = slices.DeleteFunc(header[setCookie], func(line string) bool {
		return cookieName(line) == name
	})
}

func cookieName(line string) string {
	name, _, _ := strings.Cut(line, "=")
	return strings.TrimSpace(name)
}
