package daemon

import (
	"fmt"
	"strings"
	"time"

	"ripd/internal/api"
)

// A roll replaces one generation by the next. One new worker has to become
// ready before an old one is touched; then the slots follow, a few at a time. Its
// verdict is one of three:
//
//   - done: every slot has a ready worker of the new generation;
//   - rolled back: the new code did not start. Before the first new worker was
//     ready nothing has changed. Later, the replaced slots go back to the old
//     release, successor first, if the old release still exists: another resolved
//     folder, command or environment. Where the folder changed in place, the
//     old code is gone, and restarting would only load the new code again; then
//     the workers stay as they are, old and new, and the reason says so;
//   - failed: nothing was tried (a bad configuration), or going back failed too.
type roll struct {
	kind       string // api.KindRestart or api.KindReload
	strict     bool   // old workers get no requests already: see fresh.go
	generation int    // 0 until it is prepared
	stage      rollStage
	stale      bool // somebody joined while it was being prepared: prepare again

	// What a strict roll meets first may be half of a save: it tries once more.
	again   bool      // it has
	againAt time.Time // when it is prepared again; zero: it is not

	old, target *release // target is what steps bring a slot to; undoing swaps it
	fresh       *release // what the roll set out to deploy

	todo  []int       // slots that have not begun
	steps []*rollStep // slots under way
	done  int
	of    int
	lost  int // ends of new workers since the stage began

	began    time.Time
	reason   string
	output   []string
	message  string // the last step, for the status
	watchers []*watcher
}

// rollStep is one slot on its way to the target.
type rollStep struct {
	slot    *slot
	index   int       // from 1
	retryAt time.Time // after a failed start
	retired *instance // the old process that drains, or nil
	until   time.Time // how long the roll waits for it
}

// rollStage is where a roll stands.
type rollStage uint8

const (
	// rollQueued: another roll goes on.
	rollQueued rollStage = iota
	// rollPreparing: files are read.
	rollPreparing
	// rollProving: one new worker has to become ready.
	rollProving
	// rollReplacing: slot by slot.
	rollReplacing
	// rollUndoing: back to the old release, slot by slot.
	rollUndoing
	// rollEnded: the verdict is given.
	rollEnded
	rollStages = iota
)

// String returns the stage's name as log lines show it.
func (g rollStage) String() string {
	return [...]string{"queued", "preparing", "proving", "replacing", "undoing", "ended"}[g]
}

// rollSteps holds the legal transitions: rollSteps[from][to].
var rollSteps = [rollStages][rollStages]bool{
	rollQueued:    {rollPreparing: true, rollEnded: true},
	rollPreparing: {rollProving: true, rollEnded: true},
	rollProving:   {rollReplacing: true, rollEnded: true},
	rollReplacing: {rollUndoing: true, rollEnded: true},
	rollUndoing:   {rollEnded: true},
	rollEnded:     {},
}

// The bounds of a roll.
const (
	// rollRetries is how many new workers may be lost in the middle of a roll
	// before it goes back.
	rollRetries = 2
	// rollRetryWait is the pause before a slot's start is tried again.
	rollRetryWait = time.Second
	// saveMost is how long a file may be missing or half-written while it is saved:
	// after that long, a strict roll that has failed is tried once more.
	saveMost = 500 * time.Millisecond
)

// enter moves the roll along one legal transition.
func (s *supervisor) enter(r *roll, to rollStage) bool {
	if !rollSteps[r.stage][to] {
		s.illegal++
		s.log.Error("illegal step of a roll", "from", r.stage.String(), "to", to.String())
		return false
	}
	r.stage, r.lost = to, 0
	return true
}

// claims tells whether the roll, and not the supervisor's own filling of empty
// slots, starts what comes next in the slot. A nil roll claims nothing.
func (r *roll) claims(sl *slot) bool {
	return r != nil && r.stage == rollProving && len(r.steps) > 0 && r.steps[0].slot == sl
}

