package tests

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

func TestFromJWTSubject(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		for _, test := range []struct{ name, payload, want string }{
			{"string", `{"sub":"42"}`, "user:42"},
			{"string beyond 2^53", `{"sub":"9007199254740993"}`, "user:9007199254740993"},
			{"string zero", `{"sub":"0"}`, "user:0"},
			{"integer", `{"sub":42}`, "user:42"},
			{"integer with exponent", `{"sub":1e7}`, "user:10000000"},
			{"negative integer", `{"sub":-7}`, "user:-7"},
			{"greatest exact integer", `{"sub":9007199254740991}`, "user:9007199254740991"},
			{"2^53, which may be 2^53+1", `{"sub":9007199254740992}`, "401"},
			{"2^53+1", `{"sub":9007199254740993}`, "401"},
			{"-2^53", `{"sub":-9007199254740992}`, "401"},
			{"beyond every integer", `{"sub":1e300}`, "401"},
			{"fraction", `{"sub":1.5}`, "401"},
			{"bool", `{"sub":true}`, "401"},
			{"list", `{"sub":["1"]}`, "401"},
			{"empty string", `{"sub":""}`, "anonymous"},
			{"zero", `{"sub":0}`, "anonymous"},
			{"negative zero", `{"sub":-0.0}`, "anonymous"},
			{"null", `{"sub":null}`, "anonymous"},
			{"none", `{}`, "anonymous"},
		} {
			t.Run(test.name, func(t *testing.T) {
				e, log := v.NewApp(t)
				e.Use(v.JWT(JWTConfig{}), v.Middleware())
				e.GET("/whoami", whoami)
				b := newBrowser(t, e)
				b.header.Set("Authorization", "Bearer "+signed(t, test.payload))
				if got := b.get("/whoami"); got != test.want && !strings.HasPrefix(got, test.want+" ") {
					t.Errorf("whoami with %s = %q, want %q", test.payload, got, test.want)
				}
				remedied := strings.Contains(log.String(), "echoauth.FromClaims")
				if without := slices.Contains([]string{"empty string", "null", "none"}, test.name); remedied != without || !without && log.Len() > 0 {
					t.Errorf("log = %s, want the remedy for a token without a subject: %t", log, without)
				}
			})
		}
	})
}

// signed is a token over the payload as it stands.
func signed(tb testing.TB, payload string) string {
	tb.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode([]byte(payload))
	signature, err := jwt.SigningMethodHS256.Sign(text, testKey)
	if err != nil {
		tb.Fatal(err)
	}
	return text + "." + encode(signature)
}

// numberedClaims have a subject of their own.
type numberedClaims struct {
	Number int `json:"sub"`
	jwt.RegisteredClaims
}

func (c numberedClaims) GetSubject() (string, error) { return fmt.Sprint("n", c.Number), nil }

func TestFromJWTClaims(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		number := jwt.NewParser(jwt.WithJSONNumber())
		keyFunc := func(*jwt.Token) (any, error) { return testKey, nil }
		for _, test := range []struct {
			name   string
			config JWTConfig
			sub    any
			want   string
		}{
			{"RegisteredClaims", JWTConfig{NewClaims: func() jwt.Claims { return new(jwt.RegisteredClaims) }}, "42", "user:42"},
			{"claims with a GetSubject of their own", JWTConfig{NewClaims: func() jwt.Claims { return new(numberedClaims) }}, 5, "user:n5"},
			{"a pointer to MapClaims", JWTConfig{NewClaims: func() jwt.Claims { return &jwt.MapClaims{} }}, 42, "user:42"},
			{"json.Number verbatim", JWTConfig{Parse: func(auth string) (any, error) { return number.Parse(auth, keyFunc) }}, 9007199254740993, "user:9007199254740993"},
			{"json.Number zero", JWTConfig{Parse: func(auth string) (any, error) { return number.Parse(auth, keyFunc) }}, 0, "anonymous"},
			{"another ContextKey", JWTConfig{ContextKey: "token"}, "42", "user:42"},
		} {
			t.Run(test.name, func(t *testing.T) {
				e, log := v.NewApp(t)
				e.Use(v.JWT(test.config))
				e.Use(v.MiddlewareWithConfig(Config{Sources: []Source{v.FromJWT("user", "token")}}))
				e.GET("/whoami", whoami)
				b := newBrowser(t, e)
				b.header.Set("Authorization", bearer(t, jwt.MapClaims{"sub": test.sub}))
				want(t, "whoami", b.get("/whoami"), test.want)
				want(t, "log", log.String(), "")
			})
		}
	})
}

