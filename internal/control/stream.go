package control

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"ripd/internal/api"
)

// The calls of operators that answer line by line.

func (s *Server) restart(w http.ResponseWriter, q *http.Request) { s.roll(w, q, api.KindRestart) }

func (s *Server) reload(w http.ResponseWriter, q *http.Request) { s.roll(w, q, api.KindReload) }

func (s *Server) roll(w http.ResponseWriter, q *http.Request, kind string) {
	if f := decode(q, &api.RollRequest{}); f != nil {
		s.answer(w, q, f)
		return
	}
	st := s.newStream(w)
	st.begin() // the caller may leave as soon as it knows that the roll was taken
	s.long(q, st, func(ctx context.Context, step func(api.Step)) (api.Verdict, error) {
		return s.o.Operator.Roll(ctx, kind, step), nil
	})
}

func (s *Server) stop(w http.ResponseWriter, q *http.Request) {
	if f := decode(q, &api.StopRequest{}); f != nil {
		s.answer(w, q, f)
		return
	}
	st := s.newStream(w)
	st.begin()
	s.long(q, st, func(ctx context.Context, step func(api.Step)) (api.Verdict, error) {
		return s.o.Operator.Stop(ctx, step), nil
	})
}

// upgrade lets a caller choose the program only if he could run it as ripd's user
// anyway: whoever else may use the operators' door must not run what he likes there.
func (s *Server) upgrade(w http.ResponseWriter, q *http.Request) {
	var r api.UpgradeRequest
	f := decode(q, &r)
	if uid := peerFrom(q.Context()).UID; f == nil && r.Binary != "" && uid != 0 && uid != os.Getuid() {
		f = fail(http.StatusForbidden, api.Errorf(api.CodeForbidden, "user id %d may not choose the program that ripd goes on with", uid).
			WithHint("leave \"binary\" out, or call as root"))
	}
	if f == nil && r.Binary != "" && !filepath.IsAbs(r.Binary) {
		f = usage("the path of the program is not absolute: %.64q", r.Binary)
	}
	if f != nil {
		s.answer(w, q, f)
		return
	}
	st := s.newStream(w)
	st.begin()
	s.long(q, st, func(ctx context.Context, step func(api.Step)) (api.Verdict, error) {
		return s.o.Operator.Upgrade(ctx, r, step), nil
	})
}

// scale starts its stream with the first step, so that a wrong request is still
// answered with a proper status.
func (s *Server) scale(w http.ResponseWriter, q *http.Request) {
	var r api.ScaleRequest
	f := decode(q, &r)
	if f == nil {
		f = checkScale(r)
	}
	if f != nil {
		s.answer(w, q, f)
		return
	}
	s.long(q, s.newStream(w), func(ctx context.Context, step func(api.Step)) (api.Verdict, error) {
		result, err := s.o.Operator.Scale(ctx, r, step)
		if err != nil {
			return api.Verdict{Verdict: api.VerdictFailed, Kind: api.KindScale, Reason: err.Error()}, err
		}
		return api.Verdict{OK: true, Verdict: api.VerdictDone, Kind: api.KindScale, Scale: &result}, nil
	})
}

// long runs a long operation and streams its steps, then its verdict. A
// watcher that is slow, or gone, does not hold the operation up.
func (s *Server) long(q *http.Request, st *stream, run func(context.Context, func(api.Step)) (api.Verdict, error)) {
	ctx, cancel := context.WithCancel(q.Context())
	defer cancel()
	p := newPending()
	var wg sync.WaitGroup
	wg.Go(func() {
		for step, ok := p.next(); ok; step, ok = p.next() {
			if st.write(api.Line{Step: &step}) != nil {
				cancel() // nobody watches any more
				p.end()
			}
		}
	})
	verdict, err := func() (api.Verdict, error) {
		defer wg.Wait()
		defer p.end()
		return run(ctx, p.add)
	}()
	if err != nil && !st.begun {
		s.answer(st.w, q, failureOf(err))
		return
	}
	st.write(api.Line{Verdict: &verdict})
}

// events streams what happens, with a heartbeat when nothing does: so the caller
// knows that ripd lives, and ripd that the caller does.
func (s *Server) events(w http.ResponseWriter, q *http.Request) {
	ctx, cancel := context.WithCancel(q.Context())
	defer cancel()
	defer context.AfterFunc(s.leave, cancel)()
	st := s.newStream(w)
	events := s.o.Operator.Events(ctx)
	st.begin()
	beat := time.NewTicker(s.o.Heartbeat)
	defer beat.Stop()
	for {
		var e api.Event
		select {
		case <-ctx.Done():
			return
		case now := <-beat.C:
			e = api.Event{Time: now, Kind: api.EventHeartbeat}
		case next, ok := <-events:
			if !ok {
				return
			}
			e = next
		}
		if st.write(e) != nil {
			return
		}
	}
}

// stream writes JSON lines and flushes each.
type stream struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	limit time.Duration // for one line
	begun bool
}

func (s *Server) newStream(w http.ResponseWriter) *stream {
	return &stream{w: w, rc: http.NewResponseController(w), limit: s.timeouts.write}
}

// begin sends the head of the answer.
func (s *stream) begin() error {
	s.begun = true
	s.w.Header().Set("Content-Type", api.TypeNDJSON)
	return s.flush()
}

// write sends one line. An error means that the caller is gone or does not read.
func (s *stream) write(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if !s.begun {
		if err := s.begin(); err != nil {
			return err
		}
	}
	s.extend()
	if _, err := s.w.Write(append(b, '\n')); err != nil {
		return err
	}
	return s.flush()
}

func (s *stream) flush() error {
	s.extend()
	return s.rc.Flush()
}

// extend gives the next line its time. It fails for a test's recorder only, which
// has no deadlines.
func (s *stream) extend() { _ = s.rc.SetWriteDeadline(time.Now().Add(s.limit)) }
