package proxy_test

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
	"github.com/pires/go-proxyproto/tlvparse"

	"ripd/internal/metrics"
	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

// announcing has the test's own connections begin with PROXY headers.
func announcing(o *proxy.Options) {
	loopback(o)
	o.Config.Listen.ProxyProtocol = true
}

const headerLine = "PROXY TCP4 192.0.2.1 192.0.2.2 4711 443\r\n"

// header2 is a header of version 2, of any bytes.
func header2(command, family byte, body string) string {
	b := append([]byte(nil), proxyproto.SIGV2...)
	b = append(b, command, family)
	b = binary.BigEndian.AppendUint16(b, uint16(len(body)))
	return string(b) + body
}

// written is a header as the library writes it.
func written(t *testing.T, version byte, from, to net.Addr, tlvs ...proxyproto.TLV) string {
	t.Helper()
	h := proxyproto.HeaderProxyFromAddrs(version, from, to)
	if err := h.SetTLVs(tlvs); err != nil {
		t.Fatal(err)
	}
	b, err := h.Format()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func tcp(address string, port int) *net.TCPAddr {
	return &net.TCPAddr{IP: net.ParseIP(address), Port: port}
}

// goodHeaders are headers with what a worker is told after them: X-Forwarded-For and
// X-Forwarded-Proto over plain HTTP.
func goodHeaders(t *testing.T) map[string][3]string {
	ssl, err := tlvparse.PP2SSL{Client: 1, TLV: []proxyproto.TLV{{Type: proxyproto.PP2_SUBTYPE_SSL_VERSION, Value: []byte("TLSv1.3")}}}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	noSSL := proxyproto.TLV{Type: proxyproto.PP2_TYPE_SSL, Value: []byte{0, 0, 0, 0, 0}}
	large := proxyproto.TLV{Type: 0xE0, Value: make([]byte, 2900)}
	v4, v4to := tcp("192.0.2.1", 4711), tcp("192.0.2.2", 443)
	return map[string][3]string{
		"1, IPv4":                   {headerLine, "192.0.2.1", "http"},
		"1, IPv6":                   {"PROXY TCP6 2001:db8::1 2001:db8::2 4711 443\r\n", "2001:db8::1", "http"},
		"1, the longest":            {"PROXY TCP6 2001:0db8:1111:2222:3333:4444:5555:6666 2001:0db8:1111:2222:3333:4444:5555:6666 65535 65535\r\n", "2001:db8:1111:2222:3333:4444:5555:6666", "http"},
		"1, IPv4 among IPv6":        {"PROXY TCP6 192.0.2.1 2001:db8::2 4711 443\r\n", "192.0.2.1", "http"},
		"1, unknown":                {"PROXY UNKNOWN\r\n", "127.0.0.1", "http"},
		"1, unknown with addresses": {"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", "127.0.0.1", "http"},
		"2, IPv4":                   {written(t, 2, v4, v4to), "192.0.2.1", "http"},
		"2, IPv6":                   {written(t, 2, tcp("2001:db8::1", 1), tcp("2001:db8::2", 2)), "2001:db8::1", "http"},
		"2, IPv4 as IPv6":           {written(t, 2, v4, tcp("2001:db8::2", 2)), "192.0.2.1", "http"},
		"2, unix":                   {written(t, 2, &net.UnixAddr{Net: "unix", Name: "/a"}, &net.UnixAddr{Net: "unix", Name: "/b"}), "", "http"},
		"2, local":                  {header2(0x20, 0x00, ""), "127.0.0.1", "http"},
		"2, local with addresses":   {header2(0x20, 0x11, strings.Repeat("x", 12)), "127.0.0.1", "http"},
		"2, unknown":                {header2(0x21, 0x00, "\x04\x00\x01x"), "127.0.0.1", "http"},
		"2, with remarks":           {written(t, 2, v4, v4to, large), "192.0.2.1", "http"},
		"2, the proxy spoke TLS":    {written(t, 2, v4, v4to, large, ssl), "192.0.2.1", "https"},
		"2, and here not":           {written(t, 2, v4, v4to, noSSL), "192.0.2.1", "http"},
	}
}

// Each good header, in one piece with what follows, alone, and byte by byte; over plain
// HTTP and before TLS.
func TestHeaders(t *testing.T) {
	for _, secure := range []bool{false, true} {
		start, request := newRig, "GET / HTTP/1.1\r\nHost: test\r\n\r\n"
		if secure {
			start = newSecureRig
		}
		r := start(t, announcing)
		r.worker(handler(told))
		for name, header := range goodHeaders(t) {
			for _, way := range []string{"whole", "alone", "in pieces"} {
				t.Run(fmt.Sprintf("%s, %s, secure %v", name, way, secure), func(t *testing.T) {
					c := &announcer{Conn: dialPlain(t, r.addr), header: header[0], way: way}
					var conn net.Conn = c
					if secure {
						conn = tls.Client(c, r.cert.Client("test.example"))
						header[2] = "https"
					}
					b := &client{t, conn, bufio.NewReader(conn)}
					for range 2 {
						b.write(request)
						if _, body := b.read("GET"); !strings.HasPrefix(body, header[1]+"|"+header[2]+"|test|") {
							t.Errorf("got %s, want %s", body, header[1:])
						}
					}
				})
			}
		}
	}
}

// announcer is a connection that writes a header before the first bytes.
type announcer struct {
	net.Conn
	header, way string
}

func (a *announcer) Write(b []byte) (int, error) {
	header := a.header
	a.header = ""
	switch {
	case a.way == "in pieces":
		for size := 1 + len(header)/200; len(header) > 0; {
			n := min(size, len(header))
			if _, err := io.WriteString(a.Conn, header[:n]); err != nil {
				return 0, err
			}
			header = header[n:]
		}
	case a.way == "alone" && header != "":
		if _, err := io.WriteString(a.Conn, header); err != nil {
			return 0, err
		}
	default:
		if _, err := a.Conn.Write(append([]byte(header), b...)); err != nil {
			return 0, err
		}
		return len(b), nil
	}
	return a.Conn.Write(b)
}

func dialPlain(t testing.TB, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(testkit.Timeout))
	return c
}

