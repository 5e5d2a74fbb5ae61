// Package tests holds the tests of echoauth that run over HTTP, on every
// version of Echo alike. Nobody imports it, so that what only tests need, such
// as the Redis store, stays out of the go.mod of those who use echoauth.
package tests
