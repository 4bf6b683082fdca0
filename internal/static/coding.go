package static

import (
	"strconv"
	"strings"
)

// coding is a form in which a file may lie beside itself.
type coding struct {
	name   string // in Accept-Encoding and Content-Encoding
	ending string
}

// codings are those that are looked for, the one that makes files smallest first.
var codings = [...]coding{{"br", ".br"}, {"zstd", ".zst"}, {"gzip", ".gz"}}

// Negotiable reports whether another form of the file is looked for at all.
func (f *File) Negotiable() bool {
	return f.site != nil && f.site.options.Precompressed && compressible(f.ContentType)
}

// Negotiate gives the form of the file that the client wants most (RFC 9110 section
// 12.5.3), of those that there are; the file is closed if that is another one.
// accept is the value of Accept-Encoding, all lines together. A sibling that is older
// than the file is not of it.
func (f *File) Negotiate(accept string) *File {
	if !f.Negotiable() {
		return f
	}
	f.Varies = true
	plain, _ := named(accept, "identity")
	best, weight := f, max(plain, 1)-1
	for _, c := range codings {
		q := quality(accept, c.name)
		if q <= weight {
			continue
		}
		if other := f.sibling(c); other != nil {
			best.Close()
			best, weight = other, q
		}
	}
	return best
}

// sibling opens the form of the file in a coding; nil when there is none.
func (f *File) sibling(c coding) *File {
	var room name
	n := copy(room[:maxPath], f.name+c.ending)
	if n < len(f.name+c.ending) {
		return nil
	}
	other, err := f.site.open(&room, n)
	if err != nil {
		return nil
	}
	if other.ModTime.Unix() < f.ModTime.Unix() { // whole seconds are what some tools keep
		other.Close()
		return nil
	}
	other.ContentType, other.CacheControl, other.Varies = f.ContentType, f.CacheControl, true
	other.Encoding, other.ETag = c.name, other.tag(c.name)
	return other
}

// maxWeight is a quality of 1, in thousandths.
const maxWeight = 1000

// quality is the weight of a coding in thousandths; 0: the client does not take it. A
// "*" stands for the codings that are not named.
func quality(accept, coding string) int {
	q, ok := named(accept, coding)
	if !ok {
		q, _ = named(accept, "*")
	}
	return q
}

// named is the weight that Accept-Encoding gives to a coding by its name.
func named(accept, coding string) (q int, ok bool) {
	for part := range strings.SplitSeq(accept, ",") {
		name, parameters, _ := strings.Cut(part, ";")
		name = strings.TrimSpace(name)
		if strings.EqualFold(name, coding) || coding == "gzip" && strings.EqualFold(name, "x-gzip") {
			return weightOf(parameters), true
		}
	}
	return 0, false
}

// weightOf reads "q=0.5"; what is not a weight is none.
func weightOf(parameters string) int {
	for p := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(p, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil || q < 0 || q > 1 {
			return 0
		}
		return int(q * maxWeight)
	}
	return maxWeight
}
