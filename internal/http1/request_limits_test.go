package http1

import (
	"bytes"
	"strings"
	"testing"
)

func TestRequestLimits(t *testing.T) {
	long := strings.Repeat("a", 500)
	lim := Limits{HeaderBytes: 300, Fields: 3}
	tests := []struct {
		name, raw string
		status    int
	}{
		{"target too long", "GET /" + long + " HTTP/1.1\r\n\r\n", 414},
		{"target too long, and its end not seen", "GET /" + long, 414},
		{"version beyond the limit", "GET /" + long[:288] + " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
		{"head too long", get("X: " + long), 431},
		{"head too long, and its end not seen", "GET / HTTP/1.1\r\nX: " + long, 431},
		{"the empty line beyond the limit", get("X: " + long[:300-len(get("X: "))+1]), 431},
		{"just short enough", get("X: " + long[:300-len(get("X: "))]), 0},
		{"too many fields", get("A: 1", "B: 2", "C: 3"), 431},
		{"just as many", get("A: 1", "B: 2"), 0},
		{"a fault within the limit comes first", "GET / HTTP/1.1\r\nHost : a\r\nX: " + long, 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r Request
			_, err := r.Parse([]byte(tt.raw), lim)
			if got := statusOf(t, err); got != tt.status {
				t.Errorf("status %d (%v), want %d", got, err, tt.status)
			}
		})
	}
	t.Run("the zero value means the defaults", func(t *testing.T) {
		want := Limits{HeaderBytes: DefaultHeaderBytes, Fields: MaxFields}
		if got := (Limits{}).orDefaults(); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		if got := (Limits{HeaderBytes: -1, Fields: -1}).orDefaults(); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
}

// A head that comes in pieces means what it means in one, and a faulty one gets
// the same answer.
func TestRequestInPieces(t *testing.T) {
	for _, seed := range corpus(t, "requests") {
		t.Run(seed.name, func(t *testing.T) { requestInPieces(t, seed.raw) })
	}
}

// requestInPieces gives raw to Parse byte by byte, each time at another
// address, and compares the outcome with that of the whole.
func requestInPieces(t tester, raw []byte) {
	t.Helper()
	var whole, pieces Request
	wantLen, wantErr := whole.Parse(raw, Limits{})
	if wantErr != nil && wantErr != ErrIncomplete {
		raw = append(bytes.Clone(raw), '\n') // a fault is seen at the end of its line, or at once
	}
	for i := 1; i <= len(raw); i++ {
		n, err := pieces.Parse(bytes.Clone(raw[:i]), Limits{})
		if err == ErrIncomplete {
			continue
		}
		if n != wantLen || err != wantErr {
			t.Fatalf("after %d bytes: %d, %v; the whole: %d, %v", i, n, err, wantLen, wantErr)
		}
		if err == nil && describe(&pieces) != describe(&whole) {
			t.Fatalf("in pieces: %s\nas a whole: %s", describe(&pieces), describe(&whole))
		}
		return
	}
	if wantErr != ErrIncomplete {
		t.Fatalf("in pieces: no end; the whole: %d, %v", wantLen, wantErr)
	}
}

func TestRequestReset(t *testing.T) {
	var r Request
	if _, err := r.Parse([]byte("GET / HTTP/1.1\r\nHost: a\r\nX-Long: line without an end"), Limits{}); err != ErrIncomplete {
		t.Fatal(err)
	}
	r.Reset()
	if r.Method != nil || len(r.Fields) != 0 || cap(r.Fields) == 0 {
		t.Errorf("after Reset: %+v", r)
	}
	for _, f := range r.Fields[:cap(r.Fields)] {
		if f.Name != nil || f.Value != nil {
			t.Error("Reset leaves views into the old buffer behind")
		}
	}
	if _, err := r.Parse([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\nand a body that is longer than the first buffer was"), Limits{}); err != nil {
		t.Errorf("another head after Reset: %v", err)
	}
}

// Without Reset a whole head of other bytes is still seen.
func TestRequestWithoutReset(t *testing.T) {
	var r Request
	if _, err := r.Parse([]byte("GET / HTTP/1.1\r\nHost: a\r\nX-Long: line without an end"), Limits{}); err != ErrIncomplete {
		t.Fatal(err)
	}
	other := "\r\nGET /other HTTP/1.1\r\nHost: a\r\n\r\n"
	if n, err := r.Parse([]byte(other+strings.Repeat("body", 30)), Limits{}); err != nil || n != len(other) {
		t.Errorf("%d, %v", n, err)
	}
}

// A trickled head is looked at once per line, not once per byte.
func TestTrickledHeadIsNotReadAgain(t *testing.T) {
	raw := []byte("\r\n\r\n" + get("X: "+strings.Repeat("a", 20<<10)))
	var r Request
	for i := 1; i < len(raw)-3; i++ {
		if _, err := r.Parse(raw[:i], Limits{}); err != ErrIncomplete {
			t.Fatal(err)
		}
		if i > 40 && r.looked != i {
			t.Fatalf("after %d bytes: looked at %d", i, r.looked)
		}
	}
}
