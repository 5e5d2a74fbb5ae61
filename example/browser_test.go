package main_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Two people at work, each in a real browser, from sign-in to acting as
// another. With WHODUNIT_SCREENSHOTS, the name of a directory, every screen is
// left there as people see it.
func TestInABrowser(t *testing.T) {
	chrome := startChrome(t)
	s := startServer(t, "SESSION_KEYS="+firstKey)
	alice, bob := chrome.person(t, s), chrome.person(t, s)

	alice.visit("/")
	alice.expectText("h1", "Sign in")
	alice.shoot("signin")
	alice.fill("[name=name]", "alice")
	alice.fill("[name=password]", "wrong")
	alice.click("main button")
	alice.expectText("[role=alert]", "This name and this password don't belong together.")
	alice.shoot("signin-wrong")
	alice.fill("[name=password]", seedPassword)
	alice.click("main button")
	alice.expectText("h1", "Activity")
	alice.expectText("#change-5 ins", "[inserted: and a torch ]")
	alice.shoot("activity")
	alice.visit("/history/?action=update")
	alice.fill("[name=actor]", "bob")
	alice.click(".filter button")
	alice.expectText(".sets > li:first-child .who", "bob")
	alice.shoot("filter")
	alice.visit("/history/row?table=notes&key=3")
	alice.shoot("change")
	alice.visit("/notes")
	bob.signInByKeyboard("bob")

	alice.click(`a[href="/notes/new"]`)
	alice.fill("[name=title]", "Team offsite")
	alice.fill("[name=body]", "Thursday 12 May, the hut by the lake.\nBring boots.")
	alice.shoot("new")
	alice.click("form[action='/notes'] button")
	alice.expectText(".flash", "“Team offsite” is saved.")
	const note = "/notes/6"
	alice.expectBy("Created", "alice")
	alice.expectBy("Changed", "alice")

	bob.visit(note)
	bob.fill("[name=body]", "Thursday 12 May, the hut by the lake.\nBring boots and a torch.")
	bob.click(".actions button")
	bob.expectBy("Created", "alice")
	bob.expectBy("Changed", "bob")
	for _, title := range []string{"Release checklist", "Questions for the customer", "Books to buy"} {
		bob.visit("/notes/new")
		bob.fill("[name=title]", title)
		bob.fill("[name=body]", "Everybody adds what comes to mind.")
		bob.click("form[action='/notes'] button")
	}
	alice.visit("/notes")
	alice.shoot("notes")
	alice.visit(note)
	alice.shoot("note")
	alice.click(`a[href="/history/row?table=notes&key=6"]`)
	alice.expectText("h1", "Note 6 “Team offsite”")
	alice.expectText(".sets > li:first-child ins", "[inserted: and a torch ]")
	alice.shoot("history")
	alice.click(".sets > li:last-child .note[href]")
	alice.expectText("h1", "Note 6 “Team offsite” as it was")
	alice.expectText(".values > div:nth-last-of-type(3) .text", "alice")
	alice.shoot("moment")
	alice.click(`a[href^=restore]`)
	alice.expectText("h1", "Restore Note 6 “Team offsite”")
	alice.expectText(".values del", "[deleted: and a torch ]")
	alice.shoot("restore")
	alice.click("main button")
	alice.expectText("h1", "Note 6 “Team offsite”")
	alice.expectText(".sets > li:first-child .who", "alice")
	bob.visit(note)
	bob.fill("[name=body]", "Thursday 12 May, the hut by the lake.\nBring boots and a torch.")
	bob.click(".actions button")

	bob.visit(note)
	bob.click("button[form=delete]")
	bob.expectText(".flash", "The note is in the trash.")
	alice.visit("/notes?list=trash")
	alice.expectBy("Created", "alice")
	alice.expectBy("Deleted", "bob")
	alice.shoot("trash")
	alice.click("form[action='/notes/6/restore'] button")
	alice.expectText(".notes h2", "Agenda of Monday")
	alice.visit("/notes")
	alice.expectBy("Changed", "alice")

	alice.visit("/notes?list=archive")
	alice.shoot("archive")
	alice.visit("/notes/import")
	alice.shoot("import")
	alice.visit("/notes/999")
	alice.shoot("missing")

	alice.visit("/users")
	alice.shoot("users")
	alice.click("button[aria-label='Act as bob']")
	alice.expectText(".acting span", "alice, you act as bob. What you do carries their name.")
	alice.visit(note)
	alice.fill("[name=title]", "Team offsite in May")
	alice.click(".actions button")
	alice.expectBy("Changed", "bob")
	alice.shoot("acting")
	alice.click(".acting button")
	alice.expectText("h1", "Users")

	bob.visit("/users")
	bob.expectText("h1", "Not for you")
	bob.shoot("forbidden")
	bob.visit(note)
	alice.visit(note)
	alice.click(".actions button")
	bob.fill("[name=body]", "Thursday 19 May!")
	bob.click(".actions button")
	bob.expectText("[role=alert] p", "alice changed this note while you were writing. This is how it is now. Saving replaces it by what you wrote.")
	bob.shoot("conflict")
	bob.click(".actions button")
	bob.expectText(".flash", "“Team offsite in May” is saved.")

	bobElsewhere := chrome.person(t, s)
	bobElsewhere.signInByKeyboard("bob")
	bobElsewhere.visit(note)
	bob.visit("/account")
	bob.fill("[name=current]", seedPassword)
	bob.fill("[name=new]", "a better password")
	bob.fill("[name=again]", "a beter password")
	bob.click("main button")
	bob.expectText("#again-problem", "This differs from the new password.")
	bob.shoot("account")
	bob.fill("[name=current]", seedPassword)
	bob.fill("[name=new]", "a better password")
	bob.fill("[name=again]", "a better password")
	bob.click("main button")
	bob.expectText(".flash", "Your password is changed. Everywhere else you are signed out.")

	// The other session has ended in the middle of a sentence.
	bobElsewhere.fill("[name=body]", "This took me an hour.")
	bobElsewhere.click(".actions button")
	bobElsewhere.expectText("[role=alert]", "Your session has ended. Sign in, and nothing you wrote is lost.")
	bobElsewhere.shoot("expired")
	bobElsewhere.fill("[name=name]", "bob")
	bobElsewhere.fill("[name=password]", "a better password")
	bobElsewhere.click("main button")
	bobElsewhere.expectText("h1", "Welcome back, bob")
	bobElsewhere.shoot("resend")
	bobElsewhere.click("main button")
	bobElsewhere.expectText(".flash", "“Team offsite in May” is saved.")

	bob.click("form[action='/signout'] button")
	bob.expectText(".flash", "You are signed out.")
}

