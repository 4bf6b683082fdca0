package control

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// refusalsPerSecond bounds the log lines about callers: a hostile caller must not be
// able to fill the log.
const refusalsPerSecond = 5

// refusals logs what was refused, a few lines a second; the next line says
// how many were left out.
type refusals struct {
	log *slog.Logger

	mu      sync.Mutex
	second  time.Time
	lines   int
	skipped int
}

// allow says whether a line may be written now, and how many were left out before it.
func (r *refusals) allow(now time.Time) (ok bool, skipped int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.second) >= time.Second {
		r.second, r.lines = now, 0
	}
	if r.lines == refusalsPerSecond {
		r.skipped++
		return false, 0
	}
	r.lines++
	skipped, r.skipped = r.skipped, 0
	return true, skipped
}

// note logs a refused connection.
func (r *refusals) note(msg string, args ...any) { r.write(slog.LevelWarn, msg, args...) }

// call logs a refused call.
func (r *refusals) call(q *http.Request, f *failure) {
	p := peerFrom(q.Context())
	r.write(f.level(), "control call refused", "method", q.Method, "path", q.URL.Path, "uid", p.UID, "pid", p.PID,
		"code", f.err.Code, "error", f.err)
}

func (r *refusals) write(level slog.Level, msg string, args ...any) {
	if !r.log.Enabled(context.Background(), level) {
		return
	}
	ok, skipped := r.allow(time.Now())
	if !ok {
		return
	}
	if skipped > 0 {
		args = append(args, "left_out", skipped)
	}
	r.log.Log(context.Background(), level, msg, args...)
}
