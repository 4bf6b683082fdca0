package worker

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// split gives what splitLines makes of text; a part of a line ends with "…".
func split(r io.Reader, limit int) []string {
	var got []string
	splitLines(r, limit, func(text []byte, truncated bool) {
		part := string(text)
		if truncated {
			part += "…"
		}
		got = append(got, part)
	})
	return got
}

func TestSplitLines(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		want       []string
	}{
		{"nothing", "", nil},
		{"one", "a\n", []string{"a"}},
		{"the last without an end", "a\nb", []string{"a", "b"}},
		{"empty lines", "\n\na\n", []string{"", "", "a"}},
		{"ends of other systems", "a\r\nb\r\n\r\n", []string{"a", "b", ""}},
		{"a return inside", "a\rb\n", []string{"a\rb"}},
		{"as long as allowed", "12345678\n", []string{"12345678"}},
		{"too long by one", "123456789\n", []string{"12345678…", "9"}},
		{"far too long", "1234567812345678x\ny\n", []string{"12345678…", "12345678…", "x", "y"}},
		{"cut between characters", "1234567é9\n", []string{"1234567…", "é9"}},
		{"cut between long characters", "12345😀\n", []string{"12345…", "😀"}},
		{"no text at all", "\xff\xfe\xff\xfe\xff\xfe\xff\xfe\xff\n\x00\n", []string{"\xff\xfe\xff\xfe\xff\xfe\xff\xfe…", "\xff", "\x00"}},
		{"only beginnings of characters", "\xf0\xf0\xf0\xf0\xf0\xf0\xf0\xf0\xf0\n", []string{"\xf0\xf0\xf0\xf0\xf0\xf0\xf0…", "\xf0\xf0"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := split(strings.NewReader(tc.text), 8); !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if got := split(iotest.OneByteReader(strings.NewReader(tc.text)), 8); !slices.Equal(got, tc.want) {
				t.Errorf("byte by byte: got %q, want %q", got, tc.want)
			}
		})
	}
}

// TestSplitLinesProperties holds for any output in any pieces: nothing is lost,
// no part is longer than the limit, and no character is cut.
func TestSplitLinesProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(4, 40).Draw(t, "limit")
		text := rapid.StringMatching(`([a-zé😀]{0,60}\n){0,5}[a-z]{0,5}`).Draw(t, "text")
		var joined strings.Builder
		splitLines(iotest.HalfReader(strings.NewReader(text)), limit, func(part []byte, truncated bool) {
			if len(part) > limit || truncated && len(part) <= limit-utf8.UTFMax || !utf8.Valid(part) {
				t.Fatalf("limit %d: a part %q", limit, part)
			}
			joined.Write(part)
			if !truncated {
				joined.WriteByte('\n')
			}
		})
		if want := strings.TrimSuffix(text, "\n"); strings.TrimSuffix(joined.String(), "\n") != want {
			t.Fatalf("got %q, want %q", joined.String(), want)
		}
	})
}

func TestLastWords(t *testing.T) {
	var words lastWords
	if got := words.list(); len(got) != 0 {
		t.Errorf("got %q", got)
	}
	for i := range 47 {
		words.add(fmt.Appendf(nil, "line %d", i))
	}
	got := words.list()
	if len(got) != LastLines || got[0] != "line 27" || got[LastLines-1] != "line 46" {
		t.Errorf("got %q", got)
	}
	for i := range LastLines {
		words.add(append(fmt.Appendf(nil, "%02d", i), bytes.Repeat([]byte("é"), 1000)...))
	}
	got = words.list()
	if len(got) != LastBytes/lastLineBytes || !strings.HasPrefix(got[0], "16é") || len(got[0]) != lastLineBytes {
		t.Errorf("got %d lines: %.20q", len(got), got)
	}
}

func BenchmarkSplitLines(b *testing.B) {
	text := bytes.Repeat([]byte("2026-01-02T03:04:05Z INFO a line as an application writes it, of a hundred characters or so\n"), 1000)
	var words lastWords
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		splitLines(bytes.NewReader(text), DefaultLineLimit, func(text []byte, _ bool) { words.add(text) })
	}
}
