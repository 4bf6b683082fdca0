package http1

import (
	"errors"
	"strings"
	"testing"
)

// get is a request of HTTP/1.1 with the given field lines behind Host.
func get(lines ...string) string {
	return head("GET / HTTP/1.1", append([]string{"Host: a"}, lines...)...)
}

// old is a request of HTTP/1.0 with the given field lines.
func old(lines ...string) string {
	return head("GET / HTTP/1.0", lines...)
}

// head is a start line, field lines, and the empty line.
func head(start string, lines ...string) string {
	return strings.Join(append([]string{start}, lines...), "\r\n") + "\r\n\r\n"
}

// line is a request with the given request line.
func line(l string) string { return l + "\r\nHost: a\r\n\r\n" }

// tester is what testing.T and rapid.T have in common.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// statusOf is what a request is answered with because of err; 0 for none, -1
// for an incomplete head.
func statusOf(t tester, err error) int {
	t.Helper()
	var fault *Error
	switch {
	case err == nil:
		return 0
	case errors.Is(err, ErrIncomplete):
		return -1
	case errors.As(err, &fault):
		return fault.Status
	default:
		t.Fatalf("an error of no known kind: %v", err)
		return 0
	}
}

func TestRequestFaults(t *testing.T) {
	tests := []struct {
		name, section string
		raw           string
		status        int
	}{
		{"no method", "RFC 9112 3.1", line(" / HTTP/1.1"), 400},
		{"space in front", "RFC 9112 3", line(" GET / HTTP/1.1"), 400},
		{"method with a colon", "RFC 9110 9.1", line("GE:T / HTTP/1.1"), 400},
		{"method with a control character", "RFC 9110 9.1", line("GE\x01T / HTTP/1.1"), 400},
		{"method of endless letters", "RFC 9112 3", line(strings.Repeat("G", 33) + " / HTTP/1.1"), 501},
		{"tab instead of space", "RFC 9112 3", line("GET\t/ HTTP/1.1"), 400},
		{"two spaces before the target", "RFC 9112 3", line("GET  / HTTP/1.1"), 400},
		{"two spaces before the version", "RFC 9112 3", line("GET /  HTTP/1.1"), 400},
		{"space behind the version", "RFC 9112 3", line("GET / HTTP/1.1 "), 400},
		{"space in the target", "RFC 9112 3.2", line("GET /a b HTTP/1.1"), 400},
		{"HTTP/0.9", "RFC 9112 3", "GET /\r\n", 400},
		{"TLS on a plain port", "RFC 9112 3.1", "\x16\x03\x01\x02\x00\x01\x00", 400},

		{"relative target", "RFC 9112 3.2", line("GET a/b HTTP/1.1"), 400},
		{"control character in the target", "RFC 9112 3.2", line("GET /\x7f HTTP/1.1"), 400},
		{"byte above ASCII in the target", "RFC 9112 3.2", line("GET /\xc3\xa4 HTTP/1.1"), 400},
		{"NUL in the target", "RFC 9112 3.2", line("GET /a\x00b HTTP/1.1"), 400},
		{"fragment", "RFC 9110 4.2.5", line("GET /a#b HTTP/1.1"), 400},
		{"half an escape", "RFC 3986 2.1", line("GET /a%2 HTTP/1.1"), 400},
		{"escape that is not hexadecimal", "RFC 3986 2.1", line("GET /%z2 HTTP/1.1"), 400},
		{"escape that is half hexadecimal", "RFC 3986 2.1", line("GET /%2z HTTP/1.1"), 400},
		{"asterisk for GET", "RFC 9112 3.2.4", line("GET * HTTP/1.1"), 400},
		{"authority for GET", "RFC 9112 3.2.3", line("GET a:80 HTTP/1.1"), 400},
		{"path for CONNECT", "RFC 9112 3.2.3", line("CONNECT / HTTP/1.1"), 400},
		{"CONNECT without a port", "RFC 9112 3.2.3", line("CONNECT a HTTP/1.1"), 400},
		{"CONNECT with an empty port", "RFC 9112 3.2.3", line("CONNECT a: HTTP/1.1"), 400},
		{"absolute without a host", "RFC 9110 4.2.1", line("GET http:///x HTTP/1.1"), 400},
		{"absolute with user information", "RFC 9110 4.2.4", line("GET http://u:p@a/x HTTP/1.1"), 400},
		{"absolute of another scheme", "RFC 9112 3.2.2", line("GET ftp://a/x HTTP/1.1"), 400},
		{"absolute with a backslash", "RFC 9110 4.2.1", line("GET http://a\\b/x HTTP/1.1"), 400},
		{"absolute with a bad path", "RFC 3986 2.1", line("GET http://a/%g0 HTTP/1.1"), 400},
		{"absolute, but no Host", "RFC 9112 3.2", "GET http://a/ HTTP/1.1\r\n\r\n", 400},

		{"HTTP/2 preface", "RFC 9110 15.6.6", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
		{"HTTP/3.0", "RFC 9110 15.6.6", line("GET / HTTP/3.0"), 505},
		{"HTTP/1.2", "RFC 9110 15.6.6", line("GET / HTTP/1.2"), 505},
		{"HTTP/0.9 by name", "RFC 9110 15.6.6", line("GET / HTTP/0.9"), 505},
		{"HTTP/1.10", "RFC 9112 2.3", line("GET / HTTP/1.10"), 400},
		{"HTTP/01.1", "RFC 9112 2.3", line("GET / HTTP/01.1"), 505},
		{"HTTP/1", "RFC 9112 2.3", line("GET / HTTP/1"), 400},
		{"HTTP/1,1", "RFC 9112 2.3", line("GET / HTTP/1,1"), 400},
		{"lower case version", "RFC 9112 2.3", line("GET / http/1.1"), 400},
		{"another protocol", "RFC 9112 2.3", line("GET / ICY/1.1"), 400},

		{"bare LF behind the request line", "RFC 9112 2.2", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400},
		{"bare CR behind the request line", "RFC 9112 2.2", "GET / HTTP/1.1\rHost: a\r\n\r\n", 400},
		{"bare LF behind a field", "RFC 9112 2.2", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400},
		{"bare LF at the end of the head", "RFC 9112 2.2", "GET / HTTP/1.1\r\nHost: a\r\n\n", 400},
		{"bare CR in a value", "RFC 9112 2.2", get("X: a\rb"), 400},
		{"bare CR at the end of the head", "RFC 9112 2.2", "GET / HTTP/1.1\r\nHost: a\r\n\rX", 400},
		{"CR CR LF", "RFC 9112 2.2", get("X: a\r"), 400},
		{"NUL in a value", "RFC 9110 5.5", get("X: a\x00b"), 400},
		{"NUL in a name", "RFC 9110 5.1", get("X\x00Y: a"), 400},
		{"control character in a value", "RFC 9110 5.5", get("X: a\x0bb"), 400},
		{"DEL in a value", "RFC 9110 5.5", get("X: a\x7f"), 400},
		{"control character deep in a long value", "RFC 9110 5.5", get("X: " + strings.Repeat("ab\t", 20) + "\x1b[31m"), 400},
		{"empty name", "RFC 9112 5", get(": a"), 400},
		{"no colon", "RFC 9112 5", get("Transfer-Encoding"), 400},
		{"space before the colon", "RFC 9112 5.1", get("Content-Length : 5"), 400},
		{"tab before the colon", "RFC 9112 5.1", get("Transfer-Encoding\t: chunked"), 400},
		{"name with a slash", "RFC 9110 5.1", get("a/b: c"), 400},
		{"name with a byte above ASCII", "RFC 9110 5.1", get("a\xffb: c"), 400},
		{"folded line", "RFC 9112 5.2", get("X: a", " b"), 400},
		{"folded with a tab", "RFC 9112 5.2", get("Transfer-Encoding:", "\tchunked"), 400},
		{"white space before the first field", "RFC 9112 2.2", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
		{"too many empty lines", "RFC 9112 2.2", strings.Repeat("\r\n", MaxEmptyLines+1) + get(), 400},
		{"bare LF before the request", "RFC 9112 2.2", "\n" + get(), 400},

		{"no Host", "RFC 9112 3.2", "GET / HTTP/1.1\r\n\r\n", 400},
		{"two Hosts", "RFC 9112 3.2", get("Host: b"), 400},
		{"two equal Hosts", "RFC 9112 3.2", get("host: a"), 400},
		{"two Hosts in 1.0", "RFC 9112 3.2", old("Host: a", "Host: b"), 400},
		{"empty Host", "RFC 9110 4.2.1", "GET / HTTP/1.1\r\nHost: \r\n\r\n", 400},
		{"invalid Host in 1.0", "RFC 9112 3.2", old("Host: a b"), 400},
		{"Host with a path", "RFC 9112 3.2", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
		{"Host that is a list", "RFC 9112 3.2", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400},

		{"length with a sign", "RFC 9110 8.6", get("Content-Length: +5"), 400},
		{"negative length", "RFC 9110 8.6", get("Content-Length: -1"), 400},
		{"empty length", "RFC 9110 8.6", get("Content-Length:"), 400},
		{"hexadecimal length", "RFC 9110 8.6", get("Content-Length: 0x10"), 400},
		{"length with a space inside", "RFC 9110 8.6", get("Content-Length: 1 0"), 400},
		{"length with a fraction", "RFC 9110 8.6", get("Content-Length: 5.0"), 400},
		{"length beyond 63 bits", "RFC 9110 8.6", get("Content-Length: 9223372036854775808"), 400},
		{"length far beyond 64 bits", "RFC 9110 8.6", get("Content-Length: " + strings.Repeat("9", 100)), 400},
		{"length list", "RFC 9110 8.6", get("Content-Length: 5, 6"), 400},
		{"length list of equals", "RFC 9110 8.6", get("Content-Length: 5,5"), 400},
		{"two lengths", "RFC 9112 6.3", get("Content-Length: 5", "Content-Length: 6"), 400},
		{"two equal lengths", "RFC 9112 6.3", get("Content-Length: 5", "content-length: 5"), 400},
		{"both lengths", "RFC 9112 6.1", get("Content-Length: 5", "Transfer-Encoding: chunked"), 400},
		{"both lengths, the other way round", "RFC 9112 6.1", get("Transfer-Encoding: chunked", "Content-Length: 5"), 400},
		{"both lengths with an unknown coding", "RFC 9112 6.1", get("Transfer-Encoding: x", "Content-Length: 5"), 400},

		{"unknown coding", "RFC 9112 6.1", get("Transfer-Encoding: gzip"), 501},
		{"unknown coding before chunked", "RFC 9112 6.1", get("Transfer-Encoding: gzip, chunked"), 501},
		{"codings on two lines", "RFC 9112 6.1", get("Transfer-Encoding: gzip", "Transfer-Encoding: chunked"), 501},
		{"identity", "RFC 9112 7", get("Transfer-Encoding: identity"), 501},
		{"chunked with a prefix", "RFC 9112 6.1", get("Transfer-Encoding: xchunked"), 501},
		{"chunked with a parameter", "RFC 9112 7.1", get("Transfer-Encoding: chunked;a=b"), 501},
		{"chunked in quotes", "RFC 9112 7", get(`Transfer-Encoding: "chunked"`), 501},
		{"empty coding", "RFC 9112 6.1", get("Transfer-Encoding:"), 501},
		{"chunked not last", "RFC 9112 6.3", get("Transfer-Encoding: chunked, gzip"), 400},
		{"chunked, then nothing", "RFC 9112 6.3", get("Transfer-Encoding: chunked,"), 400},
		{"chunked twice", "RFC 9112 6.1", get("Transfer-Encoding: chunked, chunked"), 400},
		{"chunked on two lines", "RFC 9112 6.1", get("Transfer-Encoding: chunked", "transfer-encoding: chunked"), 400},
		{"chunked, then an unknown coding on another line", "RFC 9112 6.3", get("Transfer-Encoding: chunked", "Transfer-Encoding: x"), 400},
		{"vertical tab before chunked", "RFC 9110 5.5", get("Transfer-Encoding: \x0bchunked"), 400},
		{"chunked in 1.0", "RFC 9112 6.1", old("Transfer-Encoding: chunked"), 400},

		{"unknown expectation", "RFC 9110 10.1.1", get("Expect: 200-ok"), 417},
		{"two expectations", "RFC 9110 10.1.1", get("Expect: 100-continue, x"), 417},
		{"empty expectation", "RFC 9110 10.1.1", get("Expect:"), 417},
		{"Connection that is no list of tokens", "RFC 9110 7.6.1", get("Connection: a b"), 400},
		{"Connection with too many options", "RFC 9110 7.6.1", get("Connection: a" + strings.Repeat(",a", MaxConnectionOptions)), 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r Request
			n, err := r.Parse([]byte(tt.raw), Limits{})
			if got := statusOf(t, err); got != tt.status {
				t.Errorf("%s: status %d (%v), want %d", tt.section, got, err, tt.status)
			}
			if n != 0 {
				t.Errorf("a head of %d bytes beside the error", n)
			}
		})
	}
}

func TestRequestAccepted(t *testing.T) {
	tests := []struct {
		name, section string
		raw           string
		check         func(r *Request) bool
	}{
		{"the least", "RFC 9112 2.1", get(), func(r *Request) bool {
			return string(r.Method) == "GET" && string(r.Path) == "/" && r.Query == nil && r.Minor == 1 &&
				string(r.Host) == "a" && r.KeepAlive && !r.HasBody() && r.ContentLength == -1
		}},
		{"empty lines first", "RFC 9112 2.2", strings.Repeat("\r\n", MaxEmptyLines) + get(), func(r *Request) bool {
			return r.HeadLen == 2*MaxEmptyLines+len(get())
		}},
		{"any token is a method", "RFC 9110 9.1", line("M-SEARCH!x / HTTP/1.1"), func(r *Request) bool {
			return string(r.Method) == "M-SEARCH!x"
		}},
		{"query", "RFC 9112 3.2.1", line("GET /a%20b?c=d?e&f=|\"%zz HTTP/1.1"), func(r *Request) bool {
			return string(r.Path) == "/a%20b" && string(r.Query) == "c=d?e&f=|\"%zz"
		}},
		{"two slashes", "RFC 9112 3.2.1", line("GET //b/c HTTP/1.1"), func(r *Request) bool {
			return string(r.Path) == "//b/c" && string(r.Host) == "a"
		}},
		{"absolute form goes before Host", "RFC 9112 3.2.2", line("GET HTTP://b:81/x?y HTTP/1.1"), func(r *Request) bool {
			return string(r.Host) == "b:81" && string(r.Path) == "/x" && string(r.Query) == "y" &&
				string(r.Target) == "HTTP://b:81/x?y"
		}},
		{"absolute form without a path", "RFC 9112 3.2.2", line("GET https://b HTTP/1.1"), func(r *Request) bool {
			return string(r.Host) == "b" && string(r.Path) == "/"
		}},
		{"absolute form with a query alone", "RFC 9112 3.2.2", line("GET http://b?q=/ HTTP/1.1"), func(r *Request) bool {
			return string(r.Host) == "b" && string(r.Path) == "/" && string(r.Query) == "q=/"
		}},
		{"absolute form in 1.0 without Host", "RFC 9112 3.2.2", "GET http://b/ HTTP/1.0\r\n\r\n", func(r *Request) bool {
			return string(r.Host) == "b"
		}},
		{"asterisk", "RFC 9112 3.2.4", line("OPTIONS * HTTP/1.1"), func(r *Request) bool {
			return string(r.Path) == "*"
		}},
		{"asterisk by absolute form", "RFC 9112 3.2.4", line("OPTIONS http://b:8001 HTTP/1.1"), func(r *Request) bool {
			return string(r.Path) == "*" && string(r.Host) == "b:8001"
		}},
		{"CONNECT", "RFC 9112 3.2.3", line("CONNECT b:443 HTTP/1.1"), func(r *Request) bool {
			return r.Upgrade && string(r.Host) == "b:443" && r.Path == nil
		}},
		{"no Host in 1.0", "RFC 9112 3.2", old(), func(r *Request) bool { return r.Host == nil && r.Minor == 0 }},

		{"value without white space", "RFC 9112 5", get("X:y"), func(r *Request) bool { return string(r.Get("x")) == "y" }},
		{"white space around a value", "RFC 9112 5.1", get("X: \t a b\t "), func(r *Request) bool {
			return string(r.Get("X")) == "a b"
		}},
		{"empty value", "RFC 9110 5.5", get("X:"), func(r *Request) bool { return r.Get("X") != nil && len(r.Get("X")) == 0 }},
		{"absent field", "", get("X: a"), func(r *Request) bool { return r.Get("Y") == nil }},
		{"bytes above ASCII in a value", "RFC 9110 5.5", get("X: \xc3\xa4\xff"), func(r *Request) bool {
			return string(r.Get("X")) == "\xc3\xa4\xff"
		}},
		{"tab inside a value", "RFC 9110 5.5", get("X: a\tb\tccccccccccc\td"), func(r *Request) bool {
			return string(r.Get("X")) == "a\tb\tccccccccccc\td"
		}},

		{"length", "RFC 9110 8.6", get("Content-Length: 12"), func(r *Request) bool { return r.ContentLength == 12 && r.HasBody() }},
		{"length zero", "RFC 9110 8.6", get("Content-Length: 0"), func(r *Request) bool { return r.ContentLength == 0 && !r.HasBody() }},
		{"length with zeros in front", "RFC 9110 8.6", get("Content-Length: 0012"), func(r *Request) bool { return r.ContentLength == 12 }},
		{"the longest length", "RFC 9110 8.6", get("Content-Length: 9223372036854775807"), func(r *Request) bool {
			return r.ContentLength == 1<<63-1
		}},
		{"chunked", "RFC 9112 7.1", get("Transfer-Encoding: Chunked"), func(r *Request) bool {
			return r.Chunked && r.ContentLength == -1 && r.HasBody()
		}},

		{"close", "RFC 9112 9.3", get("Connection: Close"), func(r *Request) bool { return !r.KeepAlive }},
		{"close in a list", "RFC 9112 9.3", get("Connection: x,, close , keep-alive"), func(r *Request) bool { return !r.KeepAlive }},
		{"close on a second line", "RFC 9112 9.3", get("Connection: keep-alive", "Connection: close"), func(r *Request) bool { return !r.KeepAlive }},
		{"1.0 closes", "RFC 9112 9.3", old(), func(r *Request) bool { return !r.KeepAlive }},
		{"1.0 keeps alive", "RFC 9112 9.3", old("Connection: Keep-Alive"), func(r *Request) bool { return r.KeepAlive }},
		{"Proxy-Connection is not heard", "RFC 9112 appendix C.2.2", old("Proxy-Connection: keep-alive"), func(r *Request) bool { return !r.KeepAlive }},

		{"expects 100", "RFC 9110 10.1.1", get("Expect: 100-Continue", "Content-Length: 1"), func(r *Request) bool { return r.ExpectContinue }},
		{"expects 100, has no body", "RFC 9110 10.1.1", get("Expect: 100-continue"), func(r *Request) bool { return !r.ExpectContinue }},
		{"expects 100 in 1.0", "RFC 9110 10.1.1", old("Expect: 100-continue", "Content-Length: 1"), func(r *Request) bool { return !r.ExpectContinue }},

		{"upgrade", "RFC 9110 7.8", get("Connection: keep-alive, Upgrade", "Upgrade: websocket"), func(r *Request) bool { return r.Upgrade }},
		{"upgrade that Connection does not name", "RFC 9110 7.8", get("Upgrade: websocket"), func(r *Request) bool { return !r.Upgrade }},
		{"upgrade without a protocol", "RFC 9110 7.8", get("Connection: upgrade"), func(r *Request) bool { return !r.Upgrade }},
		{"upgrade in 1.0", "RFC 9110 7.8", old("Connection: upgrade", "Upgrade: websocket"), func(r *Request) bool { return !r.Upgrade }},
		{"upgrade to h2c", "RFC 9113 3.1", get("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAA"), func(r *Request) bool { return !r.Upgrade }},
		{"upgrade to h2c or another", "RFC 9110 7.8", get("Connection: Upgrade", "Upgrade: h2c, websocket"), func(r *Request) bool { return r.Upgrade }},
		{"takes trailers", "RFC 9110 10.1.4", get("TE: deflate, Trailers"), func(r *Request) bool { return r.Trailers }},
		{"takes no trailers", "RFC 9110 10.1.4", get("TE: gzip"), func(r *Request) bool { return !r.Trailers }},
		{"HEAD", "RFC 9110 9.3.2", line("HEAD / HTTP/1.1"), (*Request).IsHead},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r Request
			raw := tt.raw + "next"
			n, err := r.Parse([]byte(raw), Limits{})
			if err != nil {
				t.Fatalf("%s: %v", tt.section, err)
			}
			if n != len(tt.raw) || n != r.HeadLen {
				t.Errorf("a head of %d bytes (HeadLen %d), want %d", n, r.HeadLen, len(tt.raw))
			}
			if !tt.check(&r) {
				t.Errorf("%s: %+v", tt.section, r)
			}
		})
	}
}

func TestErrorText(t *testing.T) {
	if got, want := errBareLF.Error(), "an LF without CR (RFC 9112 section 2.2)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := (&Error{Status: 400, Reason: "x"}).Error(), "x"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
