package httpauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-3826ef92/whodunit/echoauth/internal/httpauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// withSession carries a request that came with a session of these values.
func withSession(tb testing.TB, values map[any]any) *carrier {
	tb.Helper()
	c := newCarrier()
	c.Set(storeKey, store)
	c.request.Header.Set("Cookie", "session=x")
	s, _ := store.Get(c.request, "session") // "x" is not one
	s.Values = values
	return c
}

func TestFromSessionOfAKey(t *testing.T) {
	type userID int64
	type slug string
	for _, test := range []struct {
		name  string
		value any
		want  string
	}{
		{"string", "abc", "user:abc"},
		{"int", 42, "user:42"},
		{"int64 beyond 2^53", int64(9007199254740993), "user:9007199254740993"},
		{"negative", int8(-3), "user:-3"},
		{"greatest uint64", uint64(1<<64 - 1), "user:18446744073709551615"},
		{"named integer", userID(7), "user:7"},
		{"named string", slug("ann"), "user:ann"},
		{"json.Number", json.Number("9007199254740993"), "user:9007199254740993"},
		{"negative json.Number", json.Number("-7"), "user:-7"},
		{"json.Number beyond int64", json.Number("18446744073709551616"), "user:18446744073709551616"},
		{"json.Number with a fraction of 0", json.Number("42.0"), "user:42"},
		{"json.Number with a fraction of 0 beyond 2^53", json.Number("9007199254740993.00"), "user:9007199254740993"},
		{"json.Number with a fraction", json.Number("42.00000000000000000001"), "error"},
		{"json.Number with an exponent", json.Number("4.2e1"), "error"},
		{"json.Number with a leading 0", json.Number("042"), "error"},
		{"json.Number that is none", json.Number("ann"), "error"},
		{"json.Number 0", json.Number("0"), "anonymous"},
		{"json.Number -0.0", json.Number("-0.0"), "anonymous"},
		{"empty json.Number", json.Number(""), "anonymous"},
		{"integral float", 42.0, "user:42"},
		{"float of 2^53", float64(1 << 53), "error"},
		{"fraction", 1.5, "error"},
		{"bool", true, "error"},
		{"uuid", [16]byte{1}, "error"},
		{"struct", struct{ ID int }{1}, "error"},
		{"nil", nil, "anonymous"},
		{"empty", "", "anonymous"},
		{"zero", 0, "anonymous"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := withSession(t, map[any]any{"uid": test.value})
			a, ok, err := adapter.FromSession("uid")(c)
			got := a.String()
			if err != nil {
				got = "error"
			}
			want(t, "actor", got, test.want)
			if found := got != "error" && got != "anonymous"; ok != found {
				t.Errorf("found = %v, want %v", ok, found)
			}
		})
	}
}

// signedInNow begins what a session says of somebody who just signed in.
var signedInNow = fmt.Sprintf("1:at=%d", time.Now().UnixMilli())

// TestSessionVersions reads values that other releases may have written.
func TestSessionVersions(t *testing.T) {
	for _, test := range []struct{ name, value, want string }{
		{"version 1", signedInNow + "&id=42&kind=user", "user:42"},
		{"fields that a newer release adds", signedInNow + "&id=42&kind=user&mfa=1", "user:42"},
		{"impersonated", signedInNow + "&by_id=7&by_kind=user&id=42&kind=user", "user:42 (by user:7)"},
		{"a service", signedInNow + "&id=x%26y&kind=service", "service:x&y"},
		{"another version", "2" + signedInNow[1:] + "&id=42&kind=user", "anonymous"},
		{"no version", signedInNow[2:] + "&id=42&kind=user", "anonymous"},
		{"a kind of the future", signedInNow + "&id=42&kind=robot", "anonymous"},
		{"no id", signedInNow + "&kind=user", "anonymous"},
		{"no kind", signedInNow + "&id=42", "anonymous"},
		{"an impersonator that can't be read", signedInNow + "&by_kind=robot&by_id=7&id=42&kind=user", "anonymous"},
		{"half an impersonator", signedInNow + "&by_id=7&id=42&kind=user", "anonymous"},
		{"no time of the sign-in", "1:id=42&kind=user", "anonymous"},
		{"a time that is none", "1:at=yesterday&id=42&kind=user", "anonymous"},
		{"an empty time", "1:at=&id=42&kind=user", "anonymous"},
		{"a time that overflows", "1:at=99999999999999999999&id=42&kind=user", "anonymous"},
		{"a time in the far future", "1:at=9223372036854775807&id=42&kind=user", "anonymous"},
		{"a time in the far past", "1:at=-9223372036854775808&id=42&kind=user", "anonymous"},
		{"garbage", "1:%zz", "anonymous"},
		{"empty", "", "anonymous"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := withSession(t, map[any]any{"echoauth:actor": test.value})
			enter(t, c, httpauth.Config{})
			want(t, "actor", httpauth.Current(c).String(), test.want)
		})
	}
}

