package http1

import "strconv"

// Forward is what ripd itself says in the head that it sends to a worker.
type Forward struct {
	// The values of X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host and
	// X-Request-Id. A line whose value is nil is left out. The client's own
	// lines of these names never pass: the caller puts in what is to be
	// believed of them.
	For, Proto, Host, RequestID []byte

	// Trusted passes on the other fields in which a proxy tells about its client:
	// the rest of X-Forwarded-*.
	Trusted bool

	// RealIP is the value of X-Real-IP, and Forwarded has the field of this name say
	// what X-Forwarded-* says: for apps behind proxies that write those.
	RealIP    []byte
	Forwarded bool

	ContentLength int64 // of the body as it is sent to the worker; < 0: none is written
	Chunked       bool  // the body is sent chunked; ContentLength is not written then

	// The values of X-Sendfile-Type and X-Accel-Mapping, which tell the worker how it may
	// name a file; "": left out.
	SendfileType, AccelMapping string

	// Upgrade is the value of Upgrade, from AppendProtocols; nil asks for no other
	// protocol.
	Upgrade []byte
}

// dropFromRequest holds the kinds that do not go to a worker: fields for the
// client's connection only (RFC 9110 section 7.6.1), fields that ripd writes
// itself, and fields that would be taken for one of those.
var dropFromRequest = [kinds]bool{
	kindHost:             true, // written first
	kindContentLength:    true,
	kindTransferEncoding: true,
	kindConnection:       true,
	kindHop:              true,
	kindTE:               true,
	kindTrailer:          true, // trailers of requests end at ripd
	kindUpgrade:          true, // but see Forward.Upgrade
	kindExpect:           true, // ripd answers it
	kindRequestMark:      true,
	kindForwarded:        true,
	kindOrigin:           true,
	kindForwardedMore:    true, // but see Forward.Trusted
	kindWorker:           true,
	kindWorkerBusy:       true,
	kindSendfileType:     true,
	kindRelease:          true,
	kindShadow:           true,
}

// AppendRequest appends the head for a worker: the request line with the
// target in origin form, Host, the client's end-to-end fields, and ripd's own.
// The empty line is missing, so that the caller can end the head with
// AppendStart at the moment when a worker takes the request.
//
// An HTTP/1.0 request without Host gets an empty one, as RFC 9112 section 3.2
// has it for a target without authority.
func (r *Request) AppendRequest(dst []byte, f *Forward) []byte {
	dst = append(dst, r.Method...)
	dst = append(dst, ' ')
	if r.addSlash {
		dst = append(dst, '/')
	}
	dst = append(dst, r.onward...)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, r.Host...)
	dst = append(dst, "\r\n"...)
	for i := range r.Fields {
		field := &r.Fields[i]
		if dropFromRequest[field.kind] && !(f.Trusted && field.kind == kindForwardedMore) {
			continue
		}
		if r.conn.removes(r.Fields, field) {
			continue
		}
		dst = appendField(dst, field)
	}
	dst = appendLine(dst, "X-Forwarded-For: ", f.For)
	dst = appendLine(dst, "X-Forwarded-Proto: ", f.Proto)
	dst = appendLine(dst, "X-Forwarded-Host: ", f.Host)
	dst = appendLine(dst, "X-Real-IP: ", f.RealIP)
	if f.Forwarded {
		dst = appendForwarded(dst, f)
	}
	dst = appendLine(dst, "X-Request-Id: ", f.RequestID)
	if f.SendfileType != "" {
		dst = append(append(append(dst, "X-Sendfile-Type: "...), f.SendfileType...), "\r\n"...)
	}
	if f.AccelMapping != "" {
		dst = append(append(append(dst, "X-Accel-Mapping: "...), f.AccelMapping...), "\r\n"...)
	}
	if f.Upgrade != nil {
		dst = appendUpgrade(dst, f.Upgrade)
	}
	return appendFraming(dst, f.Chunked, f.ContentLength)
}

// AppendStart appends X-Request-Start, microseconds since 1970 as Apache's
// "t=" format has it, and the empty line that ends the head.
func AppendStart(dst []byte, unixMicros int64) []byte {
	dst = append(dst, "X-Request-Start: t="...)
	dst = strconv.AppendInt(dst, unixMicros, 10)
	return append(dst, "\r\n\r\n"...)
}

// appendField appends one field line as it came.
func appendField(dst []byte, f *Field) []byte {
	dst = append(dst, f.Name...)
	dst = append(dst, ": "...)
	dst = append(dst, f.Value...)
	return append(dst, "\r\n"...)
}

// appendLine appends a field line of ripd's own, or nothing for nil. The name
// has its colon and space.
func appendLine(dst []byte, name string, value []byte) []byte {
	if value == nil {
		return dst
	}
	dst = append(dst, name...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

// appendFraming appends at most one of the two fields that frame a body.
func appendFraming(dst []byte, chunked bool, length int64) []byte {
	switch {
	case chunked:
		return append(dst, "Transfer-Encoding: chunked\r\n"...)
	case length >= 0:
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, length, 10)
		return append(dst, "\r\n"...)
	default:
		return dst
	}
}
