package worker

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"
)

// The steps of listenWatch: from the first, each a quarter longer than the one
// before, up to the last. A look costs some microseconds while the file is missing.
const (
	listenFirstStep = 2 * time.Millisecond
	listenLastStep  = 50 * time.Millisecond
)

// listenPatience is how many looks may find the socket's file, but no socket of
// its name, before listenWatch connects to it: a program may have bound it under
// another name ("./x.sock"), or in another network namespace.
const listenPatience = 10

// probeTimeout bounds connecting to a socket to see whether it listens.
const probeTimeout = time.Second

// listenWatch waits until a socket listens, without connecting to it as long as
// there is another way: a server that takes one connection at a time is
// not disturbed, and no log shows a connection that says nothing.
type listenWatch struct {
	path   string
	pid    int // whose view of the network namespace counts
	clock  Clock
	table  func(pid int) (io.ReadCloser, error) // /proc/PID/net/unix
	probe  func(path string) bool               // connects
	misses int                                  // looks that found the file only
}

func newListenWatch(path string, pid int, clock Clock) *listenWatch {
	return &listenWatch{path: path, pid: pid, clock: clock, table: openUnixTable, probe: connects}
}

// wait reports whether the socket listens; false when ctx ended first.
func (w *listenWatch) wait(ctx context.Context) bool {
	for step := listenFirstStep; !w.listening(); step = min(step*5/4, listenLastStep) {
		select {
		case <-ctx.Done():
			return false
		case <-w.clock.After(step):
		}
	}
	return true
}

func (w *listenWatch) listening() bool {
	if info, err := os.Stat(w.path); err != nil || info.Mode().Type() != fs.ModeSocket {
		w.misses = 0
		return false
	}
	state := socketUnknown
	if table, err := w.table(w.pid); err == nil {
		state = findSocket(table, w.path)
		table.Close()
	} else {
		w.misses = listenPatience
	}
	if state != socketUnknown {
		return state == socketListens
	}
	w.misses++
	return w.misses > listenPatience && w.probe(w.path)
}

func openUnixTable(pid int) (io.ReadCloser, error) {
	return os.Open("/proc/" + strconv.Itoa(pid) + "/net/unix")
}

// socketState is what the kernel's table says about a socket's name.
type socketState uint8

const (
	socketUnknown socketState = iota // the name is not in the table
	socketBound                      // it is, but does not listen
	socketListens
)

// acceptsConnections is __SO_ACCEPTCON, as the column Flags of /proc/net/unix
// has it (proc_pid_net(5), and the kernel's linux/net.h).
const acceptsConnections = 1 << 16

// findSocket looks a path up in the text of /proc/net/unix, whose lines are
//
//	Num RefCount Protocol Flags Type St Inode Path
func findSocket(table io.Reader, path string) socketState {
	state := socketUnknown
	lines := bufio.NewReaderSize(table, 4<<10)
	for {
		line, err := lines.ReadSlice('\n')
		if text, ok := bytes.CutSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte(" "+path)); ok {
			if fields := bytes.Fields(text); len(fields) == 7 {
				state = max(state, stateOfFlags(string(fields[3])))
			}
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return state
		}
	}
}

func stateOfFlags(text string) socketState {
	flags, err := strconv.ParseUint(text, 16, 64)
	if err == nil && flags&acceptsConnections != 0 {
		return socketListens
	}
	return socketBound
}

// connects reports whether something listens at path, by connecting. A full
// backlog (EAGAIN) is a listener too.
func connects(path string) bool {
	conn, err := net.DialTimeout("unix", path, probeTimeout)
	if err != nil {
		return errors.Is(err, syscall.EAGAIN)
	}
	conn.Close()
	return true
}
