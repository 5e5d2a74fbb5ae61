package historyweb

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// Whatever is marked and folded, both texts are there, whole.
func TestDiffHasBothTexts(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 7))
	parts := []string{"a", "milk ", "eggs, ", "\n", "\n", "ä", "\u0301", "  ", "line\n", "line\n", "line\n", "42"}
	text := func() string {
		var b strings.Builder
		for range random.IntN(60) {
			b.WriteString(parts[random.IntN(len(parts))])
		}
		return b.String()
	}
	for range 2000 {
		before, after := text(), text()
		if random.IntN(2) == 0 { // much in common
			common := strings.Repeat("this stays.\n", random.IntN(20))
			before, after = common+before+common, common+after+common
		}
		var old, now strings.Builder
		for _, s := range diff(before, after) {
			if s.Op != "ins" {
				old.WriteString(s.Text)
			}
			if s.Op != "del" {
				now.WriteString(s.Text)
			}
		}
		if old.String() != before || now.String() != after {
			t.Fatalf("diff(%q, %q) has %q and %q", before, after, old.String(), now.String())
		}
	}
}

func TestDiffOfLongTextsIsCut(t *testing.T) {
	t.Parallel()
	for _, segments := range [][]segment{diff(strings.Repeat("ä", 1<<20), "short"), excerpt("ins", strings.Repeat("ä", 1<<20))} {
		size := 0
		for _, s := range segments {
			size += len(s.Text)
		}
		if size > longest+100 {
			t.Errorf("%d bytes are shown, want %d at most", size, longest)
		}
	}
}

func TestANumberIsOneWord(t *testing.T) {
	t.Parallel()
	if got := words("Torch 12.50, rope. 1,000!"); strings.Join(got, "|") != "Torch| |12.50|,| |rope|.| |1,000|!" {
		t.Errorf("words = %q", got)
	}
}
