// Package keyed marks a row whose key is known to be set.
package keyed

// Row is a row whose key is set, even where that is a zero value, which otherwise
// means a key that somebody forgot. It can be among the Rows of a history.Query.
type Row struct{ Model any }
