// Package counters counts what a run has really exercised. A suite that passes because it looked at nothing is a failed
// suite: each package names the counters that it must move, and one that stays at 0 fails the package.
package counters

import (
	"flag"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

var (
	mutex sync.Mutex // guards values; the counters themselves are atomic
	all   = map[string]*atomic.Int64{}
)

// Add moves the counter by n.
func Add(name string, n int) {
	mutex.Lock()
	counter, known := all[name]
	if !known {
		counter = new(atomic.Int64)
		all[name] = counter
	}
	mutex.Unlock()
	counter.Add(int64(n))
}

// Value is the counter's present value; a counter that nobody has moved is 0.
func Value(name string) int64 {
	mutex.Lock()
	defer mutex.Unlock()
	if counter, known := all[name]; known {
		return counter.Load()
	}
	return 0
}

// Main runs the tests of a package, prints its counters and returns the exit code. The required counters are not looked
// at when only some tests were asked for.
func Main(m *testing.M, required ...string) int {
	code := m.Run()
	names := append([]string{}, required...)
	mutex.Lock()
	for name := range all {
		names = append(names, name)
	}
	mutex.Unlock()
	sort.Strings(names)
	var line []string
	for i, name := range names {
		if i > 0 && names[i-1] == name {
			continue
		}
		line = append(line, fmt.Sprintf("%s %d", name, Value(name)))
	}
	fmt.Printf("counters: %s\n", strings.Join(line, ", "))
	if code != 0 || flag.Lookup("test.run").Value.String() != "" {
		return code
	}
	for _, name := range required {
		if Value(name) == 0 {
			fmt.Fprintf(os.Stdout, "--- FAIL: counter %q is 0: nothing of that kind was exercised\n", name)
			code = 1
		}
	}
	return code
}
