package tests

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-3826ef92/whodunit/echoauth"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// accessToken verifies tokens with AccessClaims.
func accessToken() JWTConfig {
	return JWTConfig{NewClaims: func() jwt.Claims { return new(AccessClaims) }}
}

// TestFromClaimsOfProviders has the tokens that providers issue to users, to
// clients, and to somebody who acts for somebody else.
func TestFromClaimsOfProviders(t *testing.T) {
	const (
		own      = `"iss":"https://login.example.com"`
		cognito  = `"iss":"https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_EXAMPLE"`
		auth0    = `"iss":"https://example.eu.auth0.com/"`
		keycloak = `"iss":"https://keycloak.example.com/realms/main"`
		entra    = `"iss":"https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0"`
	)
	eachVersion(t, func(t *testing.T, v version) {
		e, log := v.NewApp(t)
		e.Use(v.JWT(accessToken()), v.MiddlewareWithConfig(Config{Sources: []Source{v.FromAccessClaims(readClaims)}}))
		e.GET("/whoami", whoami)
		for _, test := range []struct{ name, payload, want string }{
			{"a user, by RFC 9068", `{` + own + `,"sub":"42","client_id":"web"}`, "user:staff:42"},
			{"a client, by RFC 9068", `{` + own + `,"sub":"billing","client_id":"billing"}`, "service:staff:billing"},
			{"a client whose id is a user's number", `{` + own + `,"sub":"42","client_id":"42"}`, "service:staff:42"},
			{"the same subject of another issuer", `{` + cognito + `,"sub":"42","client_id":"web"}`, "user:shop:42"},
			{"Cognito, a user", `{` + cognito + `,"sub":"0f-1","client_id":"3n4b","token_use":"access","username":"ann"}`, "user:shop:0f-1"},
			{"Cognito, a client", `{` + cognito + `,"sub":"3n4b","client_id":"3n4b","token_use":"access"}`, "service:shop:3n4b"},
			{"Cognito, an ID token", `{` + cognito + `,"sub":"0f-1","aud":"3n4b","token_use":"id"}`, "401"},
			{"Auth0, a user", `{` + auth0 + `,"sub":"auth0|123456","azp":"web"}`, "user:partner:auth0|123456"},
			{"Auth0, a client", `{` + auth0 + `,"sub":"web@clients","azp":"web","gty":"client-credentials"}`, "service:partner:web@clients"},
			{"Auth0, a client, by RFC 9068", `{` + auth0 + `,"sub":"web@clients","client_id":"web"}`, "service:partner:web@clients"},
			{"Keycloak, a user", `{` + keycloak + `,"sub":"d952","azp":"web","preferred_username":"ann"}`, "user:main:d952"},
			{"Keycloak, a service account", `{` + keycloak + `,"sub":"b1c0","azp":"jobs","client_id":"jobs","preferred_username":"service-account-jobs"}`, "service:main:b1c0"},
			{"Entra, a user", `{` + entra + `,"sub":"pair-wise","oid":"aa","idtyp":"user","azp":"web","scp":"notes"}`, "user:office:pair-wise"},
			{"Entra, an application", `{` + entra + `,"sub":"bb","oid":"bb","idtyp":"app","azp":"jobs","roles":["notes"]}`, "service:office:bb"},
			{"a user who acts for a user", `{` + own + `,"sub":"42","client_id":"web","act":{"sub":"7"}}`, "user:staff:42 (by user:staff:7)"},
			{"a client that acts for a user", `{` + own + `,"sub":"42","client_id":"web","act":{"sub":"helpdesk","client_id":"helpdesk"}}`, "user:staff:42 (by service:staff:helpdesk)"},
			{"the client that the token was given to acts", `{` + own + `,"sub":"42","client_id":"helpdesk","act":{"sub":"helpdesk"}}`, "user:staff:42 (by service:staff:helpdesk)"},
			{"a chain: the last one acts", `{` + own + `,"sub":"42","act":{"sub":"7","act":{"sub":"8"}}}`, "user:staff:42 (by user:staff:7)"},
			{"act of another issuer", `{` + own + `,"sub":"42","act":{"iss":"https://evil.example","sub":"7"}}`, "401"},
			{"act that names nobody", `{` + own + `,"sub":"42","act":{}}`, "401"},
			{"another issuer", `{"iss":"https://evil.example","sub":"42"}`, "401"},
			{"an issuer that begins like ours", `{"iss":"https://login.example.com.evil.example","sub":"42"}`, "401"},
			{"no issuer", `{"sub":"42"}`, "401"},
			{"no subject", `{` + own + `}`, "401"},
			{"an empty subject", `{` + own + `,"sub":"","client_id":""}`, "401"},
		} {
			t.Run(test.name, func(t *testing.T) {
				b := newBrowser(t, e)
				b.header.Set("Authorization", "Bearer "+signed(t, test.payload))
				if got := b.get("/whoami"); got != test.want && !strings.HasPrefix(got, test.want+" ") {
					t.Errorf("whoami with %s = %q, want %q", test.payload, got, test.want)
				}
			})
		}
		want(t, "log", log.String(), "")
	})
}

