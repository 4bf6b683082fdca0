package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of the times in /proc/PID/stat: USER_HZ is 100 on all of
// Linux's architectures that Go knows (proc(5)).
const tick = 10 * time.Millisecond

// usage is what processes have used.
type usage struct {
	cpu      time.Duration // user and system
	resident int64         // bytes
}

// process is what /proc/PID/stat says.
type process struct {
	pid, parent int
	usage
}

// treeUsage sums over the process pid and its descendants, without those that are
// left out and their own: isWorker leaves the balancer's own cost, and all its children
// are the workers of a ripd.
func treeUsage(pid int, leftOut func(pid int) bool) (usage, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return usage{}, err
	}
	children := map[int][]process{}
	found := map[int]process{}
	for _, entry := range entries {
		id, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", id))
		if err != nil {
			continue // it has ended
		}
		p, err := parseStat(stat)
		if err != nil {
			return usage{}, fmt.Errorf("/proc/%d/stat: %w", id, err)
		}
		found[id] = p
		children[p.parent] = append(children[p.parent], p)
	}
	root, ok := found[pid]
	if !ok {
		return usage{}, fmt.Errorf("process %d has ended", pid)
	}
	return sumTree(root, children, leftOut), nil
}

func sumTree(root process, children map[int][]process, leftOut func(pid int) bool) usage {
	sum := root.usage
	for _, child := range children[root.pid] {
		if leftOut(child.pid) {
			continue
		}
		of := sumTree(child, children, leftOut)
		sum.cpu += of.cpu
		sum.resident += of.resident
	}
	return sum
}

// isWorker reports whether a process is one of the benchmark's workers.
func isWorker(pid int) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return false
	}
	args := bytes.Split(line, []byte{0})
	return len(args) > 1 && (string(args[1]) == workerArg || string(args[1]) == demoWorkerArg)
}

// parseStat reads pid (1), ppid (4), utime (14), stime (15) and rss (24); the
// name in (2) may hold spaces and brackets (proc(5)).
func parseStat(stat []byte) (process, error) {
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 0 || end < open {
		return process{}, fmt.Errorf("no name in %q", stat)
	}
	fields := strings.Fields(string(stat[end+1:])) // from (3) on
	if len(fields) < 22 {
		return process{}, fmt.Errorf("%d fields are too few", len(fields)+2)
	}
	var numbers [5]int64
	for i, text := range []string{strings.TrimSpace(string(stat[:open])), fields[1], fields[11], fields[12], fields[21]} {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return process{}, err
		}
		numbers[i] = n
	}
	return process{
		pid:    int(numbers[0]),
		parent: int(numbers[1]),
		usage: usage{
			cpu:      time.Duration(numbers[2]+numbers[3]) * tick,
			resident: numbers[4] * int64(os.Getpagesize()),
		},
	}, nil
}
