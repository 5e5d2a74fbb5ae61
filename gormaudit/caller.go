package gormaudit

import (
	"runtime"
	"strconv"
	"strings"
)

// caller returns file and line of the code that called GORM: the first frame
// that is neither GORM's nor this package's nor the history's.
func caller() string {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		frame, more := frames.Next()
		if !isLibrary(frame.Function) {
			return frame.File + ":" + strconv.Itoa(frame.Line)
		}
		if !more {
			return "an unknown place"
		}
	}
}

func isLibrary(function string) bool {
	return strings.HasPrefix(function, "gorm.io/") || strings.HasPrefix(function, thisPackage) || strings.HasPrefix(function, historyPackage)
}

// The packages end in a dot, so that they are no prefixes of their tests'
// packages.
const (
	thisPackage    = "github.com/seed-3826ef92/whodunit/gormaudit."
	historyPackage = "github.com/seed-3826ef92/whodunit/gormaudit/history."
)