// A connection of a trusted proxy without a good header is closed, and nothing of it
// is answered.
func TestBadHeaders(t *testing.T) {
	v4 := "\xc0\x00\x02\x01\xc0\x00\x02\x02\x12\x34\x01\xbb"
	for name, bad := range map[string]struct{ bytes, cause string }{
		"a request":               {"GET / HTTP/1.1\r\nHost: test\r\n\r\n", "missing"},
		"a word like it":          {"PROXYING / HTTP/1.1\r\nHost: test\r\n\r\n", "missing"},
		"the other case":          {"proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "missing"},
		"no line end":             {"PROXY TCP4 " + strings.Repeat("1", 200), "malformed"},
		"LF alone":                {"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\nGET / HTTP/1.1\r\nHost: test\r\n\r\n", "malformed"},
		"no address":              {"PROXY TCP4 x 192.0.2.2 1 2\r\n", "malformed"},
		"no port":                 {"PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n", "malformed"},
		"too few":                 {"PROXY TCP4 192.0.2.1\r\n", "malformed"},
		"too many":                {"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n", "malformed"},
		"IPv6 as IPv4":            {"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n", "malformed"},
		"another family":          {"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n", "malformed"},
		"2, another version":      {header2(0x31, 0x11, v4), "malformed"},
		"2, another command":      {header2(0x22, 0x11, v4), "malformed"},
		"2, another family":       {header2(0x21, 0x41, v4), "malformed"},
		"2, packets":              {header2(0x21, 0x12, v4), "malformed"},
		"2, packets on a machine": {header2(0x21, 0x32, strings.Repeat("x", 216)), "malformed"},
		"2, half an address":      {header2(0x21, 0x11, v4[:10]), "malformed"},
		"2, half a remark":        {header2(0x21, 0x11, v4+"\x04\x00\x09x"), "malformed"},
		"2, too long":             {header2(0x21, 0x11, strings.Repeat("x", 3<<10)), "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			m := metrics.New(metrics.Options{App: "test"})
			r := newRig(t, func(o *proxy.Options) {
				announcing(o)
				o.Metrics = m
			})
			r.worker(func(net.Conn) { t.Error("a worker was asked") })
			c := dialPlain(t, r.addr)
			if _, err := io.WriteString(c, bad.bytes); err != nil {
				t.Fatal(err)
			}
			if b, _ := io.ReadAll(c); len(b) > 0 { // the error may be a reset
				t.Errorf("answered with %q", b)
			}
			testkit.Eventually(t, testkit.Timeout, func() bool {
				return strings.Contains(scrape(t, m), `ripd_proxy_header_failures_total{app="test",cause="`+bad.cause+`"} 1`)
			})
		})
	}
}

