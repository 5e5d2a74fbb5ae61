package history

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"strings"
)

// generation counts the forms that this package has given triggers. What a newer
// one has written is left alone.
const generation = 1

// mark is what a table's triggers say of themselves, and the history's own
// objects of a home. It stands in their text, where every dump keeps it.
type mark struct {
	Generation int          `json:"g"`
	Table      string       `json:"t,omitempty"` // the name under which its changes are recorded
	Hash       string       `json:"h"`           // of the text
	Columns    []markColumn `json:"c,omitempty"` // that are recorded
	LeftOut    []string     `json:"o,omitempty"` // columns that a model leaves out
	AppendOnly bool         `json:"a,omitempty"`

	RequireActor    bool     `json:"ra,omitempty"`
	RequireMetadata []string `json:"rm,omitempty"`
}

// markColumn is a column as it is kept in a mark.
type markColumn struct {
	Name  string `json:"n"`
	Type  string `json:"t"`
	Kind  string `json:"k"`
	Flags string `json:"f,omitempty"` // of markFlags
	Zero  string `json:"z,omitempty"`
}

// markHere is where a mark goes in a generated text.
const markHere = "whodunit:mark"

var markPattern = regexp.MustCompile(`whodunit:([A-Za-z0-9_-]{16,})`)

// String is the mark as it stands in a text: no quote, no comment's end.
func (m mark) String() string {
	text, _ := json.Marshal(m) // of texts and numbers: can't fail
	return "whodunit:" + base64.RawURLEncoding.EncodeToString(text)
}

// markIn reads the mark of a text. It is the zero mark if there is none.
func markIn(text string) (m mark) {
	found := markPattern.FindStringSubmatch(text)
	if found == nil {
		return mark{}
	}
	raw, err := base64.RawURLEncoding.DecodeString(found[1])
	if err != nil || json.Unmarshal(raw, &m) != nil {
		return mark{}
	}
	return m
}

// same reports whether two marks are of the same text.
func (m mark) same(other mark) bool { return m.Generation == other.Generation && m.Hash == other.Hash }

// in puts the mark, with the hash of all statements, into each.
func (m mark) in(statements []string) []string {
	m.Generation, m.Hash = generation, fingerprint(strings.Join(statements, "\n"))
	for i := range statements {
		statements[i] = strings.ReplaceAll(statements[i], markHere, m.String())
	}
	return statements
}

// renamed is m with the names that columns have now, where the table has no column
// of the old one. It has each column once: if m has both names, an earlier release had
// added a column of the old name again, and that column is gone.
func (m mark) renamed(was map[string]string, has map[string]bool) mark {
	own := map[string]bool{}
	for _, name := range m.LeftOut {
		own[name] = true
	}
	for _, c := range m.Columns {
		own[c.Name] = true
	}
	taken := map[string]bool{}
	take := func(name string) (now string, first bool) {
		now = name
		if renamed, ok := was[name]; ok && !has[name] {
			now = renamed
		}
		first = !taken[now] && (now == name || !own[now])
		taken[now] = taken[now] || first
		return now, first
	}
	columns, leftOut := m.Columns, m.LeftOut
	m.Columns, m.LeftOut = nil, nil
	for _, name := range leftOut {
		if now, first := take(name); first {
			m.LeftOut = append(m.LeftOut, now)
		}
	}
	for _, c := range columns {
		if now, first := take(c.Name); first {
			c.Name = now
			m.Columns = append(m.Columns, c)
		}
	}
	return m
}

// markOf is the mark of statements, which all have the same.
func markOf(statements []string) mark { return markIn(strings.Join(statements, "\n")) }

// fingerprint identifies what a generator made of t. Triggers carry it in a
// comment.
func fingerprint(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}
