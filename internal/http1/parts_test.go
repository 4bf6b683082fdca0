package http1

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Messages put together from parts reach further than bytes changed at random:
// most parts are good, some are what smugglers use.

// parts are the choices for one place of a message.
type parts struct{ good, odd []string }

// draw takes a good part nine times out of ten.
func (p parts) draw(t *rapid.T, label string) string {
	if rapid.IntRange(0, 9).Draw(t, label+" odd") == 9 {
		return rapid.SampledFrom(p.odd).Draw(t, label)
	}
	return rapid.SampledFrom(p.good).Draw(t, label)
}

var (
	methods = parts{[]string{"GET", "POST", "HEAD"}, []string{"OPTIONS", "CONNECT", "get", "G T", "G:", ""}}
	targets = parts{
		[]string{"/", "/a?b=c", "/%41", "http://b:81/x?y", "HTTPS://b?z", "//a//b", "http://[::1]/"},
		[]string{"*", "a:80", "http://b", "http://b/%2", "/a|b", "/a?%zz", "/;a=b", "/..", "", "a", "http://b:99999/", "http://[1]/", "http://a@b/"},
	}
	versions = parts{[]string{"HTTP/1.1", "HTTP/1.1", "HTTP/1.0"}, []string{"HTTP/1.2", "HTTP/2.0", "http/1.1", "HTTP/1.1 "}}
	statuses = parts{
		[]string{" 200 OK", " 200", " 204 No Content", " 304 Not Modified", " 100 Continue", " 503 "},
		[]string{" 101 Switching Protocols", " 99", " 600 X", "200", " 2000", " 2x0"},
	}
	lines = parts{
		[]string{"Content-Length: 5", "Content-Length: 0", "Transfer-Encoding: chunked", "transfer-encoding:Chunked", "Connection: close",
			"Connection: keep-alive, X-A", "Connection: upgrade", "Connection: host, content-length", "X-A:  1 ", "X-Forwarded-For: b",
			"X_Forwarded_For: b", "Content_Length: 7", "Upgrade: websocket", "Upgrade: h2c", "TE: trailers", "Trailer: X-T", "Keep-Alive: 1",
			"Date: x", "ETag: x", "Expires: x", "Cache-Control: private", "Rip-Worker-Busy: 1", "X-Request-Id: b", "Cookie: \xff\ta", "Expect: 100-continue"},
		[]string{"Host: b", "Host: a, b", "Content-Length: +5", "Content-Length: 5,5", "Content-Length: 05", "Content-Length : 5",
			"Transfer-Encoding : chunked", "Transfer-Encoding: \x0bchunked", "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: gzip, chunked",
			"Transfer-Encoding: identity", "Trailer: Content-Length", "Connection: \"a\"", "Expect: x", "A: \x00", "A: b\rc", ": a", "A b: c", "a", " a: b", ""},
	}
	ends   = parts{[]string{"\r\n"}, []string{"\n", "\r", "\r\r\n", " \r\n", "\r\n ", "\n\r\n", "\r\n\r\n"}}
	bodies = parts{
		[]string{"5\r\nhello\r\n", "1;a=b\r\nx\r\n", "00a\r\n0123456789\r\n", "0\r\n\r\n", "0\r\nX-T: 1\r\n\r\n"},
		[]string{"0\r\n", "X-T: 1\r\n", "\r\n", "\n", "1\nx\r\n", "2\r\nx\r\n", "G", "0\r\nContent-Length: 1\r\n\r\n", ";", "7fffffffffffffff\r\n", "00", "1 ;a\r\n"},
	}
)

// messagesPerCheck makes one check of rapid draw several messages: most faults
// need one rare combination.
const messagesPerCheck = 20

// drawMessage puts a head and a few chunks behind a start line.
func drawMessage(t *rapid.T, start string, host bool) []byte {
	var b strings.Builder
	b.WriteString(start)
	b.WriteString(ends.draw(t, "end"))
	if host {
		b.WriteString("Host: a\r\n")
	}
	for range rapid.IntRange(0, 4).Draw(t, "fields") {
		b.WriteString(lines.draw(t, "line"))
		b.WriteString(ends.draw(t, "end"))
	}
	b.WriteString("\r\n")
	for range rapid.IntRange(0, 4).Draw(t, "chunks") {
		b.WriteString(bodies.draw(t, "chunk"))
	}
	return []byte(b.String())
}

func TestRequestsFromParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for range messagesPerCheck {
			start := methods.draw(t, "method") + " " + targets.draw(t, "target") + " " + versions.draw(t, "version")
			checkRequest(t, drawMessage(t, start, rapid.IntRange(0, 9).Draw(t, "host") > 0))
		}
	})
}

func TestResponsesFromParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for range messagesPerCheck {
			raw := drawMessage(t, versions.draw(t, "version")+statuses.draw(t, "status"), false)
			checkResponse(t, raw, rapid.SampledFrom([]string{"GET", "HEAD", "CONNECT"}).Draw(t, "method"))
		}
	})
}

func TestChunkedFromParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for range messagesPerCheck {
			var raw []byte
			for range rapid.IntRange(1, 6).Draw(t, "parts") {
				raw = append(raw, bodies.draw(t, "part")...)
			}
			checkChunked(t, raw, rapid.IntRange(1, len(raw)).Draw(t, "piece"))
		}
	})
}
