package httpauth

import (
	"net/url"
	"slices"
	"strings"
)

// SafeNext is echoauth.SafeNext. It takes only what every browser and proxy
// reads as a path.
func SafeNext(next string) string {
	if isLocal(next) {
		return next
	}
	return "/"
}

func isLocal(next string) bool {
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsFunc(next, isUnsafe) {
		return false
	}
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil {
		return false
	}
	path := u.Path // decoded
	if strings.HasPrefix(path, "//") || strings.ContainsFunc(path, isControlOrBackslash) {
		return false
	}
	return !slices.ContainsFunc(strings.Split(path, "/"), func(segment string) bool {
		return segment == "." || segment == ".."
	})
}

func isUnsafe(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }

func isControlOrBackslash(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }
