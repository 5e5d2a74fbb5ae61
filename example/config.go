package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"
)

// config is what the environment says. Nothing has to be set.
type config struct {
	// addr is where to listen: ADDR, or every interface at PORT. By default
	// 127.0.0.1:8080.
	addr string
	// publicURL is PUBLIC_URL: where people reach the application, such as
	// https://notes.example. If that is https, which a proxy speaks for the
	// application, cookies are for https alone. By default people come by plain
	// http to any address of this machine, as in development, and nothing they
	// send is safe from who listens on the way.
	publicURL string
	// proxies are TRUSTED_PROXIES, addresses and networks separated by commas:
	// whose X-Forwarded-For says where a request comes from. By default nobody's.
	// Behind a proxy that is not among them, everybody has the proxy's address,
	// in the history and for the limits of signing in.
	proxies []*net.IPNet
	// databaseURL is DATABASE_URL: postgres://… or mysql://…. By default an
	// SQLite file, notes.db, in the working directory.
	databaseURL string
	// redisURL is REDIS_URL: where sessions are kept. By default they are kept
	// in the cookie itself, and whoever has a copy of it stays signed in after a
	// sign-out, until the password changes or a week has passed.
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
	return c, errors.Join(
		c.readPublicURL(getenv("PUBLIC_URL")),
		c.readProxies(getenv("TRUSTED_PROXIES")),
		c.readSecrets(getenv("SESSION_KEYS")),
	)
}

// scheme is how browsers reach the application: "https" or "http".
func (c *config) scheme() string {
	if strings.HasPrefix(c.publicURL, "https://") {
		return "https"
	}
	return "http"
}

// ipExtractor tells the address of a client from those of proxies.
func (c *config) ipExtractor() echo.IPExtractor {
	if len(c.proxies) == 0 {
		return echo.ExtractIPDirect()
	}
	// Nobody is trusted for being near.
	trusted := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, network := range c.proxies {
		trusted = append(trusted, echo.TrustIPRange(network))
	}
	return echo.ExtractIPFromXFFHeader(trusted...)
}

func (c *config) readPublicURL(address string) error {
	address = strings.TrimSuffix(address, "/")
	u, err := url.Parse(address)
	if address != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Scheme+"://"+u.Host != address) {
		return errors.New("PUBLIC_URL: it has to look like https://notes.example, without a path")
	}
	c.publicURL = address
	return nil
}

func (c *config) readProxies(list string) error {
	if list == "" {
		return nil
	}
	for _, text := range strings.Split(list, ",") {
		network, err := parseNetwork(strings.TrimSpace(text))
		if err != nil {
			return fmt.Errorf("TRUSTED_PROXIES: %w", err)
		}
		c.proxies = append(c.proxies, network)
	}
	return nil
}

// parseNetwork takes one address, too.
func parseNetwork(text string) (*net.IPNet, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		text = netip.PrefixFrom(addr, addr.BitLen()).String()
	}
	_, network, err := net.ParseCIDR(text)
	return network, err
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
