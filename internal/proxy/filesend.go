package proxy

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	"ripd/internal/http1"
	"ripd/internal/static"
)

// wholeFile is up to which size, in bytes, what is sent of a file is read into memory and
// goes out with its head, by whoever has the request: its client has room for that in any
// case. Of a larger one the rest is sent by a goroutine of its own, at its client's pace.
const wholeFile = 32 << 10

// fileAnswer is an answer with a file. net/http decides about it (conditions, ranges,
// multipart) and writes to it as to any http.ResponseWriter.
type fileAnswer struct {
	r       *request
	file    *static.File
	request *http.Request // its conditions; nil: none, and no ranges
	header  http.Header   // nil where net/http does not decide
	date    fileDate
	cause   string // for the access record
	worker  *order // of the worker that has named the file; nil without

	status int
	out    []byte // the head, and what has come of the body and was not sent yet
	left   int64  // of the body, to be written
	rest   int64  // of left: what is sent of the file when net/http has decided
	own    bool   // this is a goroutine of its own, and may wait
	lost   bool   // the client takes nothing any more
}

// The fields of an answer with a file, in the order in which they are sent.
var fileFields = []string{
	"Content-Type", "Content-Encoding", "Content-Range", "Accept-Ranges", "Etag", "Last-Modified", "Cache-Control", "Vary",
}

// fileFieldNames are the same as they are written.
var fileFieldNames = func() (names [][]byte) {
	for _, name := range fileFields {
		if name == "Etag" {
			name = "ETag"
		}
		names = append(names, []byte(name))
	}
	return names
}()

// describe says of the file what is known of it.
func (a *fileAnswer) describe() {
	f := a.file
	set := func(name, value string) {
		if value != "" {
			a.header[name] = []string{value}
		}
	}
	set("Content-Type", f.ContentType)
	set("Content-Encoding", f.Encoding)
	set("Cache-Control", f.CacheControl)
	set("Etag", f.ETag)
	if f.Varies {
		set("Vary", "Accept-Encoding")
	}
}

// start sends the answer. What needs time is done by a goroutine: of several ranges,
// everything.
func (a *fileAnswer) start() {
	if a.request == nil {
		a.send()
		return
	}
	if ranges := a.request.Header["Range"]; ranges != nil && strings.Contains(ranges[0], ",") && a.file.Size > wholeFile {
		a.aside(a.send)
		return
	}
	a.send()
}

// aside has a goroutine do what may have to wait for the client.
func (a *fileAnswer) aside(do func()) {
	s := a.r.srv
	s.tasks.Add(1)
	a.own = true
	go func() {
		defer s.tasks.Done()
		do()
	}()
}

// send has net/http decide, and sends what it says.
func (a *fileAnswer) send() {
	buf := newCopyBlock()
	a.out = buf[:0]
	a.decide()
	if sender, ok := a.r.client.(fileSender); ok && a.rest > 0 {
		var n int64
		a.out, n = sender.sendNow(a.out, a.file, a.rest)
		a.count(n)
		a.rest -= n
	}
	if a.rest == 0 || a.own {
		a.end(buf)
		return
	}
	a.aside(func() { a.end(buf) })
}

// decide has net/http say what is sent.
func (a *fileAnswer) decide() {
	if a.header == nil {
		a.whole()
		return
	}
	if !a.asIs() {
		http.ServeContent(a, a.request, "", a.modTime(), a.file)
		return
	}
	a.WriteHeader(a.worker.status)
	if !a.r.head {
		_, _ = a.ReadFrom(io.LimitReader(a.file, a.file.Size)) // what is missing is seen at the end
	}
}

// asIs reports whether the worker's status is other than what conditions and ranges are
// about: the file is the body of an error, say.
func (a *fileAnswer) asIs() bool {
	return a.worker != nil && a.worker.status != http.StatusOK && a.worker.status != http.StatusPartialContent
}

// end sends what is left, and ends the request.
func (a *fileAnswer) end(buf *copyBlock) {
	if a.rest > 0 {
		a.sendRest()
	}
	a.file.Close()
	if a.rest == 0 {
		_ = a.flush() // nobody is left to tell
	}
	buf.free()
	// A file that has become shorter meanwhile leaves an answer that is not whole.
	cut := a.left > 0 && !a.lost
	if cut {
		a.r.close = true
		a.r.answer.cause = causeFileChanged
	}
	a.r.client.finish(cut)
}

