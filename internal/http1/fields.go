package http1

// Field is one field line. Both parts are views into the parsed buffer; the
// value has no white space at its ends.
type Field struct {
	Name, Value []byte
	kind        fieldKind
}

// fieldKind says which rule a field falls under. Fields that ripd has no rule
// for are kindOther; they are passed on as they are.
type fieldKind uint8

const (
	kindOther             fieldKind = iota
	kindHost                        // Host
	kindContentLength               // Content-Length
	kindTransferEncoding            // Transfer-Encoding
	kindConnection                  // Connection
	kindHop                         // other fields for one connection only, and those that must not reach a program's environment
	kindTE                          // TE
	kindTrailer                     // Trailer
	kindUpgrade                     // Upgrade
	kindExpect                      // Expect
	kindRequestMark                 // X-Request-Id, X-Request-Start
	kindForwarded                   // X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host: ripd writes them
	kindOrigin                      // Forwarded and X-Real-IP, which ripd writes anew, and what would say X-Forwarded-Proto once more
	kindForwardedMore               // other X-Forwarded-*: believed from trusted proxies only
	kindDate                        // Date
	kindCacheControl                // Cache-Control
	kindExpires                     // Expires
	kindValidator                   // ETag, Last-Modified
	kindKept                        // no rule, but Connection cannot have it removed
	kindTransportSecurity           // Strict-Transport-Security
	kindWorker                      // Rip-Worker-*: from the worker to ripd
	kindWorkerBusy                  // Rip-Worker-Busy
	kindSendfile                    // X-Sendfile, X-Accel-Redirect: a worker names a file
	kindSendfileType                // X-Sendfile-Type, X-Accel-Mapping: ripd tells workers how
	kindRelease                     // Rip-Release
	kindShadow                      // becomes the same CGI variable as a field with a rule
	kinds                           // their number
)

type knownField struct {
	name string // lower case
	kind fieldKind
}

// knownFields holds the fields with a rule, by the length of their names.
var knownFields = [...][]knownField{
	2:  {{"te", kindTE}},
	4:  {{"host", kindHost}, {"date", kindDate}, {"etag", kindValidator}},
	5:  {{"proxy", kindHop}}, // as a CGI variable it is HTTP_PROXY, which many HTTP clients obey
	6:  {{"expect", kindExpect}, {"cookie", kindKept}},
	7:  {{"trailer", kindTrailer}, {"upgrade", kindUpgrade}, {"expires", kindExpires}},
	9:  {{"forwarded", kindOrigin}, {"x-real-ip", kindOrigin}},
	10: {{"x-sendfile", kindSendfile}, {"connection", kindConnection}, {"keep-alive", kindHop}, {"set-cookie", kindKept}},
	11: {{"rip-release", kindRelease}},
	12: {{"content-type", kindKept}, {"x-request-id", kindRequestMark}},
	13: {{"cache-control", kindCacheControl}, {"authorization", kindKept}, {"last-modified", kindValidator}, {"content-range", kindKept}},
	14: {{"content-length", kindContentLength}, {"http2-settings", kindHop}},
	15: {{"x-sendfile-type", kindSendfileType}, {"x-accel-mapping", kindSendfileType}, {"x-forwarded-for", kindForwarded}, {"x-request-start", kindRequestMark}, {"rip-worker-busy", kindWorkerBusy}, {"x-forwarded-ssl", kindOrigin}},
	16: {{"x-accel-redirect", kindSendfile}, {"x-forwarded-host", kindForwarded}, {"content-encoding", kindKept}, {"proxy-connection", kindHop}},
	17: {{"transfer-encoding", kindTransferEncoding}, {"x-forwarded-proto", kindForwarded}},
	18: {{"proxy-authenticate", kindHop}, {"x-forwarded-scheme", kindOrigin}},
	19: {{"proxy-authorization", kindHop}},
	20: {{"x-forwarded-protocol", kindOrigin}},
	25: {{"proxy-authentication-info", kindHop}, {"strict-transport-security", kindTransportSecurity}},
}

// The families of names with a rule.
const (
	forwardedPrefix = "x-forwarded-"
	workerPrefix    = "rip-worker-"
)

// classify finds the rule for a name. class is the union of the classes of its
// bytes.
func classify(name []byte, class uint8) fieldKind {
	if class&nameOther != 0 {
		return classifyShadow(name)
	}
	return classifyPlain(name)
}

