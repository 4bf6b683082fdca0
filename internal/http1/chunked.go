package http1

// chunkState is where a Chunked stands in the grammar of RFC 9112 section 7.1.
//
//	size → digits → (extension ⇄ (quoted ⇄ pair)) → sizeLF → data → dataCR → dataLF → size
//	                                             → trailer → (trailerLine → trailer) → lastLF → done
type chunkState uint8

const (
	chunkSize        chunkState = iota // before the first digit of a size
	chunkDigits                        // behind a digit
	chunkExtension                     // in an extension
	chunkQuoted                        // in a quoted string of an extension
	chunkPair                          // behind a backslash in it
	chunkSizeLF                        // behind the CR of a size line
	chunkData                          // in the data
	chunkDataCR                        // behind the data
	chunkDataLF                        // behind the CR that follows it
	chunkTrailer                       // at the beginning of a trailer's line, or of the empty line
	chunkTrailerLine                   // in a trailer's line
	chunkLastLF                        // behind the CR of the empty line
	chunkDone
	chunkFailed
)

// Chunked decodes a chunked body, however its bytes arrive. The zero value is
// ready for a body, and Reset makes it so again.
type Chunked struct {
	state     chunkState
	digits    uint8  // of the size, so far
	extension int    // bytes of the chunk's extensions
	debt      int64  // bytes by which all extensions exceed all data
	left      int64  // the size, then how much of the data is to come
	section   []byte // the trailer section
	trailers  []Field
	err       error
}

// Reset makes c ready for another body. It keeps the memory for trailers.
func (c *Chunked) Reset() {
	*c = Chunked{section: c.section[:0], trailers: c.trailers[:0]}
}

// Next decodes the beginning of src. data, a view of src, is the next piece of
// the body, and may be empty; n is how many bytes of src are done with, data
// among them; done tells that the body is complete. Bytes behind its end are
// never consumed.
//
// The caller goes on with src[n:] until that is empty, done is true, or there
// is an error. Then it calls again with the bytes that followed; nothing that
// was consumed needs to be kept. An error is an *Error, and comes again with
// each further call.
func (c *Chunked) Next(src []byte) (data []byte, n int, done bool, err error) {
	for n < len(src) {
		switch c.state {
		case chunkData:
			take := int(min(c.left, int64(len(src)-n)))
			data = src[n : n+take : n+take]
			c.left -= int64(take)
			c.debt = max(0, c.debt-int64(take))
			if c.left == 0 {
				c.state = chunkDataCR
			}
			return data, n + take, false, nil
		case chunkTrailer, chunkTrailerLine, chunkLastLF:
			n += c.trailerBytes(src[n:])
		case chunkDone:
			return nil, n, true, nil
		case chunkFailed:
			return nil, n, false, c.err
		default:
			c.lineByte(src[n])
			n++
		}
	}
	if c.state == chunkFailed {
		return nil, n, false, c.err
	}
	return nil, n, c.state == chunkDone, nil
}

// lineByte takes one byte of what surrounds the data.
func (c *Chunked) lineByte(b byte) {
	switch c.state {
	case chunkSize, chunkDigits:
		c.sizeByte(b)
	case chunkExtension, chunkQuoted, chunkPair:
		c.extensionByte(b)
	case chunkSizeLF:
		c.beginData(b)
	case chunkDataCR:
		c.state = chunkDataLF
		if b != '\r' {
			c.fail(errChunkEnd)
		}
	case chunkDataLF:
		c.state, c.digits, c.extension, c.left = chunkSize, 0, 0, 0
		if b != '\n' {
			c.fail(errChunkEnd)
		}
	}
}

// sizeByte takes a byte of a chunk's size, or the one behind it. White space
// there, which RFC 9112 section 7.1.1 calls bad, is refused: no sender of today
// writes it, and peers differ in what they make of it.
func (c *Chunked) sizeByte(b byte) {
	if v := hexValue[b]; v != 0 {
		if c.digits == MaxChunkSizeDigits || c.left > (1<<63-1)>>4 {
			c.fail(errChunkSize)
			return
		}
		c.left = c.left<<4 | int64(v-1)
		c.digits++
		c.state = chunkDigits
		return
	}
	switch {
	case c.state == chunkSize:
		c.fail(errChunkSize)
	case b == '\r':
		c.state = chunkSizeLF
	case b == ';':
		c.state = chunkExtension
		c.countExtension()
	default:
		c.fail(errChunkLine)
	}
}

// extensionByte takes a byte of an extension. Its value is nothing to ripd, but a
// line that ends within quotes is refused: a peer could take the line's end for a
// part of the value, and find another end of the body.
func (c *Chunked) extensionByte(b byte) {
	switch {
	case b == '\r' && c.state == chunkExtension:
		c.state = chunkSizeLF
		return
	case b < 0x20 && b != '\t', b == 0x7F:
		c.fail(errChunkLine)
		return
	case c.state == chunkPair:
		c.state = chunkQuoted
	case c.state == chunkQuoted && b == '\\':
		c.state = chunkPair
	case c.state == chunkQuoted && b == '"':
		c.state = chunkExtension
	case c.state == chunkExtension && b == '"':
		c.state = chunkQuoted
	}
	c.countExtension()
}

// countExtension counts a byte of an extension against both bounds.
func (c *Chunked) countExtension() {
	c.extension++
	c.debt++
	if c.extension > MaxChunkExtensionBytes || c.debt > MaxExtensionDebt {
		c.fail(errChunkExtension)
	}
}

// beginData takes the LF of a size line.
func (c *Chunked) beginData(b byte) {
	switch {
	case b != '\n':
		c.fail(errChunkLine)
	case c.left == 0:
		c.state = chunkTrailer
	default:
		c.state = chunkData
	}
}

func (c *Chunked) fail(err error) {
	c.state, c.err = chunkFailed, err
}
