package static

// maxPath bounds a file's name below the root in bytes; maxSegment that of each of
// its parts (NAME_MAX of Linux). A longer path is the app's.
const (
	maxPath    = 1024
	maxSegment = 255
)

// wellKnown is the one folder with a dot in front that is served (RFC 8615).
const wellKnown = ".well-known"

// name is room for the name of a file, with the zero byte that ends it for the kernel.
type name [maxPath + 1]byte

func (b *name) text(n int) string { return string(b[:n]) }

// read makes the name, below the root, of the file that a request's path may mean, and
// returns its length. A path that ends in a slash means the folder's index. It reports
// false for paths that no file is served for: without a slash in front; with parts that
// are empty, or begin or end with a dot; with an escape that hides a slash, or with a
// control character. Escapes are decoded once.
func (b *name) read(path []byte, index string) (n int, ok bool) {
	if len(path) == 0 || path[0] != '/' {
		return 0, false
	}
	start := 0 // of the part that is being read
	for i := 1; i < len(path); i++ {
		if n == maxPath {
			return 0, false
		}
		c := path[i]
		if c == '/' {
			if !served(b[start:n], start == 0) {
				return 0, false
			}
			b[n] = '/'
			n++
			start = n
			continue
		}
		if c == '%' {
			if c, ok = unescape(path[i+1:]); !ok || c == '/' {
				return 0, false
			}
			i += 2
		}
		if c < ' ' || c == 0x7f || c == '\\' {
			return 0, false
		}
		b[n] = c
		n++
	}
	if start < n {
		return n, served(b[start:n], false)
	}
	if index == "" || n+len(index) > maxPath { // a folder
		return 0, false
	}
	return n + copy(b[n:], index), true
}

// served reports whether a part of a name may be there. A hidden file is none of the
// public's: .git, .env, .htaccess.
func served(part []byte, first bool) bool {
	if len(part) == 0 || len(part) > maxSegment || part[len(part)-1] == '.' {
		return false
	}
	return part[0] != '.' || first && string(part) == wellKnown
}

// unescape reads the two digits behind a percent sign.
func unescape(b []byte) (c byte, ok bool) {
	if len(b) < 2 {
		return 0, false
	}
	high, low := digit(b[0]), digit(b[1])
	return high<<4 | low, high < 16 && low < 16
}

// digit is the value of a hexadecimal digit; 16 for what is none.
func digit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 16
}
