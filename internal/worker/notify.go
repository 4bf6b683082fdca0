package worker

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxSocketPath is the longest path of a unix socket: sun_path has 108 bytes,
// the last of which is a NUL; unix(7).
const maxSocketPath = 107

// notifyMax bounds a datagram in bytes, as systemd does. A longer one is
// dropped.
const notifyMax = 4 << 10

// statusMax bounds the STATUS= text that is kept, in bytes.
const statusMax = 256

// controlMax is the room for a datagram's credentials and the most descriptors
// that can come with it (SCM_MAX_FD, 253), in bytes.
const controlMax = 2 << 10

// notifyPath gives the path of a worker's notify socket. It is no longer than
// the path of its main socket.
func notifyPath(socket string) string { return strings.TrimSuffix(socket, ".sock") + ".ntfy" }

// notifySocket is the socket to which one worker says that it is ready, in the
// protocol of sd_notify(3).
type notifySocket struct {
	path string
	conn *net.UnixConn
}

func openNotify(path string) (*notifySocket, error) {
	if err := removeSocket(path); err != nil {
		return nil, err
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("open the notify socket: %w", err)
	}
	if err := passCredentials(conn); err != nil {
		conn.Close()
		os.Remove(path)
		return nil, fmt.Errorf("open the notify socket: %w", err)
	}
	return &notifySocket{path: path, conn: conn}, nil
}

// passCredentials has the kernel say with each message who sent it.
func passCredentials(conn syscall.Conn) error {
	raw, err := conn.SyscallConn()
	if err == nil {
		controlErr := raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
		})
		err = errors.Join(err, controlErr)
	}
	return err
}

// close ends serve. The caller removes the file.
func (n *notifySocket) close() { n.conn.Close() }

// serve hands on what allowed senders say, until close.
func (n *notifySocket) serve(allowed func(*unix.Ucred) bool, ready func(), status func(string)) {
	text, control := make([]byte, notifyMax), make([]byte, controlMax)
	for {
		size, controlSize, flags, _, err := n.conn.ReadMsgUnix(text, control)
		if err != nil {
			return // closed
		}
		sender, files := parseControl(control[:controlSize])
		if flags&unix.MSG_TRUNC == 0 && sender != nil && allowed(sender) {
			handleNotify(string(text[:size]), ready, status)
		}
		// After the message was handled: systemd-notify sends a pipe with
		// BARRIER=1 and waits until it is closed.
		for _, fd := range files {
			unix.Close(fd)
		}
	}
}

// parseControl gives the credentials and the descriptors of a datagram's
// control data; the caller closes them.
func parseControl(control []byte) (sender *unix.Ucred, files []int) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil, nil
	}
	for i := range messages {
		if fds, err := unix.ParseUnixRights(&messages[i]); err == nil {
			files = append(files, fds...)
		} else if credentials, err := unix.ParseUnixCredentials(&messages[i]); err == nil {
			sender = credentials
		}
	}
	return sender, files
}

// handleNotify takes READY=1 and STATUS= out of a message; the rest is for a
// service manager, which ripd is not. The status is set first, so that who sees that
// the worker is ready sees its status too.
func handleNotify(text string, ready func(), status func(string)) {
	isReady := false
	for line := range strings.SplitSeq(text, "\n") {
		if value, ok := strings.CutPrefix(line, "STATUS="); ok {
			status(value[:wholeRunes([]byte(value[:min(len(value), statusMax)]))])
		}
		isReady = isReady || line == "READY=1"
	}
	if isReady {
		ready()
	}
}

// removeSocket removes what an earlier run left at a socket's path. Nothing but
// a socket is ever removed.
func removeSocket(path string) error {
	if len(path) > maxSocketPath {
		return fmt.Errorf("the socket's path has %d bytes, and the kernel takes %d: %s", len(path), maxSocketPath, path)
	}
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for an old socket: %w", err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("a file that is no socket is where the worker's socket has to be: %s", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove an old socket: %w", err)
	}
	return nil
}
