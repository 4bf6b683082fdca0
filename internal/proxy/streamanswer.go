package proxy

import (
	"errors"
	"io"
	"net/http"

	"ripd/internal/http1"
)

// piece is how much of an answer is given to net/http at once: the client has
// timeouts.client_write for each.
const piece = 16 << 10

// errAnswerCut: the answer broke off.
var errAnswerCut = errors.New("the answer broke off")

// reader takes the answer, which comes as the bytes of HTTP/1, out of the spool.
type reader struct {
	st    *stream
	buf   *copyBlock
	big   []byte // instead of buf, for a head that is larger
	b     []byte // read and not yet given
	dirty bool   // net/http may have something that it has not sent
	done  bool   // the answer is complete: what comes is only its end
	gone  <-chan struct{}
}

// deliver gives the answer to the client, and ends the request. It reports whether that
// was all of it.
func (st *stream) deliver() (whole bool) {
	rd := reader{st: st, gone: st.gone.Done()}
	err := rd.answer()
	if err != nil && !errors.Is(err, errAnswerCut) { // the client takes no more
		st.left()
		rd.b = nil
	}
	if err != nil && rd.dirty && !st.broken() { // as far as it came
		rd.give(func() error { st.w.Flush(); return nil })
	}
	rd.settle()
	rd.drop()
	r := &st.req
	r.record(r.srv.clock.now(), st.lost)
	r.free()
	return err == nil
}

// settle waits until nobody writes the answer any more. What still comes is dropped: it
// may be in a file that cannot be read.
func (rd *reader) settle() {
	st := rd.st
	for {
		st.mu.Lock()
		st.spool.reset()
		st.space.Broadcast()
		final := st.final
		st.mu.Unlock()
		if final {
			return
		}
		select {
		case <-st.ready:
		case <-rd.gone:
			rd.gone = nil
			st.left()
		}
	}
}

// more waits for the next bytes of the answer, and puts them behind b; io.EOF when
// nothing follows.
func (rd *reader) more() (n int, err error) {
	st := rd.st
	for {
		st.mu.Lock()
		if !st.spool.empty() {
			n, err = st.spool.read(rd.room())
			if st.spool.empty() {
				st.spool.reset()
				st.space.Broadcast()
			}
			st.mu.Unlock()
			if err != nil {
				st.req.srv.reached(boundDisk, "an answer to a slow client breaks off: its temporary file cannot be read", "error", err)
				return 0, err
			}
			rd.b = rd.b[:len(rd.b)+n]
			return n, nil
		}
		final, cut := st.final, st.cut
		st.mu.Unlock()
		switch {
		case final && cut:
			return 0, errAnswerCut
		case final:
			return 0, io.EOF
		case rd.dirty && !rd.done:
			rd.dirty = false
			rd.give(func() error { st.w.Flush(); return nil })
			continue
		}
		if len(rd.b) == 0 {
			rd.drop() // it may be long until there is more
		}
		select {
		case <-st.ready:
		case <-rd.gone:
			rd.gone = nil
			st.left()
		}
	}
}

// drop gives the buffer back.
func (rd *reader) drop() {
	if rd.buf != nil {
		rd.buf.free()
	}
	rd.buf, rd.big, rd.b = nil, nil, nil
}

// room is where the next bytes go, behind b.
func (rd *reader) room() []byte {
	if rd.buf == nil {
		rd.buf = newCopyBlock()
	}
	whole := rd.buf[:]
	if rd.big != nil {
		whole = rd.big
	}
	if len(rd.b) == len(whole) { // a head, which has a bound
		rd.big = make([]byte, 2*len(whole))
		whole = rd.big
	}
	n := copy(whole, rd.b)
	rd.b = whole[:n]
	return whole[n:]
}

// answer gives the head and the body on.
func (rd *reader) answer() error {
	res := &rd.st.head.res
	for {
		if err := rd.head(res); err != nil {
			return err
		}
		if !res.Interim() {
			break
		}
	}
	var decoder http1.Chunked
	left := res.ContentLength
	for rd.done = res.NoBody || left == 0; !rd.done; {
		for len(rd.b) > 0 && !rd.done {
			data, n := rd.b, len(rd.b)
			if res.Chunked {
				var err error
				if data, n, rd.done, err = decoder.Next(rd.b); err != nil {
					return err // ripd's own chunks: it cannot be
				}
			} else if left -= int64(n); left == 0 {
				rd.done = true
			}
			rd.b = rd.b[n:]
			if err := rd.body(data); err != nil {
				return err
			}
		}
		if rd.done {
			break
		}
		rd.b = rd.b[:0]
		if _, err := rd.more(); err != nil {
			if err == io.EOF {
				err = errAnswerCut
			}
			return err
		}
	}
	trailers := rd.st.w.Header()
	for _, f := range decoder.Trailers() {
		name := http.TrailerPrefix + string(f.Name)
		trailers[name] = append(trailers[name], string(f.Value))
	}
	return rd.end()
}

// end waits for the word that the answer is complete.
func (rd *reader) end() error {
	switch _, err := rd.more(); err {
	case io.EOF:
		return nil
	case nil:
		return errAnswerCut // more than there may be: it cannot be
	default:
		return err
	}
}

// head reads a head and gives it on.
func (rd *reader) head(res *http1.Response) error {
	st := rd.st
	// It was put together from one that kept to the limits, with some fields more.
	limits := http1.Limits{HeaderBytes: 2*st.req.srv.headLimits().HeaderBytes + blockSize, Fields: 2 * http1.MaxFields}
	method := st.req.method()
	for {
		n, err := res.Parse(rd.b, method, limits)
		if err == nil {
			rd.b = rd.b[n:]
			rd.fields(res)
			return nil
		}
		if err != http1.ErrIncomplete {
			return err
		}
		if _, err := rd.more(); err != nil {
			if err == io.EOF {
				err = errAnswerCut
			}
			return err
		}
	}
}

// body gives a piece of the body to net/http.
func (rd *reader) body(data []byte) error {
	for len(data) > 0 {
		n := min(len(data), piece)
		part := data[:n]
		if err := rd.give(func() error { _, err := rd.st.w.Write(part); return err }); err != nil {
			return err
		}
		data = data[n:]
		rd.dirty = true
	}
	return nil
}

// give does what may wait for the client, while the janitor watches it.
func (rd *reader) give(what func() error) error {
	st := rd.st
	st.giving.Store(int64(st.req.srv.clock.now()))
	err := what()
	st.giving.Store(0)
	return err
}
