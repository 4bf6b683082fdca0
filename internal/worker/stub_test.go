package worker

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ripd/internal/config"
	"ripd/internal/testkit"
)

// TestStartSaysWhatIsWrong has starts fail for each reason that a user can
// cause.
func TestStartSaysWhatIsWrong(t *testing.T) {
	l := newLauncher(t)
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	noInterpreter := write("no-interpreter", "#!/usr/bin/pumba -x\n", 0o755)
	noScript := write("no-script", "echo hello\n", 0o755)
	notExecutable := write("not-executable", "#!/bin/sh\n", 0o644)
	file := write("file", "", 0o644)
	for _, tc := range []struct {
		name    string
		change  func(*Spec)
		command []string
		want    string
	}{
		{"no command", nil, nil, "the command is empty"},
		{"empty program", nil, []string{""}, "the command is empty"},
		{"not in PATH", nil, []string{"puma-of-old", "-b"}, "program not found in PATH: puma-of-old"},
		{"no PATH", func(s *Spec) { s.Env = nil }, []string{"puma-of-old"}, "program not found in PATH: puma-of-old"},
		{"not executable in PATH", func(s *Spec) { s.Env = []string{"PATH=" + dir} }, []string{"not-executable"}, "no permission to execute " + notExecutable + " (chmod +x?)"},
		{"no such path", nil, []string{"./bin/puma"}, "no such program: ./bin/puma"},
		{"a folder", nil, []string{dir}, "the program is a folder: " + dir},
		{"below a file", nil, []string{file + "/x"}, "no such program: " + file + "/x"},
		{"no interpreter", nil, []string{noInterpreter}, "the first line of " + noInterpreter + " names an interpreter that does not exist: /usr/bin/pumba"},
		{"no first line", nil, []string{noScript}, noScript + " is no program of this machine: a script needs a first line like #!/bin/sh"},
		{"no folder", func(s *Spec) { s.Dir = "/no/such/folder" }, []string{"true"}, "no such working directory: /no/such/folder"},
		{"folder is a file", func(s *Spec) { s.Dir = file }, []string{"true"}, "the working directory is no directory: " + file},
		{"unknown variable", nil, []string{"echo", "-$NOT_THERE-"}, `no variable NOT_THERE in the worker's environment ($$ is a dollar sign), in "-$NOT_THERE-" of the command`},
		{"bad OOM score", func(s *Spec) { s.OOMScoreAdjust = new(2000) }, []string{"true"}, "set the OOM score to 2000: invalid argument"},
		{"too long", func(s *Spec) { s.Env = append(s.Env, "LONG="+strings.Repeat("x", 200<<10)) }, []string{"true"}, "the kernel finds the arguments and environment of /usr/bin/true too long"},
		{"far too long", func(s *Spec) { s.Env = append(s.Env, "LONG="+strings.Repeat("x", 4<<20)) }, []string{"true"}, "arguments and environment have more than 2097152 bytes"},
		{"no socket to listen on", func(s *Spec) { s.Ready = config.ReadyListen }, []string{"true"}, `a worker that is to be ready by "listen" needs a socket`},
		{"a file in the socket's place", func(s *Spec) { s.Socket = file }, []string{"true"}, "a file that is no socket is where the worker's socket has to be: " + file},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := spec(t, "")
			s.Command = tc.command
			if tc.change != nil {
				tc.change(&s)
			}
			_, err := l.Start(s, func(line Line) { t.Errorf("output: %s", line.Text) })
			if err == nil || strings.ReplaceAll(err.Error(), "/bin/true", "/usr/bin/true") != tc.want && err.Error() != tc.want {
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
		})
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("the file was removed: %v", err)
	}
}

