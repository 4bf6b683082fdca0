package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// maxLooked bounds how many descriptors are looked at to find a port's holder.
const maxLooked = 1 << 16

// holderOfPort names the process that listens on a TCP port: "nginx (process
// 123)"; "" when /proc does not tell, as for processes of other users.
func holderOfPort(port int) string {
	inodes, at := map[string]bool{}, portInTable(port)
	_ = tcpTable(func(f tableLine) { // an error: then it is not told
		if f.state() == stateListen && f.port() == at {
			inodes["socket:["+f.inode()+"]"] = true
		}
	})
	if len(inodes) == 0 {
		return ""
	}
	return holderOfSocket(inodes)
}

// holderOfSocket finds a process that has one of the sockets open.
func holderOfSocket(inodes map[string]bool) string {
	looked := 0
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return ""
	}
	for _, dir := range processes {
		entries, err := os.ReadDir(dir + "/fd")
		if err != nil {
			continue // another user's
		}
		for _, e := range entries {
			if looked++; looked > maxLooked {
				return ""
			}
			if target, err := os.Readlink(dir + "/fd/" + e.Name()); err == nil && inodes[target] {
				return nameProcess(filepath.Base(dir))
			}
		}
	}
	return ""
}

// nameProcess writes a process for people.
func nameProcess(pid string) string {
	if n, err := strconv.Atoi(pid); err != nil || n <= 0 {
		return ""
	}
	comm, err := os.ReadFile("/proc/" + pid + "/comm")
	if err != nil {
		return "process " + pid
	}
	return fmt.Sprintf("%s (process %s)", strings.TrimSpace(string(comm)), pid)
}