// TestUUIDSubjects: one person has one id, and what is no id is refused before a
// column refuses it.
func TestUUIDSubjects(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		e, _ := v.NewApp(t)
		e.Use(v.JWT(JWTConfig{}), v.MiddlewareWithConfig(Config{Sources: []Source{v.FromMapClaims(readUUID)}}))
		e.GET("/whoami", whoami)
		for sub, answer := range map[any]string{
			"6ba7b810-9dad-41d1-80b4-00c04fd430c8": "user:6ba7b810-9dad-41d1-80b4-00c04fd430c8",
			"6BA7B810-9DAD-41D1-80B4-00C04FD430C8": "user:6ba7b810-9dad-41d1-80b4-00c04fd430c8",
			"alice":                                "401",
			42:                                     "401",
			nil:                                    "401",
		} {
			b := newBrowser(t, e)
			b.header.Set("Authorization", bearer(t, jwt.MapClaims{"sub": sub}))
			if got := b.get("/whoami"); got != answer && !strings.HasPrefix(got, answer+" ") {
				t.Errorf("whoami of the subject %v = %q, want %q", sub, got, answer)
			}
		}
		b := newBrowser(t, e)
		b.header.Set("Authorization", bearer(t, jwt.MapClaims{
			"sub": "6ba7b810-9dad-41d1-80b4-00c04fd430c8", "act": map[string]string{"sub": "alice"},
		}))
		if got := b.get("/whoami"); got != "401" && !strings.HasPrefix(got, "401 ") {
			t.Errorf("whoami of a token that somebody acts with = %q, want 401", got)
		}
	})
}

// TestFromClaimsAnswers has every answer that a read may give.
func TestFromClaimsAnswers(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		down := errors.New("down")
		for _, test := range []struct {
			name      string
			actor     actor.Actor
			ok        bool
			err       error
			want      string
			challenge string
		}{
			{"yes", alice, true, nil, "user:1", ""},
			{"no credential: the next source is asked", alice, false, nil, "user:2", ""},
			{"a bad one", alice, true, fmt.Errorf("not ours: %w", echoauth.ErrBadCredential), "401", `Bearer error="invalid_token"`},
			{"a yes for nobody", actor.User(""), true, nil, "401", `Bearer error="invalid_token"`},
			{"unknown", alice, true, down, "503", ""},
		} {
			t.Run(test.name, func(t *testing.T) {
				e, _ := v.NewApp(t)
				var failure error
				e.onError(func(_ Context, err error) { failure = err })
				e.Use(v.JWT(JWTConfig{}), v.MiddlewareWithConfig(Config{Sources: []Source{
					v.FromMapClaims(func(jwt.MapClaims) (actor.Actor, bool, error) { return test.actor, test.ok, test.err }),
					func(Context) (actor.Actor, bool, error) { return bob, true, nil },
				}}))
				e.GET("/whoami", whoami)
				b := newBrowser(t, e)
				b.header.Set("Authorization", bearer(t, jwt.MapClaims{"sub": "1"}))
				rec := b.do("GET", "/whoami")
				got := strings.TrimSpace(rec.Body.String())
				if rec.Code != http.StatusOK {
					got = fmt.Sprint(rec.Code)
				}
				want(t, "whoami", got, test.want)
				want(t, "challenge", rec.Header().Get("WWW-Authenticate"), test.challenge)
				if test.err != nil && !errors.Is(failure, test.err) {
					t.Errorf("error = %v, want one that wraps %v", failure, test.err)
				}
			})
		}
	})
}

