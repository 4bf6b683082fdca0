package api

import "time"

// EventKind says what happened.
type EventKind string

// The values of EventKind.
const (
	EventStarting   EventKind = "worker-starting" // a worker's process was started
	EventReady      EventKind = "worker-ready"    // it takes requests
	EventDraining   EventKind = "worker-draining" // it gets nothing new
	EventResumed    EventKind = "worker-resumed"  // it takes requests again
	EventFailed     EventKind = "worker-failed"   // it was dropped; Message says why
	EventExited     EventKind = "worker-exited"   // its process has ended
	EventRecycled   EventKind = "worker-recycled" // it is replaced: age, requests or memory
	EventCrashLoop  EventKind = "crash-loop"      // it ends again and again
	EventRollBegan  EventKind = "roll-began"      //
	EventRollStep   EventKind = "roll-step"       //
	EventRollEnded  EventKind = "roll-ended"      // Message is the verdict
	EventScaled     EventKind = "scaled"          //
	EventQueueFull  EventKind = "queue-full"      // requests are being refused; at most one a second
	EventQueueEmpty EventKind = "queue-free"      // it takes requests again
	EventUpgrade    EventKind = "upgrade"         // another ripd is to take over, or could not
	EventStopping   EventKind = "stopping"        // ripd stops
	EventLost       EventKind = "lost"            // the reader was too slow: Lost events are missing here
	EventHeartbeat  EventKind = "heartbeat"       // nothing happened; the stream lives
)

// Event is one line of GET /v1/events.
type Event struct {
	Time       time.Time `json:"time"`
	Kind       EventKind `json:"kind"`
	Worker     int       `json:"workerId,omitempty"`
	PID        int       `json:"pid,omitempty"`
	Generation int       `json:"generation,omitempty"`
	Message    string    `json:"message,omitempty"` // for people
	Output     []string  `json:"output,omitempty"`  // the app's last lines, when it ended by itself
	Lost       int       `json:"lost,omitempty"`    // of EventLost: how many
}
