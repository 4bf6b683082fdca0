package http1

import "errors"

// ErrIncomplete says that the bytes so far are the beginning of a head, and
// that more are needed.
var ErrIncomplete = errors.New("the head is not complete")

// Error is a fault in a message. The connection that it came from must be
// closed after the answer, because where the next message begins is unknown.
type Error struct {
	Status  int    // what to answer the client: 400, 414, 417, 431, 501 or 505 for a client's fault, 502 for a worker's
	Section string // where the rule is: "RFC 9112 section 5.1"; "" for ripd's own bounds
	Reason  string // one line for the log and the answer, without anything the peer sent
}

// Error returns the reason and its source.
func (e *Error) Error() string {
	if e.Section == "" {
		return e.Reason
	}
	return e.Reason + " (" + e.Section + ")"
}

// ofWorker turns a fault into the one that is reported when a worker commits
// it: the client cannot help it, and gets 502.
func ofWorker(err error) error {
	if e, ok := err.(*Error); ok {
		return &Error{Status: 502, Section: e.Section, Reason: e.Reason}
	}
	return err
}

// The faults. They are values and not built at the place of the fault, so that
// a flood of bad requests allocates nothing.
var (
	errEmptyLines    = &Error{400, "RFC 9112 section 2.2", "too many empty lines before the request"}
	errMethod        = &Error{400, "RFC 9112 section 3.1", "the method is not a token followed by one space"}
	errMethodLength  = &Error{501, "RFC 9112 section 3", "the method is longer than any that is known"}
	errTargetByte    = &Error{400, "RFC 9112 section 3.2", "the request target is empty or has a character that no target may have"}
	errTargetForm    = &Error{400, "RFC 9112 section 3.2", "the request target has no form that fits the method"}
	errTargetEscape  = &Error{400, "RFC 3986 section 2.1", "the path has a percent sign without two hexadecimal digits"}
	errTargetScheme  = &Error{400, "RFC 9112 section 3.2.2", "the absolute target is not an http or https address with a valid host"}
	errTargetLength  = &Error{414, "RFC 9112 section 3", "the request line is too long"}
	errVersion       = &Error{400, "RFC 9112 section 2.3", "the HTTP version is malformed"}
	errVersionNumber = &Error{505, "RFC 9110 section 15.6.6", "the HTTP version is neither 1.0 nor 1.1"}

	errHeadLength  = &Error{431, "RFC 6585 section 5", "the head is too long"}
	errFieldCount  = &Error{431, "RFC 6585 section 5", "the head has too many fields"}
	errFieldName   = &Error{400, "RFC 9112 section 5", "a field has no name, or one that is no token"}
	errFieldSpace  = &Error{400, "RFC 9112 section 5.1", "white space before the colon of a field"}
	errFieldFold   = &Error{400, "RFC 9112 section 5.2", "a field is folded onto a second line, or a line begins with white space"}
	errBareCR      = &Error{400, "RFC 9112 section 2.2", "a CR without LF"}
	errBareLF      = &Error{400, "RFC 9112 section 2.2", "an LF without CR"}
	errNUL         = &Error{400, "RFC 9110 section 5.5", "a NUL byte"}
	errControl     = &Error{400, "RFC 9110 section 5.5", "a control character in a field value"}
	errHostMissing = &Error{400, "RFC 9112 section 3.2", "no Host field"}
	errHostTwice   = &Error{400, "RFC 9112 section 3.2", "more than one Host field"}
	errHost        = &Error{400, "RFC 9112 section 3.2", "the host is not a valid name or address with an optional port"}
	errForwarded   = &Error{400, "RFC 7239 section 4", "the field Forwarded cannot be read"}
	errOptions     = &Error{400, "RFC 9110 section 7.6.1", "a Connection field is malformed or has too many options"}
	errExpect      = &Error{417, "RFC 9110 section 10.1.1", "an expectation other than 100-continue"}

	errLength      = &Error{400, "RFC 9110 section 8.6", "Content-Length is not one decimal number that fits 63 bits"}
	errLengthTwice = &Error{400, "RFC 9112 section 6.3", "more than one Content-Length"}
	errBothLengths = &Error{400, "RFC 9112 section 6.1", "both Content-Length and Transfer-Encoding"}
	errCoding      = &Error{501, "RFC 9112 section 6.1", "a transfer coding other than chunked"}
	errCodingOrder = &Error{400, "RFC 9112 section 6.1", "chunked is not the last transfer coding, or given twice"}
	errCodingOld   = &Error{400, "RFC 9112 section 6.1", "Transfer-Encoding in an HTTP/1.0 message"}

	errStatusLine = &Error{502, "RFC 9112 section 4", "the status line is malformed"}

	errChunkSize      = &Error{400, "RFC 9112 section 7.1", "a chunk's size is not a hexadecimal number that fits 63 bits"}
	errChunkLine      = &Error{400, "RFC 9112 section 7.1", "a chunk's size line has a character that does not belong there"}
	errChunkEnd       = &Error{400, "RFC 9112 section 7.1", "a chunk's data is not followed by CRLF"}
	errChunkExtension = &Error{400, "RFC 9112 section 7.1.1", "too many bytes of chunk extensions"}
	errTrailerLength  = &Error{431, "RFC 6585 section 5", "the trailer section is too long"}
)