// actingClaims have a field for who acts, and no type of their own for it.
type actingClaims struct {
	jwt.RegisteredClaims
	Act any `json:"act,omitempty"`
}

// TestFromJWTRefusesAnAct: FromJWT reads the subject alone. A token that says who acts
// for the subject is refused, for the one at the keyboard must not be lost.
func TestFromJWTRefusesAnAct(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		shapes := map[string]func() jwt.Claims{
			"no type of claims":      nil,
			"a pointer to MapClaims": func() jwt.Claims { return &jwt.MapClaims{} },
			"RegisteredClaims":       func() jwt.Claims { return new(jwt.RegisteredClaims) },
			"a field for it":         func() jwt.Claims { return new(actingClaims) },
		}
		for payload, refused := range map[string]bool{
			`{"sub":"42","act":{"sub":"7"}}`:                true,
			`{"sub":"42","act":{"sub":"7","act":{}}}`:       true,
			`{"sub":"42","act":{}}`:                         true,
			`{"sub":"42","act":"7"}`:                        true,
			`{"sub":"42","act":false}`:                      true,
			`{"sub":"42","\u0061ct":{"sub":"7"}}`:           true,
			`{"act":{"sub":"7"}}`:                           true,
			`{"sub":"42","act":null}`:                       false,
			`{"sub":"42","may_act":{"sub":"7"}}`:            false,
			`{"sub":"42","order":{"act":{"sub":"7"}}}`:      false,
			`{"sub":"42","name":"\"act\":{\"sub\":\"7\"}"}`: false,
		} {
			for shape, claims := range shapes {
				for sources, config := range map[string]Config{"the default sources": {}, "FromJWT": {Sources: []Source{v.FromJWT()}}} {
					t.Run(shape+"/"+sources+"/"+payload, func(t *testing.T) {
						e, log := v.NewApp(t)
						e.Use(v.JWT(JWTConfig{NewClaims: claims}), v.MiddlewareWithConfig(config))
						e.GET("/whoami", whoami)
						b := newBrowser(t, e)
						b.header.Set("Authorization", "Bearer "+signed(t, payload))
						for range 2 {
							rec := b.do("GET", "/whoami")
							got, challenge := fmt.Sprint(rec.Code, " ", rec.Body), rec.Header().Get("WWW-Authenticate")
							if !refused && got != "200 user:42" || refused && (rec.Code != http.StatusUnauthorized || challenge != `Bearer error="invalid_token"`) {
								t.Errorf("whoami = %s, %s, want it refused: %t", got, challenge, refused)
							}
						}
						if got := strings.Count(log.String(), "echoauth.FromClaims"); refused && got != 1 || !refused && log.Len() > 0 {
							t.Errorf("log = %s, want the remedy once: %t", log, refused)
						}
					})
				}
			}
		}
	})
}

// TestFromJWTRefusesAnActOfAnApplicationsToken has a token that no text was parsed for.
func TestFromJWTRefusesAnActOfAnApplicationsToken(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		claims := func(act any) jwt.Claims { return &actingClaims{jwt.RegisteredClaims{Subject: "42"}, act} }
		for _, test := range []struct {
			token *jwt.Token
			want  int
		}{
			{&jwt.Token{Valid: true, Claims: claims("7")}, http.StatusUnauthorized},
			{&jwt.Token{Valid: true, Claims: claims("7"), Raw: "opaque"}, http.StatusUnauthorized},
			{&jwt.Token{Valid: true, Claims: claims(nil)}, http.StatusOK},
			{&jwt.Token{Valid: true, Claims: claims(nil), Raw: "opaque"}, http.StatusOK},
		} {
			e, _ := v.NewApp(t)
			e.Use(before(func(c Context) error { c.Set("user", test.token); return nil }), v.Middleware())
			e.GET("/whoami", whoami)
			if got := newBrowser(t, e).do("GET", "/whoami"); got.Code != test.want {
				t.Errorf("whoami with %+v = %d, want %d", test.token, got.Code, test.want)
			}
		}
	})
}

