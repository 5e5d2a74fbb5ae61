package oidc_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// provider is a small identity provider: discovery, keys, and codes for which
// it asks the PKCE verifier (RFC 7636) and the client's secret.
type provider struct {
	*httptest.Server
	published, signer *key
	claims            map[string]any // in place of the right ones
	grants            map[string]grant
}

// grant is what a code stands for.
type grant struct{ subject, nonce, challenge string }

type key struct {
	*rsa.PrivateKey
	id string
}

func newKey() *key {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return &key{private, rand.Text()}
}

// firstKey is what each provider begins with: making one takes a while.
var firstKey = sync.OnceValue(newKey)

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{grants: map[string]grant{}, published: firstKey(), signer: firstKey()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{
			"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token",
			"jwks_uri": p.URL + "/keys", "id_token_signing_alg_values_supported": []string{"RS256"},
		})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"keys": []any{map[string]any{
			"kty": "RSA", "alg": "RS256", "use": "sig", "kid": p.published.id,
			"n": encode(p.published.N.Bytes()), "e": encode(big.NewInt(int64(p.published.E)).Bytes()),
		}}})
	})
	mux.HandleFunc("POST /token", p.token)
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

// rotate signs with a new key from now on.
func (p *provider) rotate() {
	p.published = newKey()
	p.signer = p.published
}

// authorize is the page at which subject signs in: it returns the URL to which
// the browser is sent back.
func (p *provider) authorize(t *testing.T, at *url.URL, subject string) string {
	t.Helper()
	q := at.Query()
	for name, want := range map[string]string{
		"client_id": clientID, "response_type": "code", "scope": "openid",
		"redirect_uri": "https://app.test/callback", "code_challenge_method": "S256",
	} {
		if got := q.Get(name); got != want {
			t.Errorf("%s at the provider = %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if len(q.Get(name)) < 20 {
			t.Errorf("%s at the provider = %q, want a random one", name, q.Get(name))
		}
	}
	code := rand.Text()
	p.grants[code] = grant{subject, q.Get("nonce"), q.Get("code_challenge")}
	return q.Get("redirect_uri") + "?" + url.Values{"code": {code}, "state": {q.Get("state")}}.Encode()
}

func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	id, password, _ := r.BasicAuth()
	g, known := p.grants[r.FormValue("code")]
	delete(p.grants, r.FormValue("code"))
	challenge := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	if !known || id != clientID || password != url.QueryEscape(secret) || encode(challenge[:]) != g.challenge {
		http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
		return
	}
	claims := jwt.MapClaims{
		"iss": p.URL, "aud": clientID, "sub": g.subject, "nonce": g.nonce,
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
	}
	maps.Copy(claims, p.claims)
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	token.Header["kid"] = p.signer.id
	text, err := token.SignedString(p.signer.PrivateKey)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, map[string]any{"access_token": "unused", "token_type": "Bearer", "id_token": text})
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(value); err != nil {
		panic(err)
	}
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
