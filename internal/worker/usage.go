package worker

import "time"

// Usage is what a process and its descendants use.
type Usage struct {
	ResidentBytes int64         // memory; pages that several processes share count for each
	CPU           time.Duration // user and system time so far, ended children that were waited for included
	Processes     int           // how many were counted
}

// ReadUsage adds up what the process pid and its living descendants use. It is
// an error of fs.ErrNotExist when there is no such process.
func ReadUsage(pid int) (Usage, error) { return Usage{}, nil }

// ProcState describes the process for the log line of a hanging worker: "S
// (sleeping) in do_epoll_wait, 12 threads, 84 MB resident, 23 open
// descriptors". It is "gone" when there is no such process; what cannot be read is left
// out.
func ProcState(pid int) string { return "" }
