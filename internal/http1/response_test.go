package http1

import (
	"bytes"
	"strings"
	"testing"
)

// answer is a worker's 200 in HTTP/1.1 with the given field lines.
func answer(lines ...string) string { return head("HTTP/1.1 200 OK", lines...) }

func TestResponseFaults(t *testing.T) {
	tests := []struct{ name, section, raw string }{
		{"not HTTP", "RFC 9112 4", "hello\r\n\r\n"},
		{"HTTP/2.0", "RFC 9112 4", head("HTTP/2.0 200 OK")},
		{"HTTP/1.2", "RFC 9112 4", head("HTTP/1.2 200 OK")},
		{"no status", "RFC 9112 4", head("HTTP/1.1")},
		{"two digits", "RFC 9112 4", head("HTTP/1.1 20 OK")},
		{"four digits", "RFC 9112 4", head("HTTP/1.1 2000 OK")},
		{"letters", "RFC 9112 4", head("HTTP/1.1 2x0 OK")},
		{"sign", "RFC 9112 4", head("HTTP/1.1 +20 OK")},
		{"two spaces", "RFC 9112 4", head("HTTP/1.1  200 OK")},
		{"099", "RFC 9110 15", head("HTTP/1.1 099 OK")},
		{"600", "RFC 9110 15", head("HTTP/1.1 600 OK")},
		{"000", "RFC 9110 15", head("HTTP/1.1 000 OK")},
		{"control character in the reason", "RFC 9112 4", head("HTTP/1.1 200 O\x01K")},
		{"NUL in the reason", "RFC 9112 4", head("HTTP/1.1 200 \x00")},
		{"bare LF behind the status line", "RFC 9112 2.2", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n"},
		{"bare CR behind the status", "RFC 9112 2.2", "HTTP/1.1 200\rX\r\n\r\n"},
		{"empty line first", "RFC 9112 2.2", "\r\n" + answer("Content-Length: 0")},
		{"bare LF behind a field", "RFC 9112 2.2", "HTTP/1.1 200 OK\r\nContent-Length: 0\n\r\n"},
		{"NUL in a value", "RFC 9110 5.5", answer("A: \x00")},
		{"folded line", "RFC 9112 5.2", answer("A: 1", " 2")},
		{"space before the colon", "RFC 9112 5.1", answer("Content-Length : 0")},
		{"both lengths", "RFC 9112 6.1", answer("Content-Length: 0", "Transfer-Encoding: chunked")},
		{"two lengths", "RFC 9112 6.3", answer("Content-Length: 1", "Content-Length: 2")},
		{"two equal lengths", "RFC 9112 6.3", answer("Content-Length: 1", "Content-Length: 1")},
		{"bad length", "RFC 9110 8.6", answer("Content-Length: x")},
		{"bad length in a 304", "RFC 9110 8.6", head("HTTP/1.1 304 Not Modified", "Content-Length: -1")},
		{"unknown coding", "RFC 9112 6.1", answer("Transfer-Encoding: gzip, chunked")},
		{"chunked twice", "RFC 9112 6.1", answer("Transfer-Encoding: chunked", "Transfer-Encoding: chunked")},
		{"chunked in 1.0", "RFC 9112 6.1", head("HTTP/1.0 200 OK", "Transfer-Encoding: chunked")},
		{"malformed Connection", "RFC 9110 7.6.1", answer("Connection: \"close\"")},
		{"endless head", "", answer("A: " + strings.Repeat("a", DefaultHeaderBytes))},
		{"too many fields", "", head("HTTP/1.1 200 OK", strings.Split(strings.Repeat("A: 1,", MaxFields+1), ",")...)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r Response
			_, err := r.Parse([]byte(tt.raw), []byte("GET"), Limits{})
			if got := statusOf(t, err); got != 502 {
				t.Errorf("%s: status %d (%v), want 502", tt.section, got, err)
			}
		})
	}
}

