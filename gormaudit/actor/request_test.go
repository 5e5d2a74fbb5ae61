package actor_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// cleaned is r as a context returns it.
func cleaned(tb testing.TB, r actor.Request) actor.Request {
	tb.Helper()
	got, ok := actor.RequestFromContext(actor.NewRequestContext(context.Background(), r))
	if !ok {
		tb.Errorf("RequestFromContext found no request, want %+v", r)
	}
	return got
}

func TestRequestFromContext(t *testing.T) {
	want := actor.Request{ID: "r-1", IP: "192.0.2.1", UserAgent: "curl/8", Method: "GET", Route: "/notes/:id"}
	if got := cleaned(t, want); got != want {
		t.Errorf("request = %+v, want %+v", got, want)
	}
	for name, ctx := range map[string]context.Context{"nil": nil, "empty": context.Background()} {
		if got, ok := actor.RequestFromContext(ctx); ok || got != (actor.Request{}) {
			t.Errorf("RequestFromContext(%s) = %+v, %v, want none", name, got, ok)
		}
	}
	if got := cleaned(t, actor.Request{}); got != (actor.Request{}) {
		t.Errorf("empty request = %+v", got)
	}
}

func TestRequestIsSanitised(t *testing.T) {
	const broken = "a\xffb"
	for _, test := range []struct {
		name      string
		got, want actor.Request
	}{
		{"id with every character it may have", actor.Request{ID: "Az09._:-/+="}, actor.Request{ID: "Az09._:-/+="}},
		{"id at its length", actor.Request{ID: strings.Repeat("a", 128)}, actor.Request{ID: strings.Repeat("a", 128)}},
		{"id beyond", actor.Request{ID: strings.Repeat("a", 129)}, actor.Request{}},
		{"id with a space", actor.Request{ID: "a b"}, actor.Request{}},
		{"id with a quote", actor.Request{ID: `" OR 1=1`}, actor.Request{}},
		{"id with a newline", actor.Request{ID: "a\n"}, actor.Request{}},
		{"id of letters beyond ASCII", actor.Request{ID: "ü"}, actor.Request{}},
		{"IPv6 in another spelling", actor.Request{IP: "2001:DB8:0::1"}, actor.Request{IP: "2001:db8::1"}},
		{"IPv6 with a zone", actor.Request{IP: "fe80::1%<script>"}, actor.Request{IP: "fe80::1"}},
		{"IPv4 in IPv6", actor.Request{IP: "::ffff:192.0.2.1"}, actor.Request{IP: "192.0.2.1"}},
		{"IP with a port", actor.Request{IP: "192.0.2.1:80"}, actor.Request{}},
		{"no IP", actor.Request{IP: "localhost"}, actor.Request{}},
		{"user agent with controls", actor.Request{UserAgent: "a\x00b\x1b[1m\r\nc\u202e"}, actor.Request{UserAgent: "ab[1mc"}},
		{"user agent of broken UTF-8", actor.Request{UserAgent: broken}, actor.Request{UserAgent: "ab"}},
		{"user agent at its length", actor.Request{UserAgent: strings.Repeat("ü", 256)}, actor.Request{UserAgent: strings.Repeat("ü", 256)}},
		{"user agent cut between characters", actor.Request{UserAgent: "x" + strings.Repeat("ü", 256)}, actor.Request{UserAgent: "x" + strings.Repeat("ü", 255)}},
		{"method beyond its length", actor.Request{Method: strings.Repeat("M", 33)}, actor.Request{Method: strings.Repeat("M", 32)}},
		{"route with the method of a ServeMux's pattern", actor.Request{Method: "HEAD", Route: "GET example.org/notes/{id}"}, actor.Request{Method: "HEAD", Route: "example.org/notes/{id}"}},
		{"route with a method and more spaces", actor.Request{Route: "PUT \t /a b"}, actor.Request{Route: "/a b"}},
		{"route with a space", actor.Request{Route: "/A B"}, actor.Request{Route: "/A B"}},
		{"route of words", actor.Request{Route: "LIST ALL NOTES"}, actor.Request{Route: "LIST ALL NOTES"}},
		{"route beyond its length", actor.Request{Route: "/" + strings.Repeat("r", 300)}, actor.Request{Route: "/" + strings.Repeat("r", 255)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := cleaned(t, test.got); got != test.want {
				t.Errorf("request = %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestRequestJSON(t *testing.T) {
	want := `{"id":"r","ip":"192.0.2.1","user_agent":"u","method":"GET","route":"/"}`
	got, err := json.Marshal(actor.Request{ID: "r", IP: "192.0.2.1", UserAgent: "u", Method: "GET", Route: "/"})
	if err != nil || string(got) != want {
		t.Errorf("Marshal = %s, %v, want %s", got, err, want)
	}
	if got, err := json.Marshal(actor.Request{}); err != nil || string(got) != "{}" {
		t.Errorf("Marshal of nothing = %s, %v, want {}", got, err)
	}
}

func FuzzNewRequestContext(f *testing.F) {
	f.Add("id", "192.0.2.1", "agent", "GET", "/")
	f.Add("\xff", "fe80::1%zone", strings.Repeat("\xf0\x9f\x98\x80", 300), "\n", "\u2028")
	f.Add("", "", "", "HEAD", "GET POST /")
	f.Fuzz(func(t *testing.T, id, ip, agent, method, route string) {
		got := cleaned(t, actor.Request{ID: id, IP: ip, UserAgent: agent, Method: method, Route: route})
		for _, field := range []struct {
			text string
			most int
		}{{got.ID, 128}, {got.IP, 45}, {got.UserAgent, 512}, {got.Method, 32}, {got.Route, 256}} {
			if len(field.text) > field.most || !utf8.ValidString(field.text) || strings.ContainsAny(field.text, "\x00\r\n\x1b") {
				t.Errorf("field = %q, want at most %d clean bytes", field.text, field.most)
			}
		}
		if again := cleaned(t, got); again != got {
			t.Errorf("cleaned twice = %+v, want %+v", again, got)
		}
	})
}
