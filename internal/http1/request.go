package http1

import "bytes"

// Request is the head of a client's request. It is made to be reused: Parse
// overwrites it, and keeps the array behind Fields. All slices are views into
// the buffer that was parsed.
type Request struct {
	Method []byte // a token; case matters (RFC 9110 section 9.1)
	Target []byte // as the client sent it

	// Host is the authority of an absolute target, else the value of the Host
	// field. It is nil when an HTTP/1.0 client named none.
	Host []byte

	Path   []byte  // begins with '/'; "*" for OPTIONS of the whole server; nil for CONNECT
	Query  []byte  // without the '?'; nil when there is none
	Minor  int     // 0 or 1, for HTTP/1.0 and HTTP/1.1
	Fields []Field // all fields, in the order in which they came

	ContentLength  int64 // of the body in bytes; -1: not given
	Chunked        bool  // the body is chunked; ContentLength is -1 then
	KeepAlive      bool  // the client wishes to use the connection again (RFC 9112 section 9.3)
	ExpectContinue bool  // the client waits for 100 (Continue) before it sends the body

	// Upgrade tells that the client wishes to speak another protocol from here
	// on: CONNECT, or an Upgrade field that Connection names. "Upgrade: h2c"
	// alone does not count: RFC 9113 section 3.1 has retired it, clients offer
	// it unasked, and RFC 9110 section 7.8 lets a server pass over it.
	Upgrade bool

	Trailers bool // the client takes trailer fields: "TE: trailers" (RFC 9110 section 10.1.4)
	HeadLen  int  // bytes of the head, empty lines before and behind it included

	conn     connection
	onward   []byte // the target to forward, but for a missing slash
	addSlash bool
	lineRead bool // the request line is complete
	looked   int  // bytes that held no whole head when Parse last saw them
}

// Reset forgets everything but the array behind Fields. It should be called
// before Parse is given other bytes than those that it called incomplete: a
// fault in them may else be noticed late.
func (r *Request) Reset() {
	clear(r.Fields[:cap(r.Fields)])
	*r = Request{Fields: r.Fields[:0]}
}

// Parse reads the head at the beginning of buf and returns its length. Bytes
// behind it are left alone.
//
// It returns ErrIncomplete when more bytes are needed. It must then be called
// again with the same bytes and more behind them; the buffer may have moved.
// It remembers how far it looked, so that a head that comes byte by byte is
// not read anew for each of them.
//
// Any other error is an *Error that says what to answer; Method, Target and
// Minor then hold what was read before the fault.
func (r *Request) Parse(buf []byte, lim Limits) (headLen int, err error) {
	lim = lim.orDefaults()
	if stillIncomplete(buf, &r.looked, lim.HeaderBytes) {
		return 0, ErrIncomplete
	}
	*r = Request{Fields: r.Fields[:0], ContentLength: noLength}
	n, err := r.parse(buf[:min(len(buf), lim.HeaderBytes)], lim.Fields)
	switch {
	case err == nil:
		r.HeadLen = n
		return n, nil
	case err != ErrIncomplete:
		return 0, err
	case len(buf) < lim.HeaderBytes:
		r.looked = len(buf)
		return 0, ErrIncomplete
	case r.lineRead:
		return 0, errHeadLength
	default:
		return 0, errTargetLength
	}
}

// stillIncomplete tells whether bytes that held no whole head have got no end
// of a line since, so that reading them again would find nothing new, and
// advances looked if so. Should the bytes not be those of the last call after
// all, a whole head is seen all the same.
func stillIncomplete(buf []byte, looked *int, limit int) bool {
	seen := *looked
	if seen == 0 || len(buf) < seen || len(buf) >= limit || bytes.IndexByte(buf[seen:], '\n') >= 0 {
		return false
	}
	head := buf
	for lines := 0; lines < MaxEmptyLines && bytes.HasPrefix(head, crlf); lines++ {
		head = head[len(crlf):]
	}
	if bytes.Contains(head, headEnd) {
		return false
	}
	*looked = len(buf)
	return true
}

var (
	crlf    = []byte("\r\n")
	headEnd = []byte("\r\n\r\n")
)

func (r *Request) parse(buf []byte, mostFields int) (int, error) {
	at, err := skipEmptyLines(buf)
	if err != nil {
		return 0, err
	}
	if at, err = r.parseLine(buf, at); err != nil {
		return 0, err
	}
	r.lineRead = true
	if r.Fields, at, err = parseFields(r.Fields, buf, at, mostFields); err != nil {
		return 0, err
	}
	if err = r.interpret(); err != nil {
		return 0, err
	}
	return at, nil
}

// skipEmptyLines passes over what some clients send behind a body (RFC 9112
// section 2.2).
func skipEmptyLines(buf []byte) (int, error) {
	at := 0
	for lines := 0; at < len(buf) && buf[at] == '\r'; lines++ {
		if lines == MaxEmptyLines {
			return at, errEmptyLines
		}
		next, err := lineEnd(buf, at)
		if err != nil {
			return at, err
		}
		at = next
	}
	return at, nil
}

