package acme

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap/zapcore"
)

const (
	// repeatEvery is how soon certmagic may say the same thing again.
	repeatEvery = 10 * time.Minute
	// repeatsKept bounds the memory of what was said.
	repeatsKept = 64
)

// told are certmagic's messages about what ripd tells in its own words.
var told = []string{"could not get certificate from issuer", "will retry", "final attempt; giving up", "job failed"}

// bridge passes certmagic's log on. Its errors become warnings, its warnings notes,
// and all the rest is for debugging. What it repeats is left out.
type bridge struct {
	log    *slog.Logger
	fields []zapcore.Field
	*memory
}

// memory is what was said, and when.
type memory struct {
	mu   sync.Mutex
	said map[string]time.Time
}

var _ zapcore.Core = (*bridge)(nil)

func newBridge(log *slog.Logger) *bridge {
	return &bridge{log: log, memory: &memory{said: map[string]time.Time{}}}
}

func levelOf(l zapcore.Level) slog.Level {
	switch {
	case l >= zapcore.ErrorLevel:
		return slog.LevelWarn
	case l == zapcore.WarnLevel:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

// Enabled tells whether messages of a level are wanted.
func (b *bridge) Enabled(l zapcore.Level) bool {
	return b.log.Enabled(context.Background(), levelOf(l))
}

// With adds fields to all messages.
func (b *bridge) With(fields []zapcore.Field) zapcore.Core {
	return &bridge{log: b.log, memory: b.memory, fields: append(slices.Clone(b.fields), fields...)}
}

// Check says that Write wants the message.
func (b *bridge) Check(e zapcore.Entry, c *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if b.Enabled(e.Level) {
		return c.AddCore(e, b)
	}
	return c
}

// Write tells a message.
func (b *bridge) Write(e zapcore.Entry, fields []zapcore.Field) error {
	level := levelOf(e.Level)
	if slices.Contains(told, e.Message) {
		level = slog.LevelDebug
	}
	if level > slog.LevelDebug && !b.may(e.Message, e.Time) {
		return nil
	}
	encoder := zapcore.NewMapObjectEncoder()
	for _, f := range append(slices.Clone(b.fields), fields...) {
		f.AddTo(encoder)
	}
	var detail []string
	for _, name := range slices.Sorted(maps.Keys(encoder.Fields)) {
		detail = append(detail, fmt.Sprintf("%s=%v", name, encoder.Fields[name]))
	}
	b.log.Log(context.Background(), level, "acme: "+e.Message, "detail", strings.Join(detail, " "))
	return nil
}

// Sync has nothing to do.
func (b *bridge) Sync() error { return nil }

// may tells whether a message is not said again too soon.
func (m *memory) may(message string, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if last, again := m.said[message]; again && now.Sub(last) < repeatEvery {
		return false
	}
	if len(m.said) >= repeatsKept {
		clear(m.said)
	}
	m.said[message] = now
	return true
}
