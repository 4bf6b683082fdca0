package http1

// Out is what ripd itself says in the head of an answer. Frame fills in the
// framing.
type Out struct {
	Minor     int    // the client's version: 0 or 1
	Close     bool   // the connection ends behind this answer
	Date      []byte // the value of Date, from AppendDate; nil: left out
	RequestID []byte // the value of X-Request-Id; nil: left out
	HSTS      string // the value of Strict-Transport-Security, unless the worker has one; "": left out

	Chunked       bool  // the body is sent chunked; ContentLength is not written then
	ContentLength int64 // bytes; < 0: none is written

	Vary   bool   // the answer depends on Accept-Encoding: its Vary says so
	Coding string // the content coding that ripd applies, of which the fields tell; "": none

	Unsent bool // X-Sendfile and X-Accel-Redirect are passed on, for a proxy in front

	Trailers bool // the worker's trailers are passed on, and so is its Trailer field; needs Chunked
}

// Frame chooses the framing for a client of HTTP/1.minor: the worker's length
// where there is one, else the chunked coding, or, in HTTP/1.0, the end of the
// connection. The caller must keep to it. keepAlive tells whether the
// connection is to go on; Close is set when it is not, or cannot.
func (r *Response) Frame(o *Out, minor int, keepAlive bool) {
	o.Minor = minor
	o.Close = !keepAlive
	o.ContentLength = r.ContentLength
	o.Chunked = false
	if r.NoBody || r.ContentLength >= 0 {
		return
	}
	if minor >= 1 {
		o.Chunked = true
	} else {
		o.Close = true
	}
}

// dropFromResponse holds the kinds that do not go to a client: fields for the
// worker's connection only, fields that are meant for ripd, and those that ripd
// writes itself.
var dropFromResponse = [kinds]bool{
	kindContentLength:    true,
	kindTransferEncoding: true,
	kindConnection:       true,
	kindHop:              true,
	kindTE:               true,
	kindTrailer:          true, // but see Out.Trailers
	kindUpgrade:          true, // but see AppendSwitching and appendOffer
	kindRequestMark:      true,
	kindDate:             true,
	kindWorker:           true,
	kindWorkerBusy:       true,
	kindSendfile:         true, // but see Out.Unsent
	kindRelease:          true,
}

// AppendResponse appends the head for the client, with the empty line. The
// status line says HTTP/1.1 whatever the client speaks (RFC 9110 section 2.5).
//
// Where the worker says nothing about caching, ripd does. Neither
// Cache-Control nor Expires means "Cache-Control: no-store"; but "no-cache"
// with ETag or Last-Modified, and in a 304: the worker means to validate what
// the client has stored, and with no-store there would be nothing to validate.
// Either way nobody shows a stale answer.
//
// An interim response gets its end-to-end fields and nothing of ripd's. This is
// no way to pass on a response that is Switching: AppendSwitching is.
func (r *Response) AppendResponse(dst []byte, o *Out) []byte {
	dst = appendStatusLine(dst, r.Status)
	dst = append(dst, r.Reason...)
	dst = append(dst, "\r\n"...)
	spoken, validator, secured := false, false, o.HSTS == ""
	for i := range r.Fields {
		f := &r.Fields[i]
		switch f.kind {
		case kindCacheControl, kindExpires:
			spoken = true
		case kindValidator:
			validator = true
		case kindTransportSecurity:
			secured = true
		}
		if dropFromResponse[f.kind] && !(f.kind == kindTrailer && o.Trailers && o.Chunked) && !(f.kind == kindSendfile && o.Unsent) {
			continue
		}
		if r.conn.removes(r.Fields, f) {
			continue
		}
		if o.Vary {
			dst = appendNegotiated(dst, f, o.Coding != "")
			continue
		}
		dst = appendField(dst, f)
	}
	if r.Status < 200 {
		return append(dst, "\r\n"...)
	}
	switch {
	case spoken:
	case validator, r.Status == 304:
		dst = append(dst, "Cache-Control: no-cache\r\n"...)
	default:
		dst = append(dst, noStoreLine...)
	}
	if o.Vary {
		dst = r.appendNegotiation(dst, o.Coding)
	}
	dst = appendLine(dst, "Date: ", o.Date)
	dst = appendLine(dst, "X-Request-Id: ", o.RequestID)
	if !secured {
		dst = appendHSTS(dst, o.HSTS)
	}
	dst = appendFraming(dst, o.Chunked, o.ContentLength)
	return appendConnection(r.appendOffer(dst, o.Minor), o.Minor, o.Close)
}

// appendHSTS appends Strict-Transport-Security (RFC 6797 section 6.1).
func appendHSTS(dst []byte, value string) []byte {
	dst = append(dst, "Strict-Transport-Security: "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

const noStoreLine = "Cache-Control: no-store\r\n"

// appendStatusLine appends the status line up to the reason.
func appendStatusLine(dst []byte, status int) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	return append(dst, byte('0'+status/100), byte('0'+status/10%10), byte('0'+status%10), ' ')
}

// appendConnection appends what the client needs to know about the
// connection's future (RFC 9112 section 9.3), and the empty line.
func appendConnection(dst []byte, minor int, ends bool) []byte {
	switch {
	case ends:
		return append(dst, "Connection: close\r\n\r\n"...)
	case minor == 0:
		return append(dst, "Connection: keep-alive\r\n\r\n"...)
	default:
		return append(dst, "\r\n"...)
	}
}
