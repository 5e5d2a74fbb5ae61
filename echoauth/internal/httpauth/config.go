package httpauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// Source reads an already verified credential. ok is false where there is
// none.
type Source func(c Context) (a actor.Actor, ok bool, err error)

// Config is echoauth's, without what the adapters keep to themselves.
type Config struct {
	Sources         []Source
	Load            func(ctx context.Context, a actor.Actor) (any, error)
	LoadTimeout     time.Duration
	SessionName     string
	SessionLifetime time.Duration
	SessionStamp    func(ctx context.Context, a actor.Actor) (string, error)
	MayImpersonate  func(ctx context.Context, a actor.Actor) (bool, error)
	Request         bool
	ContextKey      string
}

// The defaults of [Config].
const (
	defaultSessionName = "session"
	defaultLoadTimeout = 5 * time.Second
)

func (config Config) validate() error {
	if i := slices.IndexFunc(config.Sources, func(s Source) bool { return s == nil }); i >= 0 {
		return fmt.Errorf("echoauth: Config.Sources[%d] is nil", i)
	}
	if config.LoadTimeout < 0 {
		return fmt.Errorf("echoauth: Config.LoadTimeout %v is negative", config.LoadTimeout)
	}
	if config.SessionLifetime < 0 {
		return fmt.Errorf("echoauth: Config.SessionLifetime %v is negative", config.SessionLifetime)
	}
	if name := config.SessionName; name != "" {
		if err := (&http.Cookie{Name: name}).Valid(); err != nil {
			return fmt.Errorf("echoauth: Config.SessionName %q: %w", name, err)
		}
	}
	switch key := config.ContextKey; {
	case key == storeKey, key == allowKey, key == csrfKey, strings.HasPrefix(key, ownPrefix):
		return fmt.Errorf("echoauth: Config.ContextKey %q is in use for something else", key)
	case key == defaultTokenKey:
		return errors.New(`echoauth: Config.ContextKey "user" is where echo-jwt keeps its token`)
	}
	return nil
}
