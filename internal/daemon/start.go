package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ripd/internal/api"
	"ripd/internal/pool"
)

// jitterShare is by how much max_requests and max_age vary to both sides, so
// that workers that started together are not replaced together.
const jitterShare = 0.1

// launch starts a process of the release in the slot: the current one when the
// slot has none, else the current one's successor.
func (s *supervisor) launch(sl *slot, r *release) *instance {
	n := sl.number()
	in := &instance{
		id: sl.id, slot: sl, release: r, number: n,
		token: s.token(), socket: s.socket(sl.id, n), began: s.now(),
		started: make(chan struct{}),
	}
	var wanted context.Context
	wanted, in.giveUp = context.WithCancel(context.Background())
	s.byToken[in.token] = in
	if sl.current == nil {
		sl.current = in
	} else {
		sl.next = in
	}
	w := r.config.Workers
	in.deadline = in.began.Add(w.StartTimeout)
	s.emit(api.EventStarting, in, "", nil)
	l := launch{ID: sl.id, Generation: r.generation, Release: r, Token: in.token, Socket: in.socket, Context: wanted}
	s.aside(func() {
		p, err := s.starter.start(l)
		s.mail.post(func() { s.started(in, p, err) })
	})
	return in
}

// started is told that the process runs, or could not be started. It may have
// been told to end in the meantime.
func (s *supervisor) started(in *instance, p process, err error) {
	close(in.started)
	in.giveUp()
	if err != nil {
		before := in.phase
		s.gone(in)
		if before == phaseStarting {
			var load *loadFailed
			var words []string
			if errors.As(err, &load) {
				words = load.words
			}
			s.lost(in, "start-failed", err.Error(), words)
		}
		return
	}
	in.process = p
	if in.phase != phaseGone {
		w := in.release.config.Workers
		in.seat = s.seating.Add(pool.WorkerSpec{
			ID: in.id, Generation: in.release.generation, PID: p.PID(), Socket: in.socket,
			Slots: w.Concurrency, Upgrades: w.Upgrades, Streams: in.release.config.MostStreams(), MaxRequests: s.jitterCount(w.MaxRequests),
		}, s.poolEvent(in))
	}
	p.Watch(
		func() { s.mail.post(func() { s.becameReady(in, "") }) },
		func() { s.mail.post(func() { s.exited(in) }) },
	)
	s.log.Debug("worker started", "worker", in.id, "pid", p.PID(), "generation", in.release.generation)
	switch in.phase {
	case phaseStarting:
	case phaseStopping:
		p.Terminate()
	default:
		p.Kill()
	}
}

// becameReady lets a starting process serve. A successor takes the place of the
// process it was started for, which is retired. socket is what the worker
// registered, "" for the one that it was given.
func (s *supervisor) becameReady(in *instance, socket string) {
	if in.phase != phaseStarting {
		return // it was told to end in the meantime
	}
	if s.outdated(in) {
		return
	}
	if socket != "" {
		in.socket = socket
	}
	sl := in.slot
	if sl.drained {
		s.step(in, phaseDrained) // the pool is told when it is resumed
	} else if err := s.seatReady(in); err != nil {
		s.log.Error("the pool refused a worker", "worker", in.id, "error", err.Error())
		s.end(in, failStop)
		return
	}
	now := s.now()
	in.readyAt, in.deadline = now, time.Time{}
	sl.backoff.Ready(now)
	if age := in.release.config.Workers.MaxAge; age > 0 {
		in.ageAt = now.Add(s.jitter(age))
	}
	if in.release.config.Workers.MaxMemory > 0 && s.measureAt.IsZero() {
		s.measureAt = now.Add(measureEvery)
	}
	s.watchScheduling(in, now)
	took := now.Sub(in.began)
	s.log.Info("worker ready", "worker", in.id, "pid", in.pid(), "generation", in.release.generation, "took_ms", took.Milliseconds())
	s.emit(api.EventReady, in, fmt.Sprintf("ready in %s", show(took)), nil)
	var old *instance
	if sl.next == in {
		old, sl.current, sl.next = sl.current, in, nil
		sl.due = ""
	}
	s.rollReady(in, old, took)
	if old != nil {
		s.retire(old)
	}
	if s.broken != nil && in.release.generation >= s.required {
		s.broken = nil
	}
}

// seatReady makes the pool give requests to the process.
func (s *supervisor) seatReady(in *instance) error {
	socket := in.socket
	if err := in.seat.Ready(socket); err != nil {
		return err
	}
	in.seated = true
	s.step(in, phaseReady)
	return nil
}

// jitter varies a length of time.
func (s *supervisor) jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (1 - jitterShare + 2*jitterShare*s.random.Float64()))
}

// jitterCount varies a number; 0 stays 0, and nothing becomes 0.
func (s *supervisor) jitterCount(n int) int {
	if n == 0 {
		return 0
	}
	return max(1, int(s.jitter(time.Duration(n))))
}

// show writes a length of time for people: "840 ms", "2.5 s", "3m0s".
func show(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}
