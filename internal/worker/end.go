package worker

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// The bounds of a process's end.
const (
	// sweepMax is how long what a worker left behind is chased. What is left then
	// is stuck in the kernel, and counted in Exit.Left.
	sweepMax = 5 * time.Second
	// The pauses between two rounds double from the first to the last.
	sweepFirstPause = time.Millisecond
	sweepLastPause  = 50 * time.Millisecond
	// drainMax is how long output is read after the end, when somebody still
	// holds the pipe open.
	drainMax = 250 * time.Millisecond
)

// follow waits for the end of the process and cleans up behind it. It takes a
// thread of the system as long as the process lives.
func (p *Process) follow() {
	waitUntilDead(p.pid)
	shortage := p.OutOfMemory()
	p.mu.Lock()
	p.ended, p.exit.OutOfMemory = true, shortage
	p.mu.Unlock()
	p.endLife()

	left := p.sweep()
	exit := p.launcher.reapLeader(p.pid)
	exit.Left = left
	if exit.Signal == unix.SIGKILL {
		exit.OutOfMemory = shortage
	}
	p.mu.Lock()
	p.exit = exit
	p.mu.Unlock()

	p.drainOutput()
	if p.notify != nil {
		p.notify.close()
	}
	if p.life != nil {
		p.life.Close()
	}
	p.launcher.forget(p)
	close(p.done)
}

// waitUntilDead returns when the process is a zombie, which keeps its number
// from being used again.
func waitUntilDead(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// sweep ends what is left of the worker when its leader is dead, and returns how
// many processes resisted. Members that lose their parent become ripd's children.
func (p *Process) sweep() (left int) {
	clock := p.launcher.clock
	deadline := clock.Now().Add(sweepMax)
	for pause := sweepFirstPause; ; pause = min(pause*2, sweepLastPause) {
		p.killGroup()
		_ = unix.Kill(-p.pid, unix.SIGKILL) // all of the process group in one step: nothing can fork out of it
		members, err := p.family.members()
		if err != nil {
			p.launcher.log.Warn("cannot look for what a worker left behind", "worker", p.spec.ID, "error", err)
			return 0
		}
		left = 0
		for _, member := range members {
			if member.dead() && p.launcher.reapOrphan(member) {
				continue
			}
			left++
			// The next round sees whether it worked. One whose first thread alone has
			// ended looks dead, and has to be killed too.
			_ = killProcess(member)
		}
		again := left == 0 && p.removeGroup()
		if !again && left == 0 || clock.Now().After(deadline) {
			if again {
				p.launcher.log.Warn("a worker's control group stays: the kernel does not let go of its processes", "worker", p.spec.ID, "group", p.Group())
			}
			return left
		}
		<-clock.After(pause)
	}
}

// drainOutput lets the readers finish. Usually the pipes are at their end; when
// something that could not be ended holds them, they are given up.
func (p *Process) drainOutput() {
	deadline := time.Now().Add(drainMax)
	for _, pipe := range p.pipes {
		_ = pipe.SetReadDeadline(deadline) // an error: the reader has closed it
	}
	p.readers.Wait()
}