func TestWorkersOwnSurroundings(t *testing.T) {
	testkit.Need(t, "ls", "cat")
	l := newLauncher(t)
	// A descriptor as a careless library might leave it, and one of the highest.
	for _, fd := range []int{57, 900} {
		if err := unix.Dup2(1, fd); err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
	}
	oldMask := unix.Umask(0o027)
	defer unix.Umask(oldMask)

	s := spec(t, "")
	s.Dir = t.TempDir()
	s.OOMScoreAdjust, s.Batch = new(321), true
	s.Env = append(s.Env, "GREETING=hello * world", "BYTES=\xff\xfe")
	s.Command = append(shell(`
		echo "fds $(ls /proc/self/fd | tr '\n' ' ')"
		echo "stdin $(readlink /proc/self/fd/0)"
		echo "pwd $(pwd -P)"
		echo "umask $(umask)"
		echo "oom $(cat /proc/self/oom_score_adj)"
		echo "policy $(cut -d' ' -f41 /proc/self/stat)"
		echo "session $(ps -o sid= -p $$ | tr -d ' ')"
		echo "self $$"
		echo "argument $1"
		echo "env $(tr '\0' ' ' </proc/$$/environ)"
		exec grep -E "^Sig(Blk|Ign)" /proc/self/status # a shell blocks signals while it waits`), "sh", "${GREETING}-$$1")
	p, r := start(t, l, s)
	if exit := waitDone(t, p); !exit.Clean() {
		t.Fatalf("%v: %q", exit, p.LastWords())
	}
	got := make(map[string]string)
	for _, line := range r.texts(Stdout) {
		name, value, _ := strings.Cut(line, " ")
		got[name] = strings.TrimSpace(value)
	}
	pid := fmt.Sprint(p.PID())
	for name, want := range map[string]string{
		"fds":      "0 1 2 3", // 3 is what ls reads
		"stdin":    "/dev/null",
		"pwd":      s.Dir,
		"umask":    "0027",
		"oom":      "321",
		"policy":   "3", // SCHED_BATCH
		"session":  pid,
		"self":     pid,
		"argument": "hello * world-$1",
		"env":      strings.Join(s.Env, " "),
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	if signals := strings.Join(r.texts(Stdout), "\n"); !strings.Contains(signals, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000") {
		t.Errorf("signals: %s", signals)
	}
}

// TestWhatRipdInherited starts a ripd that ignores and blocks signals and has a
// low limit of open files: the worker gets the limit, and fresh signals.
func TestWhatRipdInherited(t *testing.T) {
	testkit.Need(t, "bash", "python3")
	script := `ulimit -Sn 777; trap "" HUP INT PIPE USR1
		exec python3 -c 'import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2, signal.SIGTERM, signal.SIGWINCH])
os.execv(sys.argv[1], sys.argv[1:])' "$@"`
	inner := `echo files $$(ulimit -Sn); grep -E '^Sig(Blk|Ign)' /proc/self/status`
	cmd := exec.Command("bash", "-c", script, "bash", "/proc/"+fmt.Sprint(os.Getpid())+"/exe", "bash", "-c", inner)
	cmd.Env = append(os.Environ(), roleVariable+"=ripd")
	child := testkit.Start(t, cmd)
	if code := child.Wait(t, testkit.Timeout); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	for _, want := range []string{"files 777\n", "SigBlk:\t0000000000000000\n", "SigIgn:\t0000000000000000\n"} {
		if !strings.Contains(child.Stdout.String(), want) {
			t.Errorf("no %q in\n%s", want, child.Stdout)
		}
	}
}

// TestSecretsStayOffTheCommandLine looks at the stub while it runs: a script in
// its place writes down what others could see of it.
func TestSecretsStayOffTheCommandLine(t *testing.T) {
	dir := t.TempDir()
	seen := filepath.Join(dir, "seen")
	script := filepath.Join(dir, "stub")
	text := fmt.Sprintf("#!/bin/sh\nPATH=/usr/bin:/bin\n{ tr '\\0' ' ' </proc/$$/cmdline; tr '\\0' ' ' </proc/$$/environ; } >%s\nexec /proc/%d/exe \"$@\"\n", seen, os.Getpid())
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := NewLauncher(LauncherOptions{Stub: script})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := spec(t, "")
	s.Env = append(s.Env, "DATABASE_PASSWORD=hunter2")
	s.Command = shell(`echo "password $DATABASE_PASSWORD"`)
	p, r := start(t, l, s)
	waitDone(t, p)
	r.waitLine(t, "password hunter2")
	got, err := os.ReadFile(seen)
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(string(got)) != "/bin/sh "+script+" "+StubArg {
		t.Errorf("the stub shows %q", got)
	}
}

func TestStubByHand(t *testing.T) {
	cmd := exec.Command("/proc/self/exe", StubArg)
	cmd.Args[0] = "ripd"
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != stubFailed || !strings.Contains(string(text), "for ripd's own use") {
		t.Errorf("got %v: %s", err, text)
	}
	for _, args := range [][]string{{"ripd"}, {"ripd", "demo"}, {"ripd", StubArg, "x"}, {"ripd", "demo", StubArg}, nil} {
		if IsStub(args) {
			t.Errorf("%q is no stub", args)
		}
	}
}

// TestStubThatDies has a broken program in the stub's place.
func TestStubThatDies(t *testing.T) {
	dir := t.TempDir()
	for name, tc := range map[string]struct{ script, want string }{
		"speaks": {"#!/bin/sh\necho >&2 out of luck\nexit 9\n", "the process ended before it could execute the program: exit status 9: out of luck"},
		"dies":   {"#!/bin/sh\nkill -KILL $$\n", "the process ended before it could execute the program: killed by SIGKILL"},
	} {
		stub := filepath.Join(dir, name)
		if err := os.WriteFile(stub, []byte(tc.script), 0o755); err != nil {
			t.Fatal(err)
		}
		l, err := NewLauncher(LauncherOptions{Stub: stub})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Start(spec(t, "exit"), func(Line) {}); err == nil || err.Error() != tc.want {
			t.Errorf("got %v", err)
		}
		l.Close()
	}
	l, err := NewLauncher(LauncherOptions{Stub: filepath.Join(dir, "missing")})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.Start(spec(t, "exit"), func(Line) {}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestFindProgram(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "node_modules", ".bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(bin, "tool"), filepath.Join(dir, "here")} {
		if err := os.WriteFile(path, nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	for _, tc := range []struct{ name, path, want string }{
		{"tool", "/none:" + bin, bin + "/tool"},
		{"tool", "node_modules/.bin", "node_modules/.bin/tool"},
		{"here", ".", "./here"},
		{"here", ":/none:", ""}, // empty parts are not the current folder
		{"./here", "", "./here"},
		{bin + "/tool", "", bin + "/tool"},
	} {
		got, err := findProgram(tc.name, []string{"PATH=" + tc.path})
		if got != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("%s in %q: got %q, %v", tc.name, tc.path, got, err)
		}
	}
}

func TestCloseOnExec(t *testing.T) {
	file, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for name, mark := range map[string]func(int){"closeOnExec": closeOnExec, "closeOnExecEach": closeOnExecEach} {
		if _, err := unix.FcntlInt(file.Fd(), unix.F_SETFD, 0); err != nil {
			t.Fatal(err)
		}
		mark(3)
		if flags, err := unix.FcntlInt(file.Fd(), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("%s: flags %x, %v", name, flags, err)
		}
	}
	for fd := range 3 {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC != 0 {
			t.Errorf("descriptor %d: flags %x, %v", fd, flags, err)
		}
	}
}

func BenchmarkStart(b *testing.B) {
	l, err := NewLauncher(LauncherOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	s := Spec{ID: 1, Command: []string{"true"}, Dir: "/", Env: os.Environ()}
	for b.Loop() {
		p, err := l.Start(s, func(Line) {})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		<-p.Done()
		b.StartTimer()
	}
}
