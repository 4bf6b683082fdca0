package worker

import (
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// reapPause is the shortest time between two looks for dead orphans.
const reapPause = time.Second

// strangeWait is how long a dead child that nobody knows is left alone: if it has
// a parent in this program who waits for it after all, he has done so by then.
const strangeWait = 10 * time.Second

// strangeDeath is a dead child of the program that is of no known worker.
type strangeDeath struct {
	start uint64 // of the process, in clock ticks since boot
	since time.Time
}

// reapLoop reaps descendants of workers that lost their parent and end while
// their worker still lives. Nobody else waits for them.
func (l *Launcher) reapLoop() {
	deaths := make(chan os.Signal, 1)
	signal.Notify(deaths, syscall.SIGCHLD)
	defer signal.Stop(deaths)
	var later <-chan time.Time // nil: nothing to come back to
	for {
		select {
		case <-deaths:
		case <-later:
		case <-l.quit:
			return
		}
		later = nil
		if l.reapOrphans() {
			later = l.clock.After(strangeWait)
		}
		select {
		case <-l.clock.After(reapPause):
		case <-l.quit:
			return
		}
	}
}

// reapOrphans reaps the dead children that are orphans of workers. It reports
// whether some have to be looked at again.
//
// Children that the program has started by itself, as os/exec does, are of its own
// session; nothing in a worker's family can ever be. They are never touched, so
// that whoever waits for them finds them.
func (l *Launcher) reapOrphans() (again bool) {
	kids, err := children(os.Getpid())
	if err != nil {
		return false
	}
	own, _ := unix.Getsid(0)
	now := l.clock.Now()
	strange := make(map[int]strangeDeath)
	for _, pid := range kids {
		p, err := readStat(pid)
		if err != nil || !p.dead() || p.session == own {
			continue
		}
		switch l.relation(p) {
		case leader:
			continue // its Process reaps it
		case stranger:
			death, known := l.strange[pid]
			if !known || death.start != p.start {
				death = strangeDeath{start: p.start, since: now}
			}
			if now.Sub(death.since) < strangeWait {
				strange[pid] = death
				continue
			}
		}
		l.reapOrphan(p)
	}
	l.strange = strange
	return len(strange) > 0
}

// relation is what a process is to the workers that the launcher knows.
type relation uint8

const (
	stranger relation = iota
	relative          // of a worker's session, or seen among its descendants
	leader            // a worker's own process
)

func (l *Launcher) relation(p procStat) relation {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.processes[p.pid] != nil {
		return leader
	}
	for _, process := range l.processes {
		if process.family.inSession(p) || process.family.wasSeen(p) {
			return relative
		}
	}
	return stranger
}

// isLeader reports whether pid is a worker's own process.
func (l *Launcher) isLeader(pid int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.processes[pid] != nil
}

// reapOrphan reaps a dead process if it is a child of the program, and reports
// whether it did. One goroutine at a time does so: a number that was seen dead
// cannot mean another process before it was reaped.
func (l *Launcher) reapOrphan(p procStat) bool {
	l.reapMu.Lock()
	defer l.reapMu.Unlock()
	now, err := readStat(p.pid)
	if err != nil || now.start != p.start {
		return true // somebody else has reaped it
	}
	pid, err := unix.Wait4(p.pid, nil, unix.WNOHANG, nil)
	return err == nil && pid == p.pid
}

// reapLeader reaps a worker's own process, which is dead, and says how it ended.
func (l *Launcher) reapLeader(pid int) Exit {
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(pid, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			l.log.Error("somebody else has reaped a worker's process", "pid", pid, "error", err)
			return Exit{Code: -1}
		default:
			return newExit(syscall.WaitStatus(status))
		}
	}
}
