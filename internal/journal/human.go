package journal

import (
	"strconv"
	"time"
)

// The columns of an access line for people, in characters. A space stands
// between two of them:
//
//	15:04:05.123 200 GET     /orders/17?sort=date       12.34    0.10   12.20  1.2KB w3.2   192.0.2.7       01JQ…
//	time         status method path                      total   queue  worker  bytes worker client          request id
const (
	methodColumns = 7  // CONNECT, OPTIONS
	millisColumns = 7  // 9999.99, 99999.9, 9999999
	bytesColumns  = 6  // 12.3KB
	workerColumns = 6  // w12.34
	clientColumns = 15 // 255.255.255.255
	idColumns     = 20 // room that the path leaves to the request id

	pathColumns    = 40 // where the terminal's width is not known
	minPathColumns = 24
	maxPathColumns = 80
)

// SGR sequences (ECMA-48 8.3.117).
const (
	sgrReset   = "\x1b[0m"
	sgrFaint   = "\x1b[2m"
	sgrRed     = "\x1b[31m"
	sgrGreen   = "\x1b[32m"
	sgrYellow  = "\x1b[33m"
	sgrMagenta = "\x1b[35m"
	sgrCyan    = "\x1b[36m"
)

// human writes access lines for people.
type human struct {
	clock clock
	color bool
	path  int // columns
}

func (h *human) init(o AccessOptions) {
	h.clock.stamp = o.Stamp
	h.color = o.Color
	h.path = pathColumns
	if o.Width > 0 {
		stamp := [...]int{Clock: 13, Date: 24, None: 0}[o.Stamp]
		others := stamp + 4 + methodColumns + 1 + 1 + 3*(millisColumns+1) +
			bytesColumns + 1 + workerColumns + 1 + clientColumns + 1 + idColumns
		h.path = min(max(o.Width-others, minPathColumns), maxPathColumns)
	}
}

// append writes one line. All lines have their columns at the same places, but
// for what follows a client's address of more than 15 characters (IPv6).
func (h *human) append(b []byte, a *Access) []byte {
	b = h.clock.append(b, a.Time)
	b = h.appendStatus(b, a.Status)
	b = append(appendColumn(b, a.Method, methodColumns, true), ' ')
	b = append(appendColumn(b, a.Path, h.path, true), ' ')
	b = append(appendMillisColumn(b, a.Total), ' ')
	b = append(appendMillisColumn(b, a.Queue), ' ')
	b = append(appendMillisColumn(b, a.Worker), ' ')
	b = append(appendSize(b, a.BytesOut), ' ')
	b = append(appendWorker(b, a.WorkerID, a.Generation, workerColumns), ' ')
	b = h.appendClient(b, a)
	if a.Cause != "" {
		b = append(b, ' ')
		b = h.paint(b, sgrYellow)
		b = appendColumn(b, []byte(a.Cause), maxID, false)
		b = h.paint(b, sgrReset)
	}
	if a.Retried {
		b = append(b, " retried"...)
	}
	return append(b, '\n')
}

func (h *human) appendClient(b []byte, a *Access) []byte {
	from := len(b)
	if len(a.Client) == 0 {
		b = append(b, '-')
	} else {
		b = appendColumn(b, a.Client, maxClient, false)
	}
	if len(a.RequestID) == 0 {
		return b
	}
	b = appendSpaces(b, clientColumns-(len(b)-from))
	b = append(b, ' ')
	b = h.paint(b, sgrFaint)
	b = appendColumn(b, a.RequestID, maxID, false)
	return h.paint(b, sgrReset)
}

// paint writes an SGR sequence where colours are wanted.
func (h *human) paint(b []byte, sgr string) []byte {
	if !h.color {
		return b
	}
	return append(b, sgr...)
}

// appendStatus writes three digits and a space, "---" when there was no answer.
func (h *human) appendStatus(b []byte, status int) []byte {
	b = h.paint(b, statusColor(status))
	if status < 100 || status > 999 {
		b = append(b, "---"...)
	} else {
		b = append(b, byte('0'+status/100), byte('0'+status/10%10), byte('0'+status%10))
	}
	return append(h.paint(b, sgrReset), ' ')
}

func statusColor(status int) string {
	switch status / 100 {
	case 2:
		return sgrGreen
	case 3:
		return sgrCyan
	case 4:
		return sgrYellow
	case 5:
		return sgrRed
	}
	return sgrMagenta
}

// appendMillisColumn writes milliseconds with as many decimals as have a place:
// two below 10 s, one below 100 s, then none.
func appendMillisColumn(b []byte, d time.Duration) []byte {
	d = max(d, 0)
	n, decimals := int64(d/(10*time.Microsecond)), 2
	if d >= 10*time.Second {
		n, decimals = int64(d/(100*time.Microsecond)), 1
	}
	if d >= 100*time.Second {
		n, decimals = d.Milliseconds(), 0
	}
	return appendFixed(b, n, decimals, millisColumns)
}

// appendFixed writes n / 10^decimals, to the right of width columns.
func appendFixed(b []byte, n int64, decimals, width int) []byte {
	var room [24]byte
	at := len(room)
	for digits := 0; n > 0 || digits <= decimals; digits++ {
		if decimals > 0 && digits == decimals {
			at--
			room[at] = '.'
		}
		at--
		room[at] = byte('0' + n%10)
		n /= 10
	}
	b = appendSpaces(b, width-(len(room)-at))
	return append(b, room[at:]...)
}

// appendSize writes a size to the right of its column: bytes, or a unit of 1024
// bytes and its powers, with one decimal below 100.
func appendSize(b []byte, n int64) []byte {
	n = max(n, 0)
	if n < 1024 {
		return append(appendFixed(b, n, 0, bytesColumns-1), 'B')
	}
	const units = "KMGTPE"
	power := 0
	tenths := n * 10 / 1024
	if n > 1<<53 {
		tenths = n / 1024 * 10
	}
	for tenths >= 10240 {
		tenths /= 1024
		power++
	}
	if tenths < 1000 {
		b = appendFixed(b, tenths, 1, bytesColumns-2)
	} else {
		b = appendFixed(b, tenths/10, 0, bytesColumns-2)
	}
	return append(b, units[power], 'B')
}

// appendWorker writes a worker as w3.2: the third worker, of generation 2; "-"
// for none.
func appendWorker(b []byte, id, generation, width int) []byte {
	if id == 0 {
		return appendSpaces(append(b, '-'), width-1)
	}
	return appendTag(b, id, generation, width)
}

// appendTag is appendWorker for an id that may be 0.
func appendTag(b []byte, id, generation, width int) []byte {
	from := len(b)
	b = strconv.AppendInt(append(b, 'w'), int64(id), 10)
	b = strconv.AppendInt(append(b, '.'), int64(generation), 10)
	return appendSpaces(b, width-(len(b)-from))
}
