package http1

import (
	"strings"
	"testing"
)

func TestAppendResponse(t *testing.T) {
	const (
		ok      = "HTTP/1.1 200 OK\r\n"
		noStore = "Cache-Control: no-store\r\n"
		noCache = "Cache-Control: no-cache\r\n"
	)
	length := &Out{Minor: 1, ContentLength: 5}
	tests := []struct {
		name, section string
		raw           string
		o             *Out
		want          string
	}{
		{"the least", "", answer("Content-Length: 5"), length, ok + noStore + "Content-Length: 5\r\n\r\n"},
		{"fields as they came", "RFC 9110 5.3", answer("Set-Cookie:  a ", "B: 1", "Set-Cookie: b", "Content-Length: 5"), length,
			ok + "Set-Cookie: a\r\nB: 1\r\nSet-Cookie: b\r\n" + noStore + "Content-Length: 5\r\n\r\n"},
		{"ripd's own", "RFC 9110 6.6.1", answer("Date: yesterday", "X-Request-Id: 1", "Content-Length: 5"),
			&Out{Minor: 1, ContentLength: 5, Date: []byte("today"), RequestID: []byte("id"), Close: true},
			ok + noStore + "Date: today\r\nX-Request-Id: id\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"},
		{"for the connection to ripd only", "RFC 9110 7.6.1", answer("Connection: close, x-hop", "Keep-Alive: timeout=5", "Proxy-Connection: x",
			"Upgrade: x", "Trailer: x", "Proxy-Authenticate: x", "X-Hop: x", "Transfer-Encoding: chunked"), &Out{Minor: 1, Chunked: true, ContentLength: 5},
			ok + noStore + "Transfer-Encoding: chunked\r\n\r\n"},
		{"Connection cannot take these away", "RFC 9110 7.6.1", answer("Connection: cache-control, set-cookie, content-type",
			"Cache-Control: private", "Set-Cookie: a", "Content-Type: b", "Content-Length: 5"), length,
			ok + "Cache-Control: private\r\nSet-Cookie: a\r\nContent-Type: b\r\nContent-Length: 5\r\n\r\n"},
		{"for ripd only", "", answer("Rip-Worker-Busy: 1", "rip-worker-x: 2", "Content-Length: 5"), length,
			ok + noStore + "Content-Length: 5\r\n\r\n"},
		{"1.0 from the worker", "RFC 9110 2.5", head("HTTP/1.0 404 Nope", "Content-Length: 5"), length,
			"HTTP/1.1 404 Nope\r\n" + noStore + "Content-Length: 5\r\n\r\n"},
		{"no reason", "RFC 9112 4", head("HTTP/1.1 299", "Content-Length: 5"), length, "HTTP/1.1 299 \r\n" + noStore + "Content-Length: 5\r\n\r\n"},
		{"underscores are no concern of a client", "", answer("Content_Length: 9", "Content-Length: 5"), length,
			ok + "Content_Length: 9\r\n" + noStore + "Content-Length: 5\r\n\r\n"},

		{"caching said by Cache-Control", "RFC 9111 5.2", answer("cache-control: max-age=5", "Content-Length: 5"), length,
			ok + "cache-control: max-age=5\r\nContent-Length: 5\r\n\r\n"},
		{"caching said by Expires", "RFC 9111 5.3", answer("Expires: 0", "Content-Length: 5"), length, ok + "Expires: 0\r\nContent-Length: 5\r\n\r\n"},
		{"a validator alone", "RFC 9111 4.3", answer(`ETag: "a"`, "Content-Length: 5"), length, ok + "ETag: \"a\"\r\n" + noCache + "Content-Length: 5\r\n\r\n"},
		{"a date of change alone", "RFC 9111 4.2.2", answer("Last-Modified: x", "Content-Length: 5"), length,
			ok + "Last-Modified: x\r\n" + noCache + "Content-Length: 5\r\n\r\n"},
		{"always https", "RFC 6797 6.1", answer("Content-Length: 5"), &Out{Minor: 1, ContentLength: 5, HSTS: "max-age=1"},
			ok + noStore + "Strict-Transport-Security: max-age=1\r\nContent-Length: 5\r\n\r\n"},
		{"always https, as the app has it", "RFC 6797 8.1", answer("strict-transport-security: max-age=0", "Content-Length: 5"), &Out{Minor: 1, ContentLength: 5, HSTS: "max-age=1"},
			ok + "strict-transport-security: max-age=0\r\n" + noStore + "Content-Length: 5\r\n\r\n"},
		{"304", "RFC 9111 4.3.4", head("HTTP/1.1 304 Not Modified"), &Out{Minor: 1, ContentLength: -1}, "HTTP/1.1 304 Not Modified\r\n" + noCache + "\r\n"},

		{"1.0 client, kept", "RFC 9112 9.3", answer("Content-Length: 5"), &Out{Minor: 0, ContentLength: 5},
			ok + noStore + "Content-Length: 5\r\nConnection: keep-alive\r\n\r\n"},
		{"1.0 client, closed", "RFC 9112 9.3", answer("Content-Length: 5"), &Out{Minor: 0, ContentLength: 5, Close: true},
			ok + noStore + "Content-Length: 5\r\nConnection: close\r\n\r\n"},
		{"trailers", "RFC 9110 6.6.2", answer("Trailer: x", "Transfer-Encoding: chunked"), &Out{Minor: 1, Chunked: true, Trailers: true},
			ok + "Trailer: x\r\n" + noStore + "Transfer-Encoding: chunked\r\n\r\n"},
		{"trailers need chunks", "RFC 9110 6.5.1", answer("Trailer: x", "Transfer-Encoding: chunked"), &Out{Minor: 0, Close: true, ContentLength: -1, Trailers: true},
			ok + noStore + "Connection: close\r\n\r\n"},
		{"interim", "RFC 9110 15.2", head("HTTP/1.1 103 Early Hints", "Link: </a>", "Date: x", "Connection: x-y", "X-Y: 1"),
			&Out{Minor: 1, Date: []byte("today"), RequestID: []byte("id"), Close: true, ContentLength: 5},
			"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r Response
			if _, err := r.Parse([]byte(tt.raw), []byte("GET"), Limits{}); err != nil {
				t.Fatal(err)
			}
			if got := string(r.AppendResponse([]byte("before "), tt.o)); got != "before "+tt.want {
				t.Errorf("%s: got\n%q, want\n%q", tt.section, got, tt.want)
			}
		})
	}
}

