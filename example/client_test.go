package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

const seedPassword = "whodunit"

// browser is somebody with a browser: cookies, forms, redirects.
type browser struct {
	tb   testing.TB
	url  string
	http *http.Client
}

// answer is what came back, with its body read.
type answer struct {
	Status int
	Path   string // after redirects
	Body   string
	Header http.Header
}

func newBrowser(tb testing.TB, s *server) *browser {
	tb.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return &browser{tb: tb, url: s.URL, http: &http.Client{Jar: jar, Transport: transport}}
}

// from makes a browser's requests those of a client with that address, as a
// proxy passes them on that the server was told to trust: see behindProxy.
func (b *browser) from(address string) *browser {
	b.http.Transport = forwarded(address)
	return b
}

// behindProxy lets a server believe what addresses its clients have. One
// address may not sign in as often as a crowd does.
const behindProxy = "TRUSTED_PROXIES=127.0.0.1, ::1"

// forwarded is the address of a client.
type forwarded string

func (f forwarded) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.Header.Set("X-Forwarded-For", string(f))
	return transport.RoundTrip(request)
}

// transport keeps enough connections for a crowd.
var transport = &http.Transport{MaxIdleConnsPerHost: 300}

// signIn returns the browser of somebody who has signed in.
func signIn(tb testing.TB, s *server, name, password string) *browser {
	tb.Helper()
	b := newBrowser(tb, s)
	a := b.submit("/signin", "/signin", url.Values{"name": {name}, "password": {password}})
	if a.Status != http.StatusOK || a.Path != "/history/" {
		tb.Fatalf("sign in as %s = %d at %s, want 200 at /", name, a.Status, a.Path)
	}
	return b
}

func (b *browser) site() *url.URL {
	site, err := url.Parse(b.url)
	if err != nil {
		b.tb.Fatal(err)
	}
	return site
}

func (b *browser) get(path string) answer {
	b.tb.Helper()
	response, err := b.http.Get(b.url + path)
	return b.read(response, err)
}

// submit opens a page and sends the form there whose action it names.
func (b *browser) submit(page, action string, form url.Values) answer {
	b.tb.Helper()
	return b.send(b.get(page), action, form)
}

// send fills in the form of a page whose action it names, and sends it with
// what the page hid in it.
func (b *browser) send(page answer, action string, form url.Values) answer {
	b.tb.Helper()
	sent := page.form(b.tb, action)
	for name, values := range form {
		sent[name] = values
	}
	return b.post(action, sent)
}

func (b *browser) post(action string, form url.Values) answer {
	b.tb.Helper()
	response, err := b.http.PostForm(b.url+action, form)
	return b.read(response, err)
}

// postFrom sends a form as a page somewhere would: with the headers by which a
// browser says where that is, given as name and value in turn.
func (b *browser) postFrom(action string, form url.Values, headers ...string) answer {
	b.tb.Helper()
	request, err := http.NewRequest("POST", b.url+action, strings.NewReader(form.Encode()))
	if err != nil {
		b.tb.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			request.Host = headers[i+1]
		}
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := b.http.Do(request)
	return b.read(response, err)
}

var hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)

// form returns what a page hides in the form whose action is given.
func (a answer) form(tb testing.TB, action string) url.Values {
	tb.Helper()
	_, rest, ok := strings.Cut(a.Body, `method="post" action="`+action+`"`)
	if !ok {
		tb.Fatalf("%s (%d) has no form for %s:\n%s", a.Path, a.Status, action, a.Body)
	}
	text, _, _ := strings.Cut(rest, "</form>")
	fields := url.Values{}
	for _, match := range hiddenField.FindAllStringSubmatch(text, -1) {
		fields.Add(match[1], html.UnescapeString(match[2]))
	}
	return fields
}

func (b *browser) read(response *http.Response, err error) answer {
	b.tb.Helper()
	if err != nil {
		b.tb.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // nothing follows
	body, err := io.ReadAll(response.Body)
	if err != nil {
		b.tb.Fatal(err)
	}
	return answer{response.StatusCode, response.Request.URL.Path, string(body), response.Header}
}

// program is a client of the JSON API.
type program struct {
	tb    testing.TB
	url   string
	token string
	from  string // the client's address, see behindProxy; by default the real one
}

// apiSignIn returns a client with a token of its own.
func apiSignIn(tb testing.TB, s *server, name string) *program {
	tb.Helper()
	p := &program{tb: tb, url: s.URL}
	var body struct{ Token string }
	status := p.call("POST", "/api/token", fmt.Sprintf(`{"name":%q,"password":%q}`, name, seedPassword), &body)
	if status != http.StatusOK || body.Token == "" {
		tb.Fatalf("token for %s = %d %q, want 200 and a token", name, status, body.Token)
	}
	p.token = body.Token
	return p
}

// note is a note as the API shows it.
type note struct {
	ID        uint   `json:"id"`
	Title     string `json:"title"`
	Body      string `json:"body"`
	Version   uint   `json:"version"`
	CreatedBy *uint  `json:"created_by"`
	UpdatedBy *uint  `json:"updated_by"`
	DeletedBy *uint  `json:"deleted_by"`
}

type noteList struct {
	Notes []note
	More  bool
}

// call sends a request with a JSON body, or without one, and decodes the
// answer into out unless that is nil.
func (p *program) call(method, path, body string, out any) (status int) {
	p.tb.Helper()
	request, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.tb.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if p.from != "" {
		request.Header.Set("X-Forwarded-For", p.from)
	}
	if p.token != "" {
		request.Header.Set("Authorization", "Bearer "+p.token)
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		p.tb.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // nothing follows
	text, err := io.ReadAll(response.Body)
	if err != nil {
		p.tb.Fatal(err)
	}
	if out != nil {
		if err := json.NewDecoder(bytes.NewReader(text)).Decode(out); err != nil {
			p.tb.Fatalf("%s %s = %d %s: %v", method, path, response.StatusCode, text, err)
		}
	}
	return response.StatusCode
}
