package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// This file serves files of the disk, without a worker that takes part.

// staticGroup is the name of the group.
const staticGroup = "static"

// files are what is served, by their sizes.
var files = []int{kb, 64 * kb, mb}

// fileServers serve files. nginx opens each file for each request, as ripd does;
// nginx-cache keeps files open, and serves what was there up to a minute ago.
var fileServers = map[string]starter{
	"ripd":        func(s *server, o setup) error { return s.startRipdFiles(o.ripd) },
	"ripd-b":      func(s *server, o setup) error { return s.startRipdFiles(o.ripdB) },
	"nginx":       func(s *server, _ setup) error { return s.startNginxFiles("") },
	"nginx-cache": func(s *server, _ setup) error { return s.startNginxFiles("open_file_cache max=1000;") },
}

func fileLoads() []scenario {
	return []scenario{
		{name: "file-1k", title: "a file of 1 KB, c64", path: fileOf(kb), load: some, times: 2},
		{name: "file-64k", title: "a file of 64 KB, c64", path: fileOf(64 * kb), load: some, times: 2},
		{name: "file-1m", title: "a file of 1 MB, c64", path: fileOf(mb), load: some, times: 2},
	}
}

func fileOf(size int) string { return fmt.Sprintf("/%d.txt", size) }

// folder makes the files.
func (s *server) folder() (string, error) {
	s.secure = ""
	dir := filepath.Join(s.dir, "files")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	for _, size := range files {
		if err := os.WriteFile(dir+fileOf(size), []byte(strings.Repeat("x", size)), 0o600); err != nil {
			return "", err
		}
	}
	return dir, nil
}

const ripdFiles = `
command = [%q, %q, "$SOCKET_PATH"]
[listen]
http = [%q]
[workers]
count = 1
[static]
root = %q
[reload]
mode = "none"
[log]
access = "off"
`

func (s *server) startRipdFiles(binary string) error {
	dir, err := s.folder()
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	file, err := s.write("ripd.toml", fmt.Sprintf(ripdFiles, self, workerArg, s.plain, dir))
	if err != nil {
		return err
	}
	return s.runRipd(binary, []string{file}, nil)
}

const nginxFiles = `daemon off;
%[5]sworker_processes 2;
pid %[1]s/pid;
error_log %[1]s/error.log crit;
events { worker_connections 16384; }
http {
  access_log off;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  types { text/plain txt; }
  keepalive_requests 1000000000;
  sendfile on;
  tcp_nopush on;
  %[4]s
  server {
    listen %[2]s backlog=4096;
    root %[3]s;
  }
}
`

func (s *server) startNginxFiles(cache string) error {
	dir, err := s.folder()
	if err != nil {
		return err
	}
	file, err := s.write("server.conf", fmt.Sprintf(nginxFiles, s.dir, s.plain, dir, cache, nginxUser()))
	if err != nil {
		return err
	}
	s.version = "nginx " + versionOf("nginx", "-v")
	return s.run(exec.Command("nginx", "-e", filepath.Join(s.dir, "error.log"), "-p", s.dir, "-c", file))
}
