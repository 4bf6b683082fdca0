package daemon

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ripd/internal/api"
)

// An upgrade hands a running app over from one ripd, the old one, to another, its
// heir. The old one starts the heir (by way of a guard, see guard.go) with the listening sockets as
// descriptors, a description of them in the environment, and a link, a pair of
// sockets over which both speak:
//
//	heir: hello     it is a ripd that can take over, and how long it may take
//	heir: step      a worker is ready, or something is to be known; any number
//	heir: ready     all of its workers are
//	old:  go        accept
//	heir: serving   it does
//	old:  main      the service manager knows; the names are the heir's now
//
// Until "go" the heir has touched nothing that the old one needs, and ends when
// the link does. After "main" the old one accepts nothing more, finishes what
// it has, and ends. See upgrade.go for the old one's side, heir.go for the other.

// handoverName is the variable with the description, in JSON.
const handoverName = "RIP_HANDOVER"

// handover describes what the heir is given.
type handover struct {
	Parent     int          `json:"parent"`     // the old ripd's process
	Epoch      int          `json:"epoch"`      // how many upgrades there have been since a start; it is in the names of the workers' sockets
	Generation int          `json:"generation"` // of the heir's first workers
	Count      int          `json:"count"`      // what the old settings said of the number of workers
	Wanted     int          `json:"wanted"`     // what an operator made of it
	Drained    []int        `json:"drained,omitempty"`
	Maintained bool         `json:"maintained,omitempty"` // requests get the maintenance page
	Files      []handedFile `json:"files"`
}

// handedFile is one descriptor that the heir inherits.
type handedFile struct {
	Role string `json:"role"`
	FD   int    `json:"fd"`
	// Own says that ripd has made the socket, and removes its file, if it has one, at its end.
	Own bool `json:"own,omitempty"`
}

// The roles of descriptors. Those of listeners are systemd's names for them, too.
const (
	roleClients   = "http"      // a listener of the app
	roleSecure    = "https"     // likewise, for clients that speak TLS
	roleMetrics   = "metrics"   // a listener for the metrics
	roleFront     = "control"   // ripd's own control socket, rip_….ctl.sock
	roleOperators = "operators" // the operators' door that systemd made
	roleLock      = "lock"      // the locked lock file
	roleLink      = "link"
	roleStderr    = "stderr" // where standard error goes once the heir serves
)

// firstHandedFD is the number of the first descriptor beyond the standard ones.
const firstHandedFD = 3

// maxHandedFiles bounds the description.
const maxHandedFiles = 1024

// takeHandover reads the description in the environment, removes it from there and from
// the list, and keeps the descriptors from the workers. It returns nil when this
// ripd was started by itself.
func takeHandover(environ []string) (*handover, []string, error) {
	const name = handoverName + "="
	var text string
	rest := slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		value, found := strings.CutPrefix(entry, name)
		if found {
			text = value
		}
		return found
	})
	if text == "" {
		return nil, environ, nil
	}
	_ = os.Unsetenv(handoverName) // it fails for malformed names only
	d := &handover{}
	if err := json.Unmarshal([]byte(text), d); err != nil {
		return nil, rest, fmt.Errorf("%s is for ripd's own use: %w", handoverName, err)
	}
	if guard := os.Getppid(); parentOf(guard) != d.Parent {
		return nil, rest, fmt.Errorf("%s is for ripd's own use: this is no child of process %d", handoverName, d.Parent)
	}
	if len(d.Files) > maxHandedFiles || d.Epoch < 1 || d.Generation < 1 {
		return nil, rest, fmt.Errorf("%s is for ripd's own use: it makes no sense", handoverName)
	}
	for _, f := range d.Files {
		if f.FD < firstHandedFD || f.FD >= firstHandedFD+len(d.Files) {
			return nil, rest, fmt.Errorf("%s is for ripd's own use: descriptor %d", handoverName, f.FD)
		}
		unix.CloseOnExec(f.FD)
	}
	return d, rest, nil
}