// chrome is one headless browser.
type chrome struct{ ctx context.Context }

func startChrome(tb testing.TB) *chrome {
	tb.Helper()
	name := os.Getenv("WHODUNIT_BROWSER")
	if name == "" {
		tb.Skip("WHODUNIT_BROWSER is not set: WHODUNIT_BROWSER=chromium go test ./example -run Browser, or google-chrome")
	}
	binary, err := exec.LookPath(name)
	if err != nil {
		tb.Fatalf("WHODUNIT_BROWSER: %v", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(binary), chromedp.NoSandbox, chromedp.UserDataDir(tb.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("hide-scrollbars", true))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	tb.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	tb.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		tb.Fatalf("start %s: %v", binary, err)
	}
	return &chrome{ctx}
}

// person is somebody at a tab that shares nothing with the others.
type person struct {
	tb  testing.TB
	ctx context.Context
	url string
}

func (c *chrome) person(tb testing.TB, s *server) *person {
	tb.Helper()
	ctx, cancel := chromedp.NewContext(c.ctx, chromedp.WithNewBrowserContext())
	tb.Cleanup(cancel)
	err := chromedp.Listen(ctx, func(event any) {
		if entry, ok := event.(*log.EventEntryAdded); ok && entry.Entry.Source == log.EntrySourceSecurity {
			tb.Errorf("the browser refuses something: %s", entry.Entry.Text)
		}
	})
	if err != nil {
		tb.Fatal(err)
	}
	p := &person{tb, ctx, s.URL}
	p.do("a new tab", chromedp.EmulateViewport(1000, 640))
	return p
}

// timeLimit is for one thing that a person does.
const timeLimit = time.Minute

func (p *person) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	p.tb.Helper()
	run(p, what, chromedp.Steps(actions...))
}

// run returns what an action gives, or ends the test.
func run[T any](p *person, what string, action chromedp.Action[T]) T {
	p.tb.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, timeLimit)
	defer cancel()
	result, err := chromedp.Run(ctx, action)
	if err != nil {
		p.tb.Fatalf("%s: %v\n%s", what, err, p.page())
	}
	return result
}

// follow does what leads to another page, and waits for that.
func (p *person) follow(what string, action chromedp.Action[chromedp.Void]) {
	p.tb.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, timeLimit)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, action); err != nil {
		p.tb.Fatalf("%s: %v\n%s", what, err, p.page())
	}
	p.expectAccessible()
}

func (p *person) page() string {
	ctx, cancel := context.WithTimeout(p.ctx, timeLimit)
	defer cancel()
	html, _ := chromedp.Run(ctx, chromedp.OuterHTML(chromedp.CSS("body")))
	return html
}

