package proxy

import (
	"context"
	"log/slog"
	"strings"
)

// streamLog takes what net/http has to say of a connection of HTTP/2. Nearly all of it is
// about a client that broke a rule, and is told as a failed handshake is: now and then.
type streamLog struct{ srv *Server }

var _ slog.Handler = streamLog{}

// Enabled is true: which lines are written is decided by Handle.
func (l streamLog) Enabled(context.Context, slog.Level) bool { return true }

// WithAttrs and WithGroup are not used by net/http.
func (l streamLog) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup is as WithAttrs.
func (l streamLog) WithGroup(string) slog.Handler { return l }

// Handle takes one line.
func (l streamLog) Handle(_ context.Context, line slog.Record) error {
	if strings.Contains(line.Message, "panic serving") {
		l.srv.log.Error("a request over HTTP/2 ended in a fault of ripd's own", "error", line.Message)
		return nil
	}
	if hidden, ok := l.srv.notices.may(noticeStreams, l.srv.clock.now()); ok {
		l.srv.log.Info("a client of HTTP/2 broke its rules", "error", line.Message, "left_out", hidden)
	}
	return nil
}

// streamError counts what net/http refused, by its names for it: the code of the error,
// and then the reason.
func (s *Server) streamError(kind string) {
	for _, reason := range []string{"over_max_streams", "over_max_streams_race", "too_many_early_resets"} {
		if strings.HasSuffix(kind, "_"+reason) {
			s.reached(boundOpenStreams, "a client of HTTP/2 had more requests open than it may, and one was refused")
		}
	}
}