func TestResponseFraming(t *testing.T) {
	type framing struct {
		length                      int64
		chunked, untilClose, noBody bool
		keepAlive, switching        bool
	}
	tests := []struct {
		name, section string
		method, raw   string
		want          framing
	}{
		{"length", "RFC 9112 6.3", "GET", answer("Content-Length: 5"), framing{length: 5, keepAlive: true}},
		{"length zero", "RFC 9112 6.3", "GET", answer("Content-Length: 0"), framing{keepAlive: true}},
		{"chunked", "RFC 9112 6.3", "GET", answer("Transfer-Encoding: chunked"), framing{length: -1, chunked: true, keepAlive: true}},
		{"neither", "RFC 9112 6.3", "GET", answer(), framing{length: -1, untilClose: true}},
		{"close", "RFC 9112 9.3", "GET", answer("Content-Length: 5", "Connection: close"), framing{length: 5}},
		{"1.0", "RFC 9112 9.3", "GET", head("HTTP/1.0 200 OK", "Content-Length: 5"), framing{length: 5}},
		{"1.0 keeps alive", "RFC 9112 9.3", "GET", head("HTTP/1.0 200 OK", "Content-Length: 5", "Connection: keep-alive"), framing{length: 5, keepAlive: true}},
		{"1.0 keeps alive without a length", "RFC 9112 6.3", "GET", head("HTTP/1.0 200 OK", "Connection: keep-alive"), framing{length: -1, untilClose: true}},
		{"HEAD with a length", "RFC 9110 9.3.2", "HEAD", answer("Content-Length: 5"), framing{length: 5, noBody: true, keepAlive: true}},
		{"HEAD with chunked", "RFC 9110 9.3.2", "HEAD", answer("Transfer-Encoding: chunked"), framing{length: -1, noBody: true, keepAlive: true}},
		{"HEAD with neither", "RFC 9110 9.3.2", "HEAD", answer(), framing{length: -1, noBody: true, keepAlive: true}},
		{"lower case head is another method", "RFC 9110 9.1", "head", answer("Content-Length: 5"), framing{length: 5, keepAlive: true}},
		{"304 with a length", "RFC 9110 15.4.5", "GET", head("HTTP/1.1 304 Not Modified", "Content-Length: 5"), framing{length: 5, noBody: true, keepAlive: true}},
		{"304 with chunked", "RFC 9112 6.1", "GET", head("HTTP/1.1 304 Not Modified", "Transfer-Encoding: chunked"), framing{length: -1, noBody: true, keepAlive: true}},
		{"204", "RFC 9112 6.3", "GET", head("HTTP/1.1 204 No Content"), framing{length: -1, noBody: true, keepAlive: true}},
		{"204 with length zero", "RFC 9110 8.6", "GET", head("HTTP/1.1 204 No Content", "Content-Length: 0"), framing{length: -1, noBody: true, keepAlive: true}},
		{"204 with a length", "RFC 9110 8.6", "GET", head("HTTP/1.1 204 No Content", "Content-Length: 5"), framing{length: -1, noBody: true}},
		{"204 with chunked", "RFC 9112 6.1", "GET", head("HTTP/1.1 204 No Content", "Transfer-Encoding: chunked"), framing{length: -1, noBody: true}},
		{"205 has a length", "RFC 9110 15.3.6", "GET", head("HTTP/1.1 205 Reset Content", "Content-Length: 0"), framing{keepAlive: true}},
		{"100", "RFC 9110 15.2", "GET", head("HTTP/1.1 100 Continue"), framing{length: -1, noBody: true, keepAlive: true}},
		{"103", "RFC 8297", "GET", head("HTTP/1.1 103 Early Hints", "Link: </a>"), framing{length: -1, noBody: true, keepAlive: true}},
		{"101", "RFC 9110 7.8", "GET", head("HTTP/1.1 101 Switching Protocols", "Connection: upgrade", "Upgrade: x"), framing{length: -1, noBody: true, switching: true}},
		{"CONNECT that succeeds", "RFC 9110 9.3.6", "CONNECT", answer("Content-Length: 5"), framing{length: -1, noBody: true, switching: true}},
		{"CONNECT that fails", "RFC 9112 6.3", "CONNECT", head("HTTP/1.1 403 Forbidden", "Content-Length: 5"), framing{length: 5, keepAlive: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r Response
			n, err := r.Parse([]byte(tt.raw+"next"), []byte(tt.method), Limits{})
			if err != nil {
				t.Fatal(err)
			}
			got := framing{r.ContentLength, r.Chunked, r.UntilClose, r.NoBody, r.KeepAlive, r.Switching}
			if got != tt.want {
				t.Errorf("%s: got %+v, want %+v", tt.section, got, tt.want)
			}
			if n != len(tt.raw) || r.HeadLen != n {
				t.Errorf("a head of %d bytes, want %d", n, len(tt.raw))
			}
			if want := r.Status < 200 && r.Status != 101; r.Interim() != want {
				t.Errorf("interim: %v, want %v", r.Interim(), want)
			}
		})
	}
}

