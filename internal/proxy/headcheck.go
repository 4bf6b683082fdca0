package proxy

import (
	"errors"

	"golang.org/x/net/http2/hpack"

	"ripd/internal/config"
	"ripd/internal/http1"
)

// fieldOverhead is what each field adds to the size of its name and value (RFC 9113
// section 6.5.2).
const fieldOverhead = 32

// typicalOverhead is what net/http adds to MaxHeaderBytes for it.
const typicalOverhead = 10 * fieldOverhead

// headerList is the size of a list of fields that net/http reads: more than limits.header
// says, since that counts the bytes of HTTP/1, and ripd's own codec holds to it.
func headerList(cfg *config.Config) int {
	return int(cfg.Limits.Header) + http1.MaxFields*fieldOverhead
}

// headCheck looks for what makes a head malformed in HTTP/2 although net/http takes it.
// So it has the other end of the client's field compression, too.
type headCheck struct {
	decoder *hpack.Decoder
	broken  bool // the compression cannot be followed; net/http ends the connection
	limit   uint32

	ends      bool // there is no body
	malformed bool
	long      bool // net/http answers it in ripd's place, with 431, or ends the connection
	size      uint32
}

func (h *headCheck) init(cfg *config.Config) {
	h.limit = uint32(headerList(cfg) + typicalOverhead)
	h.decoder = hpack.NewDecoder(4096, h.field)
	h.decoder.SetMaxStringLength(int(h.limit))
}

// begin readies it for a head; ends says that nothing follows it.
func (h *headCheck) begin(ends bool) { h.ends, h.malformed, h.long, h.size = ends, false, false, 0 }

// write takes a piece of the head.
func (h *headCheck) write(fragment []byte) {
	if h.broken {
		return
	}
	if _, err := h.decoder.Write(fragment); err != nil {
		h.broken = true
		h.long = h.long || errors.Is(err, hpack.ErrStringLength)
	}
}

// end reports whether the head that has come is malformed.
func (h *headCheck) end() (malformed bool) {
	if h.broken {
		return false
	}
	if err := h.decoder.Close(); err != nil {
		h.broken = true
		return false
	}
	return h.malformed
}

// field looks at one field (RFC 9113 sections 8.2.2 and 8.1.1).
func (h *headCheck) field(f hpack.HeaderField) {
	h.size += f.Size()
	h.long = h.long || h.size > h.limit
	switch f.Name {
	case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
		h.malformed = true
	case "te":
		h.malformed = h.malformed || f.Value != "trailers"
	case "content-length":
		h.malformed = h.malformed || h.ends && f.Value != "0"
	}
}
