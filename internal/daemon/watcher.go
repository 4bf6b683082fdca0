package daemon

import (
	"context"
	"fmt"

	"ripd/internal/api"
)

// maxSteps bounds the steps that one watcher has not taken yet. A slow one loses
// the oldest kind of news, steps, and never the verdict.
const maxSteps = 512

// watcher is somebody who waits for a long operation.
type watcher struct {
	steps   chan api.Step
	verdict chan api.Verdict // holds the one
}

func newWatcher() *watcher {
	return &watcher{steps: make(chan api.Step, maxSteps), verdict: make(chan api.Verdict, 1)}
}

// step tells a step, or drops it when the watcher does not keep up.
func (w *watcher) step(step api.Step) {
	select {
	case w.steps <- step:
	default:
	}
}

// end gives the verdict, once.
func (w *watcher) end(v api.Verdict) {
	select {
	case w.verdict <- v:
	default:
	}
}

// watch passes the steps on until the verdict is there. When ctx or the
// supervisor ends first, the verdict says so; the operation goes on.
func (w *watcher) watch(ctx context.Context, done <-chan struct{}, kind string, step func(api.Step)) api.Verdict {
	for {
		select {
		case st := <-w.steps:
			step(st)
		case v := <-w.verdict:
			w.drain(step)
			return v
		case <-ctx.Done():
			return api.Verdict{Verdict: api.VerdictFailed, Kind: kind, Reason: fmt.Sprintf("nobody watches the %s any more; it goes on", kind)}
		case <-done:
			select {
			case v := <-w.verdict:
				w.drain(step)
				return v
			default:
				return api.Verdict{Verdict: api.VerdictFailed, Kind: kind, Reason: errEnded.Error()}
			}
		}
	}
}

func (w *watcher) drain(step func(api.Step)) {
	for {
		select {
		case st := <-w.steps:
			step(st)
		default:
			return
		}
	}
}
