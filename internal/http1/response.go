package http1

// Response is the head of a worker's answer. It is made to be reused, as
// Request is, and its slices are views into the buffer that was parsed.
type Response struct {
	Status int     // 100 to 599
	Minor  int     // 0 or 1, for HTTP/1.0 and HTTP/1.1
	Reason []byte  // may be empty
	Fields []Field // all fields, in the order in which they came

	// Where the body ends (RFC 9112 section 6.3): one of NoBody, Chunked,
	// UntilClose, or ContentLength >= 0. With NoBody ContentLength is what
	// an answer to HEAD, or a 304, says about the body that it does not have.
	ContentLength int64 // bytes; -1: not given
	Chunked       bool
	UntilClose    bool
	NoBody        bool

	KeepAlive bool // the worker's connection may serve another request, after the body
	// ReleaseEarly tells that the answer may go on without its request slot:
	// Rip-Release: early.
	ReleaseEarly bool

	Busy      bool // the worker refuses to begin: 503 with Rip-Worker-Busy
	NamesFile bool // X-Sendfile or X-Accel-Redirect says what to send instead of the body
	HeadLen   int  // bytes of the head

	// Switching tells that what follows is not HTTP: 101, or a 2xx to CONNECT.
	// A worker that was not asked for it is at fault.
	Switching bool

	conn   connection
	looked int
}

// Reset forgets everything but the array behind Fields. It should be called
// when an answer is given up half-way, as Request.Reset.
func (r *Response) Reset() {
	clear(r.Fields[:cap(r.Fields)])
	*r = Response{Fields: r.Fields[:0]}
}

// Parse reads the head at the beginning of buf, an answer to a request with
// the given method, and returns its length. It is called as Request.Parse is,
// and returns the same errors, but with the status 502 for whatever is wrong.
func (r *Response) Parse(buf, method []byte, lim Limits) (headLen int, err error) {
	lim = lim.orDefaults()
	if stillIncomplete(buf, &r.looked, lim.HeaderBytes) {
		return 0, ErrIncomplete
	}
	*r = Response{Fields: r.Fields[:0], ContentLength: noLength}
	n, err := r.parse(buf[:min(len(buf), lim.HeaderBytes)], method, lim.Fields)
	switch {
	case err == nil:
		r.HeadLen = n
		return n, nil
	case err != ErrIncomplete:
		return 0, ofWorker(err)
	case len(buf) < lim.HeaderBytes:
		r.looked = len(buf)
		return 0, ErrIncomplete
	default:
		return 0, ofWorker(errHeadLength)
	}
}

func (r *Response) parse(buf, method []byte, mostFields int) (int, error) {
	at, err := r.parseStatusLine(buf)
	if err != nil {
		return 0, err
	}
	if r.Fields, at, err = parseFields(r.Fields, buf, at, mostFields); err != nil {
		return 0, err
	}
	if err = r.interpret(method); err != nil {
		return 0, err
	}
	return at, nil
}

// parseStatusLine reads the first line (RFC 9112 section 4). The space behind
// the status may be missing when there is no reason.
func (r *Response) parseStatusLine(buf []byte) (int, error) {
	minor, at, err := parseVersion(buf, 0)
	if err != nil {
		return at, err
	}
	r.Minor = minor
	const digits = " 200" // the form of what follows
	status := 0
	for i := range len(digits) {
		if at == len(buf) {
			return at, ErrIncomplete
		}
		c := buf[at]
		switch {
		case i == 0 && c == ' ':
		case i > 0 && c >= '0' && c <= '9':
			status = status*10 + int(c-'0')
		default:
			return at, errStatusLine
		}
		at++
	}
	if status < 100 || status > 599 {
		return at, errStatusLine
	}
	r.Status = status
	if at < len(buf) && buf[at] != ' ' {
		if buf[at] != '\r' {
			return at, errStatusLine
		}
		return lineEnd(buf, at)
	}
	if at < len(buf) {
		at++
	}
	end := valueEnd(buf, at)
	r.Reason = buf[at:end:end]
	return lineEnd(buf, end)
}

// interpret draws from the fields what they say about framing, connection and
// the worker's state.
func (r *Response) interpret(method []byte) error {
	body := framing{length: noLength}
	var err error
	for i := range r.Fields {
		f := &r.Fields[i]
		switch f.kind {
		case kindContentLength:
			err = body.addLength(f.Value)
		case kindTransferEncoding:
			body.addCoding(f.Value)
		case kindConnection:
			err = r.conn.add(f.Value)
		case kindSendfile:
			r.NamesFile = true
		case kindRelease:
			r.ReleaseEarly = foldedEqual(f.Value, "early")
		case kindWorkerBusy:
			r.Busy = r.Status == 503
		}
		if err != nil {
			return err
		}
	}
	chunked, err := body.chunked(r.Minor)
	if err != nil {
		return err
	}
	r.frame(string(method) == "HEAD", string(method) == "CONNECT", chunked, body.length)
	return nil
}

// frame decides where the body ends, by the rules of RFC 9112 section 6.3 in
// their order.
func (r *Response) frame(head, connect, chunked bool, length int64) {
	r.KeepAlive = r.conn.persists(r.Minor)
	switch {
	case r.Status == 101, connect && r.Status/100 == 2:
		r.NoBody, r.Switching, r.KeepAlive = true, true, false
	case r.Status < 200, r.Status == 204:
		// These have no body, whatever they say. One that announces a body
		// all the same may send it: its connection is not used again.
		r.NoBody = true
		r.KeepAlive = r.KeepAlive && !chunked && length <= 0
	case head, r.Status == 304:
		r.NoBody = true
		r.ContentLength = length
	case chunked:
		r.Chunked = true
	case length >= 0:
		r.ContentLength = length
	default:
		r.UntilClose, r.KeepAlive = true, false
	}
}

// Get returns the first value of the field name, which may be in any case: nil
// when it is absent, empty but not nil when its value is empty.
func (r *Response) Get(name string) []byte { return getField(r.Fields, name) }

// Interim tells whether another head follows this one. An HTTP/1.0 client must
// not be sent it (RFC 9110 section 15.2).
func (r *Response) Interim() bool { return r.Status < 200 && r.Status != 101 }
