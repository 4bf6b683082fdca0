package proxy

import (
	"net/http"
	"strconv"
	"strings"

	"ripd/internal/http1"
)

// errStreamHead: a part of a head has bytes that cannot be in it.
var errStreamHead = &http1.Error{Status: 400, Section: "RFC 9113 section 8.2.1", Reason: "the head has bytes that it cannot have"}

// appendHead appends the request's head as HTTP/1 has it, for ripd's own codec: so all of
// its rules hold for HTTP/2, too. A part that would be more than one there makes the head
// incomplete.
func appendHead(b []byte, hr *http.Request) []byte {
	if !onePart(hr.Method) || !onePart(hr.RequestURI) || !onePart(hr.Host) || otherHost(hr) {
		return nil
	}
	if hr.Method != http.MethodConnect && hr.RequestURI[0] != '/' && hr.RequestURI != "*" {
		return nil // RFC 9113 section 8.3.1
	}
	b = append(b, hr.Method...)
	b = append(b, ' ')
	b = append(b, hr.RequestURI...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, hr.Host...)
	b = append(b, "\r\n"...)
	for name, values := range hr.Header {
		if name == "Host" || name == "Content-Length" {
			continue
		}
		for _, value := range values {
			if strings.ContainsAny(value, "\r\n\x00") {
				return nil
			}
			b = append(b, name...)
			b = append(b, ": "...)
			b = append(b, value...)
			b = append(b, "\r\n"...)
		}
	}
	return append(appendLengths(b, hr), "\r\n"...)
}

// appendLengths says how long the body is. Without a length it is chunked, in HTTP/1.
func appendLengths(b []byte, hr *http.Request) []byte {
	if hr.ContentLength < 0 {
		return append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	if values := hr.Header["Content-Length"]; len(values) > 1 || len(values) == 1 && hr.ContentLength == 0 {
		for _, value := range values {
			b = append(b, "Content-Length: "...)
			b = append(b, value...)
			b = append(b, "\r\n"...)
		}
		return b
	}
	if hr.ContentLength == 0 {
		return b
	}
	b = append(b, "Content-Length: "...)
	b = strconv.AppendInt(b, hr.ContentLength, 10)
	return append(b, "\r\n"...)
}

// onePart reports whether s has no byte that ends a part of a request line or a field.
func onePart(s string) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

// otherHost reports whether Host says something else than :authority, which must not be
// (RFC 9113 section 8.3.1).
func otherHost(hr *http.Request) bool {
	values := hr.Header["Host"]
	return len(values) > 1 || len(values) == 1 && !strings.EqualFold(values[0], hr.Host)
}
