package daemon

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"ripd/internal/testkit"
)

// part is a probe that a test answers.
type part struct {
	begun chan struct{}
	ended chan struct{}
}

// watched is a watchdog over fake parts.
type watched struct {
	*watchdog
	t     *testing.T
	parts map[string]part
	fed   int
	told  []string
}

func watchedParts(t *testing.T, names ...string) *watched {
	w := &watched{t: t, parts: map[string]part{}}
	w.watchdog = &watchdog{
		feed: func() error { w.fed++; return nil },
		tell: func(hanging []string) { w.told = append(w.told, strings.Join(hanging, "+")) },
	}
	for _, name := range names {
		p := part{make(chan struct{}, 1), make(chan struct{})}
		w.parts[name] = p
		w.probes = append(w.probes, &probe{part: name, prove: func() { p.begun <- struct{}{}; <-p.ended }})
		t.Cleanup(func() { close(p.ended) })
	}
	return w
}

// progress lets a part's proof end, and waits until the probe has noticed.
func (w *watched) progress(name string) {
	w.t.Helper()
	i := slices.IndexFunc(w.probes, func(p *probe) bool { return p.part == name })
	p := w.probes[i]
	count := func() uint64 { p.mu.Lock(); defer p.mu.Unlock(); return p.proofs }
	before := count()
	testkit.Receive(w.t, testkit.Timeout, w.parts[name].begun)
	w.parts[name].ended <- struct{}{}
	testkit.Eventually(w.t, testkit.Timeout, func() bool { return count() > before }, "the proof of %s", name)
}

func (w *watched) round(fed int, told ...string) {
	w.t.Helper()
	w.fed, w.told = 0, nil
	if err := w.watchdog.round(); err != nil {
		w.t.Fatal(err)
	}
	if w.fed != fed || !slices.Equal(w.told, told) {
		w.t.Errorf("fed %d times, told %q; want %d, %q", w.fed, w.told, fed, told)
	}
}

func TestWatchdogIsFedWhileEveryPartMakesProgress(t *testing.T) {
	w := watchedParts(t, "accept", "pool")
	w.start()
	for range 3 {
		w.progress("accept")
		w.progress("pool")
		w.round(1)
	}
	w.progress("pool")
	w.round(0, "accept")
	w.progress("pool")
	w.round(0) // it is told once
	w.round(0, "accept+pool")
	w.progress("pool")
	w.progress("accept")
	w.round(1, "")
}

// A part that hangs gets no second proof: goroutines would pile up.
func TestHangingPartIsAskedOnce(t *testing.T) {
	w := watchedParts(t, "accept")
	w.start()
	for range 5 {
		w.watchdog.round()
	}
	testkit.Receive(t, testkit.Timeout, w.parts["accept"].begun)
	select {
	case <-w.parts["accept"].begun:
		t.Error("a second proof has begun")
	default:
	}
}

func TestWatchdogEnds(t *testing.T) {
	deaf := errors.New("deaf")
	for name, want := range map[string]error{"at the end": nil, "when systemd does not listen": deaf} {
		t.Run(name, func(t *testing.T) {
			w := &watchdog{feed: func() error { return deaf }, tell: func([]string) {}}
			ticks, quit, ended := make(chan time.Time), make(chan struct{}), make(chan error, 1)
			go func() { ended <- w.run(ticks, quit) }()
			if want == nil {
				close(quit)
			} else {
				ticks <- time.Time{}
			}
			if err := testkit.Receive(t, testkit.Timeout, ended); !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
		})
	}
}
