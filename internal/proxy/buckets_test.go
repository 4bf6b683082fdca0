package proxy

import (
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever comes when: of one network no more requests pass in any time than the burst
// and what the rate gives in it; who waits as long as was said passes, and nobody who
// waits less; and another network is not concerned.
func TestBucketsHoldTheRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		interval := time.Duration(rapid.IntRange(1, 5000).Draw(t, "interval"))
		burst := rapid.IntRange(1, 20).Draw(t, "burst")
		table, of := newBuckets(), networkOf(netip.MustParseAddr("2001:db8::1"))
		others := networkOf(netip.MustParseAddr("2001:db8:0:1::1"))
		now := time.Duration(rapid.IntRange(0, 1000).Draw(t, "start"))
		var passed []time.Duration
		for range rapid.IntRange(1, 200).Draw(t, "requests") {
			now += time.Duration(rapid.IntRange(0, 3*int(interval)).Draw(t, "pause"))
			wait := table.take(of, now, interval, burst)
			switch {
			case wait < 0 || wait > interval:
				t.Fatalf("a wait of %d, with an interval of %d", wait, interval)
			case wait > 0:
				if again := table.take(of, now+wait-1, interval, burst); again != 1 {
					t.Fatalf("1 before the end of a wait of %d there is one of %d", wait, again)
				}
				now += wait
				if again := table.take(of, now, interval, burst); again != 0 {
					t.Fatalf("after a wait of %d there is one of %d", wait, again)
				}
			}
			passed = append(passed, now)
		}
		for i := range passed {
			for j := i; j < len(passed); j++ {
				if most := burst + int((passed[j]-passed[i])/interval); j-i+1 > most {
					t.Fatalf("%d passed from %d to %d, with a burst of %d and an interval of %d", j-i+1, passed[i], passed[j], burst, interval)
				}
			}
		}
		for n := range burst {
			if wait := table.take(others, now, interval, burst); wait != 0 {
				t.Fatalf("another network waits %d for its request %d", wait, n)
			}
		}
	})
}

// A bucket that is full passes a burst, whatever was before; and smaller settings bound
// what larger ones have left.
func TestBucketsAfterAChange(t *testing.T) {
	table, of := newBuckets(), networkOf(netip.MustParseAddr("192.0.2.1"))
	for range 100 {
		table.take(of, 0, time.Hour, 100)
	}
	if wait := table.take(of, 0, time.Hour, 100); wait != time.Hour {
		t.Fatalf("a wait of %s", wait)
	}
	if wait := table.take(of, 0, time.Second, 2); wait != time.Second {
		t.Errorf("with smaller settings, a wait of %s", wait)
	}
	table.clear()
	if wait := table.take(of, 0, time.Second, 2); wait != 0 {
		t.Errorf("after all was forgotten, a wait of %s", wait)
	}
}

// The table has a bound, and forgets who was silent longest.
func TestBucketsAreBounded(t *testing.T) {
	table := newBuckets()
	at := func(n int) network {
		return networkOf(netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}))
	}
	busy := at(1 << 30)
	for n := range 3 * rateNetworks {
		table.take(at(n), time.Duration(n), time.Hour, 1)
		if n%64 == 0 {
			table.take(busy, time.Duration(n), time.Hour, 1)
		}
	}
	all := 0
	for i := range table.shards {
		s := &table.shards[i]
		if len(s.index) != len(s.entries)-1 {
			t.Fatalf("an index of %d for %d entries", len(s.index), len(s.entries)-1)
		}
		n := 0
		for at := s.entries[0].next; at != 0; at = s.entries[at].next {
			if s.entries[s.entries[at].next].last != at || s.index[s.entries[at].of] != at {
				t.Fatal("the ring is broken")
			}
			n++
		}
		if n != len(s.index) {
			t.Fatalf("a ring of %d for %d entries", n, len(s.index))
		}
		all += n
	}
	if all > rateNetworks || all < rateNetworks/2 {
		t.Errorf("%d networks", all)
	}
	now := time.Duration(3 * rateNetworks)
	if table.take(busy, now, time.Hour, 1) == 0 {
		t.Error("a network that asks all the time was forgotten")
	}
	if table.take(at(3*rateNetworks-1), now, time.Hour, 1) == 0 {
		t.Error("the last network was forgotten")
	}
	if table.take(at(0), now, time.Hour, 1) != 0 {
		t.Error("the first network was not forgotten")
	}
}

// A network is an IPv4 address, or the first half of an IPv6 address.
func TestNetworks(t *testing.T) {
	for _, test := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.1", true}, {"192.0.2.1", "192.0.2.2", false},
		{"2001:db8::1", "2001:db8::ffff:1", true}, {"2001:db8::1", "2001:db8:0:1::1", false},
		{"0.0.0.1", "0:0:0:1::", false}, {"::", "0.0.0.0", false},
	} {
		if same := networkOf(netip.MustParseAddr(test.a)) == networkOf(netip.MustParseAddr(test.b)); same != test.same {
			t.Errorf("%s and %s: %v", test.a, test.b, same)
		}
	}
}

func TestBucketsAllocateNothing(t *testing.T) {
	table, of, now := newBuckets(), networkOf(netip.MustParseAddr("192.0.2.1")), time.Duration(0)
	if n := testing.AllocsPerRun(1000, func() {
		now += 10
		table.take(of, now, 20, 5)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkBuckets(b *testing.B) {
	table := newBuckets()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for n := uint64(0); pb.Next(); n++ {
			table.take(network{high: n % 1000}, time.Duration(n), 1000, 5)
		}
	})
}
