package gormaudit

import (
	"database/sql"
	"strings"
)

// table is one table. What is known of it says nothing of another one of the
// same name.
type table struct {
	pool   *sql.DB // nil where the connection does not tell
	schema string  // "" is the one that unqualified names are in
	name   string
}

// tableName is how a statement names a table.
type tableName struct {
	schema, name string
	// qualifier is what its columns can have before them: the alias, if it
	// has one.
	qualifier string
}

// parseName reads what a model says its table is called.
func parseName(text string) tableName {
	n := tableName{name: bare(text), qualifier: text}
	if dot := strings.LastIndexByte(text, '.'); dot >= 0 {
		n.schema = bare(text[:dot])
	}
	return n
}

// tablesIn returns the tables that are named in text: the head of a statement,
// as far as its columns, or what was given to db.Table.
func tablesIn(text string) []tableName {
	var names []tableName
	words := words{text: text}
	w := words.next()
	if w.is("WITH") { // its names are not those of tables
		for w.text != "" && !w.is("INSERT", "UPDATE", "REPLACE") {
			w = words.next()
		}
	}
	for expected := true; w.text != ""; w = words.next() {
		switch {
		case w.is("INSERT", "OR", "REPLACE", "INTO", "UPDATE", "DELAYED", "HIGH_PRIORITY", "LOW_PRIORITY", "IGNORE", "ABORT", "FAIL", "ROLLBACK", "ONLY",
			",", "FROM", "JOIN", "STRAIGHT_JOIN"):
			expected = true
		case expected:
			names = append(names, words.name(w))
			expected = false
		case w.is("SET", "VALUES", "VALUE", "SELECT", "DEFAULT"):
			return names
		}
	}
	return names
}

// words reads SQL word by word. It leaves out what is in parentheses, strings
// and comments.
type words struct{ text string }

// word is a name, a sign or a keyword; text is empty at the end.
type word struct {
	text   string
	quoted bool
}

// is reports whether w is one of some keywords or signs.
func (w word) is(keywords ...string) bool {
	if w.quoted {
		return false
	}
	for _, keyword := range keywords {
		if strings.EqualFold(w.text, keyword) {
			return true
		}
	}
	return false
}

// name reads the rest of a table's name and its alias.
func (r *words) name(first word) tableName {
	parts := []string{first.text}
	for r.peek().is(".") {
		r.next()
		parts = append(parts, r.next().text)
	}
	last := len(parts) - 1
	n := tableName{name: parts[last], qualifier: strings.Join(parts, ".")}
	if last > 0 {
		n.schema = parts[last-1]
	}
	alias := r.peek()
	if alias.is("AS") {
		r.next()
		alias = r.peek()
	} else if !alias.quoted && (alias.text == "" || !startsName(alias.text[0]) || alias.is(afterTable...)) {
		return n
	}
	r.next()
	n.qualifier = alias.text
	return n
}

// afterTable are the keywords that can follow a table that has no alias.
var afterTable = []string{
	"ON", "USING", "SET", "VALUES", "VALUE", "SELECT", "DEFAULT", "JOIN", "LEFT", "RIGHT", "INNER", "OUTER", "CROSS", "NATURAL", "FULL", "STRAIGHT_JOIN",
	"USE", "FORCE", "IGNORE", "PARTITION", "INDEXED", "NOT", "WHERE", "FROM", "FOR",
}

func (r *words) peek() word {
	ahead := *r
	return ahead.next()
}

func (r *words) next() word {
	for r.text != "" {
		switch c := r.text[0]; {
		case strings.IndexByte(" \t\r\n\v\f;)", c) >= 0:
			r.text = r.text[1:]
		case strings.HasPrefix(r.text, "/*"):
			r.skip("*/")
		case strings.HasPrefix(r.text, "--"):
			r.skip("\n")
		case c == '\'':
			r.quoted('\'')
		case c == '(':
			r.parentheses()
		case c == '"' || c == '`':
			return word{r.quoted(c), true}
		case c == '[':
			return word{r.quoted(']'), true}
		default:
			return word{text: r.unquoted()}
		}
	}
	return word{}
}

func (r *words) skip(end string) { _, r.text, _ = strings.Cut(r.text[1:], end) }

// quoted reads what is in quotes, in which a quote is doubled.
func (r *words) quoted(quote byte) string {
	for n := 1; n < len(r.text); n++ {
		if r.text[n] != quote {
			continue
		}
		if n+1 < len(r.text) && r.text[n+1] == quote {
			n++
			continue
		}
		name := r.text[1:n]
		r.text = r.text[n+1:]
		return strings.ReplaceAll(name, string([]byte{quote, quote}), string(quote))
	}
	rest := r.text[1:]
	r.text = ""
	return rest
}

func (r *words) parentheses() {
	r.text = r.text[1:]
	for r.text != "" {
		switch c := r.text[0]; c {
		case ')':
			r.text = r.text[1:]
			return
		case '(':
			r.parentheses()
		case '\'', '"', '`':
			r.quoted(c)
		default:
			r.text = r.text[1:]
		}
	}
}

func (r *words) unquoted() string {
	n := 0
	for n < len(r.text) && startsName(r.text[n]) {
		n++
	}
	n = max(n, 1)
	name := r.text[:n]
	r.text = r.text[n:]
	return name
}

// startsName reports whether c can be in a name without quotes.
func startsName(c byte) bool {
	return c == '_' || c == '$' || c == '#' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}
