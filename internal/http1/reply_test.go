package http1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"testing"
	"time"
)

func TestAppendReply(t *testing.T) {
	tests := []struct {
		name  string
		reply Reply
		want  string
	}{
		{"an error", Reply{Status: 400, Minor: 1, Close: true, Detail: "a bare CR"},
			"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n" +
				"Content-Length: 27\r\nConnection: close\r\n\r\n400 Bad Request: a bare CR\n"},
		{"without a reason", Reply{Status: 504, Minor: 1},
			"HTTP/1.1 504 Gateway Timeout\r\nContent-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n" +
				"Content-Length: 20\r\n\r\n504 Gateway Timeout\n"},
		{"come again", Reply{Status: 503, RetryAfter: 2, Date: []byte("today"), RequestID: []byte("id")},
			"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n" +
				"Retry-After: 2\r\nDate: today\r\nX-Request-Id: id\r\nContent-Length: 24\r\nConnection: keep-alive\r\n\r\n503 Service Unavailable\n"},
		{"to HEAD", Reply{Status: 503, Minor: 1, Head: true},
			"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\nContent-Length: 24\r\n\r\n"},
		{"a body of its own", Reply{Status: 200, Minor: 1, ContentType: "application/json", Body: []byte("{}")},
			"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: no-store\r\nContent-Length: 2\r\n\r\n{}"},
		{"elsewhere", Reply{Status: 308, Minor: 1, Location: []byte("https://a/b"), HSTS: "max-age=1", Body: []byte{}},
			"HTTP/1.1 308 Permanent Redirect\r\nContent-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n" +
				"Location: https://a/b\r\nStrict-Transport-Security: max-age=1\r\nContent-Length: 0\r\n\r\n"},
		{"an empty body", Reply{Status: 200, Minor: 1, Body: []byte{}},
			"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\nContent-Length: 0\r\n\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(AppendReply(nil, &tt.reply)); got != tt.want {
				t.Errorf("got\n%q, want\n%q", got, tt.want)
			}
		})
	}
}

// Every status that ripd answers has a text, and its answer is one that a
// client can read to the end.
func TestRepliesAreWhole(t *testing.T) {
	for _, status := range []int{200, 301, 308, 400, 404, 405, 408, 413, 414, 417, 421, 429, 431, 500, 501, 502, 503, 504, 505} {
		if StatusText(status) == StatusText(0) {
			t.Errorf("%d has no text", status)
		}
		raw := AppendReply(nil, &Reply{Status: status, Minor: 1, Detail: "why"})
		rest := bufio.NewReader(bytes.NewReader(raw))
		res, err := http.ReadResponse(rest, nil)
		if err != nil {
			t.Fatalf("%d: %v", status, err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil || int64(len(body)) != res.ContentLength || rest.Buffered() != 0 {
			t.Errorf("%d: body %q, length %d, %d bytes left, %v", status, body, res.ContentLength, rest.Buffered(), err)
		}
	}
}

func TestAppendDate(t *testing.T) {
	zone := time.FixedZone("east", 2*60*60)
	got := string(AppendDate(nil, time.Date(1994, time.November, 6, 10, 49, 37, 9, zone)))
	if want := "Sun, 06 Nov 1994 08:49:37 GMT"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