func (p *person) visit(path string) {
	p.tb.Helper()
	p.follow("visit "+path, chromedp.Navigate(p.url+path))
}

func (p *person) click(selector string) {
	p.tb.Helper()
	p.follow("click on "+selector, chromedp.Click(chromedp.CSS(selector)))
}

func (p *person) fill(selector, text string) {
	p.tb.Helper()
	p.do("fill "+selector, chromedp.SetValue(chromedp.CSS(selector), text))
}

// signInByKeyboard never touches the mouse: the first field has the focus.
func (p *person) signInByKeyboard(name string) {
	p.tb.Helper()
	p.visit("/signin")
	p.follow("sign in by keyboard", chromedp.KeyEvent(name+kb.Tab+seedPassword+kb.Enter))
	p.expectText("h1", "Activity")
}

func (p *person) expectText(selector, want string) {
	p.tb.Helper()
	got := run(p, "text of "+selector, chromedp.Text(chromedp.CSS(selector)))
	if got = strings.Join(strings.Fields(got), " "); got != want {
		p.tb.Errorf("text of %s = %q, want %q", selector, got, want)
	}
}

// expectBy checks whom the list names for what was done to note 6.
func (p *person) expectBy(what, want string) {
	p.tb.Helper()
	got := run(p, "who "+what, chromedp.Evaluate[string](fmt.Sprintf(
		`[...document.querySelectorAll("#note-6 dl > div")].find(e => e.querySelector("dt").textContent == %q)?.querySelector("b").textContent ?? "(nothing)"`, what)))
	if got != want {
		p.tb.Errorf("%s by = %q, want %q", what, got, want)
	}
}

// expectAccessible checks what a screen reader and a keyboard need of any page.
func (p *person) expectAccessible() {
	p.tb.Helper()
	faults := run(p, "look for faults", chromedp.Evaluate[[]string](`[
		...[...document.querySelectorAll("input:not([type=hidden], [hidden]), textarea")].filter(e => !e.labels.length).map(e => "no label: " + e.name),
		...[...document.querySelectorAll("button, a")].filter(e => !(e.ariaLabel || e.textContent).trim()).map(e => "no name: " + e.outerHTML),
		...[...document.querySelectorAll("img:not([alt])")].map(e => "no alt: " + e.src),
		...[...document.querySelectorAll("[aria-describedby]")].filter(e => !document.getElementById(e.getAttribute("aria-describedby"))).map(e => "no description: " + e.name),
		...[...document.querySelectorAll("[id]")].filter((e, i, all) => all.some((f, j) => j < i && f.id == e.id)).map(e => "id twice: " + e.id),
		...(document.querySelectorAll("h1").length == 1 ? [] : ["not one h1"]),
		...(document.querySelector("main") ? [] : ["no main"]),
		...(document.documentElement.lang ? [] : ["no lang"]),
		...(document.scripts.length ? ["a script"] : []),
	]`))
	for _, fault := range append(faults, p.axe()...) {
		p.tb.Errorf("page: %s", fault)
	}
}

// axe is what axe-core finds on the page. WHODUNIT_AXE is the path of its axe.min.js,
// as npm pack axe-core gets it; without, it finds nothing.
func (p *person) axe() []string {
	p.tb.Helper()
	path := os.Getenv("WHODUNIT_AXE")
	if path == "" {
		return nil
	}
	script, err := os.ReadFile(path)
	if err != nil {
		p.tb.Fatalf("WHODUNIT_AXE: %v", err)
	}
	return run(p, "ask axe", chromedp.Evaluate[[]string](string(script)+`
		;axe.run().then(r => r.violations.flatMap(v => v.nodes.map(n => v.id + " (" + v.impact + "): " + n.html + " " + n.failureSummary)))`,
		chromedp.EvalAwaitPromise))
}

// shoot checks that the page fits a phone, and leaves pictures of it where they
// are wanted: in light, in dark, and on a phone.
func (p *person) shoot(name string) {
	p.tb.Helper()
	dir := os.Getenv("WHODUNIT_SCREENSHOTS")
	for _, look := range []struct {
		name, scheme string
		width        int64
	}{{"light", "light", 1000}, {"dark", "dark", 1000}, {"phone", "light", 320}} {
		p.do("look at "+name, chromedp.EmulateViewport(look.width, 640), prefer(look.scheme))
		if width := run(p, "width", chromedp.Evaluate[int64]("document.documentElement.scrollWidth")); width > look.width {
			p.tb.Errorf("%s is %d pixels wide on a screen of %d", name, width, look.width)
		}
		p.expectFocusRings(name + ", " + look.name)
		if dir == "" && os.Getenv("WHODUNIT_AXE") == "" {
			continue
		}
		p.do("let colors fade", chromedp.Sleep(300*time.Millisecond))
		p.expectAccessible()
		if dir == "" {
			continue
		}
		picture := run(p, "shoot "+name, chromedp.FullScreenshot(100))
		if err := os.WriteFile(filepath.Join(dir, name+"-"+look.name+".png"), smaller(p.tb, picture), 0o644); err != nil {
			p.tb.Fatal(err)
		}
	}
	p.do("back to normal", chromedp.EmulateViewport(1000, 640), prefer("light"))
}

