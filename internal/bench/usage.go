package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// usage is what processes have used.
type usage struct {
	cpu    time.Duration // user and system
	memory int64         // bytes that are resident (memoryOf)
}

// table is the processes of the machine, by their parents.
type table struct {
	children map[int][]int
}

// processes reads the table.
func processes() (table, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return table{}, err
	}
	t := table{map[int][]int{}}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // it has ended
		}
		parent, err := parentOf(stat)
		if err != nil {
			return t, fmt.Errorf("/proc/%d/stat: %w", pid, err)
		}
		t.children[parent] = append(t.children[parent], pid)
	}
	return t, nil
}

// tree returns a process and its descendants, without those that are left out and
// their own. leftOut nil leaves none out.
func (t table) tree(pid int, leftOut func(pid int) bool) []int {
	all := []int{pid}
	for _, child := range t.children[pid] {
		if leftOut == nil || !leftOut(child) {
			all = append(all, t.tree(child, leftOut)...)
		}
	}
	return all
}

// cpuOf sums over processes. One that has ended counts nothing.
func cpuOf(pids []int) time.Duration {
	var total time.Duration
	for _, pid := range pids {
		// The clock of a process's time (CPUCLOCK_SCHED of clock_getcpuclockid(3)),
		// in nanoseconds: the times in /proc are hundredths of a second.
		var t unix.Timespec
		if unix.ClockGettime(int32(^pid<<3|2), &t) == nil {
			total += time.Duration(t.Nano())
		}
	}
	return total
}

// memoryOf sums over the processes of one server. Memory that they share counts once
// among them (its PSS), and so do the pages of files, of which programs are made: they
// are shared with what else runs of the same file, too, which is nobody's merit.
func memoryOf(pids []int) int64 {
	var own, files int64
	for _, pid := range pids {
		rollup, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid)) // it may have ended
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		own += kilobytes(rollup, "Pss_Anon:") + kilobytes(rollup, "Pss_Shmem:")
		files = max(files, kilobytes(status, "RssFile:"))
	}
	return own + files
}

// kilobytes reads a line such as "RssFile: 1234 kB" (proc(5)), in bytes.
func kilobytes(text []byte, name string) int64 {
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 3 && fields[0] == name {
			if n, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
				return n << 10
			}
		}
	}
	return 0
}

// parentOf reads the parent (4) of /proc/PID/stat; the name in (2) may hold spaces
// and brackets (proc(5)).
func parentOf(stat []byte) (int, error) {
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return 0, fmt.Errorf("no name in %q", stat)
	}
	fields := strings.Fields(string(stat[end+1:])) // from (3) on
	if len(fields) < 2 {
		return 0, fmt.Errorf("%d fields are too few", len(fields)+2)
	}
	return strconv.Atoi(fields[1])
}

// commandOf returns the beginning of a process's command line, with spaces.
func commandOf(pid int) string {
	line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // it may have ended
	return strings.TrimSpace(string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
}
