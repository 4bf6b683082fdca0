package proxy

import (
	"bytes"
	"encoding/json"
	"net"
	"strconv"
	"time"

	"ripd/internal/http1"
	"ripd/internal/pool"
)

// statusPage is what anybody may see on the app's own listener.
type statusPage struct {
	Status  string         `json:"status"` // healthy or degraded
	App     string         `json:"app"`
	Workers int            `json:"workers"` // that take requests
	Ports   map[string]int `json:"ports"`
	Uptime  int64          `json:"uptime"` // seconds
}

// isStatus reports whether the request asks for proxy.status_path.
func (s *Server) isStatus(r *request) bool {
	path := s.config.Load().Proxy.StatusPath
	target := r.target1()
	if len(path) == 0 || len(target) < len(path) || string(target[:len(path)]) != path {
		return false
	}
	return (len(target) == len(path) || target[len(path)] == '?') &&
		(bytes.Equal(r.method(), []byte("GET")) || r.head)
}

// wantsStatus is isStatus for a head that has just come. With another method the path
// is the app's, as all others are.
func (s *Server) wantsStatus(head *http1.Request) bool {
	path := s.config.Load().Proxy.StatusPath
	return path != "" && string(head.Path) == path && (string(head.Method) == "GET" || head.IsHead())
}

// answerStatus answers 200 when a worker takes requests, else 503.
func (s *Server) answerStatus(r *request) {
	now := s.clock.now()
	page := statusPage{Status: "degraded", App: s.config.Load().Name, Ports: s.ports(), Uptime: int64(now / time.Second)}
	for _, w := range s.pool.Snapshot(now).Workers {
		if w.State == pool.Ready || w.State == pool.Drained {
			page.Workers++
		}
	}
	status := 503
	if page.Workers > 0 {
		page.Status, status = "healthy", 200
	}
	body, err := json.Marshal(page)
	if err != nil {
		body = []byte(`{"status":"degraded"}`)
	}
	r.respond(&http1.Reply{Status: status, ContentType: "application/json", Body: append(body, '\n')}, "")
}

// ports names the TCP listeners: http and https, and http-2, http-3 … for the others.
func (s *Server) ports() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	ports := map[string]int{}
	for l, a := range s.listeners {
		tcp, ok := l.Addr().(*net.TCPAddr)
		if !ok {
			continue
		}
		scheme := "http"
		if a.secure != nil {
			scheme = "https"
		}
		name := scheme
		for n := 2; ; n++ {
			if _, taken := ports[name]; !taken {
				break
			}
			name = scheme + "-" + strconv.Itoa(n)
		}
		ports[name] = tcp.Port
	}
	return ports
}