// TestFromClaimsOfAnotherType is a mistake of wiring: nobody gets in, the error
// and the log name both types.
func TestFromClaimsOfAnotherType(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		e, log := v.NewApp(t)
		var failure error
		e.onError(func(_ Context, err error) { failure = err })
		e.Use(v.JWT(JWTConfig{}), v.MiddlewareWithConfig(Config{Sources: []Source{v.FromAccessClaims(readClaims)}}))
		e.GET("/whoami", whoami)
		b := newBrowser(t, e)
		b.header.Set("Authorization", bearer(t, jwt.MapClaims{"iss": "https://login.example.com", "sub": "42"}))
		for range 3 {
			if rec := b.do("GET", "/whoami"); rec.Code != http.StatusServiceUnavailable || rec.Header().Get("WWW-Authenticate") != "" {
				t.Errorf("whoami = %d %v, want 503 without a challenge", rec.Code, rec.Header())
			}
		}
		for what, text := range map[string]string{"error": fmt.Sprint(failure), "log": log.String()} {
			if !strings.Contains(text, "jwt.MapClaims") || !strings.Contains(text, "*tests.AccessClaims") || !strings.Contains(text, "NewClaimsFunc") {
				t.Errorf("%s = %s, want both types and the remedy", what, text)
			}
		}
	})
}

// TestFromClaimsWithoutToken: what is no verified token is no credential.
func TestFromClaimsWithoutToken(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		var nilClaims *AccessClaims
		for name, user := range map[string]any{
			"nothing":               nil,
			"a token nobody signed": &jwt.Token{Claims: &AccessClaims{}},
			"no claims":             &jwt.Token{Valid: true},
			"nil claims":            &jwt.Token{Valid: true, Claims: nilClaims},
		} {
			t.Run(name, func(t *testing.T) {
				e, _ := v.NewApp(t)
				e.Use(before(func(c Context) error { c.Set("token", user); return nil }))
				e.Use(v.MiddlewareWithConfig(Config{Sources: []Source{v.FromAccessClaims(func(*AccessClaims) (actor.Actor, bool, error) {
					t.Error("read was called")
					return alice, true, nil
				}, "token")}}))
				e.GET("/whoami", whoami)
				want(t, "whoami", newBrowser(t, e).get("/whoami"), "anonymous")
			})
		}
		defer func() {
			if recover() == nil {
				t.Error("FromClaims(nil) did not panic")
			}
		}()
		v.FromMapClaims(nil)
	})
}

// TestFromClaimsTooLate: the diagnosis knows the keys of FromClaims, too.
func TestFromClaimsTooLate(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		e, log := v.NewApp(t)
		e.Use(v.MiddlewareWithConfig(Config{Sources: []Source{v.FromAccessClaims(readClaims, "token")}}))
		config := accessToken()
		config.ContextKey = "token"
		e.Group("/api", v.JWT(config)).GET("/whoami", whoami)
		b := newBrowser(t, e)
		b.header.Set("Authorization", "Bearer "+signed(t, `{"iss":"https://login.example.com","sub":"42"}`))
		want(t, "whoami", b.get("/api/whoami"), "anonymous")
		if got := strings.Count(log.String(), "add a second echoauth.Middleware() to the group"); got != 1 {
			t.Errorf("log = %s, want the remedy once", log)
		}
	})
}

