package main_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"
	_ "modernc.org/sqlite"
)

// TestFirstMinute pastes the README's program into an empty module, and the same
// for Echo v4, runs it, asks it what the README asks it, and makes 200 posts to
// it, 20 at a time.
func TestFirstMinute(t *testing.T) {
	for name, program := range map[string]string{"v5": firstProgram(t), "v4": read(t, "v4/main.go")} {
		t.Run(name, func(t *testing.T) {
			address := freeAddress(t)
			url := start(t, build(t, strings.Replace(program, "127.0.0.1:8081", address, 1)), address)
			client := signIn(t, url)
			expectFirstNote(t, client, url)
			const people, posts = 20, 10
			var group sync.WaitGroup
			for range people {
				group.Go(func() {
					for range posts {
						if status, body := post(t, client, url); status != http.StatusCreated || !strings.Contains(body, `"created_by":42,"updated_by":42`) {
							t.Errorf("POST /notes = %d %s, want 201 and a note by 42", status, body)
						}
					}
				})
			}
			group.Wait()
			if status, body := post(t, http.DefaultClient, url); status != http.StatusUnauthorized || body != "{\"message\":\"Unauthorized\"}\n" {
				t.Errorf("POST /notes without signing in = %d %s, want 401", status, body)
			}
		})
	}
}

// expectFirstNote checks the answer that the README shows.
func expectFirstNote(t *testing.T, client *http.Client, url string) {
	t.Helper()
	_, want, _ := strings.Cut(read(t, "../../README.md"), "\n# {")
	want, _, _ = strings.Cut(want, "\n")
	_, body := post(t, client, url)
	if got := regexp.MustCompile(`"20[^"]*"`).ReplaceAllString(body, `"…"`); got != "{"+want+"\n" {
		t.Errorf("the first POST /notes = %s, want {%s", got, want)
	}
}

// firstProgram returns the README's first Go block, which must be this
// package's program.
func firstProgram(t *testing.T) string {
	t.Helper()
	readme, program := read(t, "../../README.md"), read(t, "main.go")
	_, block, _ := strings.Cut(readme, "```go\n")
	block, _, _ = strings.Cut(block, "```")
	if !strings.HasSuffix(program, block) {
		t.Fatal("the first Go block of the README is not the end of main.go")
	}
	return block
}

// build compiles a program in a module of its own, with the versions that this
// module has and without a network.
func build(t *testing.T, program string) (binary string) {
	t.Helper()
	dir := t.TempDir()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	const module = "github.com/seed-3826ef92/whodunit"
	write(t, filepath.Join(dir, "main.go"), program)
	write(t, filepath.Join(dir, "go.mod"), fmt.Sprintf("module notes\n\ngo 1.25.0\n\nrequire %s v0.0.0\n\nreplace %s => %s\n", module, module, root))
	write(t, filepath.Join(dir, "go.sum"), read(t, "../../go.sum"))
	binary = filepath.Join(dir, "notes.exe")
	cmd := exec.Command("go", "build", "-mod=mod", "-o", binary)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOPROXY=off", "GOFLAGS=", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func start(t *testing.T, binary, address string) (url string) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(binary)
	cmd.Dir, cmd.Stdout, cmd.Stderr = t.TempDir(), &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the program printed:\n%s", out.String())
		}
	})
	for range 300 {
		if c, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			_ = c.Close()
			return "http://" + address
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("nothing answers at %s", address)
	return ""
}

func signIn(t *testing.T, url string) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Timeout: time.Minute}
	response, err := client.Post(url+"/login", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return client
}

// post makes a note that claims to be somebody else's.
func post(t *testing.T, client *http.Client, url string) (status int, body string) {
	response, err := client.Post(url+"/notes", "application/json", strings.NewReader(`{"Title":"Hello","created_by":666}`))
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return response.StatusCode, string(text)
}

// TestDocumentedDSNs writes to each address of a SQLite file in the README and
// the pages beside the code: 200 transactions that read before they write, 20
// at a time.
func TestDocumentedDSNs(t *testing.T) {
	dsn := regexp.MustCompile("[\"`]((?:file:)?[a-z]+\\.db\\?[^\"`\\s]*)[\"`]")
	found := 0
	for _, page := range pages(t) {
		for _, match := range dsn.FindAllStringSubmatch(read(t, page), -1) {
			found++
			t.Run(match[1], func(t *testing.T) { crowd(t, match[1]) })
		}
	}
	if found < 3 {
		t.Errorf("found %d addresses, want the program's and one for each driver", found)
	}
}

func pages(t *testing.T) []string {
	t.Helper()
	var pages []string
	for _, pattern := range []string{"*.md", "gormaudit/*.md", "gormaudit/*/*.md", "gormaudit/doc.go", "gormaudit/*/doc.go", "echoauth/*.md"} {
		found, err := filepath.Glob(filepath.Join("../..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	return pages
}

func crowd(t *testing.T, dsn string) {
	t.Chdir(t.TempDir())
	driver := "sqlite"
	if strings.Contains(dsn, "_busy_timeout=") {
		driver = "sqlite3" // mattn/go-sqlite3, which spells it so
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.Exec("CREATE TABLE counters (n INTEGER); INSERT INTO counters VALUES (0)"); err != nil {
		if strings.Contains(err.Error(), "requires cgo") {
			t.Skip("mattn/go-sqlite3 needs a C compiler")
		}
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			for range 10 {
				if err := count(db); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	var n int
	if err := db.QueryRow("SELECT n FROM counters").Scan(&n); err != nil || n != 200 {
		t.Errorf("counted %d (%v), want 200", n, err)
	}
}

func count(db *sql.DB) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	var n int
	if err := tx.QueryRow("SELECT n FROM counters").Scan(&n); err != nil {
		return err
	}
	if _, err := tx.Exec("UPDATE counters SET n = ?", n+1); err != nil {
		return err
	}
	return tx.Commit()
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
