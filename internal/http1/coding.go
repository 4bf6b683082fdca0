package http1

import "bytes"

// This file holds what the head of an answer says about a content coding that ripd
// applies (RFC 9110 section 8.4).

const varyName, acceptEncoding = "vary", "accept-encoding"

// Codable tells whether the answer, which is no interim one, may be given another
// content coding: it has a body, or would have one but for HEAD; the body is the whole
// of a representation without a coding; and the worker has not said otherwise.
// An answer with a Trailer field may have a sum of its bytes there.
func (r *Response) Codable(head bool) bool {
	if r.Status == 206 || r.NoBody && !head || r.Status == 204 || r.Status == 304 {
		return false
	}
	for i := range r.Fields {
		switch f := &r.Fields[i]; {
		case f.kind == kindCacheControl:
			if hasElement(f.Value, "no-transform") {
				return false
			}
		case f.kind == kindTrailer, foldedEqual(f.Name, "content-encoding"), foldedEqual(f.Name, "content-range"):
			return false
		}
	}
	return true
}

// hasElement tells whether the list has the element, in any case.
func hasElement(list []byte, name string) bool {
	for more := true; more; {
		var element []byte
		if element, list, more = nextElement(list); foldedEqual(element, name) {
			return true
		}
	}
	return false
}

// appendNegotiated appends a field of an answer that depends on Accept-Encoding; Vary
// comes later. With coded, ripd applies a coding: what tells of the bytes of the body
// does not hold for those that are sent, and an ETag names them only weakly (RFC 9110
// section 8.8.3.3).
func appendNegotiated(dst []byte, f *Field, coded bool) []byte {
	switch name := f.Name; {
	case foldedEqual(name, varyName):
		return dst
	case !coded:
	case foldedEqual(name, "accept-ranges"), foldedEqual(name, "content-md5"), foldedEqual(name, "digest"),
		foldedEqual(name, "content-digest"), foldedEqual(name, "repr-digest"):
		return dst
	case foldedEqual(name, "etag") && !bytes.HasPrefix(f.Value, []byte("W/")):
		if !bytes.HasPrefix(f.Value, []byte(`"`)) {
			return dst // it is none
		}
		dst = append(dst, "ETag: W/"...)
		dst = append(dst, f.Value...)
		return append(dst, "\r\n"...)
	}
	return appendField(dst, f)
}

// appendNegotiation appends one Vary of all that the worker has said and
// Accept-Encoding, and Content-Encoding, unless coding is empty.
func (r *Response) appendNegotiation(dst []byte, coding string) []byte {
	dst = append(dst, "Vary: "...)
	said := false
	for i := range r.Fields {
		f := &r.Fields[i]
		if !foldedEqual(f.Name, varyName) || len(f.Value) == 0 {
			continue
		}
		said = said || hasElement(f.Value, acceptEncoding) || hasElement(f.Value, "*")
		dst = append(dst, f.Value...)
		dst = append(dst, ", "...)
	}
	if said {
		dst = dst[:len(dst)-len(", ")]
	} else {
		dst = append(dst, "Accept-Encoding"...)
	}
	dst = append(dst, "\r\n"...)
	if coding == "" {
		return dst
	}
	dst = append(dst, "Content-Encoding: "...)
	dst = append(dst, coding...)
	return append(dst, "\r\n"...)
}
