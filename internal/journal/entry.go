package journal

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
)

// An entry is one message for systemd's journal: its fields (systemd.journal-fields(7))
// and its text, the field MESSAGE. Entries wait in the Sink in this form, and
// become datagrams when they are sent:
//
//	4 bytes  length of the fields
//	4 bytes  length of the text
//	1 byte   flags
//	fields   PRIORITY=6\nSYSLOG_IDENTIFIER=…\n…
//	text
const entryStart = 4 + 4 + 1

// The flags of an entry: how lines of a worker become one message.
const (
	// entryGoesOn is a line that begins with a space or a tab: it belongs to the
	// line before it, as in a stack trace.
	entryGoesOn = 1 << iota
	// entryOpen is a part of a line, whose rest follows.
	entryOpen
	// entryOrdered is a line that has named its priority, as sd-daemon(3) says.
	entryOrdered
	// entryOutput is a worker's line.
	entryOutput
)

// priorityBytes is the length of the first field of every entry, PRIORITY=6\n.
const priorityBytes = len("PRIORITY=6\n")

// The priorities of syslog(3).
const (
	priorityErr     = '3'
	priorityWarning = '4'
	priorityInfo    = '6'
	priorityDebug   = '7'
)

// facility is LOG_DAEMON of syslog(3), as systemd gives it to services.
const facility = "SYSLOG_FACILITY=3\n"

// openEntry begins an entry at the end of b.
func openEntry(b []byte, priority byte) []byte {
	b = append(b, make([]byte, entryStart)...)
	b = append(append(append(b, "PRIORITY="...), priority), '\n')
	return append(b, facility...)
}

// closeEntry completes the entry that began at start and whose text began at text.
func closeEntry(b []byte, start, text int, flags byte) []byte {
	binary.LittleEndian.PutUint32(b[start:], uint32(text-start-entryStart))
	binary.LittleEndian.PutUint32(b[start+4:], uint32(len(b)-text))
	b[start+8] = flags
	return b
}

// takeEntry splits off the first entry. What is shorter than one is none.
func takeEntry(b []byte) (fields, text []byte, flags byte, rest []byte) {
	if len(b) < entryStart {
		return nil, nil, 0, nil
	}
	n, m := int(binary.LittleEndian.Uint32(b)), int(binary.LittleEndian.Uint32(b[4:]))
	if n+m > len(b)-entryStart {
		return nil, nil, 0, nil
	}
	fields = b[entryStart : entryStart+n]
	text = b[entryStart+n : entryStart+n+m]
	return fields, text, b[8], b[entryStart+n+m:]
}

// appendField adds a field whose value has no line end.
func appendField[T []byte | string](b []byte, name string, value T) []byte {
	return append(append(append(append(b, name...), '='), value...), '\n')
}

func appendIntField(b []byte, name string, value int64) []byte {
	return append(strconv.AppendInt(append(append(b, name...), '='), value, 10), '\n')
}

// appendAnyField adds a field with any bytes.
func appendAnyField(b []byte, name, value string) []byte {
	if strings.IndexByte(value, '\n') < 0 {
		return appendField(b, name, value)
	}
	b = append(append(b, name...), '\n')
	b = binary.LittleEndian.AppendUint64(b, uint64(len(value)))
	return append(append(b, value...), '\n')
}

// identity is the fields that all of ripd's own entries have.
func identity(app string) string {
	return "SYSLOG_IDENTIFIER=ripd@" + app + "\nRIP_APP=" + app + "\n"
}

// message is one entry, or several that are sent as one.
type message struct {
	fields, text []byte
	flags        byte
	joined       bool // text is a copy that can grow
}

const (
	// joinBack is how many messages back a line may find what it belongs to.
	joinBack = 8
	// maxJoined bounds a message that is made of several lines, in bytes.
	maxJoined = 256 << 10
)

// messages gives what a batch of entries says, with the lines joined that belong
// together.
func messages(batch []byte) []message {
	var list []message
	for len(batch) > 0 {
		fields, text, flags, rest := takeEntry(batch)
		if fields == nil {
			break
		}
		batch = rest
		m := message{fields: fields, text: text, flags: flags}
		if !joinTo(list, &m) {
			list = append(list, m)
		}
	}
	return list
}

// joinTo adds m to the message that it goes on with.
func joinTo(list []message, m *message) bool {
	if m.flags&entryOutput == 0 {
		return false
	}
	for i := len(list) - 1; i >= max(0, len(list)-joinBack); i-- {
		to := &list[i]
		if to.flags&entryOutput == 0 || !bytes.Equal(to.fields[priorityBytes:], m.fields[priorityBytes:]) {
			continue
		}
		// It is the last line of the same stream of the same worker.
		open := to.flags&entryOpen != 0
		if !open && (m.flags&entryGoesOn == 0 || m.flags&entryOrdered != 0 && !bytes.Equal(to.fields, m.fields)) ||
			len(to.text)+len(m.text) >= maxJoined {
			return false
		}
		if !to.joined {
			to.text, to.joined = bytes.Clone(to.text), true
		}
		if !open {
			to.text = append(to.text, '\n')
		}
		to.text = append(to.text, m.text...)
		to.flags = to.flags&^entryOpen | m.flags&entryOpen
		return true
	}
	return false
}

// datagram is the message in the journal's native protocol
// (https://systemd.io/JOURNAL_NATIVE_PROTOCOL).
func (m *message) datagram(dst []byte) []byte {
	dst = append(dst, m.fields...)
	dst = append(dst, "MESSAGE\n"...)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(len(m.text)))
	return append(append(dst, m.text...), '\n')
}