// listeners makes listeners of the descriptors with a role, and closes these. The
// files of sockets that are ripd's own stay when they are closed, until the heir
// owns them.
func (d *handover) listeners(role string) (list []net.Listener, err error) {
	for _, f := range d.Files {
		if f.Role != role {
			continue
		}
		file := os.NewFile(uintptr(f.FD), role)
		l, err := net.FileListener(file)
		file.Close()
		if err != nil {
			closeAll(list)
			return nil, fmt.Errorf("take over descriptor %d (%s): %w", f.FD, role, err)
		}
		list = append(list, l)
	}
	return list, nil
}

// fd gives the one descriptor with a role, -1 when there is none.
func (d *handover) fd(role string) int {
	for _, f := range d.Files {
		if f.Role == role {
			return f.FD
		}
	}
	return -1
}

// own tells whether a socket with a role, counted from 0, is ripd's.
func (d *handover) own(role string, index int) bool {
	for _, f := range d.Files {
		if f.Role == role {
			if index == 0 {
				return f.Own
			}
			index--
		}
	}
	return false
}

// encode is the variable of the environment.
func (d *handover) encode() (string, error) {
	text, err := json.Marshal(d)
	return handoverName + "=" + string(text), err
}

// descriptorOf duplicates a listener's descriptor. net's own way would make the
// socket a blocking one, for everybody who has it.
func descriptorOf(l net.Listener) (int, error) {
	sc, ok := l.(syscall.Conn)
	if !ok {
		return -1, errors.ErrUnsupported
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd, dupErr := -1, error(nil)
	err = raw.Control(func(own uintptr) { fd, dupErr = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, errors.Join(err, dupErr)
}

// ownFile says whether the file of a socket goes when the listener is closed, and
// whether there is one at all.
func setOwnFile(l net.Listener, own bool) {
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(own)
	}
}

// said is one message of a link.
type said struct {
	What string `json:"what"`
	// Of hello.
	PID     int        `json:"pid,omitempty"`
	Version string     `json:"version,omitempty"`
	Limit   api.Millis `json:"limitMs,omitempty"` // within which it will be ready
	// Of step.
	Step *api.Step `json:"step,omitempty"`
}

// The messages.
const (
	saidHello   = "hello"
	saidStep    = "step"
	saidReady   = "ready"
	saidGo      = "go"
	saidServing = "serving"
	saidMain    = "main"
)

// The bounds of the link.
const (
	linkWrite = 2 * time.Second // of one message
	linkLine  = 64 << 10        // bytes of one message
)

// link is one end of the pair of sockets.
type link struct {
	conn net.Conn
	mu   sync.Mutex
	in   chan said // closed at the end
}

// newLink takes a descriptor over.
func newLink(fd int) (*link, error) {
	file := os.NewFile(uintptr(fd), roleLink)
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, fmt.Errorf("the link between both ripds: %w", err)
	}
	l := &link{conn: conn, in: make(chan said, 1)}
	go l.read()
	return l, nil
}

func (l *link) read() {
	defer close(l.in)
	lines := bufio.NewScanner(l.conn)
	lines.Buffer(nil, linkLine)
	for lines.Scan() {
		var m said
		if json.Unmarshal(lines.Bytes(), &m) != nil {
			return
		}
		l.in <- m
	}
}

// say sends a message. An error means that the other end is gone.
func (l *link) say(m said) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := l.conn.SetWriteDeadline(time.Now().Add(linkWrite)); err != nil {
		return err
	}
	_, err = l.conn.Write(append(text, '\n'))
	return err
}

// close ends the link, and what is read from it.
func (l *link) close() {
	l.conn.Close()
	for range l.in {
	}
}

// parentOf gives the parent of a process, 0 when it is not known.
func parentOf(pid int) int {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if value, found := strings.CutPrefix(line, "PPid:"); found {
			parent, _ := strconv.Atoi(strings.TrimSpace(value))
			return parent
		}
	}
	return 0
}
