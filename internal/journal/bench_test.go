package journal

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"ripd/internal/config"
)

// One line with its share of the write, to a file, from 1 to 4 goroutines.
func BenchmarkAccessLog(b *testing.B) {
	for _, mode := range []config.Access{config.AccessHuman, config.AccessJSON} {
		b.Run(string(mode), func(b *testing.B) {
			f := benchmarkOut(b)
			l := NewAccessLog(AccessOptions{Mode: mode, Out: f, App: "shop", Color: true})
			a := sample()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				l.Log(a)
				pace(l, i)
			}
			report(b, l)
		})
		for _, goroutines := range []int{2, 4} {
			b.Run(string(mode)+"/"+string(rune('0'+goroutines))+"-goroutines", func(b *testing.B) {
				f := benchmarkOut(b)
				l := NewAccessLog(AccessOptions{Mode: mode, Out: f, App: "shop", Color: true})
				b.ReportAllocs()
				b.SetParallelism((goroutines + 1) / 2)
				b.RunParallel(func(pb *testing.PB) {
					a := sample()
					for i := 0; pb.Next(); i++ {
						l.Log(a)
						pace(l, i)
					}
				})
				report(b, l)
			})
		}
	}
}

func benchmarkOut(b *testing.B) *os.File {
	f, err := os.OpenFile(filepath.Join(b.TempDir(), "log"), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = f.Close() })
	return f
}

// pace waits for the writer when it is far behind, so that the time of the
// writes counts and nothing is dropped.
func pace(l *AccessLog, i int) {
	if i%256 != 0 {
		return
	}
	waiting := func() int {
		l.sink.mu.Lock()
		defer l.sink.mu.Unlock()
		return len(l.sink.buf)
	}
	for waiting() > MaxBuffered/2 {
		runtime.Gosched()
	}
}

// report closes the log within the measured time, so that the writes count.
func report(b *testing.B, l *AccessLog) {
	if err := l.Close(); err != nil {
		b.Error(err)
	}
	b.ReportMetric(float64(l.Dropped())/float64(b.N), "dropped/line")
}
