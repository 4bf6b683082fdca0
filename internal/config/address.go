package config

import (
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
)

// Address is where a listener listens: a TCP port or a unix socket.
type Address struct {
	// Network is "tcp" or "unix".
	Network string
	// Host is an IP address without brackets, or "" for all interfaces.
	Host string
	// Port is 0 to 65535; 0 lets the kernel choose.
	Port int
	// Path is the absolute path of a unix socket.
	Path string
}

// maxPort is the greatest port: 16 bits, RFC 9293 section 3.1.
const maxPort = 65535

// String gives the canonical form: "127.0.0.1:3080", "[::]:3080" for all
// interfaces, or "/run/shop.sock". ParseAddress reads it back.
func (a Address) String() string {
	if a.Network == "unix" {
		return a.Path
	}
	host := a.Host
	if host == "" {
		host = "::"
	}
	return net.JoinHostPort(host, strconv.Itoa(a.Port))
}

// Listen gives the second argument for net.Listen; the first is Network. All
// interfaces are written as ":3080", which works without IPv6 too.
func (a Address) Listen() string {
	if a.Network == "unix" {
		return a.Path
	}
	return net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
}

// AllInterfaces tells whether other machines can connect, as far as ripd decides it.
func (a Address) AllInterfaces() bool {
	return a.Network == "tcp" && (a.Host == "" || a.Host == "0.0.0.0")
}

// overlaps tells whether the two addresses cannot both be listened on. Port 0 never collides.
func (a Address) overlaps(b Address) bool {
	if a.Network != b.Network {
		return false
	}
	if a.Network == "unix" {
		return a.Path == b.Path
	}
	return a.Port == b.Port && a.Port != 0 && (a.Host == b.Host || a.AllInterfaces() || b.AllInterfaces())
}

// ParseAddress reads "3080", ":3080", "127.0.0.1:3080", "localhost:3080",
// "[::1]:3080" or "/run/shop.sock". Names but localhost are not looked up.
func ParseAddress(text string) (Address, error) {
	const example = `write "3080", "127.0.0.1:3080", "[::1]:3080" or "/run/shop.sock"`
	switch {
	case text == "":
		return Address{}, hinted(example, "not an address")
	case strings.HasPrefix(text, "unix:"):
		return Address{}, hinted("write "+quote(strings.TrimPrefix(strings.TrimPrefix(text, "unix:"), "//")), "a socket's path is written without unix:")
	case strings.Contains(text, "://"):
		return Address{}, hinted(example, "an address, not a URL, is wanted")
	case strings.HasPrefix(text, "@"):
		return Address{}, hinted("write an absolute path", "abstract sockets have no owner and no mode, so ripd does not listen on them")
	case strings.Contains(text, "/"):
		return parseSocketPath(text)
	case !strings.Contains(text, ":"):
		return parseTCP("", text, example)
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		if _, err := netip.ParseAddr(text); err == nil {
			return Address{}, hinted("write "+quote("["+text+"]:"+strconv.Itoa(DefaultPort)), "the port is missing")
		}
		return Address{}, hinted(example, "not an address")
	}
	return parseTCP(host, port, example)
}

func parseTCP(host, port, example string) (Address, error) {
	if host == "" && port != "" && strings.Trim(port, "0123456789") != "" {
		if _, err := netip.ParseAddr(port); err == nil || port == "localhost" {
			return Address{}, hinted("write "+quote(port+":"+strconv.Itoa(DefaultPort)), "the port is missing")
		}
		return Address{}, hinted(example, "not an address")
	}
	n, err := strconv.ParseUint(port, 10, 63)
	if err != nil && !isRange(err) || strings.HasPrefix(port, "+") {
		return Address{}, hinted(example, "the port is not a number")
	}
	if err != nil || n > maxPort {
		return Address{}, hinted("ports are 0 to "+strconv.Itoa(maxPort), "there is no port "+shorten(port))
	}
	a := Address{Network: "tcp", Port: int(n)}
	switch host {
	case "", "*":
		return a, nil
	case "localhost":
		a.Host = "127.0.0.1"
		return a, nil
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return Address{}, hinted("write its IP address", shorten(host)+" is not an IP address, and names are not looked up")
	}
	if a.Host = ip.Unmap().String(); ip.IsUnspecified() && ip.Is6() {
		a.Host = ""
	}
	return a, nil
}

func parseSocketPath(path string) (Address, error) {
	clean := filepath.Clean(path)
	switch {
	case !filepath.IsAbs(path):
		return Address{}, hinted("write an absolute path, as /run/shop.sock", "a socket's path begins with /")
	case strings.HasSuffix(path, "/") || clean == "/":
		return Address{}, errors.New("this is a folder's path, not a socket's")
	case len(clean) > MaxSocketPathBytes:
		return Address{}, hinted(strconv.Itoa(MaxSocketPathBytes)+" bytes are the most on Linux", "the path has "+strconv.Itoa(len(clean))+" bytes")
	}
	return Address{Network: "unix", Path: clean}, nil
}
