package http1

import (
	"strconv"
	"time"
)

// Continue is the interim answer to "Expect: 100-continue" (RFC 9110 section
// 10.1.1).
const Continue = "HTTP/1.1 100 Continue\r\n\r\n"

// Reply is an answer of ripd's own: small, complete, and never cached.
type Reply struct {
	Status      int
	Minor       int    // the client's version: 0 or 1
	Close       bool   // the connection ends behind this answer
	Head        bool   // the request was HEAD: the body is left out
	Date        []byte // the value of Date; nil: left out
	RequestID   []byte // the value of X-Request-Id; nil: left out
	RetryAfter  int    // seconds; 0: no Retry-After
	Location    []byte // the value of Location; nil: left out
	HSTS        string // the value of Strict-Transport-Security; "": left out
	ContentType string // "": text/plain; charset=utf-8
	Body        []byte // nil: one line with the status, its text and Detail
	Detail      string // why, in a few words, for the body of an error; may be empty
}

const defaultContentType = "text/plain; charset=utf-8"

// AppendReply appends a whole answer.
func AppendReply(dst []byte, r *Reply) []byte {
	contentType := r.ContentType
	if contentType == "" {
		contentType = defaultContentType
	}
	dst = appendStatusLine(dst, r.Status)
	dst = append(dst, StatusText(r.Status)...)
	dst = append(dst, "\r\nContent-Type: "...)
	dst = append(dst, contentType...)
	dst = append(dst, "\r\n"...)
	dst = append(dst, noStoreLine...)
	if r.RetryAfter > 0 {
		dst = append(dst, "Retry-After: "...)
		dst = strconv.AppendInt(dst, int64(r.RetryAfter), 10)
		dst = append(dst, "\r\n"...)
	}
	dst = appendLine(dst, "Date: ", r.Date)
	dst = appendLine(dst, "X-Request-Id: ", r.RequestID)
	dst = appendLine(dst, "Location: ", r.Location)
	if r.HSTS != "" {
		dst = appendHSTS(dst, r.HSTS)
	}
	dst = appendFraming(dst, false, int64(r.BodyLen()))
	dst = appendConnection(dst, r.Minor, r.Close)
	if r.Head {
		return dst
	}
	return r.appendBody(dst)
}

// BodyLen is the length of the body in bytes, whether or not the answer carries it.
func (r *Reply) BodyLen() int {
	if r.Body != nil {
		return len(r.Body)
	}
	n := len("000 ") + len(StatusText(r.Status)) + len("\n")
	if r.Detail != "" {
		n += len(": ") + len(r.Detail)
	}
	return n
}

func (r *Reply) appendBody(dst []byte) []byte {
	if r.Body != nil {
		return append(dst, r.Body...)
	}
	dst = strconv.AppendInt(dst, int64(r.Status), 10)
	dst = append(dst, ' ')
	dst = append(dst, StatusText(r.Status)...)
	if r.Detail != "" {
		dst = append(dst, ": "...)
		dst = append(dst, r.Detail...)
	}
	return append(dst, '\n')
}

// StatusText names a status that ripd answers with itself (RFC 9110 section
// 15, RFC 6585); "Status" stands for all others.
func StatusText(status int) string {
	switch status {
	case 200:
		return "OK"
	case 206:
		return "Partial Content"
	case 301:
		return "Moved Permanently"
	case 304:
		return "Not Modified"
	case 308:
		return "Permanent Redirect"
	case 400:
		return "Bad Request"
	case 404:
		return "Not Found"
	case 405:
		return "Method Not Allowed"
	case 408:
		return "Request Timeout"
	case 412:
		return "Precondition Failed"
	case 413:
		return "Content Too Large"
	case 414:
		return "URI Too Long"
	case 416:
		return "Range Not Satisfiable"
	case 417:
		return "Expectation Failed"
	case 421:
		return "Misdirected Request"
	case 429:
		return "Too Many Requests"
	case 431:
		return "Request Header Fields Too Large"
	case 500:
		return "Internal Server Error"
	case 501:
		return "Not Implemented"
	case 502:
		return "Bad Gateway"
	case 503:
		return "Service Unavailable"
	case 504:
		return "Gateway Timeout"
	case 505:
		return "HTTP Version Not Supported"
	default:
		return "Status"
	}
}

// AppendDate appends t as the value of a Date field: 29 bytes, in GMT
// (RFC 9110 section 5.6.7).
func AppendDate(dst []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(dst, "Mon, 02 Jan 2006 15:04:05 GMT")
}