// Header is what the head will say.
func (a *fileAnswer) Header() http.Header { return a.header }

// WriteHeader makes the head. It is kept back until there is something of the body.
func (a *fileAnswer) WriteHeader(status int) {
	r, s := a.r, a.r.srv
	a.status = status
	length := a.file.Size
	if text := a.header["Content-Length"]; text != nil {
		length, _ = strconv.ParseInt(text[0], 10, 64) // net/http has written it
	} else if status != http.StatusOK && !a.asIs() {
		length = -1
	}
	var text []byte
	if status >= http.StatusBadRequest && !a.asIs() {
		var contentType string
		text, contentType = r.errorText(status, a.cause)
		length = int64(len(text))
		a.header["Content-Type"] = []string{contentType}
	}
	body := !r.head && status != http.StatusNotModified
	res := fileHeads.Get().(*http1.Response)
	res.Own(status, length, body)
	if a.header == nil {
		a.addWhole(res)
	} else {
		a.addDecided(res)
	}
	out := http1.Out{Date: s.clock.httpDate(s.clock.now()), RequestID: r.id[:]}
	if r.from.secure {
		out.HSTS = s.config.Load().TLS.HSTS
	}
	res.Frame(&out, r.minor, !r.mustClose())
	r.close = out.Close
	r.answer.status, r.answer.cause = status, a.cause
	a.out = res.AppendResponse(a.out, &out)
	res.Reset()
	fileHeads.Put(res)
	if body {
		a.out = append(a.out, text...)
		a.left = length
		a.count(int64(len(text)))
	}
}

// Write takes a piece of the body.
func (a *fileAnswer) Write(b []byte) (n int, err error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	if a.r.head || a.status >= http.StatusBadRequest && !a.asIs() { // which has its text
		return len(b), nil
	}
	if len(a.out)+len(b) > cap(a.out) {
		if err := a.flush(); err != nil {
			return 0, err
		}
	}
	a.out = append(a.out, b...)
	a.count(int64(len(b)))
	return len(b), nil
}

// ReadFrom takes a part of the file, or what net/http makes of several.
func (a *fileAnswer) ReadFrom(src io.Reader) (n int64, err error) {
	part, ok := src.(*io.LimitedReader)
	if !ok {
		return a.copy(src)
	}
	if _, ok := part.R.(*static.File); ok && part.N > wholeFile {
		a.rest = part.N // it is the last that net/http does
		return part.N, nil
	}
	return a.copy(src)
}

// sendRest sends the part of the file that was put off.
func (a *fileAnswer) sendRest() {
	if a.flush() != nil {
		return
	}
	if sender, ok := a.r.client.(fileSender); ok {
		n, err := sender.sendFile(a.file, a.rest)
		a.count(n)
		if !errors.Is(err, errors.ErrUnsupported) {
			_ = a.failed(err)
			return
		}
	}
	_, err := a.copy(io.LimitReader(a.file, a.rest))
	if err == nil {
		err = a.flush()
	}
	_ = a.failed(err)
}

// copy reads src into memory, and sends it from there. What fits stays there.
func (a *fileAnswer) copy(src io.Reader) (total int64, err error) {
	for {
		if len(a.out) == cap(a.out) {
			if err := a.flush(); err != nil {
				return total, err
			}
		}
		n, err := src.Read(a.out[len(a.out):cap(a.out)])
		a.out = a.out[:len(a.out)+n]
		a.count(int64(n))
		total += int64(n)
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// count notes n bytes of the body.
func (a *fileAnswer) count(n int64) {
	a.left -= n
	a.r.answer.bytesOut += n
}

// flush gives the client what is there. It waits for the client to take it if more is
// to come: an answer is read from the disk no faster than it is sent.
func (a *fileAnswer) flush() error {
	if a.lost {
		return net.ErrClosed
	}
	if len(a.out) > 0 {
		a.r.client.write(a.out)
		a.out = a.out[:0]
	}
	if a.left > 0 && !a.r.client.settle() {
		return a.failed(net.ErrClosed)
	}
	return nil
}

// failed notes that the client has gone.
func (a *fileAnswer) failed(err error) error {
	if err != nil && a.r.client.broken() {
		a.lost = true
	}
	return err
}
