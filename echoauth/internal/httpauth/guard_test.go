package httpauth_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/seed-3826ef92/whodunit/echoauth/internal/httpauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

func TestGuard(t *testing.T) {
	down := errors.New("roles are down")
	users := adapter.RequireUser("/login", "Bearer")
	admins := adapter.RequireFunc(func(_ httpauth.Context, a actor.Actor) (bool, error) {
		if a == bob {
			return true, down
		}
		return a == admin, nil
	})
	unauthorized := httpauth.Refusal{Status: http.StatusUnauthorized, Cause: httpauth.ErrAnonymous}
	forbidden := httpauth.Refusal{Status: http.StatusForbidden}
	for _, test := range []struct {
		name   string
		guard  *httpauth.Guard
		actor  actor.Actor
		accept string
		want   httpauth.Refusal
		err    error
	}{
		{"a user", users, alice, "", httpauth.Refusal{}, nil},
		{"nobody", users, actor.Actor{}, "", unauthorized, nil},
		{"nobody who wants a page", users, actor.Actor{}, "text/html", httpauth.Refusal{Status: http.StatusFound, Location: "/login?next=%2F"}, nil},
		{"a program", users, actor.Service(1), "", forbidden, nil},
		{"whom the function allows", admins, admin, "", httpauth.Refusal{}, nil},
		{"whom it doesn't", admins, alice, "", forbidden, nil},
		{"nobody, asked about", admins, actor.Actor{}, "text/html", forbidden, nil},
		{"an error, with a yes", admins, bob, "", httpauth.Refusal{}, down},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCarrier()
			c.request.Header.Set("Accept", test.accept)
			httpauth.Set(c, test.actor)
			no, err := test.guard.Check(c)
			if no == nil {
				no = &httpauth.Refusal{}
			}
			if *no != test.want || !errors.Is(err, test.err) {
				t.Errorf("Check = %+v, %v, want %+v, %v", no, err, test.want, test.err)
			}
			challenge := ""
			if test.want == unauthorized {
				challenge = "Bearer"
			}
			want(t, "challenge", c.header.Get("WWW-Authenticate"), challenge)
		})
	}
}

// TestGuardTellsOfPreflights tells once, and only of those it refused.
func TestGuardTellsOfPreflights(t *testing.T) {
	guard := adapter.RequireUser("", "")
	var log []string
	for _, a := range []actor.Actor{alice, {}, {}} {
		c := newCarrier()
		c.request.Method = http.MethodOptions
		c.request.Header.Set("Origin", "https://app.example.com")
		c.request.Header.Set("Access-Control-Request-Method", "PUT")
		httpauth.Set(c, a)
		if _, err := guard.Check(c); err != nil {
			t.Error(err)
		}
		log = append(log, c.log...)
		if !a.IsAnonymous() && len(log) > 0 {
			t.Errorf("log of a preflight that passed = %q, want nothing", log)
		}
	}
	if len(log) != 1 || !strings.Contains(log[0], "before RequireUser") {
		t.Errorf("log = %q, want the order once", log)
	}
}
