package compress

import (
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Encoder compresses one body at a time. It belongs to one goroutine.
type Encoder struct {
	coding Coding
	writer interface {
		Write([]byte) (int, error)
		Flush() error
		Close() error
	}
	sink  sink
	from  *Compressor
	place chan struct{} // that it has taken
}

// sink takes what comes out of an encoder.
type sink struct{ out []byte }

func (s *sink) Write(b []byte) (int, error) {
	s.out = append(s.out, b...)
	return len(b), nil
}

// newEncoder makes an encoder that compresses in the goroutine that calls it.
func newEncoder(coding Coding, level int) *Encoder {
	e := &Encoder{coding: coding}
	if coding == Gzip {
		w, err := gzip.NewWriterLevel(&e.sink, level)
		if err != nil {
			panic(err) // the settings' bounds are gzip's
		}
		e.writer = w
		return e
	}
	w, err := zstd.NewWriter(&e.sink, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(WindowSize),
		zstd.WithEncoderLevel(zstdLevel(level)), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false))
	if err != nil {
		panic(err) // the options are constant, but for the level, of which there is no wrong one
	}
	e.writer = w
	return e
}

// zstdLevel is the encoder's level for one of the settings'. They take 0.5, 1.5 and
// 4.5 MB of memory.
func zstdLevel(level int) zstd.EncoderLevel {
	switch {
	case level < 3:
		return zstd.SpeedFastest
	case level < 7:
		return zstd.SpeedDefault
	}
	return zstd.SpeedBetterCompression
}

// Body returns an encoder for a body that is there as a whole. It waits while as many
// as two for each processor are in use: none is in use for longer than it computes.
func (c *Compressor) Body(coding Coding) *Encoder {
	c.bodies <- struct{}{}
	return c.take(coding, c.bodies)
}

// Stream returns an encoder for an answer that comes in pieces; nil when as many as
// Options.Streams are in use.
func (c *Compressor) Stream(coding Coding) *Encoder {
	select {
	case c.streams <- struct{}{}:
		return c.take(coding, c.streams)
	default:
		return nil
	}
}

func (c *Compressor) take(coding Coding, place chan struct{}) *Encoder {
	e := c.pools[coding].Get().(*Encoder)
	e.from, e.place = c, place
	switch w := e.writer.(type) {
	case *gzip.Writer:
		w.Reset(&e.sink)
	case *zstd.Encoder:
		w.Reset(&e.sink)
	}
	return e
}

// Encode appends to dst what data becomes, in such a way that the receiver can decode
// all of it. With end it was the last of the body.
func (e *Encoder) Encode(dst, data []byte, end bool) []byte {
	e.sink.out = dst
	_, _ = e.writer.Write(data) // the sink has no errors
	if end {
		_ = e.writer.Close()
	} else {
		_ = e.writer.Flush()
	}
	dst, e.sink.out = e.sink.out, nil
	return dst
}

// Free gives the encoder back, whatever has become of its body.
func (e *Encoder) Free() {
	c, place := e.from, e.place
	e.from, e.place = nil, nil
	c.pools[e.coding].Put(e)
	<-place
}
