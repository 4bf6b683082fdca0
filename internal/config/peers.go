package config

import (
	"net/netip"
	"strconv"
	"strings"
)

// unixWord stands in proxy.trusted for whoever connects to a unix socket.
const unixWord = "unix"

// Peers are those whom ripd believes what they say about their clients. The zero
// value is nobody.
type Peers struct {
	// Networks are their addresses, without host bits; IPv4 is written as such.
	Networks []netip.Prefix
	// Unix takes in whoever connects to a unix socket of ripd's.
	Unix bool
}

// Any tells whether there is anybody to believe.
func (p *Peers) Any() bool { return p.Unix || len(p.Networks) > 0 }

// HasUnix tells whether whoever connects to a unix socket is among them.
func (p *Peers) HasUnix() bool { return p.Unix }

// Has tells whether an address, which is not IPv4 in the form of IPv6 and has no
// zone, is in one of the networks. The zero address is in none.
func (p *Peers) Has(a netip.Addr) bool {
	for i := range p.Networks {
		if p.Networks[i].Contains(a) {
			return true
		}
	}
	return false
}

// format writes the list as in the file.
func (p Peers) format() string {
	texts := make([]string, 0, len(p.Networks)+1)
	for _, n := range p.Networks {
		if n.IsSingleIP() {
			texts = append(texts, n.Addr().String())
		} else {
			texts = append(texts, n.String())
		}
	}
	if p.Unix {
		texts = append(texts, unixWord)
	}
	return "[" + quoteAll(texts) + "]"
}

// parsePeers reads a list of networks, addresses, and the word unix.
func parsePeers(r raw) (p Peers, f *fault) {
	list, f := parseList(r, commaList, "a list of networks", parsePeer)
	for _, n := range list {
		if n.IsValid() {
			p.Networks = append(p.Networks, n)
		} else {
			p.Unix = true
		}
	}
	return p, f
}

// parsePeer reads "10.0.0.0/8", "2001:db8::/32", "192.0.2.1", or "unix", which is the
// zero prefix.
func parsePeer(text string) (netip.Prefix, error) {
	const example = `write "10.0.0.0/8", "2001:db8::/32", "192.0.2.1" or "unix"`
	if strings.EqualFold(text, unixWord) || strings.EqualFold(text, unixWord+":") {
		return netip.Prefix{}, nil
	}
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return netip.Prefix{}, hinted(example, "not a network")
	case p.Addr().Is4In6():
		return netip.Prefix{}, hinted("write "+quote(p.Addr().Unmap().String()+"/"+strconv.Itoa(max(0, p.Bits()-96))), "an IPv4 network is not written as IPv6")
	case p != p.Masked():
		return netip.Prefix{}, hinted("write "+quote(p.Masked().String()), "the address has bits that are not the network's")
	}
	return p, nil
}
