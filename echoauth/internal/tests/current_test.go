package tests

import (
	"net/http"
	"testing"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

func TestSet(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		for _, test := range []struct {
			name string
			set  actor.Actor
			want actor.Actor
		}{
			{"somebody", alice, alice},
			{"one who impersonates", admin.As(alice), admin.As(alice)},
			{"nobody", actor.Actor{}, actor.Actor{}},
			{"nobody with a name", actor.Actor{Identity: actor.Identity{Name: "x"}}, actor.Actor{}},
			{"a user without id", actor.Actor{Identity: actor.Identity{Kind: actor.KindUser}}, actor.Actor{}},
		} {
			t.Run(test.name, func(t *testing.T) {
				for name, use := range map[string]func(e *App){
					"with the middleware": func(e *App) { e.Use(v.Middleware()) },
					"without it":          func(*App) {},
				} {
					e, _ := v.NewApp(t)
					use(e)
					e.GET("/", func(c Context) error {
						before := c.Request().Context()
						was, _ := actor.FromContext(before)
						v.Set(c, test.set)
						if got := v.Current(c); got != test.want {
							t.Errorf("%s: Current after Set(%#v) = %#v, want %#v", name, test.set, got, test.want)
						}
						if got, _ := actor.FromContext(before); got != was {
							t.Errorf("%s: actor of the context before Set = %v, want %v", name, got, was)
						}
						return whoami(c)
					})
					if rec := newBrowser(t, e).do("GET", "/"); rec.Code != http.StatusOK {
						t.Errorf("%s: the contexts disagree: %s", name, rec.Body)
					}
				}
			})
		}
	})
}
