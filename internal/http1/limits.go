package http1

// The bounds of one message. Those that a deployment may want to change are in
// Limits; the others have no use beyond the number given here.
const (
	// DefaultHeaderBytes is how long a head may be, its empty lines included,
	// when Limits says nothing. Peers allow 8 to 32 KB in all.
	DefaultHeaderBytes = 32 << 10

	// MaxFields is how many field lines a head may have when Limits says
	// nothing. Browsers send 10 to 20, chains of proxies add about 20 more.
	MaxFields = 128

	// MaxEmptyLines is how many empty lines may stand before a request
	// (RFC 9112 section 2.2 asks for at least one).
	MaxEmptyLines = 4

	// MaxMethodBytes bounds a method's name. The longest registered one
	// (UPDATEREDIRECTREF, RFC 4437) has 17 bytes.
	MaxMethodBytes = 32

	// MaxHostBytes bounds a host with its port: a DNS name has at most 253
	// characters (RFC 1035 section 2.3.4), a colon and a port have six.
	MaxHostBytes = 259

	// MaxConnectionOptions is how many options all Connection fields of a
	// message may name together. Each one costs a comparison per field.
	MaxConnectionOptions = 16

	// MaxChunkSizeDigits bounds the hexadecimal digits of a chunk's size,
	// leading zeros included: 16 digits hold any 64-bit size.
	MaxChunkSizeDigits = 16

	// MaxChunkExtensionBytes bounds the extensions of one chunk (RFC 9112
	// section 7.1.1 asks for a bound).
	MaxChunkExtensionBytes = 256

	// MaxExtensionDebt bounds the extensions of a whole body: they may be this
	// many bytes longer than the data they came with, so that a flood of small
	// chunks with long extensions ends early.
	MaxExtensionDebt = 16 << 10

	// MaxTrailerBytes and MaxTrailers bound a trailer section.
	MaxTrailerBytes = 8 << 10
	MaxTrailers     = 32
)

// Limits bounds a head. The zero value stands for the defaults.
type Limits struct {
	HeaderBytes int // bytes, start line and empty lines included; <= 0: DefaultHeaderBytes
	Fields      int // field lines; <= 0: MaxFields
}

// orDefaults returns the limits in force.
func (l Limits) orDefaults() Limits {
	if l.HeaderBytes <= 0 {
		l.HeaderBytes = DefaultHeaderBytes
	}
	if l.Fields <= 0 {
		l.Fields = MaxFields
	}
	return l
}
