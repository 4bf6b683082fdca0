package http1

// noLength is a ContentLength that the message does not give.
const noLength = -1

// framing collects the fields that say where a body ends (RFC 9112 section 6).
type framing struct {
	length    int64 // Content-Length, or noLength
	codings   int   // transfer codings named
	chunkedAt int   // which of them is chunked, from 1; 0: none
	twice     bool  // chunked is named more than once
	hasCoding bool  // there is a Transfer-Encoding field
	exact     bool  // it is the one value "chunked"
}

// addLength reads a Content-Length field. A second one is refused even if it
// is equal: RFC 9110 section 8.6 permits that, and a sender that repeats
// itself is not one to trust with framing.
func (m *framing) addLength(value []byte) error {
	if m.length != noLength {
		return errLengthTwice
	}
	n, ok := parseLength(value)
	if !ok {
		return errLength
	}
	m.length = n
	return nil
}

// parseLength reads digits, and nothing else, into 63 bits.
func parseLength(b []byte) (n int64, ok bool) {
	const most = 1<<63 - 1
	for _, c := range b {
		if c < '0' || c > '9' || n > (most-int64(c-'0'))/10 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, len(b) > 0
}

// addCoding reads a Transfer-Encoding field.
func (m *framing) addCoding(value []byte) {
	m.exact = !m.hasCoding && foldedEqual(value, "chunked")
	m.hasCoding = true
	for more := true; more; {
		var coding []byte
		coding, value, more = nextElement(value)
		m.codings++
		if foldedEqual(coding, "chunked") {
			m.twice = m.twice || m.chunkedAt != 0
			m.chunkedAt = m.codings
		}
	}
}

// chunked tells whether the body is chunked, or why the framing is at fault
// (RFC 9112 sections 6.1 and 6.3). One Transfer-Encoding with the one value
// "chunked" is all that passes.
func (m *framing) chunked(minor int) (bool, error) {
	switch {
	case !m.hasCoding:
		return false, nil
	case minor == 0:
		return false, errCodingOld
	case m.length != noLength:
		return false, errBothLengths
	case m.exact:
		return true, nil
	case m.twice, m.chunkedAt != 0 && m.chunkedAt != m.codings:
		return false, errCodingOrder
	default:
		return false, errCoding
	}
}
