package box

import (
	"strings"
	"testing"

	"ripd/internal/testkit"
)

// wedgeDropIn shortens the watchdog's interval, and names the part that hangs.
const wedgeDropIn = `[Service]
WatchdogSec=3s
Environment=WEDGE=`

// feeds is how often the watchdog is to be fed while nothing hangs: four times in an
// interval.
const feeds = 12

// A ripd of which a part hangs is killed by systemd and started anew; one that
// works, however much it has to do, is not.
func TestWatchdog(t *testing.T) {
	for _, release := range Releases {
		t.Run(release, func(t *testing.T) {
			b := bare(t, release, "wedge")
			for _, part := range []struct {
				name string
				lost int // requests that the hanging ripd may have accepted already
			}{{"accept", 1}, {"pool", wedgeClients}, {"supervisor", wedgeClients}, {"control", wedgeClients}} {
				if !t.Run(part.name, func(t *testing.T) { b.in(t).hangs(part.name, part.lost) }) {
					t.Log(tail(b.Journal("ripd@shop")))
				}
			}
			if !t.Run("nothing hangs", func(t *testing.T) { b.in(t).works() }) {
				t.Log(tail(b.Journal("ripd@shop")))
			}
		})
	}
}

// wedgeClients is how many clients ask while a part hangs.
const wedgeClients = 6

// restartWith starts the app anew with another drop-in. It gives the main process.
func (b *Box) restartWith(text string) string {
	b.t.Helper()
	b.Write("/etc/systemd/system/ripd@shop.service.d/test.conf", text, 0o644)
	b.Run("systemctl", "daemon-reload")
	b.Run("systemctl", "restart", "ripd@shop.service")
	b.Answers(socket, "/ping", "200 pong")
	return b.Property("ripd@shop", "MainPID")
}

// wedge makes the part hang that the drop-in names.
func (b *Box) wedge() {
	b.t.Helper()
	b.Run("systemctl", "kill", "--kill-whom=main", "--signal=USR2", "ripd@shop.service")
	testkit.Eventually(b.t, testkit.Timeout, func() bool {
		return strings.Contains(b.Journal("ripd@shop"), "a part hangs from now on, as a test wants")
	}, "ripd's word that a part hangs")
}

// killedByWatchdog waits until systemd has killed a process and another one serves.
func (b *Box) killedByWatchdog(part, pid string) {
	b.t.Helper()
	testkit.Eventually(b.t, testkit.Timeout, func() bool {
		now := b.Property("ripd@shop", "MainPID")
		return b.Property("ripd@shop", "NRestarts") == "1" && now != pid && now != "0"
	}, "the restart of a ripd whose part %s hangs", part)
	b.Answers(socket, "/ping", "200 pong")
	for _, want := range []string{"parts=" + part, "Failed with result 'watchdog'"} {
		if !strings.Contains(b.Journal("ripd@shop"), want) {
			b.t.Errorf("the journal does not have %q", want)
		}
	}
}

func (b *Box) hangs(part string, lost int) {
	b.t.Helper()
	b.Run("journalctl", "--rotate")
	b.Run("journalctl", "--vacuum-time=1s")
	pid := b.restartWith(wedgeDropIn + part)
	b.wedge()
	answers := make(chan string, wedgeClients)
	for range wedgeClients {
		go func() {
			got, err := b.Get(socket, "/ping")
			if err != nil {
				got = err.Error()
			}
			answers <- got
		}()
	}
	b.killedByWatchdog(part, pid)
	b.knowsTheWatchdog()
	var bad []string
	for range wedgeClients {
		if got := testkit.Receive(b.t, testkit.Timeout, answers, "a client's answer"); got != "200 pong" {
			bad = append(bad, got)
		}
	}
	if len(bad) > lost || strings.Contains(strings.Join(bad, " "), "refused") {
		b.t.Errorf("%d of %d clients were not served: %q", len(bad), wedgeClients, bad)
	}
}

// knowsTheWatchdog asks doctor why the ripd that runs now is not the first.
func (b *Box) knowsTheWatchdog() {
	b.t.Helper()
	// In a box without the package other things are wrong, too.
	if out, _ := b.Try("ripctl", "doctor", "shop"); !strings.Contains(out, "a part of ripd hung once since the machine's start") {
		b.t.Errorf("doctor does not know of the watchdog:\n%s", out)
	}
}

// works is under load for some intervals, before an upgrade and after it.
func (b *Box) works() {
	b.t.Helper()
	pid := b.restartWith(wedgeDropIn + "supervisor")
	load := b.Load(socket, "/ping", "200 pong", 8)
	b.fed()
	b.Run("ripctl", "upgrade", "shop")
	heir := b.Property("ripd@shop", "MainPID")
	if heir == pid {
		b.t.Error("nothing was upgraded")
	}
	b.fed()
	good, bad, _ := load.End()
	if len(bad) > 0 || good == 0 {
		b.t.Errorf("%d good answers, and %q", good, bad)
	}
	if now := b.Property("ripd@shop", "MainPID"); now != heir {
		b.t.Errorf("the main process was %s and is %s", heir, now)
	}
	// The new main process is watched too.
	b.wedge()
	b.killedByWatchdog("supervisor", heir)
}

// fed waits until the watchdog was fed some times.
func (b *Box) fed() {
	b.t.Helper()
	last, n := "", 0
	testkit.Eventually(b.t, testkit.Timeout, func() bool {
		if now := b.Property("ripd@shop", "WatchdogTimestampMonotonic"); now != last {
			last, n = now, n+1
		}
		return n > feeds
	}, "a watchdog that is fed")
	if got := b.Property("ripd@shop", "NRestarts"); got != "0" {
		b.t.Errorf("%s restarts", got)
	}
}
