package http1

import "iter"

// Own makes r the head of an answer that ripd gives itself and that has fields of its
// own, unlike a Reply. length is that of its body in bytes; -1 for none said. Without
// body only the head is sent, as for HEAD and in a 304. The fields follow with Add.
func (r *Response) Own(status int, length int64, body bool) {
	*r = Response{Status: status, Reason: append(r.Reason[:0], StatusText(status)...), Fields: r.Fields[:0], ContentLength: length, NoBody: !body}
}

// Add appends a field, which must be a valid one. Both parts must stay as they are for
// as long as r is in use.
func (r *Response) Add(name, value []byte) {
	r.Fields = append(r.Fields, Field{Name: name, Value: value, kind: classifyPlain(name)})
}

// Kept gives the fields of a worker's answer that a client gets, but for those that
// are ripd's to write.
func (r *Response) Kept() iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for i := range r.Fields {
			f := &r.Fields[i]
			if dropFromResponse[f.kind] || r.conn.removes(r.Fields, f) {
				continue
			}
			if !yield(f.Name, f.Value) {
				return
			}
		}
	}
}
