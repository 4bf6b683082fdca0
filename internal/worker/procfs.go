package worker

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// procStat is what ripd reads of /proc/PID/stat, proc_pid_stat(5).
type procStat struct {
	pid, ppid, pgrp, session int
	state                    byte   // R, S, D, Z, T …
	flags                    uint64 // the kernel's PF_…
	ticks                    uint64 // CPU time with that of ended, waited-for children, in clock ticks
	threads                  int
	start                    uint64 // since boot, in clock ticks; with pid it names a process for ever
	resident                 int64  // pages
}

// dead reports whether the process has ended: it is a zombie, or about to
// vanish.
func (p procStat) dead() bool { return p.state == 'Z' || p.state == 'X' }

// exiting reports whether the process has ended, or is about to: then it takes
// no signal any more, and its files may be closed already.
func (p procStat) exiting() bool {
	const flagExiting = 0x4 // PF_EXITING of the kernel's sched.h
	return p.dead() || p.flags&flagExiting != 0
}

// statMax is more than the longest /proc/PID/stat: 52 numbers and a name of at
// most 64 bytes.
const statMax = 2048

// readStat reads /proc/PID/stat. A process that does not exist is
// fs.ErrNotExist.
func readStat(pid int) (procStat, error) {
	var buf [statMax]byte
	text, err := readSmall("/proc/"+strconv.Itoa(pid)+"/stat", buf[:])
	if err != nil {
		return procStat{}, err
	}
	return parseStat(text)
}

// readSmall reads a file of /proc into buf, and no more than fits. It goes past
// package os, which would try to poll each file: ripd reads hundreds of them.
func readSmall(path string, buf []byte) ([]byte, error) {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer syscall.Close(fd)
	n := 0
	for n < len(buf) {
		got, err := syscall.Read(fd, buf[n:])
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.ESRCH: // it ended between open and read
			return nil, &fs.PathError{Op: "read", Path: path, Err: syscall.ENOENT}
		case err != nil:
			return nil, &fs.PathError{Op: "read", Path: path, Err: err}
		case got == 0:
			return buf[:n], nil
		}
		n += got
	}
	return buf[:n], nil
}

// parseStat takes /proc/PID/stat apart. The name in it may hold spaces and
// parentheses, so that the last ')' ends it.
func parseStat(text []byte) (procStat, error) {
	var p procStat
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 1 || end < open {
		return p, fmt.Errorf("not a stat line of /proc: %.40q", text)
	}
	fields := strings.Fields(string(text[end+1:])) // fields[0] is field 3 of the manual page
	const first, last = 3, 24
	if len(fields) <= last-first {
		return p, fmt.Errorf("a stat line of /proc with %d fields", len(fields)+2)
	}
	p.state = fields[0][0]
	var err error
	number := func(text string) int64 {
		n, e := strconv.ParseInt(text, 10, 64)
		if e != nil && err == nil {
			err = fmt.Errorf("a number in /proc: %w", e)
		}
		return n
	}
	field := func(n int) int64 { return number(fields[n-first]) }
	p.pid = int(number(string(bytes.TrimSpace(text[:open]))))
	p.ppid, p.pgrp, p.session = int(field(4)), int(field(5)), int(field(6))
	p.flags = uint64(field(9))
	p.ticks = uint64(field(14) + field(15) + field(16) + field(17))
	p.threads, p.start, p.resident = int(field(20)), uint64(field(22)), field(24)
	return p, err
}

// allProcesses reads the stat of every process that /proc shows. Those that end
// meanwhile are left out.
func allProcesses() ([]procStat, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	table := make([]procStat, 0, len(names))
	for _, name := range names {
		if name[0] < '0' || name[0] > '9' {
			continue
		}
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if stat, err := readStat(pid); err == nil {
			table = append(table, stat)
		}
	}
	return table, nil
}

// children gives the children of a process, from /proc/PID/task/*/children
// (proc_tid_children(5)): it costs as much as the process has threads, not as
// much as the machine has processes. The kernel may leave out some while others
// end, so it does for looking, not for making sure. Where the kernel lacks the
// file, all processes are gone through.
func children(pid int) ([]int, error) {
	dir := "/proc/" + strconv.Itoa(pid) + "/task"
	threads, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var found []int
	for _, thread := range threads {
		text, err := os.ReadFile(dir + "/" + thread.Name() + "/children")
		if err != nil {
			if _, gone := os.Stat(dir + "/" + thread.Name()); gone == nil {
				return childrenOfAll(pid)
			}
			continue // the thread has ended
		}
		for _, word := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(word); err == nil {
				found = append(found, child)
			}
		}
	}
	return found, nil
}

func childrenOfAll(pid int) ([]int, error) {
	table, err := allProcesses()
	if err != nil {
		return nil, err
	}
	var found []int
	for _, p := range table {
		if p.ppid == pid {
			found = append(found, p.pid)
		}
	}
	return found, nil
}

// treeMax bounds how many processes of one worker are looked at.
const treeMax = 4096

// tree gives the process and its living descendants, parents first.
func tree(roots ...int) []procStat {
	var found []procStat
	seen := make(map[int]bool)
	for next := roots; len(next) > 0 && len(found) < treeMax; {
		var deeper []int
		for _, pid := range next {
			stat, err := readStat(pid)
			if err != nil || seen[pid] {
				continue
			}
			seen[pid] = true
			found = append(found, stat)
			if kids, err := children(pid); err == nil {
				deeper = append(deeper, kids...)
			}
		}
		next = deeper
	}
	return found
}

// hasVariable reports whether the process was started with entry ("NAME=value")
// in its environment. A process that has overwritten its environment, or may not
// be read, does not have it.
func hasVariable(pid int, entry string) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return false
	}
	for item := range bytes.SplitSeq(text, []byte{0}) {
		if string(item) == entry {
			return true
		}
	}
	return false
}
