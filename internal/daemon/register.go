package daemon

import (
	"os"
	"path/filepath"
	"time"

	"ripd/internal/api"
	"ripd/internal/config"
	"ripd/internal/control"
	"ripd/internal/pool"
)

// firstExternal is the first id of workers that ripd did not start; the ids
// below belong to slots.
const firstExternal = config.MaxWorkers + 1

// maxExternal is how many of them may join.
const maxExternal = config.MaxWorkers

// earlyCall is what a worker gets that calls before the supervisor has heard that
// its process runs, as a quick one may. The call is repeated then.
type earlyCall struct{ started <-chan struct{} }

// Error is for those who do not repeat the call.
func (earlyCall) Error() string { return "this worker is still being started" }

// register is what a worker does when it is ready. The token says which process it
// is, and the kernel's credentials that the caller belongs to it.
func (s *supervisor) register(peer control.Peer, r api.Register) error {
	name := s.release.config.Name
	if r.App != "" && r.App != name {
		return api.Errorf(api.CodeNotFound, "this is the app %q, not %q", name, r.App).WithHint("RIP_CONTROL names the socket of your own app")
	}
	if s.stopping {
		return api.Errorf(api.CodeBusy, "ripd is stopping")
	}
	if r.Socket != "" && !filepath.IsAbs(r.Socket) {
		return api.Errorf(api.CodeUsage, "the socket's path %q is not absolute", r.Socket).WithHint("serve on SOCKET_PATH and leave \"socket\" out")
	}
	in, err := s.caller(peer, r.Token, r.WorkerID)
	if err != nil {
		return err
	}
	if in == nil {
		return s.join(peer, r)
	}
	s.files(in.release.generation, r.Files)
	if in.release.config.Workers.Ready == config.ReadyAuto || in.release.config.Workers.Ready == config.ReadyRegister {
		s.becameReady(in, r.Socket)
	}
	return nil
}

// caller finds the process that a token belongs to. It returns nil when there is
// no token: then an external worker calls.
func (s *supervisor) caller(peer control.Peer, token string, id int) (*instance, error) {
	if token == "" {
		token = peer.Token
	}
	if token == "" {
		return nil, nil
	}
	in := s.byToken[token]
	if in == nil {
		return nil, api.Errorf(api.CodeForbidden, "the token is not that of a running worker").WithHint("send RIP_TOKEN as it is in your environment")
	}
	if id != 0 && id != in.id {
		return nil, api.Errorf(api.CodeForbidden, "the token belongs to worker %d, not %d", in.id, id).WithHint("send WORKER_ID as it is in your environment")
	}
	if in.process == nil {
		return nil, earlyCall{in.started}
	}
	if !in.process.Owns(peer.PID) {
		return nil, api.Errorf(api.CodeForbidden, "process %d does not belong to worker %d (process %d)", peer.PID, in.id, in.pid()).
			WithHint("register from the worker's own process or from one that it started")
	}
	return in, nil
}

// join lets an external worker in, if the settings allow it.
func (s *supervisor) join(peer control.Peer, r api.Register) error {
	if !s.release.config.Workers.External {
		return api.Errorf(api.CodeForbidden, "a worker that ripd did not start may not join").
			WithHint("workers of ripd send their RIP_TOKEN; for others set workers.external = true")
	}
	if r.Socket == "" {
		return api.Errorf(api.CodeUsage, "a worker that joins has to name its socket").WithHint(`"socket": "/path/of/the.sock"`)
	}
	if info, err := os.Lstat(r.Socket); err != nil || info.Mode()&os.ModeSocket == 0 {
		return api.Errorf(api.CodeUsage, "%s is not a socket", r.Socket).WithHint("listen first, then register")
	}
	for _, other := range s.externals {
		if other.socket == r.Socket {
			if other.external == peer.PID {
				return nil // it is here already
			}
			s.removeExternal(other) // its successor has taken the socket over
		}
	}
	if len(s.externals) >= maxExternal {
		return api.Errorf(api.CodeBusy, "%d external workers have joined, which is the most", maxExternal)
	}
	id := firstExternal
	for s.externals[id] != nil {
		id++
	}
	in := &instance{id: id, release: s.release, external: peer.PID, claimed: r.WorkerID, socket: r.Socket, began: s.now(), readyAt: s.now()}
	in.seat = s.seating.Add(pool.WorkerSpec{ID: id, Generation: s.release.generation, PID: peer.PID, Socket: r.Socket,
		Slots: s.release.config.Workers.Concurrency, Upgrades: s.release.config.Workers.Upgrades, Streams: s.release.config.MostStreams()}, s.poolEvent(in))
	if err := s.seatReady(in); err != nil {
		return err
	}
	s.externals[id] = in
	if s.measureAt.IsZero() {
		s.measureAt = s.now().Add(measureEvery)
	}
	s.log.Info("external worker joined", "worker", id, "pid", peer.PID, "socket", r.Socket)
	s.emit(api.EventReady, in, "external", nil)
	return nil
}

// deregister is what a worker does before it leaves: it gets nothing new and ends
// when it has nothing in flight; its successor is started.
func (s *supervisor) deregister(peer control.Peer, d api.Deregister) error {
	if name := s.release.config.Name; d.App != "" && d.App != name {
		return api.Errorf(api.CodeNotFound, "this is the app %q, not %q", name, d.App)
	}
	in, err := s.caller(peer, d.Token, d.WorkerID)
	if err != nil {
		return err
	}
	if in == nil {
		return s.part(peer, d)
	}
	if in.phase.ending() {
		return nil
	}
	s.log.Info("worker leaves", "worker", in.id, "pid", in.pid(), "generation", in.release.generation)
	sl := in.slot
	s.retire(in)
	if sl.current == nil {
		sl.startAt = s.now().Add(max(sl.backoff.Next(s.now()), time.Millisecond))
	}
	return nil
}

// part lets an external worker go.
func (s *supervisor) part(peer control.Peer, d api.Deregister) error {
	for _, in := range s.externals {
		if in.external == peer.PID && (d.WorkerID == 0 || d.WorkerID == in.claimed || d.WorkerID == in.id) {
			s.retire(in)
			return nil
		}
	}
	return api.Errorf(api.CodeNotFound, "process %d is not a worker", peer.PID)
}

// removeExternal forgets an external worker; its process is not ripd's to end.
func (s *supervisor) removeExternal(in *instance) {
	s.gone(in)
	delete(s.externals, in.id)
	s.emit(api.EventExited, in, "external", nil)
}
