package config

import (
	"testing"
	"testing/fstest"
)

func TestCPUs(t *testing.T) {
	const (
		v2Root = "30 25 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
		v1CPU  = "33 32 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:12 - cgroup cgroup rw,cpu,cpuacct\n"
		v1Mem  = "34 32 0:31 / /sys/fs/cgroup/memory rw,relatime shared:13 - cgroup cgroup rw,memory\n"
		// A container without a cgroup namespace: a part of the hierarchy is mounted.
		v1Part = "33 32 0:30 /docker/abc /sys/fs/cgroup/cpu ro,relatime - cgroup cgroup rw,cpu\n"
		v2Part = "30 25 0:26 /kube/pod /sys/fs/cgroup ro - cgroup2 cgroup rw\n"
	)
	for _, test := range []struct {
		name     string
		files    map[string]string
		affinity int
		want     int
		why      string
	}{
		{"no proc", nil, 4, 4, "the 4 CPUs that this process may use"},
		{"one CPU", nil, 1, 1, "the 1 CPU that this process may use"},
		{"nothing known", nil, 0, 1, "the number of CPUs is not known"},
		{"v2 without quota", map[string]string{
			"proc/self/mountinfo": v2Root, "proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "max 100000\n",
		}, 8, 8, "the 8 CPUs that this process may use"},
		{"v2 with a quota, rounded up", map[string]string{
			"proc/self/mountinfo": v2Root, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "250000 100000\n",
		}, 8, 3, "the quota of 2.5 CPUs that the cgroup /a/b has"},
		{"v2 with a quota above", map[string]string{
			"proc/self/mountinfo": v2Root, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "400000 100000\n", "sys/fs/cgroup/a/cpu.max": "50000 100000\n",
		}, 8, 1, "the quota of 0.5 CPUs that the cgroup /a has"},
		{"v2 in a namespace", map[string]string{
			"proc/self/mountinfo": v2Root, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "200000 100000\n",
		}, 8, 2, "the quota of 2 CPUs that the cgroup / has"},
		{"v2, a part is mounted", map[string]string{
			"proc/self/mountinfo": v2Part, "proc/self/cgroup": "0::/kube/pod/c1\n", "sys/fs/cgroup/c1/cpu.max": "100000 100000\n",
		}, 8, 1, "the quota of 1 CPU that the cgroup /c1 has"},
		{"v2, the cgroup is outside", map[string]string{
			"proc/self/mountinfo": v2Root, "proc/self/cgroup": "0::/../x\n", "sys/fs/cgroup/cpu.max": "300000 100000\n",
		}, 8, 3, "the quota of 3 CPUs that the cgroup / has"},
		{"a quota above the affinity", map[string]string{
			"proc/self/mountinfo": v2Root, "proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "1600000 100000\n",
		}, 8, 8, "the 8 CPUs that this process may use"},
		{"v1", map[string]string{
			"proc/self/mountinfo": v1Mem + v1CPU, "proc/self/cgroup": "5:memory:/m\n4:cpu,cpuacct:/a\n0::/\n",
			"sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "150000\n", "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
		}, 8, 2, "the quota of 1.5 CPUs that the cgroup /a has"},
		{"v1 without quota", map[string]string{
			"proc/self/mountinfo": v1CPU, "proc/self/cgroup": "4:cpu,cpuacct:/a\n",
			"sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
		}, 8, 8, "the 8 CPUs that this process may use"},
		{"v1, a part is mounted", map[string]string{
			"proc/self/mountinfo": v1Part, "proc/self/cgroup": "4:cpu:/docker/abc\n",
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "50000\n",
		}, 8, 2, "the quota of 2 CPUs that the cgroup / has"},
		{"v1, another part is mounted", map[string]string{
			"proc/self/mountinfo": v1Part, "proc/self/cgroup": "4:cpu:/docker/abcdef\n",
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
		}, 8, 1, "the quota of 1 CPU that the cgroup / has"},
		{"nonsense", map[string]string{
			"proc/self/mountinfo": "x\n - \n1 2 3 4 5 - cgroup2\n1 2 3 / ../x r - cgroup2 a b\n" + v2Root, "proc/self/cgroup": "\n0:\n:::\n0::/a\n", "sys/fs/cgroup/a/cpu.max": "many few\n",
		}, 4, 4, "the 4 CPUs that this process may use"},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := fstest.MapFS{}
			for path, text := range test.files {
				root[path] = &fstest.MapFile{Data: []byte(text)}
			}
			n, why := cpusOf(root, test.affinity)
			if n != test.want || why != test.why {
				t.Errorf("got %d, %q, want %d, %q", n, why, test.want, test.why)
			}
		})
	}
}

func TestCPUsOfThisProcess(t *testing.T) {
	if n, why := CPUs(); n < 1 || why == "" {
		t.Errorf("got %d, %q", n, why)
	}
}