// wakeAt is when time alone moves the step on.
func (st *rollStep) wakeAt() time.Time {
	if st.retired != nil && st.retired.phase != phaseGone {
		return st.until
	}
	return st.retryAt
}

// requestRoll begins a roll, joins one that has not started anything yet, or
// queues one behind the one that goes on. The watcher gets a true verdict in each case.
func (s *supervisor) requestRoll(kind string) *watcher {
	w := newWatcher()
	if s.stopping {
		w.end(api.Verdict{Verdict: api.VerdictFailed, Kind: kind, Generation: s.release.generation, Reason: "ripd is stopping"})
		return w
	}
	if r := s.roll; r != nil && r.kind == kind && r.stage == rollPreparing {
		r.stale = true
		r.watchers = append(r.watchers, w)
		return w
	}
	for _, r := range s.waiting {
		if r.kind == kind {
			r.watchers = append(r.watchers, w)
			w.step(api.Step{Kind: api.StepNote, Message: "joins the restart that waits for the one that goes on"})
			return w
		}
	}
	r := &roll{kind: kind, watchers: []*watcher{w}}
	s.waiting = append(s.waiting, r)
	if s.roll != nil {
		w.step(api.Step{Kind: api.StepNote, Message: "another restart goes on; this one follows it"})
	}
	return w
}

// advanceRoll moves the roll on as far as the facts allow.
func (s *supervisor) advanceRoll(now time.Time) {
	if s.roll == nil {
		s.beginRoll(now)
	}
	r := s.roll
	if r == nil {
		return
	}
	if r.stage == rollPreparing {
		if !r.againAt.IsZero() && !now.Before(r.againAt) {
			r.againAt = time.Time{}
			s.prepareRoll(r)
		}
		return
	}
	// A slot that gets its turn may have arrived already: it is looked at again.
	for s.reviewSteps(r, now); s.roll == r && s.startSteps(r, now); {
		s.reviewSteps(r, now)
	}
	if s.roll == r && len(r.steps) == 0 && len(r.todo) == 0 {
		s.completeRoll(r)
		s.beginRoll(now)
	}
}

// startSteps gives slots their turn, as many as may be under way at once. It
// reports whether there was one.
func (s *supervisor) startSteps(r *roll, now time.Time) (started bool) {
	for s.roll == r && len(r.steps) < r.width() && len(r.todo) > 0 {
		sl := s.find(r.todo[0])
		r.todo = r.todo[1:]
		if sl == nil || sl.removing {
			r.of--
			continue
		}
		st := &rollStep{slot: sl, index: r.done + len(r.steps) + 1}
		r.steps = append(r.steps, st)
		s.moveStep(r, st, now)
		started = true
	}
	return started
}

// width is how many slots may be under way at once.
func (r *roll) width() int {
	switch {
	case r.stage == rollProving:
		return 1
	case r.strict:
		return len(r.steps) + len(r.todo)
	}
	return max(1, r.target.config.Workers.Surge)
}

// makeWay reports whether a slot's new process may start although an old one has not
// ended yet. In a strict roll it may: until it is there, nobody is served, and a
// request that hangs in the old one must not hold it back. The slot's current process
// goes first, since it gets no requests; it bounds what a slot can hold.
func (s *supervisor) makeWay(r *roll, sl *slot) bool {
	if !r.strict {
		return false
	}
	if sl.current != nil {
		s.retireOld(sl)
	}
	return sl.current == nil && len(sl.leaving) <= maxLeaving
}

// beginRoll takes the oldest waiting roll and has it prepared.
func (s *supervisor) beginRoll(now time.Time) {
	if len(s.waiting) == 0 {
		return
	}
	r := s.waiting[0]
	s.waiting = s.waiting[1:]
	s.roll = r
	r.began = now
	s.enter(r, rollPreparing)
	s.emit(api.EventRollBegan, nil, r.kind, nil)
	s.prepareRoll(r)
}