func classifyPlain(name []byte) fieldKind {
	if len(name) < len(knownFields) {
		for _, k := range knownFields[len(name)] {
			if k.name[0] == name[0]|0x20 && foldedEqual(name, k.name) {
				return k.kind
			}
		}
	}
	switch name[0] | 0x20 {
	case 'x':
		if foldedPrefix(name, forwardedPrefix) {
			return kindForwardedMore
		}
	case 'r':
		if foldedPrefix(name, workerPrefix) {
			return kindWorker
		}
	}
	return kindOther
}

// maxShadowBytes is how much of a name is compared: longer than any name with a
// rule, and than any prefix.
const maxShadowBytes = 32

// classifyShadow reads a name as servers do that turn names into CGI variables:
// whatever is neither letter nor digit is '_' there, so that X_Forwarded_For
// and X-Forwarded-For are one (RFC 3875 section 4.1.18). A name that shadows
// one with a rule is kindShadow.
func classifyShadow(name []byte) fieldKind {
	var plain [maxShadowBytes]byte
	n := copy(plain[:], name)
	for i, c := range plain[:n] {
		if nameClass[c] == nameOther {
			plain[i] = '-'
		}
	}
	if classifyPlain(plain[:n]) != kindOther {
		return kindShadow
	}
	return kindOther
}

// parseFields reads field lines from at up to and with the empty line, appends
// them to fields, and returns where the next part begins.
func parseFields(fields []Field, buf []byte, at, most int) ([]Field, int, error) {
	for {
		if at == len(buf) {
			return fields, at, ErrIncomplete
		}
		if buf[at] == '\r' {
			end, err := lineEnd(buf, at)
			return fields, end, err
		}
		if len(fields) == most {
			return fields, at, errFieldCount
		}
		fields = append(fields, Field{})
		end, err := parseField(&fields[len(fields)-1], buf, at)
		if err != nil {
			return fields[:len(fields)-1], at, err
		}
		at = end
	}
}

// parseField reads the field line at at (RFC 9112 section 5) into f, and
// returns where the next line begins.
func parseField(f *Field, buf []byte, at int) (next int, err error) {
	colon := at
	var class uint8
	for colon < len(buf) {
		c := nameClass[buf[colon]]
		if c == 0 {
			break
		}
		class |= c
		colon++
	}
	if colon == len(buf) {
		return at, ErrIncomplete
	}
	if buf[colon] != ':' || colon == at {
		return at, nameFault(buf, at, colon)
	}
	start := colon + 1
	for start < len(buf) && isSpace(buf[start]) {
		start++
	}
	end := valueEnd(buf, start)
	if next, err = lineEnd(buf, end); err != nil {
		return at, err
	}
	for end > start && isSpace(buf[end-1]) {
		end--
	}
	f.Name = buf[at:colon:colon]
	f.Value = buf[start:end:end]
	f.kind = classify(f.Name, class)
	return next, nil
}

// nameFault names what is wrong where a field's name ends at i without a colon,
// or is empty.
func nameFault(buf []byte, at, i int) error {
	switch c := buf[i]; {
	case isSpace(c) && i == at:
		return errFieldFold
	case isSpace(c):
		return errFieldSpace
	case c == '\n':
		return errBareLF
	case c == 0:
		return errNUL
	default:
		return errFieldName
	}
}

// lineEnd expects the CRLF that ends a line at i, and returns what is behind
// it.
func lineEnd(buf []byte, i int) (int, error) {
	switch {
	case i == len(buf):
		return i, ErrIncomplete
	case buf[i] == '\r':
		if i+1 == len(buf) {
			return i, ErrIncomplete
		}
		if buf[i+1] == '\n' {
			return i + 2, nil
		}
		return i, errBareCR
	case buf[i] == '\n':
		return i, errBareLF
	case buf[i] == 0:
		return i, errNUL
	default:
		return i, errControl
	}
}

// getField returns the first value of a field. It is nil when the field is
// absent, and empty but not nil when its value is empty.
func getField(fields []Field, name string) []byte {
	for i := range fields {
		if f := &fields[i]; len(f.Name) == len(name) && equalFold(f.Name, name) {
			return f.Value
		}
	}
	return nil
}

// equalFold compares two names of the same length in any case.
func equalFold(a []byte, b string) bool {
	for i, c := range a {
		if lowerCase(c) != lowerCase(b[i]) {
			return false
		}
	}
	return true
}

func lowerCase(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