func TestFromJWTUnusable(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		type otherToken struct{ Valid bool }
		var nilToken *jwt.Token
		var nilClaims *jwt.MapClaims
		for _, test := range []struct {
			name string
			user any
			log  string
		}{
			{"a token of another version", &otherToken{Valid: true}, "*tests.otherToken"},
			{"a token nobody verified", &jwt.Token{Claims: jwt.MapClaims{"sub": "42"}}, "not Valid"},
			{"a nil token", nilToken, ""},
			{"a token without claims", &jwt.Token{Valid: true}, ""},
			{"a token with nil claims", &jwt.Token{Valid: true, Claims: nilClaims}, ""},
		} {
			t.Run(test.name, func(t *testing.T) {
				e, log := v.NewApp(t)
				e.Use(func(next Handler) Handler {
					return func(c Context) error { c.Set("user", test.user); return next(c) }
				}, v.Middleware())
				e.GET("/whoami", whoami)
				for range 3 {
					want(t, "whoami", newBrowser(t, e).get("/whoami"), "anonymous")
				}
				if got := strings.Count(log.String(), "echoauth:"); (test.log != "") != (got == 1) || !strings.Contains(log.String(), test.log) {
					t.Errorf("log = %s, want %q once", log, test.log)
				}
			})
		}
	})
}

func TestLateToken(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		const remedy = "add a second echoauth.Middleware() to the group"
		token := bearer(t, jwt.MapClaims{"sub": "42"})
		for _, test := range []struct {
			name  string
			group []Middleware
			token string
			want  string
			log   int
		}{
			{"forgotten second middleware", []Middleware{v.JWT(JWTConfig{})}, token, "anonymous", 1},
			{"second middleware", []Middleware{v.JWT(JWTConfig{}), v.Middleware()}, token, "user:42", 0},
			{"Set", []Middleware{v.JWT(JWTConfig{}), setToken(v)}, token, "user:42", 0},
			{"Set, without a look at the token", []Middleware{v.JWT(JWTConfig{}), before(func(c Context) error { v.Set(c, alice); return nil })}, token, "user:1", 0},
			{"no token", []Middleware{v.JWT(JWTConfig{Optional: true})}, "", "anonymous", 0},
			{
				"a token without subject, read by the second middleware",
				[]Middleware{v.JWT(JWTConfig{}), v.Middleware()},
				bearer(t, jwt.MapClaims{"aud": "x"}), "anonymous", 0,
			},
		} {
			t.Run(test.name, func(t *testing.T) {
				e, log := v.NewApp(t)
				e.Use(v.Middleware())
				e.Group("/api", test.group...).GET("/whoami", whoami)
				for range 3 {
					b := newBrowser(t, e)
					b.header.Set("Authorization", test.token)
					want(t, "whoami", b.get("/api/whoami"), test.want)
				}
				if got := strings.Count(log.String(), remedy); got != test.log {
					t.Errorf("log = %s, want the remedy %d times", log, test.log)
				}
			})
		}
	})
}

// TestSessionAndToken: a cookie that the browser sends along anyway does not
// beat the token that a group verified.
func TestSessionAndToken(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		e, _ := v.NewApp(t)
		e.Use(v.Sessions(newCookieStore()), v.Middleware())
		signIn(e)
		e.GET("/whoami", whoami)
		e.Group("/api", v.JWT(JWTConfig{}), v.Middleware()).GET("/whoami", whoami)
		e.Group("/optional", v.JWT(JWTConfig{Optional: true}), v.Middleware()).GET("/whoami", whoami)

		b := newBrowser(t, e)
		b.post("/login/1")
		want(t, "without a token", b.get("/whoami"), "user:1")
		want(t, "without a token in a group", b.get("/optional/whoami"), "user:1")
		b.header.Set("Authorization", bearer(t, jwt.MapClaims{"sub": "42"}))
		want(t, "with a token in the group that verifies it", b.get("/api/whoami"), "user:42")
		want(t, "with a token outside", b.get("/whoami"), "user:1")
	})
}

