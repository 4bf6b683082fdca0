package e2e

import (
	"cmp"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ripd/internal/testkit"
)

// source is an app of several files, each with a version of its own. Its answer
// at / is the versions of all of them, in their order, with spaces between.
type source struct {
	dir   string
	files []string                              // names; each but the first is loaded by another
	text  func(file string, version int) string // what a file says
	saves int                                   // 0: 100
}

// saved are versions that are on the disk, the save complete.
type saved []atomic.Int64

// freshClients is how many clients ask while files are saved.
const freshClients = 8

// howOften files are saved, unless RIPD_SAVES says another number.
func (s source) howOften(t *testing.T) int {
	n, err := strconv.Atoi(cmp.Or(os.Getenv("RIPD_SAVES"), strconv.Itoa(cmp.Or(s.saves, 100))))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// staysFresh saves files of an app that runs, in every way in which editors and
// tools do it. Each request that starts after a save is complete has to get
// what was saved, and none may fail.
func staysFresh(t *testing.T, a *app, s source) {
	t.Helper()
	var (
		on       = make(saved, len(s.files))
		asked    atomic.Int64 // requests that were answered
		end      = make(chan struct{})
		group    sync.WaitGroup
		mu       sync.Mutex
		failures []string
	)
	for range freshClients {
		group.Go(func() {
			client := &http.Client{Timeout: startMost, Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for {
				select {
				case <-end:
					return
				default:
				}
				if fault := on.check(client, a.url); fault != "" {
					mu.Lock()
					failures = append(failures, fault)
					enough := len(failures) > 20
					mu.Unlock()
					if enough {
						return
					}
				}
				asked.Add(1)
			}
		})
	}
	random := rand.New(rand.NewPCG(1, 2))
	took := s.saveAll(t, a, on, random, s.howOften(t))
	close(end)
	group.Wait()
	for _, fault := range failures {
		t.Error(fault)
	}
	slices.Sort(took)
	t.Logf("%d saves, %d requests, %d stale or failed; from the save to the first new answer p50 %v, p99 %v",
		len(took), asked.Load(), len(failures), took[len(took)/2], took[len(took)*99/100])
}

// check sends one request and says what is wrong with its answer.
func (on saved) check(client *http.Client, url string) string {
	least := make([]int64, len(on))
	for i := range on {
		least[i] = on[i].Load()
	}
	answer, err := client.Get(url)
	if err != nil {
		return err.Error()
	}
	body, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	versions := strings.Fields(string(body))
	if err != nil || answer.StatusCode != http.StatusOK || len(versions) != len(on) {
		return fmt.Sprintf("failed: %d %.500s %v", answer.StatusCode, body, err)
	}
	for i, version := range versions {
		if got, err := strconv.ParseInt(version, 10, 64); err != nil || got < least[i] {
			return fmt.Sprintf("stale: got %q after %v was saved", body, least)
		}
	}
	return ""
}

// saveAll returns how long it took after each save until an answer had it.
func (s source) saveAll(t *testing.T, a *app, on saved, random *rand.Rand, n int) []time.Duration {
	client := &http.Client{Timeout: startMost}
	defer client.CloseIdleConnections()
	took := make([]time.Duration, 0, n)
	pause := time.NewTimer(0)
	defer pause.Stop()
	for version := int64(1); version <= int64(n); version++ {
		<-pause.C
		s.save(t, on, version, random)
		start := time.Now()
		if fault := on.check(client, a.url); fault != "" {
			t.Errorf("save %d: %s", version, fault)
			return append(took, 0)
		}
		took = append(took, time.Since(start))
		pause.Reset(time.Duration(random.IntN(30)) * time.Millisecond)
	}
	return took
}

// save puts a version on the disk in one of the ways of saving.
func (s source) save(t *testing.T, on saved, version int64, random *rand.Rand) {
	t.Helper()
	one := random.IntN(len(s.files))
	write := func(i int, version int64, how func(path, text string) error) {
		if err := how(filepath.Join(s.dir, s.files[i]), s.text(s.files[i], int(version))); err != nil {
			t.Fatal(err)
		}
		on[i].Store(version)
	}
	switch random.IntN(6) {
	case 0: // in place
		write(one, version, writeInPlace)
	case 1: // by renaming, as most editors
		write(one, version, writeByRename)
	case 2: // two saves within the clock's grain
		write(one, version-1, writeByRename)
		write(one, version, writeByRename)
	case 3: // all files, as git does
		for i := range s.files {
			write(i, version, writeByRename)
		}
	case 4: // the deepest
		write(len(s.files)-1, version, writeByRename)
	case 5: // the same content again
		now := time.Now()
		if err := os.Chtimes(filepath.Join(s.dir, s.files[one]), now, now); err != nil {
			t.Fatal(err)
		}
	}
}

// writeInPlace writes a file as short as these in one call, over the old text.
func writeInPlace(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

func writeByRename(path, text string) error {
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// write makes the app's folder, with version 0 of each file.
func (s source) write(t *testing.T) {
	t.Helper()
	for _, file := range s.files {
		path := filepath.Join(s.dir, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(s.text(file, 0)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// scriptSource is an app in JavaScript: ES modules and CommonJS that load each
// other.
func scriptSource(dir string) source {
	return source{dir: dir, files: []string{"index.mjs", "lib/mid.mjs", "lib/plain.cjs", "lib/inner.cjs", "lib/deep/leaf.mjs"},
		text: func(file string, version int) string {
			// Always of the same length, so that writing in place leaves nothing.
			padded := fmt.Sprintf("%d%s\n", version, strings.Repeat(" ", 9-len(strconv.Itoa(version))))
			switch file {
			case "index.mjs":
				return "import { leaf } from './lib/deep/leaf.mjs';\nimport { mid } from './lib/mid.mjs';\nimport { plain, inner } from './lib/plain.cjs';\n" +
					"export default { fetch: () => new Response([version, mid, plain, inner, leaf].join(' ')) };\nconst version = " + padded
			case "lib/mid.mjs":
				return "import './deep/leaf.mjs';\nexport const mid = " + padded
			case "lib/plain.cjs":
				return "exports.inner = require('./inner.cjs');\nexports.plain = " + padded
			case "lib/inner.cjs":
				return "module.exports = " + padded
			default:
				return "export const leaf = " + padded
			}
		}}
}

func TestJavaScriptStaysFresh(t *testing.T) {
	for _, adapter := range []string{"node", "bun"} {
		// In the mode process each save starts two processes.
		for mode, usual := range map[string]int{"module": 100, "process": 40} {
			t.Run(adapter+" "+mode, func(t *testing.T) {
				dir := filepath.Join(testkit.TempSocketDir(t), "fresh")
				s := scriptSource(dir)
				s.saves = usual
				s.write(t)
				config := fmt.Sprintf("adapter = %q\n", adapter)
				if err := os.WriteFile(filepath.Join(dir, "ripd.toml"), []byte(config), 0o600); err != nil {
					t.Fatal(err)
				}
				if adapter == "bun" {
					t.Setenv("PATH", filepath.Dir(testkit.Bun(t))+":"+os.Getenv("PATH"))
				}
				staysFresh(t, serve(t, dir, "w:2", "--hot-reload="+mode), s)
			})
		}
	}
}
