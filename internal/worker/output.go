package worker

import (
	"bytes"
	"io"
	"sync"
	"unicode/utf8"
)

// readChunk is how much of a stream is read at once beyond an unfinished line,
// in bytes.
const readChunk = 8 << 10

// splitLines reads a stream to its end and hands on each line, without its end
// ("\n" or "\r\n"). A line of more than limit bytes comes in parts, all but the
// last with truncated. It uses limit + readChunk bytes, whatever comes.
func splitLines(r io.Reader, limit int, emit func(text []byte, truncated bool)) {
	buf := make([]byte, limit+readChunk)
	held := 0 // bytes of an unfinished line
	for {
		n, err := r.Read(buf[held:])
		rest := emitLines(buf[:held+n], limit, emit)
		held = copy(buf, rest)
		if err != nil {
			break
		}
	}
	if held > 0 {
		emit(buf[:held], false)
	}
}

// emitLines hands on the complete lines and parts in text and returns what is
// left, at most limit bytes.
func emitLines(text []byte, limit int, emit func([]byte, bool)) []byte {
	for {
		end := bytes.IndexByte(text[:min(len(text), limit+1)], '\n')
		switch {
		case end >= 0:
			emit(bytes.TrimSuffix(text[:end], []byte("\r")), false)
			text = text[end+1:]
		case len(text) > limit:
			end = wholeRunes(text[:limit])
			emit(text[:end], true)
			text = text[end:]
		default:
			return text
		}
	}
}

// wholeRunes gives where to cut text so that no character is cut in two. Text
// that is no UTF-8 is cut at its end.
func wholeRunes(text []byte) int {
	for i := len(text) - 1; i >= max(1, len(text)-utf8.UTFMax); i-- {
		if utf8.RuneStart(text[i]) {
			if !utf8.FullRune(text[i:]) {
				return i
			}
			break
		}
	}
	return len(text)
}

// The bounds of LastWords.
const (
	LastLines = 20
	LastBytes = 4 << 10
)

// lastLineBytes bounds one line of the last words: the beginning of a line says
// the most.
const lastLineBytes = 1 << 10

// lastWords keeps the last lines of a process. Its buffers are used again, so
// that a flood of output costs no garbage.
type lastWords struct {
	mu    sync.Mutex
	lines [LastLines][]byte
	next  int // where the next line goes
	count int // lines in use
}

func (w *lastWords) add(text []byte) {
	if len(text) > lastLineBytes {
		text = text[:wholeRunes(text[:lastLineBytes])]
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines[w.next] = append(w.lines[w.next][:0], text...)
	w.next = (w.next + 1) % LastLines
	w.count = min(w.count+1, LastLines)
}

// list gives the lines, oldest first: as many of the last as LastBytes hold.
func (w *lastWords) list() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	bytes, from := 0, w.count
	for from > 0 && bytes+len(w.at(from-1)) <= LastBytes {
		from--
		bytes += len(w.at(from))
	}
	list := make([]string, 0, w.count-from)
	for i := from; i < w.count; i++ {
		list = append(list, string(w.at(i)))
	}
	return list
}

// at gives the line i, 0 being the oldest; the caller holds mu.
func (w *lastWords) at(i int) []byte {
	return w.lines[(w.next-w.count+i+LastLines)%LastLines]
}
