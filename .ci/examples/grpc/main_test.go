package main

import (
	"slices"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/seed-3826ef92/whodunit/example/internal/exampletest"
)

func TestProgram(t *testing.T) {
	connection, err := grpc.NewClient(exampletest.Start(t, main), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	for token, want := range map[string]codes.Code{"token-of-ann": codes.OK, "key-of-billing": codes.OK, "guessed": codes.Unauthenticated} {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token)
		err := connection.Invoke(ctx, "/notes.Notes/Create", wrapperspb.String("of "+token), new(wrapperspb.UInt64Value))
		if got := status.Code(err); got != want {
			t.Errorf("a call with %s = %v, want %v", token, err, want)
		}
	}
	rows := exampletest.Rows(t, "sqlite", "notes.db", "SELECT title, created_by FROM notes ORDER BY title")
	if want := []string{"of key-of-billing service:billing", "of token-of-ann ann"}; !slices.Equal(rows, want) {
		t.Errorf("notes = %q, want %q", rows, want)
	}
}
