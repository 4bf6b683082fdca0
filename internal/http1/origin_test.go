package http1

import (
	"net/netip"
	"strings"
	"testing"
)

// trusted is 10.0.0.0/8, fd00::/8 and, where it is true, whoever is on a unix socket.
type trusted bool

func (trusted) Has(a netip.Addr) bool {
	return netip.MustParsePrefix("10.0.0.0/8").Contains(a) || netip.MustParsePrefix("fd00::/8").Contains(a)
}

func (t trusted) HasUnix() bool { return bool(t) }

func TestOrigin(t *testing.T) {
	for _, test := range []struct {
		name   string
		peer   string // "" is a unix socket
		fields []string
		want   string // X-Forwarded-For, -Proto and -Host
	}{
		{"nothing is told", "10.0.0.1", nil, "10.0.0.1||"},
		{"nothing is told on a unix socket", "", nil, "||"},
		{"one proxy", "10.0.0.1", []string{"X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: shop.example:8443"}, "192.0.2.1, 10.0.0.1|https|shop.example:8443"},
		{"on a unix socket", "", []string{"X-Forwarded-For: 192.0.2.1"}, "192.0.2.1||"},
		{"two proxies", "10.0.0.1", []string{"X-Forwarded-For: 192.0.2.1,10.0.0.2"}, "192.0.2.1, 10.0.0.2, 10.0.0.1||"},
		{"two lines", "10.0.0.1", []string{"X-Forwarded-For: 192.0.2.1", "A: b", "x-forwarded-for: 10.0.0.2"}, "192.0.2.1, 10.0.0.2, 10.0.0.1||"},
		{"what the client says itself", "10.0.0.1", []string{"X-Forwarded-For: 10.9.9.9, 198.51.100.1, 192.0.2.1, 10.0.0.2"}, "192.0.2.1, 10.0.0.2, 10.0.0.1||"},
		{"all are trusted", "10.0.0.1", []string{"X-Forwarded-For: 10.0.0.3, 10.0.0.2"}, "10.0.0.3, 10.0.0.2, 10.0.0.1||"},
		{"a bad entry ends the list", "10.0.0.1", []string{"X-Forwarded-For: 192.0.2.1, oops, 10.0.0.2"}, "10.0.0.2, 10.0.0.1||"},
		{"only a bad entry", "10.0.0.1", []string{"X-Forwarded-For: unknown"}, "10.0.0.1||"},
		{"an address that is none", "10.0.0.1", []string{"X-Forwarded-For: 1.2.3.400"}, "10.0.0.1||"},
		{"empty entries", "10.0.0.1", []string{"X-Forwarded-For: , 192.0.2.1,,10.0.0.2 , "}, "192.0.2.1, 10.0.0.2, 10.0.0.1||"},
		{"ports", "10.0.0.1", []string{"X-Forwarded-For: 192.0.2.1:4711, 10.0.0.2:1"}, "192.0.2.1, 10.0.0.2, 10.0.0.1||"},
		{"IPv6", "fd00::1", []string{"X-Forwarded-For: 2001:DB8:0::1, [fd00::2]:80, [fd00::3]"}, "2001:db8::1, fd00::2, fd00::3, fd00::1||"},
		{"IPv4 as IPv6", "10.0.0.1", []string{"X-Forwarded-For: ::ffff:192.0.2.1, ::ffff:10.0.0.2"}, "192.0.2.1, 10.0.0.2, 10.0.0.1||"},
		{"a zone", "10.0.0.1", []string{"X-Forwarded-For: fe80::1%eth0"}, "fe80::1, 10.0.0.1||"},
		{"a unix socket between two proxies", "", []string{"X-Forwarded-For: 192.0.2.1, 10.0.0.2, unix:"}, "192.0.2.1, 10.0.0.2||"},

		{"a protocol that is none", "10.0.0.1", []string{"X-Forwarded-Proto: gopher", "X-Forwarded-Host: a b"}, "10.0.0.1||"},
		{"WebSocket over TLS", "10.0.0.1", []string{"X-Forwarded-Proto: WSS"}, "10.0.0.1|https|"},
		{"the protocol that came with the client", "10.0.0.1", []string{"X-Forwarded-For: 203.0.113.9, 192.0.2.1, 10.0.0.2", "X-Forwarded-Proto: forged, https, http", "X-Forwarded-Host: forged, a, b"},
			"192.0.2.1, 10.0.0.2, 10.0.0.1|https|a"},
		{"one protocol for all", "10.0.0.1", []string{"X-Forwarded-For: 192.0.2.1, 10.0.0.2", "X-Forwarded-Proto: https"}, "192.0.2.1, 10.0.0.2, 10.0.0.1|https|"},
		{"a protocol without an address", "10.0.0.1", []string{"X-Forwarded-Proto: http, https"}, "10.0.0.1|https|"},

		{"Forwarded", "10.0.0.1", []string{`Forwarded: for=192.0.2.1;proto=https;by=10.0.0.1;host="shop.example:8443"`}, "192.0.2.1, 10.0.0.1|https|shop.example:8443"},
		{"Forwarded of two proxies", "10.0.0.1", []string{`Forwarded: For="[2001:db8::1]:4711";Proto=HTTPS, for=10.0.0.2;proto=http`}, "2001:db8::1, 10.0.0.2, 10.0.0.1|https|"},
		{"two lines of Forwarded", "10.0.0.1", []string{"Forwarded: for=192.0.2.1", "Forwarded: for=10.0.0.2;host=a, "}, "192.0.2.1, 10.0.0.2, 10.0.0.1||a"},
		{"Forwarded of the client itself", "10.0.0.1", []string{"Forwarded: for=10.9.9.9;proto=https;host=forged, for=192.0.2.1"}, "192.0.2.1, 10.0.0.1||"},
		{"an unknown client", "10.0.0.1", []string{"Forwarded: for=192.0.2.1, for=unknown;proto=https, for=10.0.0.2"}, "10.0.0.2, 10.0.0.1|https|"},
		{"a hidden client", "10.0.0.1", []string{"Forwarded: for=_secret;host=a"}, "10.0.0.1||a"},
		{"a protocol only", "10.0.0.1", []string{"Forwarded: proto=https;x=1"}, "10.0.0.1|https|"},
		{"a port without quotes", "10.0.0.1", []string{"Forwarded: for=192.0.2.1:80 ; proto=http"}, "192.0.2.1, 10.0.0.1|http|"},
		{"both: Forwarded is passed over", "10.0.0.1", []string{"Forwarded: for=198.51.100.1;proto=https", "X-Forwarded-For: 192.0.2.1"}, "192.0.2.1, 10.0.0.1||"},
		{"both, and one cannot be read", "10.0.0.1", []string{`Forwarded: "`, "X-Forwarded-For: 192.0.2.1"}, "192.0.2.1, 10.0.0.1||"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o, fault := originOf(t, test.peer, test.fields)
			if fault != nil {
				t.Fatal(fault)
			}
			if got := string(o.For) + "|" + string(o.Proto) + "|" + string(o.Host); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			client, _, _ := strings.Cut(string(o.For), ",")
			if string(o.Client()) != client || o.Addr.IsValid() != (client != "") || client != "" && o.Addr.String() != client {
				t.Errorf("the client is %s, %s; want %s", o.Client(), o.Addr, client)
			}
		})
	}
}

