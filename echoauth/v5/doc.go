// Package echoauth is middleware for Echo v5 that answers one question about
// each request: who makes it?
//
//	e.Use(session.Middleware(store))
//	e.Use(echoauth.Middleware())
//
// The first line is echo-contrib's, and stands for whatever authenticates: a
// session, echo-jwt, Echo's BasicAuth or KeyAuth, something of your own. The
// second line puts the answer, an [actor.Actor], where every layer finds it:
//
//	ctx := c.Request().Context() // for services, GORM, goroutines
//	a, _ := actor.FromContext(ctx)
//
// In a handler, [Current] and c.Get("actor") return the same actor. Package
// gormaudit writes its id into created_by and updated_by. "Nobody is signed in"
// is an answer, too: the anonymous actor. The middleware lets everybody pass.
// The guards [RequireUser] and [RequireFunc] refuse requests.
//
// It has the same names as package echoauth, which is for Echo v4, and imports
// nothing of v4. An application that moves to v5 changes the import path, changes
// echo.Context to *echo.Context, and changes the arguments of its [BasicAuth] and
// [KeyAuth] validators, which begin with c as Echo's do. Each package reads the
// sessions that the other wrote.
//
// # Where the answer comes from
//
// A [Source] reads a credential that something has verified. Sources are asked
// in order, by default [FromSession] and then [FromJWT], and the first that
// answers wins. [FromSessionValue] also reads a user's id that an application itself
// keeps in its session. [BasicAuth] and [KeyAuth] wrap the validators of Echo's
// middleware.
//
// [FromClaims] reads more of a token than its subject: the issuer, whether a
// program got the token for itself, and who acts for whom. See jwt.md beside
// this package.
//
// A credential that is not valid, such as an expired cookie, counts as none. A
// verified credential that can't name anybody, such as a token whose subject is
// the boolean true, is refused with 401: [ErrBadCredential]. If a source can't
// tell, for instance because the session store is down, the request fails with
// 503. An outage must not sign anybody out, nor write rows by nobody.
//
// # Order
//
// Register what authenticates first, then Middleware, then guards: Recover,
// RequestID, CORS, the session, JWT, Middleware, CSRF, RequireUser. CSRF may
// stand before Middleware, too. CORS must stand before guards: a preflight
// carries no credential, so a guard refuses it, and logs once why.
//
// Echo runs the middleware of e.Use before that of a group. If a group has its
// own JWT, put a second Middleware behind it; see the example of [FromJWT]. The
// innermost Middleware that finds a credential wins, in echo.Context, in the
// request's context, and for access logs further out. The inner one asks for
// the token first, so that the group's token wins over a session. A session or
// token that came too late to be seen is logged once, through c.Logger(), under
// the request's context.
//
// # Sessions
//
// [Login] writes an actor to the session, under a new id and in a cookie that
// scripts can't read and other sites can't send along. [Logout] deletes the
// session. [Impersonate] lets one person act as another, and keeps both.
// [Config.MayImpersonate] is asked on each request of such a session.
//
// A session begins with the sign-in, and ends [Config.SessionLifetime] later, by
// default after the MaxAge of its store's Options. [SignedInAt] says when it
// began, for pages that ask the user to confirm who they are. The cookie's MaxAge
// is the store's, not SessionLifetime. So a browser may send a session that has
// ended, and is anonymous then. The session holds kinds, ids and names of the
// actor and the impersonator. A cookie store signs the session, and does not
// encrypt it unless the store has a second key. Whoever holds the cookie can
// then read these.
//
// [Config.SessionStamp] ends sessions from the server's side, when a password
// changes or somebody chooses "log out everywhere", also where the store keeps
// the session in the cookie itself.
//
// If the store no longer has a session, the visitor is anonymous and may sign in
// again. A store of your own says that by returning a new session, or an error
// that wraps [io/fs.ErrNotExist] or [database/sql.ErrNoRows]. The errors that say
// so in the clients of common databases are known. Any other error is an outage,
// and so is a [*net.OpError], whatever it wraps.
//
// The errors of the session functions have a status. Echo answers with it when a
// handler returns the error; see the errors below. A sign-in with OpenID Connect
// is in .ci/oidc of the repository, compiled and tested.
//
// # In development
//
// A cookie with Secure is for https. gorilla's stores set Secure by default, and
// Login never takes it away, because a proxy may call the application localhost.
// Over plain http, Chrome, Firefox and curl keep such a cookie if the host is
// localhost or 127.0.0.1. Safari does not. No browser keeps it for another
// address, such as the one by which a telephone reaches your machine: there the
// login succeeds, and the next page is anonymous. This is logged once.
//
// So let the configuration decide, and have no Secure in development:
//
//	store.Options.Secure = !config.Development
//
// If the store does not set Secure, Login sets it for a request that came by
// https.
//
// # The record
//
// The actor is an id, and never does I/O. [User] is for handlers that need the
// user's row. [Config.Load] loads the row when it is first asked for, once per
// request.
//
// # After the request
//
// An actor is an immutable value, and outlives the request: detach its context
// with [actor.Detach] for a goroutine, or send it to a job queue as JSON. An
// *echo.Context does not outlive the request. Echo clears it and gives it to the
// next request, so a goroutine that keeps one sees the next visitor.
//
// That also happens to a handler under a timeout that does not wait for the
// handler, such as Echo v4's Timeout or TimeoutHandler of net/http. If the request
// ends while a source, a store, a stamp or a guard takes its time, the middleware
// gives up with a 503, before it writes anything to the request's context. The
// middleware can't see what the handler itself does too late: a Login after a slow
// comparison of passwords signs the next visitor in. Such a timeout is logged
// once. Use Echo's ContextTimeout, which waits.
//
// A WebSocket or a stream of events keeps the actor that it was opened with, for
// as long as it lives. Ask now and then whether the account is still good. The
// request's context ends with a stream of events, but not when the client of a
// WebSocket leaves: use the context of your WebSocket library for that.
//
// # Testing an application
//
// A request whose context has an actor is signed in; see the example
// "testing". No session is needed.
//
// # Security
//
//   - Cookies of Login are HttpOnly, SameSite=Lax and, on https or where the
//     store's Options say so, Secure. Behind a proxy that ends TLS, set Echo's
//     SchemeExtractor, or Secure in the store's Options.
//   - A SessionName that begins with __Host- keeps other hosts of the same
//     domain from planting the cookie.
//   - A copied cookie of a CookieStore is good until it expires, also after
//     Logout and StopImpersonating, unless what SessionStamp returns changes.
//   - If a handler saves a session while another request signs it out, the
//     session is written anew. The middleware saves no session.
//   - A guard does not load the record. A deleted user's token is good until it
//     expires.
//   - Answer an unknown user and a wrong password alike, and in the same time:
//     compare with a dummy hash where there is no such user.
//   - Strip identity headers such as X-User before you proxy to something that
//     believes them.
package echoauth