func TestFrame(t *testing.T) {
	tests := []struct {
		name, section string
		method, raw   string
		minor         int
		keepAlive     bool
		want          Out
	}{
		{"length", "RFC 9112 6.3", "GET", answer("Content-Length: 5"), 1, true, Out{Minor: 1, ContentLength: 5}},
		{"length, the client leaves", "RFC 9112 9.6", "GET", answer("Content-Length: 5"), 1, false, Out{Minor: 1, ContentLength: 5, Close: true}},
		{"length for 1.0", "RFC 9112 6.3", "GET", answer("Content-Length: 5"), 0, true, Out{ContentLength: 5}},
		{"chunked", "RFC 9112 7.1", "GET", answer("Transfer-Encoding: chunked"), 1, true, Out{Minor: 1, Chunked: true, ContentLength: -1}},
		{"chunked for 1.0", "RFC 9112 7.1", "GET", answer("Transfer-Encoding: chunked"), 0, true, Out{ContentLength: -1, Close: true}},
		{"until the worker closes", "RFC 9112 6.3", "GET", answer(), 1, true, Out{Minor: 1, Chunked: true, ContentLength: -1}},
		{"until the worker closes, for 1.0", "RFC 9112 6.3", "GET", answer(), 0, true, Out{ContentLength: -1, Close: true}},
		{"HEAD", "RFC 9110 9.3.2", "HEAD", answer("Content-Length: 5"), 1, true, Out{Minor: 1, ContentLength: 5}},
		{"HEAD of what is chunked", "RFC 9110 9.3.2", "HEAD", answer("Transfer-Encoding: chunked"), 0, true, Out{ContentLength: -1}},
		{"204", "RFC 9110 8.6", "GET", head("HTTP/1.1 204 No Content", "Content-Length: 0"), 0, true, Out{ContentLength: -1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r Response
			if _, err := r.Parse([]byte(tt.raw), []byte(tt.method), Limits{}); err != nil {
				t.Fatal(err)
			}
			got := Out{Chunked: true, ContentLength: 99, Close: true}
			r.Frame(&got, tt.minor, tt.keepAlive)
			if got.Minor != tt.want.Minor || got.Close != tt.want.Close || got.Chunked != tt.want.Chunked || got.ContentLength != tt.want.ContentLength {
				t.Errorf("%s: got %+v, want %+v", tt.section, got, tt.want)
			}
		})
	}
}

// What is written never has both kinds of framing.
func TestNeverBothLengths(t *testing.T) {
	var r Response
	if _, err := r.Parse([]byte(answer("Content-Length: 5")), []byte("GET"), Limits{}); err != nil {
		t.Fatal(err)
	}
	head := string(r.AppendResponse(nil, &Out{Minor: 1, Chunked: true, ContentLength: 5}))
	if strings.Contains(head, "Content-Length") || !strings.Contains(head, "Transfer-Encoding: chunked") {
		t.Errorf("%q", head)
	}
}
