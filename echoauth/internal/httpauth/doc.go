// Package httpauth finds out who makes an HTTP request, signs people in and
// out, and guards handlers. It does what echoauth needs for every version of
// Echo, and imports none: a [Context] and an [Adapter] stand between them.
//
// What the exported names promise is documented where users see them, in
// package echoauth.
package httpauth
