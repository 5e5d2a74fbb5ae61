package echoauth

import (
	"net/url"
	"slices"
	"strings"
)

// SafeNext returns next if it is a path on this site, with or without query
// and fragment, else "/". A login page gives it what came as ?next=, before it
// redirects there.
//
// Security: it takes only what every browser and proxy reads as a path. So it
// refuses what begins with "//" or "/\", backslashes, characters that are no
// printable ASCII (URLs carry them encoded), and "." and ".." as segments, in
// the path encoded or not.
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
