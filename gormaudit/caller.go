package gormaudit

import (
	"runtime"
	"strconv"
	"strings"
)

// caller returns file and line of the code that called GORM: the first frame
// that is neither GORM's nor this package's.
func caller() string {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		frame, more := frames.Next()
		if !strings.HasPrefix(frame.Function, "gorm.io/") && !strings.HasPrefix(frame.Function, thisPackage) {
			return frame.File + ":" + strconv.Itoa(frame.Line)
		}
		if !more {
			return "an unknown place"
		}
	}
}

// thisPackage ends in a dot, so that it is not a prefix of the tests' package.
const thisPackage = "github.com/seed-3826ef92/whodunit/gormaudit."
