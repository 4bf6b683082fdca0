package proxy

import (
	"bytes"
	"net"
	"strconv"
	"strings"

	"ripd/internal/http1"
)

// standardHTTPS is the port that an https address need not name, RFC 9110 section
// 4.2.2.
const standardHTTPS = 443

// redirects reports whether a request over plain HTTP is sent on to HTTPS.
func (s *Server) redirects(head *http1.Request) bool {
	c := s.config.Load()
	if !c.TLS.RedirectHTTP || head.Host == nil {
		return false
	}
	return !s.wantsStatus(head) && !bytes.HasPrefix(head.Path, []byte(acmePrefix))
}

// redirect answers the request whose head h fills the first n bytes of the buffer
// with its https address. It reports whether to leave the callback.
func (c *conn) redirect(h *headScratch, n int) (leave bool) {
	reply := c.req.redirection(&h.req)
	return c.answerHead(h, n, &reply, causeRedirect)
}

// answerHead answers a request at once, without its body: its head h fills the first n
// bytes of the buffer. It reports whether to leave the callback.
func (c *conn) answerHead(h *headScratch, n int, reply *http1.Reply, cause string) (leave bool) {
	defer h.free()
	r := &c.req
	r.nameOnly(&h.req)
	if h.req.HasBody() { // which is not waited for
		c.dropBuffer()
		r.close = true
		r.respond(reply, cause)
		return true
	}
	c.consume(n)
	c.phase.Store(phaseRunning)
	c.deadline.Store(0)
	r.respond(reply, cause)
	return false
}

// redirection is the answer that sends a client on to HTTPS.
func (r *request) redirection(head *http1.Request) http1.Reply {
	return http1.Reply{Status: 308, Location: r.secureAddress(head), Detail: "this server wants HTTPS"}
}

// secureAddress is the address of the request's target at the https listener, or at
// the proxy that has told of the client's plain request: there it is the standard port.
func (r *request) secureAddress(head *http1.Request) []byte {
	host := string(r.from.host(head))
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
	}
	b := append([]byte("https://"), host...)
	port := standardHTTPS
	if r.from.told == nil || r.from.told.Proto == nil {
		port = r.srv.securePort()
	}
	if port != standardHTTPS && port != 0 {
		b = append(b, ':')
		b = strconv.AppendInt(b, int64(port), 10)
	}
	if !bytes.HasPrefix(head.Path, []byte("/")) {
		return append(b, '/') // OPTIONS *
	}
	b = append(b, head.Path...)
	if head.Query != nil {
		b = append(append(b, '?'), head.Query...)
	}
	return b
}

// securePort is the port of the https listeners: the standard one where several
// have it, else the lowest; 0 when they have none.
func (s *Server) securePort() (port int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l, a := range s.listeners {
		tcp, ok := l.Addr().(*net.TCPAddr)
		if !ok || a.secure == nil {
			continue
		}
		if tcp.Port == standardHTTPS {
			return tcp.Port
		}
		if port == 0 || tcp.Port < port {
			port = tcp.Port
		}
	}
	return port
}
