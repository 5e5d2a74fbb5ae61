package oidc_test

import (
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	echov4 "github.com/labstack/echo/v4"
	echov5 "github.com/labstack/echo/v5"

	v4oidc "github.com/seed-3826ef92/whodunit/.ci/oidc/v4"
	v5oidc "github.com/seed-3826ef92/whodunit/.ci/oidc/v5"
	v4auth "github.com/seed-3826ef92/whodunit/echoauth"
	v5auth "github.com/seed-3826ef92/whodunit/echoauth/v5"
)

const audience = "https://api.example.com"

// eachAPI runs test on both versions, each with a provider of its own.
func eachAPI(t *testing.T, test func(t *testing.T, p *provider, api http.Handler)) {
	t.Run("v4", func(t *testing.T) {
		p, e := newProvider(t), echov4.New()
		mw, err := v4oidc.API(t.Context(), p.URL, audience, p.URL+"/keys")
		if err != nil {
			t.Fatal(err)
		}
		e.GET("/", func(c echov4.Context) error { return c.String(http.StatusOK, v4auth.Current(c).String()) }, mw...)
		test(t, p, e)
	})
	t.Run("v5", func(t *testing.T) {
		p, e := newProvider(t), echov5.New()
		mw, err := v5oidc.API(t.Context(), p.URL, audience, p.URL+"/keys")
		if err != nil {
			t.Fatal(err)
		}
		e.GET("/", func(c *echov5.Context) error { return c.String(http.StatusOK, v5auth.Current(c).String()) }, mw...)
		test(t, p, e)
	})
}

func ask(t *testing.T, api http.Handler, token string) (int, string) {
	t.Helper()
	req := httptest.NewRequest(http.MethodGet, "/", nil)
	req.Header.Set("Authorization", "Bearer "+token)
	rec := httptest.NewRecorder()
	api.ServeHTTP(rec, req)
	return rec.Code, rec.Body.String()
}

// accessToken is signed by k. A claim that changes names as nil is left out.
func (p *provider) accessToken(t *testing.T, k *key, changes jwt.MapClaims) string {
	t.Helper()
	claims := jwt.MapClaims{
		"iss": p.URL, "aud": audience, "sub": "42", "client_id": "web", "exp": time.Now().Add(time.Minute).Unix(),
	}
	for name, value := range changes {
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
	}
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	token.Header["kid"] = k.id
	text, err := token.SignedString(k.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestAPI(t *testing.T) {
	eachAPI(t, func(t *testing.T, p *provider, api http.Handler) {
		for name, test := range map[string]struct {
			changes jwt.MapClaims
			status  int
			who     string
		}{
			"a user":                           {nil, http.StatusOK, "user:42"},
			"a client":                         {jwt.MapClaims{"sub": "jobs", "client_id": "jobs"}, http.StatusOK, "service:jobs"},
			"one of several audiences":         {jwt.MapClaims{"aud": []string{audience, "x"}}, http.StatusOK, "user:42"},
			"a token for another API":          {jwt.MapClaims{"aud": "https://other.example.com"}, http.StatusUnauthorized, ""},
			"a token for nobody in particular": {jwt.MapClaims{"aud": nil}, http.StatusUnauthorized, ""},
			"another issuer":                   {jwt.MapClaims{"iss": "https://evil.example"}, http.StatusUnauthorized, ""},
			"an expired token":                 {jwt.MapClaims{"exp": 1}, http.StatusUnauthorized, ""},
			"a token without an end":           {jwt.MapClaims{"exp": nil}, http.StatusUnauthorized, ""},
			"somebody who acts for a user":     {jwt.MapClaims{"act": jwt.MapClaims{"sub": "7"}}, http.StatusUnauthorized, ""},
			"a token without a subject":        {jwt.MapClaims{"sub": nil, "client_id": nil}, http.StatusUnauthorized, ""},
		} {
			if status, who := ask(t, api, p.accessToken(t, p.published, test.changes)); status != test.status || test.who != "" && who != test.who {
				t.Errorf("%s = %d %s, want %d %s", name, status, who, test.status, test.who)
			}
		}
	})
}

// TestAPIForgeries has tokens that somebody else signed, or nobody.
func TestAPIForgeries(t *testing.T) {
	eachAPI(t, func(t *testing.T, p *provider, api http.Handler) {
		forged := &key{newKey().PrivateKey, p.published.id}
		claims := jwt.MapClaims{"iss": p.URL, "aud": audience, "sub": "1", "exp": time.Now().Add(time.Minute).Unix()}
		public, err := x509.MarshalPKIXPublicKey(&p.published.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		confused := jwt.NewWithClaims(jwt.SigningMethodHS256, claims)
		confused.Header["kid"] = p.published.id
		hmac, err := confused.SignedString(public)
		if err != nil {
			t.Fatal(err)
		}
		none, err := jwt.NewWithClaims(jwt.SigningMethodNone, claims).SignedString(jwt.UnsafeAllowNoneSignatureType)
		if err != nil {
			t.Fatal(err)
		}
		for name, token := range map[string]string{
			"another key under the same id": p.accessToken(t, forged, nil),
			"the public key as a secret":    hmac,
			"no signature":                  none,
			"a signature cut off":           strings.TrimRight(p.accessToken(t, p.published, nil), "=")[:80],
		} {
			if status, who := ask(t, api, token); status != http.StatusUnauthorized && status != http.StatusBadRequest {
				t.Errorf("%s = %d %s, want 401", name, status, who)
			}
		}
	})
}

// TestAPIKeyRotation: a new key is fetched when a token names it, and tokens of
// one that is no longer published are refused.
func TestAPIKeyRotation(t *testing.T) {
	eachAPI(t, func(t *testing.T, p *provider, api http.Handler) {
		old := p.published
		if status, _ := ask(t, api, p.accessToken(t, old, nil)); status != http.StatusOK {
			t.Errorf("the first key = %d, want 200", status)
		}
		p.rotate()
		if status, _ := ask(t, api, p.accessToken(t, p.published, nil)); status != http.StatusOK {
			t.Errorf("the second key = %d, want 200", status)
		}
		if status, _ := ask(t, api, p.accessToken(t, old, nil)); status != http.StatusUnauthorized {
			t.Errorf("the first key, after it was replaced = %d, want 401", status)
		}
	})
}