// scrape returns the metrics as text.
func scrape(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return answer.Body.String()
}

// A header that does not come, or not whole, costs a connection for no longer than a head.
func TestSlowHeaders(t *testing.T) {
	for name, begin := range map[string]string{"nothing": "", "a part": headerLine[:20], "a part of version 2": header2(0x21, 0x11, "12345")[:18]} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(o *proxy.Options) {
				announcing(o)
				o.Config.Timeouts.ClientHeader = 300 * time.Millisecond
			})
			c := dialPlain(t, r.addr)
			if _, err := io.WriteString(c, begin); err != nil {
				t.Fatal(err)
			}
			if b, _ := io.ReadAll(c); len(b) > 0 {
				t.Errorf("answered with %q", b)
			}
		})
	}
}

// The header of somebody who is not trusted is no request; and what they ask without one
// is answered.
func TestHeadersOfOthers(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) {
		announcing(o)
		o.Config.Proxy.Trusted.Networks = o.Config.Proxy.Trusted.Networks[1:]
	})
	r.worker(handler(told))
	r.dial().get("/", 200, "127.0.0.1|http|test|")
	c := r.dial()
	c.write(headerLine + "GET / HTTP/1.1\r\nHost: test\r\n\r\n")
	if res, _ := c.read("GET"); res.StatusCode != 400 {
		t.Errorf("status %d", res.StatusCode)
	}
}

// Whose X-Forwarded-For is believed behind a PROXY header is whom the header names.
func TestHeadersAndForwarded(t *testing.T) {
	r := newRig(t, announcing)
	r.worker(handler(told))
	for header, want := range map[string]string{
		headerLine:                             "192.0.2.1|",
		"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n": "198.51.100.1, 10.0.0.1|",
		"PROXY UNKNOWN\r\n":                    "198.51.100.1, 127.0.0.1|",
		written(t, 2, &net.UnixAddr{Net: "unix", Name: "/a"}, &net.UnixAddr{Net: "unix", Name: "/b"}): "|",
	} {
		c := r.dial()
		c.write(header + "GET / HTTP/1.1\r\nHost: test\r\nX-Forwarded-For: 198.51.100.1\r\n\r\n")
		if _, body := c.read("GET"); !strings.HasPrefix(body, want) {
			t.Errorf("%q: got %s, want %s", header, body, want)
		}
	}
	c := r.dialUnix()
	c.write(headerLine)
	c.get("/", 200, "192.0.2.1|")
}

// A stop ends connections whose header stands still.
func TestStopEndsHeaders(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) {
		announcing(o)
		o.Config.Timeouts.ClientHeader = time.Hour
	})
	dialPlain(t, r.addr)
	testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Stats().Connections == 1 })
	if report := r.stop(testkit.Timeout); report.Cut != 0 {
		t.Errorf("%+v", report)
	}
}

