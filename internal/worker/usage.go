package worker

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"
)

// Usage is what a process and its descendants use.
type Usage struct {
	ResidentBytes int64         // memory; pages that several processes share count for each
	CPU           time.Duration // user and system time so far, ended children that were waited for included
	Processes     int           // how many were counted
}

// tick is the unit of times in /proc/PID/stat: USER_HZ is 100 on every
// architecture that ripd runs on.
const tick = 10 * time.Millisecond

// ReadUsage adds up what the process pid and its living descendants use. It is
// an error of fs.ErrNotExist when there is no such process.
//
// It is the resident size (RSS), since the fairer proportional size (PSS) makes
// the kernel walk all pages of the process: it takes milliseconds for a large one.
func ReadUsage(pid int) (Usage, error) {
	if _, err := readStat(pid); err != nil {
		return Usage{}, fmt.Errorf("read what process %d uses: %w", pid, err)
	}
	return sumUsage(tree(pid)), nil
}

func sumUsage(processes []procStat) Usage {
	var u Usage
	for _, p := range processes {
		u.ResidentBytes += p.resident * int64(os.Getpagesize())
		u.CPU += time.Duration(p.ticks) * tick
		if !p.dead() {
			u.Processes++
		}
	}
	return u
}

// ProcState describes the process for the log line of a hanging worker: "S
// (sleeping) in do_epoll_wait, 12 threads, 84 MB resident, 23 open
// descriptors". It is "gone" when there is no such process; what cannot be read is
// left out.
func ProcState(pid int) string {
	dir := "/proc/" + strconv.Itoa(pid)
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return "gone"
	}
	fields := make(map[string]string)
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		fields[name] = strings.TrimSpace(value)
	}
	text := fields["State"]
	// "0" is what the kernel says for a running process, and to those who may not know.
	if wchan, err := os.ReadFile(dir + "/wchan"); err == nil && len(wchan) > 0 && string(wchan) != "0" {
		text += " in " + string(wchan)
	}
	text += ", " + plural(fields["Threads"], "thread")
	if kb, err := strconv.ParseInt(strings.TrimSuffix(fields["VmRSS"], " kB"), 10, 64); err == nil {
		text += fmt.Sprintf(", %d MB resident", (kb+1023)/1024)
	}
	if fds, err := fs.ReadDir(os.DirFS(dir), "fd"); err == nil {
		text += ", " + plural(strconv.Itoa(len(fds)), "open descriptor")
	}
	return text
}

func plural(number, noun string) string {
	if number == "1" {
		return "1 " + noun
	}
	return number + " " + noun + "s"
}
