package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// The states of sockets as /proc/net/tcp writes them: TCP_LISTEN, and TCP_SYN_RECV, in which
// a connection is until it may be accepted. See proc_net_tcp in the kernel's documentation.
const (
	stateListen = "0A"
	stateSetUp  = "03"
)

// tableLine is a line of /proc/net/tcp in its fields:
// sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …
type tableLine []string

func (f tableLine) state() string { return f[3] }
func (f tableLine) inode() string { return f[9] }

// port is the one on this side, as portInTable writes it.
func (f tableLine) port() string { return f[1][strings.LastIndexByte(f[1], ':')+1:] }

// portInTable writes a port as the table does.
func portInTable(port int) string { return fmt.Sprintf("%04X", port) }

// tcpTable calls visit for each TCP socket of this network namespace. Its error says that
// some may be missing; a kernel without IPv6 is none.
func tcpTable(visit func(tableLine)) error {
	var failed error
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		data, err := os.ReadFile(file)
		if err != nil && !(strings.HasSuffix(file, "6") && errors.Is(err, fs.ErrNotExist)) {
			failed = errors.Join(failed, err)
		}
		eachSocket(string(data), visit)
	}
	return failed
}

func eachSocket(table string, visit func(tableLine)) {
	for line := range strings.Lines(table) {
		if f := strings.Fields(line); len(f) > 9 && f[0] != "sl" {
			visit(f)
		}
	}
}
