package doctor

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"ripd/internal/units"
)

const (
	checkPorts = "ports"
	// tcpListen is the state in /proc/net/tcp of a socket that listens
	// (include/net/tcp_states.h).
	tcpListen = "0A"
	// unixListens is the flag in /proc/net/unix of one (SO_ACCEPTCON).
	unixListens = "00010000"
	// processesMost bounds the processes that are asked what they have open.
	processesMost = 4096
)

// listener is a socket that listens, on an address or a path.
type listener struct {
	at    netip.AddrPort
	path  string
	inode string
	uid   string
}

// ports looks at who has the addresses that the app wants.
func (e *exam) ports() {
	if e.Unit == nil {
		return // a ripd of the foreground that runs has its ports
	}
	for i := range e.Unit.Sockets {
		if s := &e.Unit.Sockets[i]; !s.Control() && len(s.Listen) > 0 {
			e.addresses(s)
		}
	}
}

// settingOf names the setting that a socket's addresses come from.
func settingOf(s *units.Socket) string {
	switch {
	case strings.HasPrefix(s.Name, "ripd-https@"):
		return "listen.https"
	case strings.HasPrefix(s.Name, "ripd-metrics@"):
		return "listen.metrics"
	}
	return "listen.http"
}

func (e *exam) addresses(s *units.Socket) {
	for _, address := range s.Listen {
		if rival := e.rival(address); rival != "" {
			level := Problem
			if s.Active == "active" {
				level = Warning // it has it, and the other one cannot start
			}
			e.add(checkPorts, level, "change "+settingOf(s)+" in one of the two files", "%s is wanted by %s and by %s: one only can have it", address, s.Name, rival)
			continue
		}
		held, err := e.holders(address)
		switch {
		case err != nil:
			e.add(checkPorts, Unseen, "", "%s: %v", address, err)
		case s.Active == "active" && len(held) == 0:
			next := fmt.Sprintf("ripctl stop %[1]s && ripctl start %[1]s", e.Name)
			e.add(checkPorts, Warning, next, "%s is active and does not listen on %s yet: it was opened with other addresses", s.Name, address)
		case s.Active != "active" && len(held) > 0:
			e.taken(address, held[0])
		}
	}
	if s.Active == "active" {
		e.good(checkPorts, "systemd listens on %s", strings.Join(s.Listen, ", "))
		return
	}
	e.good(checkPorts, "%s: nobody has it", strings.Join(s.Listen, ", "))
}

// rival finds another app's socket that has, or wants, the same address.
func (e *exam) rival(address string) string {
	for _, other := range e.Others {
		for _, s := range other.Sockets {
			if other.Name != e.Name && slices.ContainsFunc(s.Listen, func(a string) bool { return clash(a, address) }) {
				return s.Name
			}
		}
	}
	return ""
}

// clash tells whether two addresses, as systemd shows them, exclude each other.
func clash(a, b string) bool {
	x, errA := netip.ParseAddrPort(a)
	y, errB := netip.ParseAddrPort(b)
	if errA != nil || errB != nil {
		return a == b
	}
	return overlap(x, y)
}

// overlap: :: takes all addresses, also those of IPv4 (net.ipv6.bindv6only=0).
func overlap(x, y netip.AddrPort) bool {
	if x.Port() != y.Port() {
		return false
	}
	a, b := x.Addr().Unmap(), y.Addr().Unmap()
	any6 := a == netip.IPv6Unspecified() || b == netip.IPv6Unspecified()
	any4 := (a == netip.IPv4Unspecified() || b == netip.IPv4Unspecified()) && a.Is4() && b.Is4()
	return a == b || any6 || any4
}

// holders gives the sockets that listen on an address, or keep it from being listened on.
func (e *exam) holders(address string) ([]listener, error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return e.unixListeners(address)
	}
	var held []listener
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := e.host.read(file)
		if err != nil && file == "/proc/net/tcp" {
			return nil, fmt.Errorf("%s: %s", file, why(err))
		}
		for line := range strings.Lines(text) {
			if l, ok := tcpListener(line); ok && overlap(l.at, at) {
				held = append(held, l)
			}
		}
	}
	return held, nil
}

// tcpListener reads a line of /proc/net/tcp or tcp6 (proc_net_tcp.rst of the kernel).
func tcpListener(line string) (l listener, ok bool) {
	f := strings.Fields(line)
	if len(f) < 10 || f[3] != tcpListen {
		return l, false
	}
	host, port, _ := strings.Cut(f[1], ":")
	raw, err := hex.DecodeString(host)
	n, err2 := strconv.ParseUint(port, 16, 16)
	if err != nil || err2 != nil || len(raw)%4 != 0 {
		return l, false
	}
	for i := 0; i < len(raw); i += 4 { // words of 32 bits, in the machine's order
		slices.Reverse(raw[i : i+4])
	}
	addr, ok := netip.AddrFromSlice(raw)
	return listener{at: netip.AddrPortFrom(addr, uint16(n)), uid: f[7], inode: f[9]}, ok
}

func (e *exam) unixListeners(path string) (held []listener, err error) {
	text, err := e.host.read("/proc/net/unix")
	if err != nil {
		return nil, fmt.Errorf("/proc/net/unix: %s", why(err))
	}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 8 && f[3] == unixListens && f[7] == path {
			held = append(held, listener{path: path, inode: f[6]})
		}
	}
	return held, nil
}

// taken says who has an address.
func (e *exam) taken(address string, l listener) {
	pid := e.ownerOf(l.inode)
	switch {
	case pid == 1:
		e.add(checkPorts, Problem, "systemctl list-sockets shows which; stop it, or change listen.http in "+e.File, "%s is taken by a socket of systemd", address)
	case pid > 0:
		name, unit := e.host.program(pid)
		who := fmt.Sprintf("%s (process %d)", name, pid)
		next := fmt.Sprintf("end it, or change listen.http in %s", e.File)
		if unit != "" {
			who = fmt.Sprintf("%s (process %d, %s)", name, pid, unit)
			next = fmt.Sprintf("systemctl stop %s, or change listen.http in %s", unit, e.File)
		}
		e.add(checkPorts, Problem, next, "%s is taken by %s", address, who)
	case l.uid != "":
		e.add(checkPorts, Problem, "call ripctl as root to know which", "%s is taken by a program of user %s", address, l.uid)
	default:
		e.add(checkPorts, Problem, "call ripctl as root to know which", "%s is taken by another program", address)
	}
}

// ownerOf finds a process that has a socket open; 0 when none can be seen.
func (e *exam) ownerOf(inode string) int {
	want := "socket:[" + inode + "]"
	for i, pid := range e.host.processes() {
		if i == processesMost {
			break
		}
		dir := e.host.path("/proc/" + strconv.Itoa(pid) + "/fd")
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, entry := range entries {
			if to, err := os.Readlink(dir + "/" + entry.Name()); err == nil && to == want {
				return pid
			}
		}
	}
	return 0
}
