package control

import (
	"fmt"
	"sync"

	"ripd/internal/api"
)

// pending holds the steps that a watcher has not yet taken. Adding never
// blocks: the operation must not wait for those who watch it. When
// maxPendingSteps wait, the oldest are dropped, and a note takes their place.
type pending struct {
	mu    sync.Mutex
	more  sync.Cond
	steps []api.Step
	lost  int
	ended bool
}

func newPending() *pending {
	p := &pending{}
	p.more.L = &p.mu
	return p
}

// add appends a step. After end it does nothing.
func (p *pending) add(s api.Step) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	if len(p.steps) == maxPendingSteps {
		p.steps = p.steps[1:]
		p.lost++
	}
	p.steps = append(p.steps, s)
	p.more.Signal()
}

// next takes the oldest step; it waits for one. False: there will be none.
func (p *pending) next() (api.Step, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.steps) == 0 && !p.ended {
		p.more.Wait()
	}
	if p.lost > 0 {
		note := api.Step{Kind: api.StepNote, Message: fmt.Sprintf("%d steps are not shown: they came faster than they were read", p.lost)}
		p.lost = 0
		return note, true
	}
	if len(p.steps) == 0 {
		return api.Step{}, false
	}
	s := p.steps[0]
	p.steps = p.steps[1:]
	return s, true
}

// end says that no step will follow; those that wait can still be taken.
func (p *pending) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	p.more.Broadcast()
}
