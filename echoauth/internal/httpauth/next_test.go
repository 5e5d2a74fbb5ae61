package httpauth_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/seed-3826ef92/whodunit/echoauth/internal/httpauth"
)

var safeNextTests = []struct {
	next string
	safe bool
}{
	{"/", true},
	{"/ok?a=b", true},
	{"/notes/1#top", true},
	{"/caf%C3%A9?q=%0A%5C//x", true},
	{"/a//b", true},
	{"/?next=//evil.com", true},
	{"/.well-known/x", true},
	{"/a..b/...", true},
	{"", false},
	{"notes", false},
	{"?a=b", false},
	{"//", false},
	{"//?x", false},
	{"//evil.com", false},
	{"///evil.com", false},
	{"/\\evil.com", false},
	{"\\/evil.com", false},
	{"/\t/evil.com", false},
	{"\t//evil.com", false},
	{"/\n/evil.com", false},
	{"/ /evil.com", false},
	{" /ok", false},
	{"/a\r\nSet-Cookie: x=y", false},
	{"/a\x00", false},
	{"/a\x7f", false},
	{"/%2fevil.com", false},
	{"/%5cevil.com", false},
	{"/%09/evil.com", false},
	{"/a%0d%0ab", false},
	{"/..//evil.com", false},
	{"/.//evil.com", false},
	{"/%2e%2e//evil.com", false},
	{"/a/../b", false},
	{"/a\\b", false},
	{"/\u00e9", false},
	{"/\u2028/evil.com", false},
	{"/\uff0fevil.com", false},
	{"/\xff", false},
	{"/%zz", false},
	{"http://evil.com", false},
	{"https:evil.com", false},
	{"javascript:alert(1)", false},
	{"/:80", true},
}

func TestSafeNext(t *testing.T) {
	for _, test := range safeNextTests {
		want := "/"
		if test.safe {
			want = test.next
		}
		if got := httpauth.SafeNext(test.next); got != want {
			t.Errorf("SafeNext(%q) = %q, want %q", test.next, got, want)
		}
	}
}

func FuzzSafeNext(f *testing.F) {
	for _, test := range safeNextTests {
		f.Add(test.next)
	}
	base := &url.URL{Scheme: "https", Host: "example.com", Path: "/login"}
	f.Fuzz(func(t *testing.T, next string) {
		got := httpauth.SafeNext(next)
		if got != next && got != "/" {
			t.Fatalf("SafeNext(%q) = %q, want it or /", next, got)
		}
		if again := httpauth.SafeNext(got); again != got {
			t.Fatalf("SafeNext(%q) = %q, want it unchanged", got, again)
		}
		ref, err := url.Parse(got)
		if err != nil {
			t.Fatalf("SafeNext(%q) = %q, which is no URL: %v", next, got, err)
		}
		if to := base.ResolveReference(ref); to.Scheme != "https" || to.Host != "example.com" || to.User != nil {
			t.Fatalf("SafeNext(%q) leads to %s", next, to)
		}
		if to := asBrowsersRead(got); !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") {
			t.Fatalf("SafeNext(%q) = %q, which a browser reads as %q", next, got, to)
		}
	})
}

// asBrowsersRead does what the URL standard tells browsers to do with an
// address, where Go does not: strip spaces and controls around it, tabs and
// newlines in it, and take backslashes for slashes.
func asBrowsersRead(address string) string {
	address = strings.TrimFunc(address, func(r rune) bool { return r <= ' ' })
	address = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(address)
	path, _, _ := strings.Cut(address, "?")
	return strings.ReplaceAll(path, `\`, "/")
}
