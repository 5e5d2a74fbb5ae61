package main_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// The tests meet the application as its users do: a process, started from the
// environment, asked over HTTP.

// server is one running process.
type server struct {
	URL string
	Dir string // its working directory, where notes.db is

	process *exec.Cmd
	out     io.Reader
	log     *syncBuffer
	stopped bool
}

// startServer runs the application with the environment given as NAME=value,
// and stops it when the test ends.
func startServer(tb testing.TB, env ...string) *server {
	tb.Helper()
	return startServerIn(tb, tb.TempDir(), env...)
}

func startServerIn(tb testing.TB, dir string, env ...string) *server {
	tb.Helper()
	s := launch(tb, dir, env...)
	s.await(tb)
	return s
}

// launch starts a process without waiting for it to serve.
func launch(tb testing.TB, dir string, env ...string) *server {
	tb.Helper()
	s := &server{Dir: dir, log: &syncBuffer{}, process: command(tb, dir, env...)}
	s.process.Stderr = s.log
	out, err := s.process.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	s.out = out
	if err := s.process.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.stop(tb) })
	return s
}

// await waits until the process says where it serves.
func (s *server) await(tb testing.TB) {
	tb.Helper()
	lines := bufio.NewScanner(s.out)
	if !lines.Scan() {
		tb.Fatalf("the server did not start: %s", s.log)
	}
	_, url, ok := strings.Cut(lines.Text(), "http://")
	if !ok {
		tb.Fatalf("first line of stdout = %q, want it to name the address", lines.Text())
	}
	s.URL = "http://" + url
	go func() { _, _ = io.Copy(io.Discard, s.out) }()
}

// stop interrupts the process as Ctrl-C does, and checks that it ends well.
func (s *server) stop(tb testing.TB) {
	tb.Helper()
	if s.stopped {
		return
	}
	s.stopped = true
	if runtime.GOOS == "windows" { // no signals there
		_ = s.process.Process.Kill()
		_ = s.process.Wait()
	} else if err := interrupt(s.process); err != nil {
		tb.Errorf("exit after an interrupt: %v\n%s", err, tail(s.log.String()))
	}
	if log := s.log.String(); strings.Contains(log, "DATA RACE") {
		tb.Errorf("the server has a data race:\n%s", log[strings.Index(log, "DATA RACE"):])
	}
}

func interrupt(process *exec.Cmd) error {
	if err := process.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	kill := time.AfterFunc(time.Minute, func() { _ = process.Process.Kill() })
	defer kill.Stop()
	return process.Wait()
}

// command is the application, ready to be started.
func command(tb testing.TB, dir string, env ...string) *exec.Cmd {
	tb.Helper()
	binary, err := build()
	if err != nil {
		tb.Fatal(err)
	}
	process := exec.Command(binary)
	process.Dir = dir
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		switch name {
		case "ADDR", "PORT", "DATABASE_URL", "REDIS_URL", "REDIS_PREFIX", "SESSION_KEYS", "DEBUG_ADDR", "PUBLIC_URL", "TRUSTED_PROXIES":
		default:
			process.Env = append(process.Env, variable)
		}
	}
	process.Env = append(process.Env, "ADDR=127.0.0.1:0")
	process.Env = append(process.Env, env...)
	return process
}

var buildDir string

// build compiles the application once for all tests, with the race detector
// where the tests have it.
var build = sync.OnceValues(func() (string, error) {
	if err := readSources(); err != nil {
		return "", err
	}
	binary := filepath.Join(buildDir, "example.exe")
	args := []string{"build", "-o", binary}
	if raceEnabled {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, ".")...).CombinedOutput()
	if err != nil {
		return "", errors.New(string(out))
	}
	return binary, nil
})

// readSources reads what the application is built from. go test takes the files
// that a test opens for its inputs, and so does not reuse the result of another
// application's test.
func readSources() error {
	return filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			if entry != nil && entry.Name() == ".git" {
				return fs.SkipDir
			}
			return err
		}
		switch filepath.Ext(path) {
		case ".go", ".mod", ".html", ".css", ".svg":
			_, err = os.ReadFile(path)
		}
		return err
	})
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	buildDir = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// syncBuffer is a bytes.Buffer that may be read while a process writes to it.
type syncBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

func tail(text string) string { return text[max(0, len(text)-2000):] }

// long skips a test that takes seconds of work, with -short.
func long(tb testing.TB) {
	tb.Helper()
	if testing.Short() {
		tb.Skip("it takes long, and -short is set")
	}
}

// freeAddress returns an address on which nothing listens.
func freeAddress(tb testing.TB) string {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // it was only to find a port
	return listener.Addr().String()
}
