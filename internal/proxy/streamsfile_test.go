package proxy_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/http2"

	"ripd/internal/testkit"
)

// openIn are the files of this process in a folder, without names, that are not empty.
func openIn(t *testing.T, dir string) (files []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range all {
		name, err := os.Readlink(fd)
		if err != nil || !strings.HasPrefix(name, dir+"/") {
			continue
		}
		if info, err := os.Stat(fd); err == nil && info.Size() > 0 {
			files = append(files, fd)
		}
	}
	return files
}

// An answer whose temporary file cannot be read breaks off, and its request is in use until
// the worker is done with it.
func TestStreamsOfFilesThatCannotBeRead(t *testing.T) {
	const part = 1 << 20
	s := newStreamSiege(t, nil)
	more := make(chan struct{})
	done := sync.OnceFunc(func() { close(more) })
	defer done()
	s.worker(func(c net.Conn) {
		_, _ = c.Read(make([]byte, 4096))
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", 2*part, strings.Repeat("x", part))
		<-more
		_, _ = io.WriteString(c, strings.Repeat("y", part))
		_, _ = io.Copy(io.Discard, c)
	})
	f := s.frames(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	id := f.ask("GET", "/", false)
	f.status(id, "200")
	testkit.Eventually(t, testkit.Timeout, func() bool { // the client takes a little, and the file is emptied
		for _, file := range openIn(t, s.spool) {
			_ = os.Truncate(file, 0) // an error: it has been closed
		}
		for _, of := range []uint32{0, id} {
			if err := f.WriteWindowUpdate(of, 8<<10); err != nil {
				return false
			}
		}
		return s.hits("temporary-files") > 0
	}, "the file cannot be read")
	if got := s.server.Stats().Streams; got != 1 {
		t.Errorf("%d requests are open while a worker is at one", got)
	}
	done()
	f.reset(id, http2.ErrCodeInternal)
	testkit.Eventually(t, testkit.Timeout, func() bool { return s.inFlight() == 0 })
}