// TestBadCredentialOfASource: what a source of the application refuses is a
// 401 with the challenge that it sets.
func TestBadCredentialOfASource(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		source := func(c Context) (actor.Actor, bool, error) {
			v.Response(c).Header().Set("WWW-Authenticate", "Ticket")
			return alice, true, fmt.Errorf("ticket 4711 is used: %w", echoauth.ErrBadCredential)
		}
		for name, test := range map[string]struct {
			config Config
			want   int
		}{
			"by default": {Config{Sources: []Source{source}}, http.StatusUnauthorized},
			"ErrorHandler": {Config{Sources: []Source{source}, ErrorHandler: func(c Context, err error) error {
				if !errors.Is(err, echoauth.ErrBadCredential) {
					t.Errorf("ErrorHandler got %v, want ErrBadCredential", err)
				}
				return c.NoContent(http.StatusTeapot)
			}}, http.StatusTeapot},
		} {
			t.Run(name, func(t *testing.T) {
				e, _ := v.NewApp(t)
				e.Use(v.MiddlewareWithConfig(test.config))
				e.GET("/whoami", whoami)
				rec := newBrowser(t, e).do("GET", "/whoami")
				if rec.Code != test.want || rec.Header().Get("WWW-Authenticate") != "Ticket" || strings.Contains(rec.Body.String(), "4711") {
					t.Errorf("whoami = %d %v %s, want %d with the source's challenge", rec.Code, rec.Header(), rec.Body, test.want)
				}
			})
		}
	})
}

// TestChallengeOfTheApplication: who said already how to authenticate is not
// overruled.
func TestChallengeOfTheApplication(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		e, _ := v.NewApp(t)
		e.Use(before(func(c Context) error {
			v.Response(c).Header().Set("WWW-Authenticate", `Bearer realm="notes"`)
			return nil
		}), v.JWT(JWTConfig{}), v.Middleware())
		e.GET("/whoami", whoami)
		b := newBrowser(t, e)
		b.header.Set("Authorization", "Bearer "+signed(t, `{"sub":true}`))
		want(t, "challenge", b.do("GET", "/whoami").Header().Get("WWW-Authenticate"), `Bearer realm="notes"`)
	})
}

// unreadable are claims that can't say whom they name.
type unreadable struct{ jwt.RegisteredClaims }

func (unreadable) GetSubject() (string, error) { return "", errors.New("no subject of ours") }

// TestFromJWTUnreadableSubject: claims of the application's own refuse theirs.
func TestFromJWTUnreadableSubject(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		e, _ := v.NewApp(t)
		e.Use(v.JWT(JWTConfig{NewClaims: func() jwt.Claims { return new(unreadable) }}), v.Middleware())
		e.GET("/whoami", whoami)
		b := newBrowser(t, e)
		b.header.Set("Authorization", "Bearer "+signed(t, `{"sub":"42"}`))
		if got := b.do("GET", "/whoami").Code; got != http.StatusUnauthorized {
			t.Errorf("whoami = %d, want 401", got)
		}
	})
}

// TestNoChallengeAfterTheEnd: once a request has ended, its response may be
// another's.
func TestNoChallengeAfterTheEnd(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		e, _ := v.NewApp(t)
		var cancel context.CancelFunc
		e.Use(before(func(c Context) error {
			ctx, end := context.WithCancel(c.Request().Context())
			cancel = end
			c.SetRequest(c.Request().WithContext(ctx))
			return nil
		}), v.JWT(JWTConfig{}))
		e.Use(v.MiddlewareWithConfig(Config{Sources: []Source{v.FromMapClaims(func(jwt.MapClaims) (actor.Actor, bool, error) {
			cancel()
			return actor.Actor{}, false, echoauth.ErrBadCredential
		})}}))
		e.GET("/whoami", whoami)
		b := newBrowser(t, e)
		b.header.Set("Authorization", bearer(t, jwt.MapClaims{"sub": "1"}))
		want(t, "challenge", b.do("GET", "/whoami").Header().Get("WWW-Authenticate"), "")
	})
}