func TestResponseStatusLine(t *testing.T) {
	tests := []struct {
		raw    string
		status int
		minor  int
		reason string
	}{
		{head("HTTP/1.1 200 OK"), 200, 1, "OK"},
		{head("HTTP/1.0 404 Not  Found"), 404, 0, "Not  Found"},
		{head("HTTP/1.1 599 "), 599, 1, ""},
		{head("HTTP/1.1 299"), 299, 1, ""}, // RFC 9112 section 4 wants the space; nothing depends on it
		{head("HTTP/1.1 418 th\xc3\xa9i\xc3\xa8re\t!"), 418, 1, "th\xc3\xa9i\xc3\xa8re\t!"},
	}
	for _, tt := range tests {
		var r Response
		if _, err := r.Parse([]byte(tt.raw), []byte("GET"), Limits{}); err != nil {
			t.Errorf("%q: %v", tt.raw, err)
			continue
		}
		if r.Status != tt.status || r.Minor != tt.minor || string(r.Reason) != tt.reason {
			t.Errorf("%q: %d, 1.%d, %q", tt.raw, r.Status, r.Minor, r.Reason)
		}
	}
}

func TestResponseBusy(t *testing.T) {
	tests := []struct {
		raw  string
		want bool
	}{
		{head("HTTP/1.1 503 Busy", "Rip-Worker-Busy: 1", "Content-Length: 0"), true},
		{head("HTTP/1.1 503 Busy", "Content-Length: 0", "rip-worker-busy:"), true},
		{head("HTTP/1.1 503 Busy", "Content-Length: 0"), false},
		{answer("Rip-Worker-Busy: 1", "Content-Length: 0"), false},
	}
	for _, tt := range tests {
		var r Response
		if _, err := r.Parse([]byte(tt.raw), []byte("GET"), Limits{}); err != nil || r.Busy != tt.want {
			t.Errorf("%q: busy %v (%v), want %v", tt.raw, r.Busy, err, tt.want)
		}
	}
}

func TestResponseInPieces(t *testing.T) {
	for _, s := range corpus(t, "responses") {
		t.Run(s.name, func(t *testing.T) { responseInPieces(t, s.raw, methodOf(s.name)) })
	}
}

func responseInPieces(t tester, raw []byte, method string) {
	t.Helper()
	var whole, pieces Response
	wantLen, wantErr := whole.Parse(raw, []byte(method), Limits{})
	if wantErr != nil && wantErr != ErrIncomplete {
		raw = append(bytes.Clone(raw), '\n')
	}
	for i := 1; i <= len(raw); i++ {
		n, err := pieces.Parse(bytes.Clone(raw[:i]), []byte(method), Limits{})
		if err == ErrIncomplete {
			continue
		}
		if n != wantLen || statusOf(t, err) != statusOf(t, wantErr) {
			t.Fatalf("after %d bytes: %d, %v; the whole: %d, %v", i, n, err, wantLen, wantErr)
		}
		if err == nil && describeResponse(&pieces) != describeResponse(&whole) {
			t.Fatalf("in pieces: %s\nas a whole: %s", describeResponse(&pieces), describeResponse(&whole))
		}
		return
	}
	if wantErr != ErrIncomplete {
		t.Fatalf("in pieces: no end; the whole: %d, %v", wantLen, wantErr)
	}
}

func TestResponseReset(t *testing.T) {
	var r Response
	if _, err := r.Parse([]byte("HTTP/1.1 200 OK\r\nX: a line without an end"), []byte("GET"), Limits{}); err != ErrIncomplete {
		t.Fatal(err)
	}
	r.Reset()
	if _, err := r.Parse([]byte(answer("Content-Length: 3", "Server: x")+"abc"), []byte("GET"), Limits{}); err != nil {
		t.Errorf("another head after Reset: %v", err)
	}
	if got := string(r.Get("SERVER")); got != "x" {
		t.Errorf("Get: %q", got)
	}
}
