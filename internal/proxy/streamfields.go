package proxy

import (
	"net/http"
	"slices"

	"ripd/internal/http1"
)

// headFields is where the head of an answer is taken apart. A stream keeps the memory for
// its next one: net/http copies what it is given.
type headFields struct {
	res    http1.Response
	text   []byte   // all names and values
	values []string // the values in it
}

// free forgets the head.
func (a *headFields) free() {
	a.res.Reset()
	clear(a.values)
	if cap(a.text) > blockSize {
		a.text = nil
	}
}

// fields gives a head to net/http. What is about a connection of HTTP/1 is left out (RFC
// 9113 section 8.2.2).
func (rd *reader) fields(res *http1.Response) {
	w, a := rd.st.w, &rd.st.head
	h := w.Header()
	clear(h)
	a.put(h, res.Fields)
	if h["Content-Type"] == nil {
		h["Content-Type"] = nil // net/http would guess it
	}
	if res.Interim() {
		// With a length net/http copies the fields, and leaves it out. Else it would go on to
		// read them, when the client resets the stream now, while they are cleared.
		h["Content-Length"] = someLength
	}
	rd.give(func() error { w.WriteHeader(res.Status); return nil })
	clear(h) // net/http would take a field for a trailer of that name, if the answer tells of one
	// An interim answer has gone; to flush would be the head of a final one, 200.
	rd.dirty = !res.Interim()
}

var someLength = []string{"0"}

// put puts fields into h.
func (a *headFields) put(h http.Header, fields []http1.Field) {
	a.text = a.text[:0]
	for i := range fields {
		a.text = append(append(a.text, fields[i].Name...), fields[i].Value...)
	}
	text := string(a.text)
	a.values = slices.Grow(a.values[:0], len(fields))[:len(fields)]
	for i := range fields {
		n, end := len(fields[i].Name), len(fields[i].Name)+len(fields[i].Value)
		name, value := http.CanonicalHeaderKey(text[:n]), text[n:end]
		text = text[end:]
		switch name {
		case "Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade":
			continue
		}
		if before := h[name]; before != nil {
			h[name] = append(before, value) // which has no room: another array
			continue
		}
		a.values[i] = value
		h[name] = a.values[i : i+1 : i+1]
	}
}