// TestLoginAndOut signs in, visits with the cookie, signs out.
func TestLoginAndOut(t *testing.T) {
	signIn := newCarrier()
	signIn.Set(storeKey, store)
	if err := adapter.Login(signIn, alice); err != nil {
		t.Fatal(err)
	}
	want(t, "actor of the login", httpauth.Current(signIn).String(), "user:1")

	visit := newCarrier(signIn)
	visit.Set(storeKey, store)
	enter(t, visit, httpauth.Config{})
	want(t, "actor of a visit", httpauth.Current(visit).String(), "user:1")
	if err := adapter.Impersonate(visit, bob); err != nil {
		t.Fatal(err)
	}
	want(t, "actor who impersonates", httpauth.Current(visit).String(), "user:2 (by user:1)")

	leave := newCarrier(visit)
	leave.Set(storeKey, store)
	enter(t, leave, httpauth.Config{})
	if err := adapter.Logout(leave); err != nil {
		t.Fatal(err)
	}
	want(t, "actor of the logout", httpauth.Current(leave).String(), "anonymous")
	cookies := leave.header["Set-Cookie"]
	if len(cookies) != 1 || !strings.Contains(cookies[0], "Max-Age=0") {
		t.Errorf("cookies of the logout = %q, want one that is expired", cookies)
	}
}

// TestLoginBetweenMiddlewares signs the owner of an ended session in again,
// before an inner middleware that finds no credential.
func TestLoginBetweenMiddlewares(t *testing.T) {
	c := withSession(t, map[any]any{"echoauth:actor": "1:id=1&kind=user"}) // without a stamp
	enter(t, c, httpauth.Config{SessionStamp: func(context.Context, actor.Actor) (string, error) { return "new", nil }})
	want(t, "actor of the ended session", httpauth.Current(c).String(), "anonymous")
	if err := adapter.Login(c, alice); err != nil {
		t.Fatal(err)
	}
	enter(t, c, httpauth.Config{Sources: []httpauth.Source{}})
	want(t, "actor of the new one", httpauth.Current(c).String(), "user:1")
}

func TestLoginErrors(t *testing.T) {
	for _, test := range []struct {
		name    string
		prepare func(c *carrier)
		want    error
	}{
		{"no store", func(*carrier) {}, httpauth.ErrNoSession},
		{"something else under the store's key", func(c *carrier) { c.Set(storeKey, "store") }, httpauth.ErrNoSession},
		{"headers sent", func(c *carrier) { c.Set(storeKey, store); c.sent = true }, httpauth.ErrResponseCommitted},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCarrier()
			test.prepare(c)
			if err := adapter.Login(c, alice); !errors.Is(err, test.want) {
				t.Errorf("Login = %v, want %v", err, test.want)
			}
			if got := httpauth.Current(c); !got.IsAnonymous() || len(c.header) > 0 {
				t.Errorf("after the error: actor %v, headers %v, want none", got, c.header)
			}
		})
	}
}
