package main

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// What protoc-gen-go-grpc generates of
//
//	service Notes { rpc Create(google.protobuf.StringValue) returns (google.protobuf.UInt64Value); }

type NotesServer interface {
	Create(ctx context.Context, title *wrapperspb.StringValue) (id *wrapperspb.UInt64Value, err error)
}

var notesService = grpc.ServiceDesc{
	ServiceName: "notes.Notes",
	HandlerType: (*NotesServer)(nil),
	Methods:     []grpc.MethodDesc{{MethodName: "Create", Handler: create}},
}

func create(srv any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
	title := new(wrapperspb.StringValue)
	if err := decode(title); err != nil {
		return nil, err
	}
	handle := func(ctx context.Context, title any) (any, error) {
		return srv.(NotesServer).Create(ctx, title.(*wrapperspb.StringValue))
	}
	return interceptor(ctx, title, &grpc.UnaryServerInfo{Server: srv, FullMethod: "/notes.Notes/Create"}, handle)
}