func (s *supervisor) prepareRoll(r *roll) {
	r.stale = false
	old := s.release
	s.aside(func() {
		next, notes, err := s.prepare(r.kind, old)
		s.mail.post(func() { s.prepared(r, next, notes, err) })
	})
}

// prepared starts the first new worker of the roll.
func (s *supervisor) prepared(r *roll, next *release, notes []string, err error) {
	if s.roll != r || r.stage != rollPreparing {
		return
	}
	if r.stale {
		s.prepareRoll(r)
		return
	}
	if err != nil && r.strict && !r.again {
		r.again, r.againAt = true, s.now().Add(saveMost)
		return
	}
	if err != nil {
		reason, rest, _ := strings.Cut(err.Error(), "\n")
		var output []string
		if rest != "" {
			output = strings.Split(rest, "\n")
		}
		s.endRoll(r, api.VerdictFailed, reason, output)
		return
	}
	if r.generation == 0 {
		r.generation = s.nextGeneration()
	}
	next.generation = r.generation
	r.target, r.fresh, r.old = next, next, s.release
	for _, note := range notes {
		s.tellRoll(r, api.Step{Kind: api.StepNote, Message: note})
	}
	for _, sl := range s.slots {
		if sl.next != nil {
			s.end(sl.next, failStop) // a replacement by the old generation is in vain now
		}
	}
	r.todo = s.rollOrder()
	r.of = len(r.todo)
	s.enter(r, rollProving)
	s.log.Info("roll began", "kind", r.kind, "generation", r.generation, "workers", r.of)
}

// rollOrder is every slot: those that do not serve first, those in which a process
// is on its way out last.
func (s *supervisor) rollOrder() []int {
	var down, up, busy []int
	for _, sl := range s.slots {
		switch {
		case sl.removing:
		case len(sl.leaving) > 0:
			busy = append(busy, sl.id)
		case sl.current == nil:
			down = append(down, sl.id)
		default:
			up = append(up, sl.id)
		}
	}
	return append(append(down, up...), busy...)
}

func (s *supervisor) nextGeneration() int {
	s.generation++
	return s.generation
}

// reviewSteps ends the steps that have arrived and moves the others on.
func (s *supervisor) reviewSteps(r *roll, now time.Time) {
	for i := 0; i < len(r.steps); i++ {
		st := r.steps[i]
		switch {
		case st.slot.removing:
			r.of--
		case st.arrived(r.target, now):
			r.done++
		default:
			s.moveStep(r, st, now)
			if s.roll != r || i >= len(r.steps) || r.steps[i] != st {
				return // the roll has ended or turned back
			}
			continue
		}
		r.steps = append(r.steps[:i:i], r.steps[i+1:]...)
		i--
	}
}

// arrived tells whether the slot serves the target and the roll need not wait
// for its old process any longer.
func (st *rollStep) arrived(target *release, now time.Time) bool {
	c := st.slot.current
	if c == nil || c.release != target || !c.phase.serves() {
		return false
	}
	return st.retired == nil || st.retired.phase == phaseGone || !now.Before(st.until)
}

// moveStep starts the slot's new process when it is time.
func (s *supervisor) moveStep(r *roll, st *rollStep, now time.Time) {
	sl := st.slot
	for _, in := range []*instance{sl.current, sl.next} {
		if in != nil && in.release == r.target {
			return // it starts
		}
	}
	if now.Before(st.retryAt) || len(sl.leaving) > 0 && !s.makeWay(r, sl) {
		return
	}
	if sl.next != nil {
		s.end(sl.next, failStop)
		return
	}
	if sl.current == nil && r.stage != rollProving {
		return // the supervisor fills it with the target, in the slot's own pace
	}
	s.launch(sl, r.target)
	s.tellRoll(r, api.Step{Kind: api.StepStarting, Index: st.index, Of: r.of, Worker: sl.id, Generation: r.target.generation,
		Message: fmt.Sprintf("worker %d: starting", sl.id)})
}
