package main

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"net/http"
	"time"

	"github.com/boj/redistore"
	"github.com/gorilla/sessions"
)

const sessionLifetime = 7 * 24 * time.Hour

// openSessions returns the store of sessions: Redis, or the cookie itself.
func openSessions(c config) (sessions.Store, error) {
	options := &sessions.Options{
		Path:     "/",
		MaxAge:   int(sessionLifetime.Seconds()),
		HttpOnly: true,
		Secure:   c.scheme() == "https",
		SameSite: http.SameSiteLaxMode,
	}
	if c.redisURL == "" {
		store := sessions.NewCookieStore(keyPairs(c.secrets)...)
		store.Options = options
		store.MaxAge(options.MaxAge)
		return store, nil
	}
	store, err := redistore.NewRediStoreWithURL(10, c.redisURL, keyPairs(c.secrets)...)
	if err != nil {
		return nil, fmt.Errorf("REDIS_URL: %w", err)
	}
	store.Options = options
	store.SetMaxAge(options.MaxAge)
	store.SetKeyPrefix(c.redisPrefix + "session:")
	return store, nil
}

// keyPairs returns, for each secret, a key that authenticates cookies and one
// that encrypts them.
func keyPairs(secrets [][]byte) [][]byte {
	var pairs [][]byte
	for _, secret := range secrets {
		pairs = append(pairs, deriveKey(secret, "session cookie authentication"), deriveKey(secret, "session cookie encryption"))
	}
	return pairs
}

// deriveKey returns the key of one purpose, so that no key serves two.
func deriveKey(secret []byte, purpose string) []byte {
	key, err := hkdf.Key(sha256.New, secret, nil, "notes "+purpose, 32)
	if err != nil {
		panic(err) // 32 bytes are never too many
	}
	return key
}
