// Package actor says who is responsible for what happens under a
// [context.Context]: a signed-in user, another program, this program itself,
// or nobody.
//
//	ctx = actor.NewContext(ctx, actor.User(42))
//	a, ok := actor.FromContext(ctx) // user:42, true
//
// The halves of whodunit share nothing but this package. Package echoauth puts
// the actor of an HTTP request into the request's context. Package gormaudit
// reads the actor there and writes it into the rows. Neither knows the other, so
// anything else may stand in for either: a job, a command, a gRPC interceptor, a
// test.
//
// # Three answers to "who?"
//
//   - Somebody: [FromContext] returns an actor with an id.
//   - Nobody is signed in: [FromContext] returns an anonymous actor and true.
//     Something looked and found nobody, an authentication middleware for
//     instance.
//   - Nobody said: [FromContext] returns false. Usually a context was not
//     passed on.
//
// # A plain value
//
// An [Actor] never does I/O. Comparing, printing, logging and encoding it is
// safe at any moment and on any goroutine. It can be compared with ==, used as
// a map key and sent to a job queue as JSON.
//
// Ids are strings, because JSON and JWT libraries read numbers as float64 and
// so turn user 9007199254740993 into user 9007199254740992.
//
// # After the request
//
// The context of an HTTP request is cancelled when its handler returns.
// [Detach] keeps the actor without the cancellation, for work that goes on
// in the background.
package actor
