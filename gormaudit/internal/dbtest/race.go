//go:build race

package dbtest

// Race says that the race detector runs.
const Race = true
