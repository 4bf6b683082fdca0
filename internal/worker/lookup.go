package worker

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// defaultPath is where programs are looked for when the worker's environment
// has no PATH.
const defaultPath = "/usr/local/bin:/usr/bin:/bin"

// enter changes to the worker's folder.
func enter(dir string) error {
	err := os.Chdir(dir)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOENT):
		return fmt.Errorf("no such working directory: %s", dir)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("the working directory is no directory: %s", dir)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("no permission to enter the working directory: %s", dir)
	}
	return fmt.Errorf("enter the working directory: %w", err)
}

// findProgram finds the file to execute as a shell in the worker's folder would:
// a name with a slash is a path, any other is looked for in the worker's PATH.
// Unlike a shell, it takes an empty part of PATH for nothing and not for the
// current folder.
func findProgram(name string, env []string) (string, error) {
	if name == "" {
		return "", errors.New("the command's program is empty")
	}
	if strings.Contains(name, "/") {
		return name, runnable(name)
	}
	path, ok := lookup(env, "PATH")
	if !ok {
		path = defaultPath
	}
	var found error // the best reason why not
	for dir := range strings.SplitSeq(path, ":") {
		if dir == "" {
			continue
		}
		file := filepath.Join(dir, name)
		if !strings.Contains(file, "/") {
			file = "./" + file
		}
		err := runnable(file)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, errNoFile) && found == nil {
			found = err
		}
	}
	if found != nil {
		return "", found
	}
	return "", fmt.Errorf("program not found in PATH: %s", name)
}

var errNoFile = errors.New("no such program")

// runnable says why a file cannot be executed by this user; nil when it can.
func runnable(file string) error {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w: %s", errNoFile, file)
	case err != nil:
		return fmt.Errorf("program %s: %w", file, errors.Unwrap(err))
	case info.IsDir():
		return fmt.Errorf("the program is a folder: %s", file)
	case unix.Faccessat(unix.AT_FDCWD, file, unix.X_OK, unix.AT_EACCESS) != nil || info.Mode()&0o111 == 0:
		return fmt.Errorf("no permission to execute %s (chmod +x?)", file)
	}
	return nil
}

// execProblem puts an error of execve(2) into words that say what to mend.
func execProblem(program string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOENT):
		// The file was there a moment ago: it is its interpreter that is missing.
		if interpreter := scriptInterpreter(program); interpreter != "" {
			return fmt.Errorf("the first line of %s names an interpreter that does not exist: %s", program, interpreter)
		}
		return fmt.Errorf("the loader that %s needs does not exist", program)
	case errors.Is(err, syscall.ENOEXEC):
		return fmt.Errorf("%s is no program of this machine: a script needs a first line like #!/bin/sh", program)
	case errors.Is(err, syscall.E2BIG):
		return fmt.Errorf("the kernel finds the arguments and environment of %s too long", program)
	}
	return fmt.Errorf("execute %s: %w", program, err)
}

// scriptInterpreter gives the interpreter that a script's first line names; ""
// when the file is no script.
func scriptInterpreter(program string) string {
	file, err := os.Open(program)
	if err != nil {
		return ""
	}
	defer file.Close()
	line := make([]byte, 256) // the kernel reads no more, execve(2)
	n, err := io.ReadFull(file, line)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return ""
	}
	first, _, _ := bytes.Cut(line[:n], []byte("\n"))
	text, script := strings.CutPrefix(string(first), "#!")
	if words := strings.Fields(text); script && len(words) > 0 {
		return words[0]
	}
	return ""
}
