package daemon

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"

	"ripd/internal/config"
)

// portTries is how many ports after a busy default one are tried.
const portTries = 20

// dialTimeout bounds the question whether somebody listens on a unix socket.
const dialTimeout = time.Second

// openListeners opens what the settings ask for. A busy port that nobody asked for
// is replaced by the next free one, and a note says so. The word is how people choose
// another one. On an error nothing stays open.
func openListeners(word string, addresses []config.Address, asked bool) (list []net.Listener, notes []string, err error) {
	defer func() {
		if err != nil {
			closeAll(list)
			list = nil
		}
	}()
	for _, a := range addresses {
		l, note, err := openListener(word, a, asked)
		if err != nil {
			return list, nil, err
		}
		list = append(list, l)
		if note != "" {
			notes = append(notes, note)
		}
	}
	return list, notes, nil
}

func openListener(word string, a config.Address, asked bool) (net.Listener, string, error) {
	if a.Network == "unix" {
		l, err := openUnix(a.Path)
		return l, "", err
	}
	for port := a.Port; ; port++ {
		at := a
		at.Port = port
		l, err := listenTCP(at.Listen())
		switch {
		case err == nil && port == a.Port:
			return l, "", nil
		case err == nil:
			return l, fmt.Sprintf("port %d is in use%s, so it is port %d", a.Port, by(holderOfPort(a.Port)), port), nil
		case !errors.Is(err, syscall.EADDRINUSE):
			return nil, "", fmt.Errorf("listen on %s: %w", at, plain(err))
		case asked || a.Port == 0:
			return nil, "", fmt.Errorf("port %d is in use%s", port, by(holderOfPort(port)))
		case port == a.Port+portTries || port == 65535:
			return nil, "", fmt.Errorf("ports %d to %d are all in use; choose one with %s:PORT", a.Port, port, word)
		}
	}
}

// by names who holds something, if that is known.
func by(holder string) string {
	if holder == "" {
		return ""
	}
	return " by " + holder
}

// openUnix listens on a socket's path. What an earlier program has left there
// is removed; a socket that somebody listens on is not.
func openUnix(path string) (net.Listener, error) {
	l, err := net.Listen("unix", path)
	if !errors.Is(err, syscall.EADDRINUSE) {
		if err != nil {
			return nil, fmt.Errorf("listen on %s: %w", path, plain(err))
		}
		return l, nil
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket == 0 {
		return nil, fmt.Errorf("listen on %s: there is a file that is not a socket", path)
	}
	c, err := net.DialTimeout("unix", path, dialTimeout)
	if err == nil {
		c.Close()
		return nil, fmt.Errorf("%s is in use by another program", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("%s is in use: %w", path, plain(err))
	}
	if err := os.Remove(path); err != nil {
		return nil, fmt.Errorf("remove the socket of an earlier program: %w", err)
	}
	if l, err = net.Listen("unix", path); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, plain(err))
	}
	return l, nil
}

// plain takes the system's own words out of a network error.
func plain(err error) error {
	var sys *os.SyscallError
	if errors.As(err, &sys) {
		return sys.Err
	}
	return err
}

func closeAll(list []net.Listener) {
	for _, l := range list {
		l.Close()
	}
}

// urlsOf says where clients reach the listeners.
func urlsOf(fronts []front) (urls []string) {
	for _, f := range fronts {
		for _, l := range f.list {
			if f.aside {
				continue
			}
			if url := f.url(l); !slices.Contains(urls, url) {
				urls = append(urls, url)
			}
		}
	}
	return urls
}

// scrapedAt says where the metrics are, in the same form.
func scrapedAt(fronts []front) (urls []string) {
	for _, f := range fronts {
		if !f.aside {
			continue
		}
		for _, l := range f.list {
			plain := front{name: roleClients}
			url := plain.url(l)
			if l.Addr().Network() != "unix" {
				url += "/metrics"
			}
			urls = append(urls, url)
		}
	}
	return urls
}

// url is where clients reach one listener.
func (f *front) url(l net.Listener) string {
	a, tcp := l.Addr().(*net.TCPAddr)
	if !tcp {
		url := "unix:" + l.Addr().String()
		if f.secure {
			url += " (TLS)"
		}
		return url
	}
	host := a.IP.String()
	if a.IP.IsUnspecified() || len(a.IP) == 0 {
		host = "localhost"
	} else if a.IP.IsLoopback() && a.IP.To4() != nil {
		host = "127.0.0.1"
	}
	return f.name + "://" + net.JoinHostPort(host, strconv.Itoa(a.Port))
}