func TestLateTokenUnderOtherKeys(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		for _, key := range []string{"first", "second", "third"} {
			e, log := v.NewApp(t)
			e.Use(v.MiddlewareWithConfig(Config{Sources: []Source{
				v.FromJWT("first", "second"), v.FromJWT("first"), v.FromJWT("third"),
			}}))
			e.Group("/api", v.JWT(JWTConfig{ContextKey: key, Optional: true})).GET("/whoami", whoami)
			b := newBrowser(t, e)
			b.header.Set("Authorization", bearer(t, jwt.MapClaims{"sub": "42"}))
			want(t, "whoami", b.get("/api/whoami"), "anonymous")
			if got := strings.Count(log.String(), "echoauth:"); got != 1 || !strings.Contains(log.String(), key) {
				t.Errorf("log = %s, want the remedy once, with %q", log, key)
			}
		}
	})
}

// setToken authenticates on its own, with the token that is there by then.
func setToken(v version) Middleware {
	return before(func(c Context) error {
		a, ok, err := v.FromJWT()(c)
		if err != nil || !ok {
			return v.HTTPError(http.StatusUnauthorized, "", err)
		}
		v.Set(c, a)
		return nil
	})
}

// userIDClaims name the user in a claim of their own.
type userIDClaims struct {
	jwt.RegisteredClaims
	UserID uint `json:"user_id"`
}

// A token that names nobody by its subject may do so by another claim.
func TestATokenWithoutSubjectIsLogged(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		const remedy = `read its claims with echoauth.FromClaims`
		read := v.FromMapClaims(func(claims jwt.MapClaims) (actor.Actor, bool, error) {
			return actor.User(fmt.Sprint(claims["user_id"])), true, nil
		})
		own := JWTConfig{NewClaims: func() jwt.Claims { return new(userIDClaims) }}
		set := before(func(c Context) error { v.Set(c, alice); return nil })
		for _, test := range []struct {
			name  string
			group []Middleware
			want  string
			log   int
		}{
			{"claims of its own", []Middleware{v.JWT(own), v.Middleware()}, "anonymous", 1},
			{"a map of claims", []Middleware{v.JWT(JWTConfig{}), v.Middleware()}, "anonymous", 1},
			{"FromJWT alone", []Middleware{v.JWT(own), v.MiddlewareWithConfig(Config{Sources: []Source{v.FromJWT()}})}, "anonymous", 1},
			{"FromClaims", []Middleware{v.JWT(JWTConfig{}), v.MiddlewareWithConfig(Config{Sources: []Source{read}})}, "user:42", 0},
			{"FromClaims after FromJWT", []Middleware{v.JWT(JWTConfig{}), v.MiddlewareWithConfig(Config{Sources: []Source{v.FromJWT(), read}})}, "user:42", 0},
			{"Set", []Middleware{v.JWT(own), v.Middleware(), set}, "user:1", 0},
		} {
			t.Run(test.name, func(t *testing.T) {
				e, log := v.NewApp(t)
				e.Use(v.Middleware()) // an outer one sees no token
				e.Group("/api", test.group...).GET("/whoami", whoami)
				for range 3 {
					b := newBrowser(t, e)
					b.header.Set("Authorization", bearer(t, jwt.MapClaims{"user_id": 42}))
					want(t, "whoami", b.get("/api/whoami"), test.want)
				}
				if got := strings.Count(log.String(), "echoauth:"); got != test.log || strings.Count(log.String(), remedy) != test.log {
					t.Errorf("log = %s, want the remedy %d times", log, test.log)
				}
			})
		}
	})
}
