package actor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

func Example() {
	ctx := actor.NewContext(context.Background(), actor.User(42))

	a, ok := actor.FromContext(ctx)
	fmt.Println(a, ok)

	a, ok = actor.FromContext(context.Background())
	fmt.Println(a, ok)
	// Output:
	// user:42 true
	// anonymous false
}

// A job names itself, so that its rows say who wrote them.
func ExampleSystem() {
	ctx := actor.NewContext(context.Background(), actor.System("nightly-archiver"))

	a, _ := actor.FromContext(ctx)
	fmt.Println(a)
	// Output: system:nightly-archiver
}

func ExampleService() {
	fmt.Println(actor.Service("billing"))
	// Output: service:billing
}

func ExampleActor_As() {
	support := actor.User(7)
	a := support.As(actor.User(42))

	fmt.Println(a)
	fmt.Println(a.ID, a.Impersonator.ID)
	// Output:
	// user:42 (by user:7)
	// 42 7
}

func ExampleActor_LogValue() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))

	logger.Info("note created", "actor", actor.User(7).As(actor.User(42)))
	// Output: level=INFO msg="note created" actor.kind=user actor.id=42 actor.impersonator=user:7
}

// What goes on after the request keeps its actor, but not its cancellation.
func ExampleDetach() {
	request, cancel := context.WithCancel(actor.NewContext(context.Background(), actor.User(42)))
	background := actor.Detach(request)
	cancel() // the handler has returned

	a, _ := actor.FromContext(background)
	fmt.Println(request.Err(), "|", background.Err(), a)
	// Output: context canceled | <nil> user:42
}

// An actor travels with a job as JSON.
func ExampleActor_MarshalJSON() {
	payload, err := json.Marshal(actor.User(7).As(actor.User(42)))
	if err != nil {
		panic(err)
	}
	fmt.Println(string(payload))

	var a actor.Actor
	if err := json.Unmarshal(payload, &a); err != nil {
		panic(err)
	}
	fmt.Println(a)
	// Output:
	// {"kind":"user","id":"42","impersonator":{"kind":"user","id":"7"}}
	// user:42 (by user:7)
}

func ExampleNewRequestContext() {
	ctx := actor.NewRequestContext(context.Background(), actor.Request{
		ID:        "4711",
		IP:        "::ffff:192.0.2.1",
		UserAgent: "curl/8\x1b[31m",
		Method:    "PUT",
		Route:     "/notes/:id",
	})

	r, _ := actor.RequestFromContext(ctx)
	fmt.Println(r.ID, r.IP, r.UserAgent, r.Method, r.Route)
	// Output: 4711 192.0.2.1 curl/8[31m PUT /notes/:id
}

// A queue's message carries the metadata beside the actor.
func ExampleNewMetadataContext() {
	ctx := actor.NewMetadataContext(context.Background(), map[string]string{"trace_id": "4bf92f3577b34da6"})
	ctx = actor.NewMetadataContext(ctx, map[string]string{"reason": "refund, ticket 4711"})

	payload, err := json.Marshal(actor.MetadataFromContext(ctx))
	if err != nil {
		panic(err)
	}
	fmt.Println(string(payload))

	var metadata map[string]string
	if err := json.Unmarshal(payload, &metadata); err != nil {
		panic(err)
	}
	worker := actor.NewMetadataContext(context.Background(), metadata)
	fmt.Println(actor.MetadataFromContext(worker)["reason"])
	// Output:
	// {"reason":"refund, ticket 4711","trace_id":"4bf92f3577b34da6"}
	// refund, ticket 4711
}
