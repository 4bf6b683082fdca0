package e2e

import (
	"cmp"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// This file holds the test of what reloading promises: a request that starts
// after a save is complete is answered by the code that was saved, and no request
// fails. What is saved, and how, is in the files beside it.

const (
	// freshClients is how many clients ask while files are saved. One in
	// slowClients of them asks for an answer that takes longer than a save.
	freshClients = 64
	slowClients  = 16
	// freshMost bounds the saves of one app by time, unless RIPD_SAVES says
	// their number.
	freshMost = 8 * time.Second
	// freshFaults is how many failures end a run.
	freshFaults = 500
	// awayMost is how long a file may be half-written while it is saved without a
	// request that fails: a process that was started in the midst of a save looks again
	// that much later, and so does JavaScript when what is there does not load. A save of
	// this test takes longer only if the machine has no time for it.
	awayMost = 100 * time.Millisecond
)

// saved are versions that are on the disk, the save complete.
type saved []atomic.Int64

// howOften files are saved at the most: RIPD_SAVES, else usual.
func howOften(t *testing.T, usual int) int {
	n, err := strconv.Atoi(cmp.Or(os.Getenv("RIPD_SAVES"), strconv.Itoa(usual)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// freshRun is one app under load while its files are saved.
type freshRun struct {
	app    *app
	source *source
	on     saved

	asked, slow atomic.Int64 // requests that were answered as they should be
	lastSave    atomic.Pointer[string]
	mu          sync.Mutex
	faults      []freshFault
	tooSlow     []span // saves that took longer than awayMost
}

// span is from the start to the end of a request or a save.
type span struct{ from, to time.Time }

// freshFault is a request that was not answered as it should be.
type freshFault struct {
	what string
	span
}

// staysFresh saves files of an app that runs, in every way in which editors and
// tools do it, under the load of many clients.
func staysFresh(t *testing.T, a *app, s *source, usual int) {
	t.Helper()
	r := &freshRun{app: a, source: s, on: make(saved, len(s.files)+1)}
	r.lastSave.Store(new(string))
	end := make(chan struct{})
	var group sync.WaitGroup
	for i := range freshClients {
		group.Go(func() { r.ask(i%slowClients == 0, end) })
	}
	took := r.saveAll(t, howOften(t, usual))
	close(end)
	group.Wait()
	r.excuse(t)
	for i, fault := range r.faults {
		if i == 20 {
			t.Errorf("and %d more", len(r.faults)-i)
			break
		}
		t.Error(fault.what)
	}
	if r.asked.Load() == 0 || r.slow.Load() == 0 || len(took) == 0 {
		t.Fatal("nothing was answered")
	}
	slices.Sort(took)
	t.Logf("%d saves, %d requests (%d of them longer than a save), %d stale, %d failed; from the save to its first answer p50 %v, p99 %v",
		s.saves, r.asked.Load(), r.slow.Load(), r.count("stale"), len(r.faults)-r.count("stale"),
		took[len(took)/2].Round(time.Millisecond/10), took[len(took)*99/100].Round(time.Millisecond/10))
}

func (r *freshRun) count(kind string) (n int) {
	for _, fault := range r.faults {
		if strings.HasPrefix(fault.what, kind) {
			n++
		}
	}
	return n
}

// excuse forgets failures, but no stale answers, of requests that met a save which
// took too long.
func (r *freshRun) excuse(t *testing.T) {
	all := len(r.faults)
	r.faults = slices.DeleteFunc(r.faults, func(f freshFault) bool {
		return strings.HasPrefix(f.what, "failed") && slices.ContainsFunc(r.tooSlow, func(s span) bool {
			return f.from.Before(s.to) && s.from.Before(f.to)
		})
	})
	if excused := all - len(r.faults); excused > 0 {
		t.Logf("%d requests failed during %d saves that took longer than %v", excused, len(r.tooSlow), awayMost)
	}
}

// ask is one client: it asks until the end.
func (r *freshRun) ask(slow bool, end chan struct{}) {
	client := &http.Client{Timeout: startMost, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	path := map[bool]string{true: "/slow", false: "/"}[slow]
	for {
		select {
		case <-end:
			return
		default:
		}
		began := time.Now()
		if r.fault(r.on.check(client, r.app.url+path), began) {
			return
		}
		r.asked.Add(1)
		if slow {
			r.slow.Add(1)
		}
	}
}

// fault notes what went wrong, if anything. It reports whether it is enough.
func (r *freshRun) fault(fault string, began time.Time) (enough bool) {
	if fault == "" {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, freshFault{fault + ", after " + *r.lastSave.Load(), span{began, time.Now()}})
	return len(r.faults) >= freshFaults
}

// check sends one request and says what is wrong with its answer.
func (on saved) check(client *http.Client, url string) string {
	least := make([]int64, len(on))
	for i := range on {
		least[i] = on[i].Load()
	}
	answer, err := client.Get(url)
	if err != nil {
		return "failed: " + err.Error()
	}
	body, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	versions := strings.Fields(string(body))
	if err != nil || answer.StatusCode != http.StatusOK || len(versions) != len(on) {
		return fmt.Sprintf("failed: %d %.500s %v", answer.StatusCode, body, err)
	}
	for i, version := range versions {
		if got, err := strconv.ParseInt(version, 10, 64); err != nil || got < least[i] {
			return fmt.Sprintf("stale: got %q after %v was saved", body, least)
		}
	}
	return ""
}

// saveAll returns how long it took after saves until an answer had them. Some
// saves are followed by the next one at once, in the midst of what the first has
// set going.
func (r *freshRun) saveAll(t *testing.T, most int) []time.Duration {
	client := &http.Client{Timeout: startMost}
	defer client.CloseIdleConnections()
	random := rand.New(rand.NewPCG(1, 2))
	var took []time.Duration
	var ways []wayOfSaving
	began := time.Now()
	for r.source.saves < most && (os.Getenv("RIPD_SAVES") != "" || time.Since(began) < freshMost) {
		if len(ways) == 0 { // each once, in any order
			ways = slices.Clone(waysOfSaving)
			random.Shuffle(len(ways), func(i, j int) { ways[i], ways[j] = ways[j], ways[i] })
		}
		way := ways[0]
		ways = ways[1:]
		start := time.Now()
		if err := way.save(r.source, r.on, random); err != nil {
			t.Errorf("%s: %v", way.name, err)
			break
		}
		if time.Since(start) > awayMost {
			r.tooSlow = append(r.tooSlow, span{start, time.Now()})
		}
		r.lastSave.Store(&way.name)
		if random.IntN(4) > 0 {
			start := time.Now()
			fault := r.on.check(client, r.app.url)
			took = append(took, time.Since(start))
			if r.fault(fault, start) {
				break
			}
		}
		pause(time.Duration(random.IntN(30)) * time.Millisecond)
	}
	return took
}

// pause makes the moments of the saves random.
func pause(d time.Duration) { <-time.After(d) }
