package main

import (
	"encoding/base64"
	"net/http"
	"slices"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/seed-3826ef92/whodunit/example/internal/exampletest"
)

func TestProgram(t *testing.T) {
	url := "http://" + exampletest.Start(t, main) + "/notes.Notes/Create"
	client := connect.NewClient[wrapperspb.StringValue, wrapperspb.UInt64Value](http.DefaultClient, url)
	for password, want := range map[string]connect.Code{"swordfish": 0, "guessed": connect.CodeUnauthenticated} {
		title := connect.NewRequest(wrapperspb.String("Hello"))
		title.Header().Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("42:"+password)))
		_, err := client.CallUnary(t.Context(), title)
		if failed := err != nil; failed != (want != 0) || failed && connect.CodeOf(err) != want {
			t.Errorf("a call with the password %q = %v, want %v", password, err, want)
		}
	}
	rows := exampletest.Rows(t, "sqlite", "notes.db", "SELECT title, created_by, updated_by FROM notes")
	if want := []string{"Hello 42 42"}; !slices.Equal(rows, want) {
		t.Errorf("notes = %q, want %q", rows, want)
	}
}
