package gormaudit

import (
	"hash/maphash"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// places knows the lines of the application that events come from, and counts
// how often the log was told of each.
type places struct {
	seed maphash.Seed
	mu   sync.Mutex
	// stacks are the frames of whole stacks, by their hash. To find them takes
	// longer than all else.
	stacks map[uint64][]runtime.Frame
	counts map[place]uint64
}

// place is an event as the log counts it. All its lines belong to it: another
// caller of one function of a repository is another place.
type place struct {
	kind                     EventKind
	operation, table, column string
	lines                    [maxFrames]line
}

type line struct {
	file   string
	number int
}

const (
	maxFrames = 3
	// maxPlaces bounds the memory. The places beyond it share one count.
	maxPlaces = 1000
	// maxDepth is how much of a stack is looked at.
	maxDepth = 128
)

func newPlaces() *places {
	return &places{seed: maphash.MakeSeed(), stacks: map[uint64][]runtime.Frame{}, counts: map[place]uint64{}}
}

// frames returns where in the application the calling goroutine is.
func (p *places) frames() []runtime.Frame {
	var stack [maxDepth]uintptr
	depth := runtime.Callers(2, stack[:])
	hash := maphash.Comparable(p.seed, stack)
	p.mu.Lock()
	found, ok := p.stacks[hash]
	p.mu.Unlock()
	if !ok {
		found = framesOf(stack[:depth])
		p.mu.Lock()
		if len(p.stacks) < maxPlaces {
			p.stacks[hash] = found
		}
		p.mu.Unlock()
	}
	return slices.Clone(found) // whoever gets it may change it
}

// count returns how often there was an event like e from its place, this one
// included.
func (p *places) count(e *Event) uint64 {
	key := place{kind: e.Kind, operation: e.Operation, table: e.Table, column: e.Column}
	for n := range min(len(e.Frames), maxFrames) {
		key.lines[n] = line{e.Frames[n].File, e.Frames[n].Line}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.counts[key]; !known && len(p.counts) >= maxPlaces {
		key = place{}
	}
	p.counts[key]++
	return p.counts[key]
}

// framesOf returns the first frame of a stack that is the application's, those of
// the same package that called it, and the first one outside. Where these are too
// many, the first one stays, the one by which the package was entered and the one
// outside, or without one outside, the direct caller. It stops at what calls
// handlers: behind it is middleware, which is the same for all of them.
func framesOf(stack []uintptr) []runtime.Frame {
	var found []runtime.Frame
	for frames, more := runtime.CallersFrames(stack), len(stack) > 0; more; {
		var frame runtime.Frame
		frame, more = frames.Next()
		switch full := len(found) == maxFrames; {
		case isServer(frame):
			if len(found) > 0 {
				return found
			}
		case isLibrary(frame):
		case len(found) > 0 && packageOf(frame.Function) != packageOf(found[0].Function):
			if full {
				found = slices.Delete(found, maxFrames-2, maxFrames-1)
			}
			return append(found, frame)
		case full:
			found[maxFrames-1] = frame
		default:
			found = append(found, frame)
		}
	}
	return found
}

// isLibrary reports whether a function is GORM's, this package's, the history's, or
// the runtime's.
func isLibrary(frame runtime.Frame) bool {
	return frame.Function == "" || isOf(frame, libraries[:], libraryDirectories[:])
}

// isServer reports whether a function is of what calls the application's handlers.
func isServer(frame runtime.Frame) bool {
	return isOf(frame, servers[:], serverDirectories[:])
}

// isOf reports whether a function is of one of the packages. A library's closure has
// the name of the application's function that the compiler inlined it into: its file
// tells.
func isOf(frame runtime.Frame, packages, directories []string) bool {
	for _, prefix := range packages {
		if strings.HasPrefix(frame.Function, prefix) {
			return true
		}
	}
	for _, directory := range directories {
		if strings.Contains(frame.File, "/"+directory) || strings.HasPrefix(frame.File, strings.TrimPrefix(directory, "src/")) {
			return true
		}
	}
	return false
}

var (
	libraries = [...]string{"gorm.io/", thisPackage, historyPackage, "runtime."}
	servers   = [...]string{
		"github.com/seed-3826ef92/whodunit/echoauth", "github.com/labstack/echo", "github.com/gin-gonic/gin.", "github.com/go-chi/chi", "net/http.",
	}
)

// libraryDirectories and serverDirectories are where the module cache, a vendor
// directory, a replaced module or GOROOT has them. A build with -trimpath leaves
// nothing before.
var (
	libraryDirectories = [...]string{"gorm.io/"}
	serverDirectories  = [...]string{
		echoauthDirectory(), "github.com/labstack/echo", "github.com/gin-gonic/gin", "github.com/go-chi/chi", "src/net/http/",
	}
)

// echoauthDirectory is beside this package's.
func echoauthDirectory() string {
	_, file, _, _ := runtime.Caller(0)
	return strings.TrimPrefix(path.Join(path.Dir(path.Dir(file)), "echoauth"), "/") + "/"
}

// The packages end in a dot, so that they are no prefixes of their tests'
// packages.
const (
	thisPackage    = "github.com/seed-3826ef92/whodunit/gormaudit."
	historyPackage = "github.com/seed-3826ef92/whodunit/gormaudit/history."
)

// packageOf returns the import path in a function's name, in which dots after
// the last slash are escaped.
func packageOf(function string) string {
	name, _, _ := strings.Cut(function, "[") // type arguments have paths of their own
	slash := strings.LastIndexByte(name, '/') + 1
	path, _, _ := strings.Cut(name[slash:], ".")
	return name[:slash] + path
}
