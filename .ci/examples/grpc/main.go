// Command grpc stamps rows in a gRPC service: an interceptor says who makes a
// call. Whoever calls is another program, with a key, or a user, with a token.
//
//	cd .ci/examples && go run ./grpc
package main

import (
	"cmp"
	"context"
	"errors"
	"log"
	"net"
	"os"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	_ "modernc.org/sqlite" // the driver "sqlite", which needs no C compiler

	"github.com/seed-3826ef92/whodunit/gormaudit"
	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

type Note struct {
	gorm.Model
	gormaudit.By[string] // text: a program's id is no number
	Title                string
}

// callers stand for however your service verifies a credential.
var callers = map[string]actor.Actor{
	"token-of-ann":   actor.User("ann"),
	"key-of-billing": actor.Service("billing"),
}

// withActor is for calls of one message. A stream's context is that of its
// grpc.ServerStream: wrap that in a StreamServerInterceptor.
func withActor(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	header := metadata.ValueFromIncomingContext(ctx, "authorization")
	caller, ok := callers[strings.TrimPrefix(strings.Join(header, ""), "Bearer ")]
	if !ok {
		return nil, status.Error(codes.Unauthenticated, "no valid token")
	}
	return handle(actor.NewContext(ctx, caller), req)
}

type notes struct{ db *gorm.DB }

func (n notes) Create(ctx context.Context, title *wrapperspb.StringValue) (*wrapperspb.UInt64Value, error) {
	note := Note{Title: title.GetValue()}
	if err := n.db.WithContext(ctx).Create(&note).Error; err != nil {
		log.Print(err)
		return nil, status.Error(codes.Internal, "the note can't be created")
	}
	return wrapperspb.UInt64(uint64(note.ID)), nil
}

func main() {
	const dsn = "notes.db?_pragma=busy_timeout(10000)&_txlock=immediate"
	db, err := gorm.Open(sqlite.New(sqlite.Config{DriverName: "sqlite", DSN: dsn}))
	if err != nil {
		log.Fatal(err)
	}
	if err := errors.Join(db.Use(gormaudit.New()), db.AutoMigrate(&Note{})); err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", cmp.Or(os.Getenv("ADDR"), "localhost:8081"))
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(withActor))
	server.RegisterService(&notesService, notes{db})
	log.Fatal(server.Serve(listener))
}
