package http1

import "bytes"

// trailerBytes takes bytes behind the last chunk, and returns how many. The
// lines are collected, and read as fields when the empty line has come.
func (c *Chunked) trailerBytes(src []byte) int {
	switch c.state {
	case chunkTrailer:
		if src[0] == '\r' {
			c.state = chunkLastLF
			return 1
		}
		c.state = chunkTrailerLine
		return 0
	case chunkLastLF:
		c.endTrailers(src[0])
		return 1
	}
	n := bytes.IndexByte(src, '\n') + 1
	ends := n > 0
	if !ends {
		n = len(src)
	}
	if len(c.section)+n > MaxTrailerBytes {
		c.fail(errTrailerLength)
		return n
	}
	c.section = append(c.section, src[:n]...)
	if ends {
		c.state = chunkTrailer
		if before := len(c.section) - 2; before < 0 || c.section[before] != '\r' {
			c.fail(errBareLF)
		}
	}
	return n
}

// endTrailers takes the LF of the empty line.
func (c *Chunked) endTrailers(b byte) {
	if b != '\n' {
		c.fail(errBareCR)
		return
	}
	c.state = chunkDone
	if len(c.section) == 0 {
		return
	}
	c.section = append(c.section, "\r\n"...)
	fields, _, err := parseFields(c.trailers, c.section, 0, MaxTrailers)
	if err != nil {
		c.fail(err)
		return
	}
	for i := range fields {
		if mayTrail(&fields[i]) {
			c.trailers = append(c.trailers, fields[i])
		}
	}
}

// Trailers returns the trailer fields that came behind the body, without those
// that may not stand there. They are valid until Reset.
func (c *Chunked) Trailers() []Field {
	if c.state != chunkDone {
		return nil
	}
	return c.trailers
}

// mayTrail tells whether a field may come behind the body (RFC 9110 section
// 6.5.1): none that says how to frame, route, authenticate, cache or read the
// message. ETag and Last-Modified may, because a sender knows them only at the
// end.
func mayTrail(f *Field) bool {
	if f.kind != kindOther {
		return f.kind == kindValidator
	}
	for _, prefix := range neverTrailPrefixes {
		if foldedPrefix(f.Name, prefix) {
			return false
		}
	}
	return !neverTrail(f.Name)
}

var neverTrailPrefixes = [...]string{"accept", "access-control-", "content-", "if-", "proxy-", "sec-"}

// neverTrail holds the names without a rule elsewhere that no trailer may have.
func neverTrail(name []byte) bool {
	for _, n := range [...]string{
		"age", "allow", "location", "max-forwards", "origin", "pragma", "range", "referer",
		"retry-after", "strict-transport-security", "vary", "www-authenticate",
	} {
		if foldedEqual(name, n) {
			return true
		}
	}
	return false
}
