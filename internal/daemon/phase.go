package daemon

// phase is where one process of a slot stands in its life. It differs from the
// worker's state in the pool, which is about requests; this one is about the
// process.
type phase uint8

const (
	// phaseStarting: its process runs, it is not ready yet.
	phaseStarting phase = iota
	// phaseReady: the pool gives it requests.
	phaseReady
	// phaseDrained: it could serve, and an operator holds it back.
	phaseDrained
	// phaseRetiring: it finishes what runs, then it is told to end.
	phaseRetiring
	// phaseStopping: it was told to end (SIGTERM).
	phaseStopping
	// phaseKilling: it was killed (SIGKILL), and its end has not been seen.
	phaseKilling
	// phaseGone: its process has ended.
	phaseGone
	phases = iota
)

// String returns the phase's name as log lines show it.
func (p phase) String() string {
	return [...]string{"starting", "ready", "drained", "retiring", "stopping", "killed", "gone"}[p]
}

// phaseSteps holds the legal transitions: phaseSteps[from][to].
var phaseSteps = [phases][phases]bool{
	phaseStarting: {phaseReady: true, phaseDrained: true, phaseStopping: true, phaseKilling: true, phaseGone: true},
	phaseReady:    {phaseDrained: true, phaseRetiring: true, phaseStopping: true, phaseKilling: true, phaseGone: true},
	phaseDrained:  {phaseReady: true, phaseRetiring: true, phaseStopping: true, phaseKilling: true, phaseGone: true},
	phaseRetiring: {phaseStopping: true, phaseKilling: true, phaseGone: true},
	phaseStopping: {phaseKilling: true, phaseGone: true},
	phaseKilling:  {phaseGone: true},
	phaseGone:     {},
}

// serves tells whether a process in this phase is able to serve.
func (p phase) serves() bool { return p == phaseReady || p == phaseDrained }

// ending tells whether a process in this phase is on its way out, for ever.
func (p phase) ending() bool { return p >= phaseRetiring }

// step moves the process along one legal transition. An illegal one is a
// mistake in this package: it is logged, counted, and changes nothing.
func (s *supervisor) step(in *instance, to phase) bool {
	if !phaseSteps[in.phase][to] {
		s.illegal++
		s.log.Error("illegal step of a worker", "worker", in.id, "pid", in.pid(), "from", in.phase.String(), "to", to.String())
		return false
	}
	in.phase = to
	return true
}