// parseLine reads the request line: method, target and version, with exactly
// one space between them (RFC 9112 section 3).
func (r *Request) parseLine(buf []byte, at int) (int, error) {
	end := at
	for end < len(buf) && nameClass[buf[end]] != 0 {
		end++
	}
	switch {
	case end-at > MaxMethodBytes:
		return at, errMethodLength
	case end == len(buf):
		return at, ErrIncomplete
	case end == at || buf[end] != ' ':
		return at, errMethod
	}
	r.Method = buf[at:end:end]

	at = end + 1
	end = targetEnd(buf, at)
	switch {
	case end == len(buf):
		return at, ErrIncomplete
	case end == at || buf[end] != ' ':
		return at, errTargetByte
	}
	r.Target = buf[at:end:end]

	minor, at, err := parseVersion(buf, end+1)
	if err != nil {
		return at, err
	}
	r.Minor = minor
	at, err = lineEnd(buf, at)
	if err == errControl {
		err = errVersion // anything but the line's end, not just a control character
	}
	return at, err
}

// parseVersion reads "HTTP/1.0" or "HTTP/1.1" (RFC 9112 section 2.3) and
// returns where it ends.
func parseVersion(buf []byte, at int) (minor, next int, err error) {
	const name = "HTTP/1."
	for i := range len(name) {
		if at+i == len(buf) {
			return 0, at, ErrIncomplete
		}
		if c := buf[at+i]; c != name[i] {
			if i == len("HTTP/") && c >= '0' && c <= '9' {
				return 0, at, errVersionNumber
			}
			return 0, at, errVersion
		}
	}
	at += len(name)
	switch {
	case at == len(buf):
		return 0, at, ErrIncomplete
	case buf[at] == '0' || buf[at] == '1':
		return int(buf[at] - '0'), at + 1, nil
	case buf[at] >= '2' && buf[at] <= '9':
		return 0, at, errVersionNumber
	default:
		return 0, at, errVersion
	}
}

// interpret draws from the fields what they say about host, framing and
// connection.
func (r *Request) interpret() error {
	body := framing{length: noLength}
	var host []byte
	var err error
	expects, upgrades := false, false
	for i := range r.Fields {
		f := &r.Fields[i]
		switch f.kind {
		case kindHost:
			if host != nil {
				return errHostTwice
			}
			host = f.Value
		case kindContentLength:
			err = body.addLength(f.Value)
		case kindTransferEncoding:
			body.addCoding(f.Value)
		case kindConnection:
			err = r.conn.add(f.Value)
		case kindUpgrade:
			upgrades = upgrades || asksForProtocol(f.Value)
		case kindTE:
			r.Trailers = r.Trailers || listHas(f.Value, "trailers")
		case kindExpect:
			if !foldedEqual(f.Value, "100-continue") {
				return errExpect
			}
			expects = true
		}
		if err != nil {
			return err
		}
	}
	if r.Chunked, err = body.chunked(r.Minor); err != nil {
		return err
	}
	r.ContentLength = body.length
	r.KeepAlive = r.conn.persists(r.Minor)
	r.ExpectContinue = expects && r.Minor == 1 && r.HasBody()
	if err = r.resolveHost(host); err != nil {
		return err
	}
	r.Upgrade = string(r.Method) == "CONNECT" ||
		r.Minor == 1 && r.conn.upgrade && upgrades
	return nil
}

// resolveHost checks the Host field (RFC 9112 section 3.2), which is there in
// HTTP/1.1 even when the target has an authority that replaces it.
func (r *Request) resolveHost(host []byte) error {
	switch {
	case host == nil && r.Minor == 1:
		return errHostMissing
	case host != nil && !validHost(host, false):
		return errHost
	}
	r.Host = host
	return r.resolveTarget()
}

// listHas tells whether a comma-separated list has the element name.
func listHas(list []byte, name string) bool {
	for more := true; more; {
		var element []byte
		element, list, more = nextElement(list)
		if foldedEqual(element, name) {
			return true
		}
	}
	return false
}

// asksForProtocol tells whether an Upgrade field names a protocol other than
// h2c.
func asksForProtocol(list []byte) bool {
	for more := true; more; {
		var protocol []byte
		protocol, list, more = nextElement(list)
		if len(protocol) > 0 && !foldedEqual(protocol, "h2c") {
			return true
		}
	}
	return false
}

// Get returns the first value of the field name, which may be in any case: nil
// when it is absent, empty but not nil when its value is empty.
func (r *Request) Get(name string) []byte { return getField(r.Fields, name) }

// HasBody tells whether bytes of a body follow the head.
func (r *Request) HasBody() bool { return r.Chunked || r.ContentLength > 0 }

// IsHead tells whether the method is HEAD, whose answer has no body.
func (r *Request) IsHead() bool { return string(r.Method) == "HEAD" }
