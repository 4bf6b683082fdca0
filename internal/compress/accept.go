package compress

import "bytes"

// maxElements bounds how many elements of Accept-Encoding are looked at.
const maxElements = 32

// unset is the weight of what a client has not named.
const unset = -1

// Accept is what a client says in its Accept-Encoding fields. Begin makes it ready.
type Accept struct {
	weight [codings]int // 0 to 1000, or unset
	rest   int          // of "*"
	seen   int          // elements so far
}

// Begin forgets everything: a client without the field takes no coding.
func (a *Accept) Begin() {
	*a = Accept{rest: unset}
	for i := range a.weight {
		a.weight[i] = unset
	}
}

// Add reads the value of one field. Elements that are not well-formed do not count.
func (a *Accept) Add(value []byte) {
	for more := true; more && a.seen < maxElements; a.seen++ {
		var element []byte
		element, value, more = bytes.Cut(value, []byte(","))
		name, parameter, _ := bytes.Cut(element, []byte(";"))
		weight, ok := parseWeight(bytes.TrimSpace(parameter))
		if !ok {
			continue
		}
		switch name = bytes.TrimSpace(name); {
		case string(name) == "*":
			a.rest = weight
		case bytes.EqualFold(name, []byte("x-gzip")): // RFC 9110 section 8.4.1.3
			a.weight[Gzip] = weight
		default:
			for c := range a.weight {
				if len(name) == len(names[c]) && bytes.EqualFold(name, []byte(names[c])) {
					a.weight[c] = weight
				}
			}
		}
	}
}

// parseWeight reads "q=0.5" (RFC 9110 section 12.4.2) in thousandths. Nothing is 1.
func parseWeight(b []byte) (thousandths int, ok bool) {
	if len(b) == 0 {
		return 1000, true
	}
	if len(b) < 3 || b[0]|0x20 != 'q' || b[1] != '=' || b[2] != '0' && b[2] != '1' || len(b) > len("q=0.000") {
		return 0, false
	}
	n := int(b[2]-'0') * 1000
	if len(b) == 3 {
		return n, true
	}
	if b[3] != '.' {
		return 0, false
	}
	for i, unit := 4, 100; i < len(b); i, unit = i+1, unit/10 {
		if b[i] < '0' || b[i] > '9' {
			return 0, false
		}
		n += int(b[i]-'0') * unit
	}
	return n, n <= 1000
}

// Choose returns the coding that the client likes best, of equal ones the one that
// is offered first; Identity when it takes none, or likes that better.
func (c *Compressor) Choose(a *Accept) Coding {
	best, most := Identity, max(a.weight[Identity], 1)
	for i := len(c.options.Codings) - 1; i >= 0; i-- {
		coding := c.options.Codings[i]
		weight := a.weight[coding]
		if weight == unset {
			weight = a.rest
		}
		if weight >= most {
			best, most = coding, weight
		}
	}
	return best
}