const announcingHAProxy = `
defaults
	mode tcp
	timeout connect 5s
	timeout client 20s
	timeout server 20s
frontend one
	bind 127.0.0.1:%[2]d
	default_backend one
backend one
	server ripd %[1]s send-proxy
frontend two
	bind 127.0.0.1:%[3]d
	default_backend two
backend two
	server ripd %[1]s send-proxy-v2 check inter 100ms
frontend three
	bind 127.0.0.1:%[5]d ssl crt %[4]s/tls.pem
	default_backend three
backend three
	server ripd %[1]s send-proxy-v2-ssl
`

// nginx writes version 1 only.
const announcingNginx = `
daemon off; master_process off; pid %[4]s/nginx.pid; error_log %[4]s/nginx.log;
load_module ` + nginxStream + `;
events { worker_connections 256; }
stream {
	server { listen 127.0.0.1:%[2]d; proxy_pass %[1]s; proxy_protocol on; }
	server { listen 127.0.0.1:%[3]d; proxy_pass %[1]s; proxy_protocol on; }
	server { listen 127.0.0.1:%[5]d; proxy_pass %[1]s; proxy_protocol on; }
}
`

// nginxStream is where Debian has nginx's module for bytes.
const nginxStream = "/usr/lib/nginx/modules/ngx_stream_module.so"

// startAnnouncer starts a real proxy before the address, and returns its ports.
func startAnnouncer(t *testing.T, name, dir, address string) (ports [3]int) {
	t.Helper()
	testkit.Need(t, name)
	ports = [3]int{freePort(t), freePort(t), freePort(t)}
	file, text := filepath.Join(dir, "conf"), announcingHAProxy
	if name == "nginx" {
		text = announcingNginx
		if _, err := os.Stat(nginxStream); err != nil {
			testkit.Lacking(t, "nginx has no module for streams; `make packages` installs what the tests need")
		}
	}
	if err := os.WriteFile(file, fmt.Appendf(nil, text, address, ports[0], ports[1], dir, ports[2]), 0o600); err != nil {
		t.Fatal(err)
	}
	if name == "nginx" {
		testkit.StartProgram(t, "nginx", "-e", filepath.Join(dir, "nginx.log"), "-p", dir, "-c", file)
	} else {
		testkit.StartProgram(t, "haproxy", "-db", "-f", file)
	}
	for _, port := range ports {
		awaitSocket(t, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	}
	return ports
}

// Real proxies before ripd, over plain HTTP, with TLS that goes through them, and with
// TLS that ends in them.
func TestHeadersOfRealProxies(t *testing.T) {
	for _, name := range []string{"haproxy", "nginx"} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, secure %v", name, secure), func(t *testing.T) {
				start := newRig
				if secure {
					start = newSecureRig
				}
				r := start(t, announcing)
				r.worker(handler(told))
				dir := testkit.TempSocketDir(t)
				cert := testkit.NewCertificate(t, dir, "test", "test.example")
				bundle(t, filepath.Join(dir, "tls.pem"), cert.Cert, cert.Key)
				ports := startAnnouncer(t, name, dir, r.addr)
				want := map[bool]string{false: "127.0.0.1|http|test|", true: "127.0.0.1|https|test|"}[secure]
				for _, port := range ports[:2] {
					r.addr = fmt.Sprintf("127.0.0.1:%d", port)
					c := r.dial()
					c.get("/", 200, want)
					c.get("/", 200, want)
				}
				if name != "haproxy" || secure {
					return
				}
				c := tls.Client(dialPlain(t, fmt.Sprintf("127.0.0.1:%d", ports[2])), cert.Client("test.example"))
				(&client{t, c, bufio.NewReader(c)}).get("/", 200, "127.0.0.1|https|test|")
			})
		}
	}
}

// bundle writes several files into one.
func bundle(t *testing.T, to string, files ...string) {
	t.Helper()
	var all []byte
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	if err := os.WriteFile(to, all, 0o600); err != nil {
		t.Fatal(err)
	}
}