// expectFocusRings goes through a page of the history by the Tab key, and measures
// how the ring around what has the focus stands out from what is behind it.
func (p *person) expectFocusRings(what string) {
	p.tb.Helper()
	if !strings.HasPrefix(run(p, "where", chromedp.Evaluate[string]("location.pathname")), activityPrefix) {
		return
	}
	p.do("begin at the top", chromedp.Evaluate[chromedp.Void]("document.querySelector('.skip').focus()"))
	least := 21.0
	var way []int // from the first element that can have the focus to the last
	for ; ; p.do("the next one", chromedp.KeyEvent(kb.Tab)) {
		ring := run(p, "look at the ring", chromedp.Evaluate[focusRing](measureRing))
		if len(way) > 0 && ring.Element == way[len(way)-1] {
			continue // a field for a time has several parts
		}
		if ring.Element < 0 || slices.Contains(way, ring.Element) {
			break
		}
		way, least = append(way, ring.Element), min(least, ring.Contrast)
		if begun := len(way) == 1; ring.Contrast < 3 || ring.Width < 2 && !begun { // a script began, which may show no ring
			p.tb.Errorf("%s: the ring around %s is %v wide, with a contrast of %.2f, want 2 and 3 at least", what, ring.HTML, ring.Width, ring.Contrast)
		}
	}
	if want := run(p, "count links, buttons and fields", chromedp.Evaluate[int](`[...document.querySelectorAll("a, button, summary, select, input:not([type=hidden])")].filter(e => e.checkVisibility()).length`)); len(way) != want {
		p.tb.Errorf("%s: Tab leads to %d elements of %d", what, len(way), want)
	}
	p.tb.Logf("%s: %d rings, the least contrast is %.2f", what, len(way), least)
	p.do("leave it", chromedp.Evaluate[chromedp.Void]("document.activeElement.blur()"))
}

const activityPrefix = "/history/"

// focusRing is what is around the element that has the focus.
type focusRing struct {
	Element  int     `json:"element"` // its place in the document, -1 for none
	HTML     string  `json:"html"`
	Width    float64 `json:"width"`    // in pixels, 0 for no ring
	Contrast float64 `json:"contrast"` // as WCAG counts it
}

const measureRing = `(() => {
	const e = document.activeElement
	if (!e || e === document.body || e === document.documentElement) return {element: -1, html: "", width: 0, contrast: 0}
	const numbers = color => color.match(/[\d.]+/g).map(Number)
	const light = color => {
		const [r, g, b] = numbers(color).slice(0, 3).map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
		return 0.2126 * r + 0.7152 * g + 0.0722 * b
	}
	let behind = e.parentElement
	while (behind.parentElement && numbers(getComputedStyle(behind).backgroundColor)[3] === 0) behind = behind.parentElement
	const style = getComputedStyle(e)
	const [a, b] = [light(style.outlineColor), light(getComputedStyle(behind).backgroundColor)].sort((x, y) => y - x)
	return {
		element: [...document.querySelectorAll("*")].indexOf(e), html: e.outerHTML.slice(0, 90),
		width: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth), contrast: (a + 0.05) / (b + 0.05),
	}
})()`

// prefer chooses between light and dark.
func prefer(scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	})
}

// smaller stores a picture with the 256 colors that it has most of, which is all
// of a page but some edges of letters.
func smaller(tb testing.TB, picture []byte) []byte {
	tb.Helper()
	full, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		tb.Fatal(err)
	}
	counts := map[color.Color]int{}
	for y := full.Bounds().Min.Y; y < full.Bounds().Max.Y; y++ {
		for x := full.Bounds().Min.X; x < full.Bounds().Max.X; x++ {
			counts[full.At(x, y)]++
		}
	}
	colors := slices.SortedFunc(maps.Keys(counts), func(a, b color.Color) int { return counts[b] - counts[a] })
	paletted := image.NewPaletted(full.Bounds(), colors[:min(len(colors), 256)])
	draw.Draw(paletted, full.Bounds(), full, full.Bounds().Min, draw.Src)
	var packed bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&packed, paletted); err != nil {
		tb.Fatal(err)
	}
	return packed.Bytes()
}
