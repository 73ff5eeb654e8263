package history

import (
	"fmt"
	"sync"
)

// Writes remembers what became of each write to keys that are written once or overwritten in order, and says whether a
// final state can follow from it. Acknowledged and Uncertain may be called from many goroutines, for one key from one.
type Writes struct {
	mutex     sync.Mutex
	certain   map[string]Write    // the newest acknowledged write of a key
	uncertain map[string][]string // values tried after it, outcome unknown
	all       []Write
	unknown   []Write
}

// Acknowledged takes a write that the server has confirmed.
func (w *Writes) Acknowledged(write Write) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.certain == nil {
		w.certain, w.uncertain = map[string]Write{}, map[string][]string{}
	}
	w.certain[write.Key] = write
	delete(w.uncertain, write.Key)
	w.all = append(w.all, write)
}

// Uncertain takes a Put that ended with an error, which may or may not have been done.
func (w *Writes) Uncertain(write Write) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.uncertain == nil {
		w.certain, w.uncertain = map[string]Write{}, map[string][]string{}
	}
	w.uncertain[write.Key] = append(w.uncertain[write.Key], write.Value)
	w.unknown = append(w.unknown, write)
}

// All returns the acknowledged and the uncertain writes.
func (w *Writes) All() (acknowledged, uncertain []Write) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return append([]Write{}, w.all...), append([]Write{}, w.unknown...)
}

// Survived compares the final state of the keys, value by key, with the history: the last acknowledged write of each key,
// or an uncertain one after it, and nothing that nobody wrote.
func (w *Writes) Survived(final map[string]string) error {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	for key, write := range w.certain {
		value, present := final[key]
		switch {
		case !present && write.Kind == Put:
			return fmt.Errorf("lost: %q, acknowledged at revision %d, is gone", key, write.Revision)
		case present && (write.Kind == Delete || value != write.Value) && !contains(w.uncertain[key], value):
			return fmt.Errorf("lost: %q has %q instead of the %s of revision %d", key, value, write.Kind, write.Revision)
		}
	}
	for key, value := range final {
		if _, known := w.certain[key]; !known && !contains(w.uncertain[key], value) {
			return fmt.Errorf("%q has the value %q, which nobody wrote", key, value)
		}
	}
	return nil
}

func contains(values []string, value string) bool {
	for _, candidate := range values {
		if candidate == value {
			return true
		}
	}
	return false
}
