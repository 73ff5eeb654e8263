// Package figures keeps the numbers that a run has measured, beside its verdicts: for the record of the acceptance table.
// No test decides by them.
package figures

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"regent/tests/conformance/server"
)

// Figure is one line of figures.jsonl in the run's artefacts.
type Figure struct {
	Test  string `json:"test"`
	Name  string `json:"name"`
	Value string `json:"value"`
}

var mutex sync.Mutex // guards the file: tests run at once

// Add notes one measured number, written as a reader wants to see it, with its unit.
func Add(t testing.TB, name, format string, arguments ...any) {
	t.Helper()
	figure := Figure{t.Name(), name, fmt.Sprintf(format, arguments...)}
	t.Logf("%s: %s", figure.Name, figure.Value)
	line, err := json.Marshal(figure)
	if err != nil {
		t.Fatal(err)
	}
	mutex.Lock()
	defer mutex.Unlock()
	path := server.Artefacts("figures.jsonl")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
}

// Since notes how long something took.
func Since(t testing.TB, name string, began time.Time) {
	t.Helper()
	Add(t, name, "%.1f s", time.Since(began).Seconds())
}

// Rate notes how many of something were done in a second.
func Rate(t testing.TB, name string, count int, began time.Time) {
	t.Helper()
	Add(t, name, "%.0f/s", float64(count)/time.Since(began).Seconds())
}

// Latencies notes the median and the 99th percentile of what was measured.
func Latencies(t testing.TB, name string, measured []time.Duration) {
	t.Helper()
	sorted := slices.Sorted(slices.Values(measured))
	at := func(percent int) float64 {
		return float64(sorted[(len(sorted)-1)*percent/100].Microseconds()) / 1000
	}
	Add(t, name, "p50 %.1f ms, p99 %.1f ms of %d", at(50), at(99), len(sorted))
}