// Where the elements of Forwarded end is not left to a client, whose part may be in
// front of what a proxy has appended.
func TestForwardedThatCannotBeRead(t *testing.T) {
	for _, value := range []string{`for="_a, for="[2001:db8::1]"`, `"`, "for", "for=", `for=""`, "for=oops", "for=1;for=2", "for=192.0.2.1 proto=http", "=a", ";", `for="a\"b"`, "for=192.0.2.1;;proto=http", "x=\"a\"b"} {
		if _, fault := originOf(t, "10.0.0.1", []string{"Forwarded: " + value}); fault == nil || fault.Status != 400 {
			t.Errorf("%s was read", value)
		}
	}
}

// A chain has a bound, whoever is trusted.
func TestLongChains(t *testing.T) {
	for _, fields := range [][]string{
		{"X-Forwarded-For: " + strings.Repeat("10.0.0.2,", 3*MaxForwarded) + "10.0.0.3"},
		{"Forwarded: " + strings.Repeat("for=10.0.0.2,", 3*MaxForwarded) + "for=10.0.0.3"},
	} {
		o, fault := originOf(t, "10.0.0.1", fields)
		if n := strings.Count(string(o.For), ","); fault != nil || n > MaxForwarded+1 || !strings.HasSuffix(string(o.For), "10.0.0.3, 10.0.0.1") {
			t.Errorf("%d addresses and %v: %s", n, fault, o.For)
		}
	}
}

func TestOriginAllocatesNothing(t *testing.T) {
	var r Request
	if _, err := r.Parse([]byte(get("X-Forwarded-For: 2001:db8:0:0:1:2:3:4, 192.0.2.1, fd00:1:2:3:4:5:6:7", "X-Forwarded-Proto: https", "X-Forwarded-Host: a")), Limits{}); err != nil {
		t.Fatal(err)
	}
	var o Origin
	var trust Trust = trusted(true)
	peer := netip.MustParseAddr("10.0.0.1")
	if n := testing.AllocsPerRun(100, func() {
		if fault := o.Find(&r, peer, trust); fault != nil {
			t.Fatal(fault)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzOrigin has a client's part in front of what a proxy appends: whatever it is, the
// client is the one that the proxy has seen, or the request is refused.
func FuzzOrigin(f *testing.F) {
	f.Add("10.0.0.9", "for=10.0.0.9;proto=https")
	f.Add("a,, ,[::1]:5", `for="[::1]:5", for=unknown`)
	f.Add("10.0.0.1,10.0.0.2", `for="_x`)
	f.Fuzz(func(t *testing.T, list, elements string) {
		if strings.ContainsAny(list+elements, "\r\n\x00") || valueEnd([]byte(list+elements), 0) != len(list+elements) || len(list)+len(elements) > 8<<10 {
			t.Skip("no value of a field")
		}
		const client, want = "192.0.2.1", "192.0.2.1, 10.0.0.2, 10.0.0.1"
		o, fault := originOf(t, "10.0.0.1", []string{"X-Forwarded-For: " + list + ", " + client + ", 10.0.0.2", "Forwarded: " + elements})
		if fault != nil || string(o.For) != want || string(o.Client()) != client {
			t.Fatalf("X-Forwarded-For: %s, %v", o.For, fault)
		}
		o, fault = originOf(t, "10.0.0.1", []string{"Forwarded: " + elements + ", for=" + client + ", for=10.0.0.2"})
		if fault == nil && (string(o.For) != want || o.Addr.String() != client || o.Proto != nil || o.Host != nil) {
			t.Fatalf("Forwarded: %s, %s, %s", o.For, o.Proto, o.Host)
		}
	})
}

func originOf(t testing.TB, peer string, fields []string) (o Origin, fault *Error) {
	t.Helper()
	var r Request
	if _, err := r.Parse([]byte(get(fields...)), Limits{}); err != nil {
		t.Fatal(err)
	}
	var addr netip.Addr
	if peer != "" {
		addr = netip.MustParseAddr(peer)
	}
	fault = o.Find(&r, addr, trusted(peer == ""))
	return o, fault
}
