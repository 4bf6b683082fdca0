// Package compress says which answers are compressed, with which content coding,
// and has the encoders. Which coding a client takes follows from RFC 9110 section
// 12.5.3. Encoders are pooled, and the number of those in use is bounded, so that
// their memory is.
package compress

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"sync"
)

// Coding is a content coding (RFC 9110 section 8.4.1). The zero value is Identity.
type Coding uint8

// The codings that there are.
const (
	Identity Coding = iota // as it is
	Gzip                   // RFC 1952
	Zstd                   // RFC 8878, with a window of no more than WindowSize
	codings
)

// WindowSize is how far back an encoder of zstd looks, in bytes; RFC 9659 has
// clients take up to 8 MB. It decides about the memory of both sides.
const WindowSize = 256 << 10

// names are the codings' names in HTTP.
var names = [codings]string{"identity", "gzip", "zstd"}

// String returns the coding's name in HTTP.
func (c Coding) String() string { return names[c] }

// Parse finds the coding with the name, of those that compress.
func Parse(name string) (Coding, error) {
	for c := Gzip; c < codings; c++ {
		if names[c] == name {
			return c, nil
		}
	}
	return Identity, fmt.Errorf("no coding %q: gzip and zstd are those that there are", name)
}

// Options say what is compressed, and how.
type Options struct {
	// Codings are offered to clients, the preferred one first. None turns
	// compression off.
	Codings []Coding
	// Level is 1 (fast) to 9 (small), of gzip's levels and of zstd's.
	Level int
	// MinSize is the size of a body, in bytes, from which on it is compressed.
	MinSize int64
	// Types are media types without parameters, in lower case; one asterisk stands
	// for any part of one, and "*/*" for all.
	Types []string
	// Streams is how many answers that come in pieces may be compressed at a time.
	Streams int
}

// Compressor is what the options make. It may be used by several goroutines.
type Compressor struct {
	options Options
	types   []pattern
	bodies  chan struct{} // a place for each body that is being compressed
	streams chan struct{} // likewise for answers that come in pieces
	pools   [codings]sync.Pool
}

// New returns nil when nothing is to be compressed.
func New(o Options) *Compressor {
	if len(o.Codings) == 0 {
		return nil
	}
	c := &Compressor{
		options: o,
		bodies:  make(chan struct{}, 2*runtime.GOMAXPROCS(0)),
		streams: make(chan struct{}, o.Streams),
	}
	for _, t := range o.Types {
		before, after, wild := strings.Cut(strings.Replace(t, "*/*", "*", 1), "*")
		c.types = append(c.types, pattern{[]byte(before), []byte(after), wild})
	}
	for _, coding := range o.Codings {
		c.pools[coding].New = func() any { return newEncoder(coding, o.Level) }
	}
	return c
}

// pattern is a media type, in which anything may stand between two parts.
type pattern struct {
	before, after []byte
	wild          bool
}

func (p *pattern) matches(t []byte) bool {
	if !p.wild {
		return bytes.EqualFold(t, p.before)
	}
	return len(t) >= len(p.before)+len(p.after) &&
		bytes.EqualFold(t[:len(p.before)], p.before) && bytes.EqualFold(t[len(t)-len(p.after):], p.after)
}

// Takes tells whether the value of Content-Type, which may have parameters, is of a
// type that is compressed.
func (c *Compressor) Takes(contentType []byte) bool {
	t, _, _ := bytes.Cut(contentType, []byte(";"))
	t = bytes.TrimSpace(t)
	for i := range c.types {
		if c.types[i].matches(t) {
			return true
		}
	}
	return false
}

// Worth tells whether a body of so many bytes is large enough. One whose size is not
// known (below 0) is.
func (c *Compressor) Worth(size int64) bool { return size < 0 || size >= c.options.MinSize }
