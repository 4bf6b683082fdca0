package config

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// CPUs tells how many CPUs this process may use, at least 1, and why: the CPUs
// of its affinity, or the quota of its cgroup or of one above it (v2 and v1),
// rounded up, whichever is less.
func CPUs() (n int, why string) {
	var set unix.CPUSet
	affinity := 0
	if unix.SchedGetaffinity(0, &set) == nil {
		affinity = set.Count()
	}
	return cpusOf(os.DirFS("/"), affinity)
}

// cpusOf is CPUs with the root of the file system given. An affinity of 0 is unknown.
func cpusOf(root fs.FS, affinity int) (n int, why string) {
	quota, where := cpuQuota(root)
	n = max(affinity, 1)
	if limited := int(min(math.Ceil(quota), math.MaxInt32)); quota > 0 && limited < n {
		n = max(limited, 1)
		unit := "CPUs"
		if quota == 1 {
			unit = "CPU"
		}
		return n, fmt.Sprintf("the quota of %s %s that the cgroup %s has", strconv.FormatFloat(quota, 'f', -1, 64), unit, where)
	}
	if affinity < 1 {
		return n, "the number of CPUs is not known"
	}
	if n == 1 {
		return n, "the 1 CPU that this process may use"
	}
	return n, fmt.Sprintf("the %d CPUs that this process may use", n)
}

// cpuQuota gives the least quota, in CPUs, of the process's cgroups and those
// above, and which cgroup has it; 0 without one. See cgroups(7).
func cpuQuota(root fs.FS) (least float64, where string) {
	for _, m := range cpuMounts(root) {
		for dir := m.dir; ; dir = path.Dir(dir) {
			if quota := m.quota(root, dir); quota > 0 && (least == 0 || quota < least) {
				least, where = quota, "/"+strings.TrimPrefix(strings.TrimPrefix(dir, m.point), "/")
			}
			if dir == m.point || len(dir) <= len(m.point) {
				break
			}
		}
	}
	return least, where
}

// cpuMount is a mounted cgroup hierarchy that may limit CPUs.
type cpuMount struct {
	point string // where it is mounted, without the first slash
	dir   string // the process's own cgroup below it
	v2    bool
}

// cpuMounts finds the hierarchies: /proc/self/mountinfo says where they are,
// /proc/self/cgroup where the process is in them.
func cpuMounts(root fs.FS) []cpuMount {
	info, err := fs.ReadFile(root, "proc/self/mountinfo")
	if err != nil {
		return nil
	}
	own, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return nil
	}
	var mounts []cpuMount
	for line := range strings.Lines(string(info)) {
		// proc_pid_mountinfo(5): id parent device root point options [optional…] - type source superoptions
		before, after, found := strings.Cut(line, " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !found || len(left) < 5 || len(right) < 3 {
			continue
		}
		v2 := right[0] == "cgroup2"
		if !v2 && (right[0] != "cgroup" || !hasController(right[2], "cpu")) {
			continue
		}
		point := strings.TrimPrefix(left[4], "/")
		if !fs.ValidPath(point) {
			continue
		}
		m := cpuMount{point: point, dir: point, v2: v2}
		if below, ok := below(ownCgroup(string(own), v2), left[3]); ok {
			m.dir = path.Join(point, below)
		}
		mounts = append(mounts, m)
	}
	return mounts
}

// ownCgroup gives the process's cgroup in the unified hierarchy, or in that of
// the cpu controller, from /proc/self/cgroup.
func ownCgroup(lines string, v2 bool) string {
	for line := range strings.Lines(lines) {
		parts := strings.SplitN(strings.TrimRight(line, "\n"), ":", 3)
		if len(parts) == 3 && (v2 && parts[0] == "0" && parts[1] == "" || !v2 && hasController(parts[1], "cpu")) {
			return parts[2]
		}
	}
	return ""
}

// below gives the cgroup relative to the part of the hierarchy that is mounted.
// It fails when the cgroup is outside, as in a container without a cgroup
// namespace: then the mount's root is the best that can be seen.
func below(cgroup, mounted string) (string, bool) {
	if mounted == "/" {
		return cgroup, !strings.HasPrefix(cgroup, "/..")
	}
	rest, found := strings.CutPrefix(cgroup, mounted)
	return rest, found && (rest == "" || rest[0] == '/')
}

func hasController(list, name string) bool {
	for c := range strings.SplitSeq(list, ",") {
		if c == name {
			return true
		}
	}
	return false
}

// quota reads the quota of one cgroup, in CPUs; 0 is none.
func (m cpuMount) quota(root fs.FS, dir string) float64 {
	var fields []string
	if m.v2 {
		text, _ := fs.ReadFile(root, path.Join(dir, "cpu.max")) // "250000 100000" or "max 100000"
		fields = strings.Fields(string(text))
	} else {
		for _, file := range []string{"cpu.cfs_quota_us", "cpu.cfs_period_us"} { // a quota of -1 is none
			text, _ := fs.ReadFile(root, path.Join(dir, file))
			fields = append(fields, strings.TrimSpace(string(text)))
		}
	}
	if len(fields) != 2 {
		return 0
	}
	quota, err1 := strconv.ParseInt(fields[0], 10, 64)
	period, err2 := strconv.ParseInt(fields[1], 10, 64)
	if err1 != nil || err2 != nil || quota <= 0 || period <= 0 {
		return 0
	}
	return float64(quota) / float64(period)
}
