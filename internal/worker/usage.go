package worker

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"ripd/internal/cgroup"
)

// Usage is what a process and its descendants use.
type Usage struct {
	// Memory is in bytes. A control group counts each page once, and the file cache that is in
	// use too (cgroup.Usage); otherwise it is the resident size, where pages that
	// several processes share count for each.
	Memory    int64
	CPU       time.Duration // user and system time so far; without a control group, children that nobody has waited for are left out
	Processes int           // how many live
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
		u.Memory += p.resident * int64(os.Getpagesize())
		u.CPU += time.Duration(p.ticks) * tick
		if !p.dead() {
			u.Processes++
		}
	}
	return u
}

// groupUsage is the kernel's account of a group, with the memory of its processes
// one by one where it has none.
func groupUsage(g *cgroup.Group) (Usage, error) {
	total, err := g.Usage()
	if err != nil {
		return Usage{}, err
	}
	pids := g.Processes()
	if total.Memory >= 0 {
		return Usage{Memory: total.Memory, CPU: total.CPU, Processes: len(pids)}, nil
	}
	var processes []procStat
	for _, pid := range pids {
		if p, err := readStat(pid); err == nil {
			processes = append(processes, p)
		}
	}
	u := sumUsage(processes)
	u.CPU = total.CPU
	return u, nil
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
