package historyweb

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aymanbagabas/go-udiff/lcs"
)

// segment is a part of a text beside its next version: the same in both, deleted,
// inserted, or folded away.
type segment struct {
	Op   string // "", "del", "ins" or "fold"
	Text string
	N    int    // of what is folded away
	Unit string // what that is, in the singular
}

// Folded says what is folded away.
func (s segment) Folded() string {
	if s.N == 1 {
		return "1 " + s.Unit
	}
	return fmt.Sprintf("%d %ss", s.N, s.Unit)
}

// How much of what is the same stays around what is not.
const (
	contextLines = 2
	contextWords = 12
)

// diff compares two texts: by line where there are several, and by word in those
// that differ.
func diff(before, after string) []segment {
	before, after = cut(before), cut(after)
	if !strings.Contains(before, "\n") && !strings.Contains(after, "\n") {
		return fold(diffTokens(words(before), words(after)), contextWords, "unchanged word")
	}
	old, now := lines(before), lines(after)
	var found []segment
	done := 0
	for _, d := range lcs.DiffLines(old, now) {
		found = append(found, same(old[done:d.Start])...)
		deleted, inserted := strings.Join(old[d.Start:d.End], ""), strings.Join(now[d.ReplStart:d.ReplEnd], "")
		found = append(found, diffTokens(words(deleted), words(inserted))...)
		done = d.End
	}
	return fold(append(found, same(old[done:])...), contextLines, "unchanged line")
}

// alike is the least part that two texts must share to be shown word by word:
// otherwise one stands after the other.
const alike = 0.3

func diffTokens(old, now []string) []segment {
	var found []segment
	done, shared := 0, 0
	diffs := lcs.DiffLines(old, now)
	for _, d := range diffs {
		shared += d.Start - done
		found = append(found, same(old[done:d.Start])...)
		found = append(found, replaced(old[d.Start:d.End], now[d.ReplStart:d.ReplEnd])...)
		done = d.End
	}
	shared += len(old) - done
	if most := max(len(old), len(now)); most > 0 && float64(shared) < alike*float64(most) {
		return replaced(old, now)
	}
	return append(found, same(old[done:])...)
}

func same(tokens []string) []segment {
	if len(tokens) == 0 {
		return nil
	}
	return []segment{{Text: strings.Join(tokens, ""), N: len(tokens)}}
}

func replaced(old, now []string) (found []segment) {
	if len(old) > 0 {
		found = append(found, segment{Op: "del", Text: strings.Join(old, "")})
	}
	if len(now) > 0 {
		found = append(found, segment{Op: "ins", Text: strings.Join(now, "")})
	}
	return found
}

// longest is up to how many bytes of a text are shown, excerptLength how much of one
// that there is no other for is not folded away.
const (
	longest       = 20_000
	excerptLength = 400
)

// cut shortens a text between two characters.
func cut(text string) string {
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest], "") + " … (the rest is not shown)"
}

// excerpt is a text that was inserted or deleted as a whole.
func excerpt(op, text string) []segment {
	text = cut(text)
	if len(text) <= 2*excerptLength {
		return []segment{{Op: op, Text: text}}
	}
	head := strings.ToValidUTF8(text[:excerptLength], "")
	rest := text[len(head):]
	return []segment{{Op: op, Text: head}, {Op: "fold", Text: rest, N: utf8.RuneCountInString(rest), Unit: "more letter"}}
}

// fold puts the middle of what is the same away, leaving some of it around what
// is not.
func fold(segments []segment, context int, unit string) []segment {
	var folded []segment
	for i, s := range segments {
		parts := words(s.Text)
		if unit == "unchanged line" {
			parts = lines(s.Text)
		}
		head, tail := context, context
		if i == 0 {
			head = 0
		}
		if i == len(segments)-1 {
			tail = 0
		}
		if s.Op != "" || len(segments) == 1 || len(parts) <= head+tail+context {
			folded = append(folded, s)
			continue
		}
		middle := parts[head : len(parts)-tail]
		folded = append(folded, same(parts[:head])...)
		folded = append(folded, segment{Op: "fold", Text: strings.Join(middle, ""), N: count(middle), Unit: unit})
		folded = append(folded, same(parts[len(parts)-tail:])...)
	}
	return folded
}

// count leaves out spaces between words.
func count(parts []string) (n int) {
	for _, part := range parts {
		if strings.TrimSpace(part) != "" || strings.HasSuffix(part, "\n") {
			n++
		}
	}
	return n
}

// lines are those of a text, each with its end.
func lines(text string) []string {
	parts := strings.SplitAfter(text, "\n")
	if parts[len(parts)-1] == "" {
		parts = parts[:len(parts)-1]
	}
	return parts
}

// pointIn reports whether there is a point or comma at i that is a number's.
func pointIn(text string, i int) bool {
	isDigit := func(i int) bool { return 0 <= i && i < len(text) && '0' <= text[i] && text[i] <= '9' }
	return (text[i] == '.' || text[i] == ',') && isDigit(i-1) && isDigit(i+1)
}

// words are those of a text, with the spaces and signs between them.
func words(text string) (parts []string) {
	class := func(r rune) int {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), unicode.IsMark(r):
			return 1
		case unicode.IsSpace(r) && r != '\n':
			return 2
		}
		return 0 // each alone
	}
	start, last := 0, -1
	for i, r := range text {
		is := class(r)
		if pointIn(text, i) {
			is = last
		}
		if i > 0 && (is != last || is == 0) {
			parts = append(parts, text[start:i])
			start = i
		}
		last = is
	}
	if start < len(text) {
		parts = append(parts, text[start:])
	}
	return parts
}
