package main

import (
	"crypto/rand"
	"errors"
	"strings"
)

// config is what the environment says. Nothing has to be set.
type config struct {
	// addr is where to listen: ADDR, or every interface at PORT. By default
	// 127.0.0.1:8080.
	addr string
	// databaseURL is DATABASE_URL: postgres://… or mysql://…. By default an
	// SQLite file, notes.db, in the working directory.
	databaseURL string
	// redisURL is REDIS_URL: where sessions are kept. By default they are kept
	// in the cookie itself.
	redisURL string
	// redisPrefix is REDIS_PREFIX, for a Redis with more than one tenant. By
	// default "notes:".
	redisPrefix string
	// secrets are SESSION_KEYS, separated by commas. The first signs, all of
	// them verify: a new key goes in front, and the old one goes when the last
	// session signed with it has ended. By default a random one, so that
	// sessions and tokens end with the process.
	secrets [][]byte
	// debugAddr is DEBUG_ADDR: where net/http/pprof answers, for nobody but the
	// operator. By default nowhere.
	debugAddr string
}

const minSecret = 32 // bytes, the length of the keys derived from it

func readConfig(getenv func(string) string) (config, error) {
	c := config{
		addr:        getenv("ADDR"),
		databaseURL: getenv("DATABASE_URL"),
		redisURL:    getenv("REDIS_URL"),
		redisPrefix: getenv("REDIS_PREFIX"),
		debugAddr:   getenv("DEBUG_ADDR"),
	}
	if c.addr == "" {
		c.addr = "127.0.0.1:8080"
		if port := getenv("PORT"); port != "" {
			c.addr = ":" + port
		}
	}
	if c.redisPrefix == "" {
		c.redisPrefix = "notes:"
	}
	return c, c.readSecrets(getenv("SESSION_KEYS"))
}

func (c *config) readSecrets(keys string) error {
	if keys == "" {
		if c.redisURL != "" {
			return errors.New("REDIS_URL needs SESSION_KEYS: without them no other process can read the sessions kept there")
		}
		c.secrets = [][]byte{[]byte(rand.Text() + rand.Text())}
		return nil
	}
	for _, key := range strings.Split(keys, ",") {
		key = strings.TrimSpace(key)
		if len(key) < minSecret {
			return errors.New("SESSION_KEYS: each key needs at least 32 random characters (openssl rand -hex 32)")
		}
		c.secrets = append(c.secrets, []byte(key))
	}
	return nil
}
