package history

import (
	"maps"
	"testing"

	"regent/tests/conformance/counters"
)

func TestListsThatDifferAreRejected(t *testing.T) {
	list := map[string]int64{"a": 3, "b": 7, "c": 9}
	if err := SameObjects(list, maps.Clone(list)); err != nil {
		t.Fatal(err)
	}
	for name, mutate := range map[string]func(map[string]int64){
		"one is missing": func(other map[string]int64) { delete(other, "b") },
		"one too many":   func(other map[string]int64) { other["d"] = 10 },
		"one is older":   func(other map[string]int64) { other["c"] = 8 },
		"one is another": func(other map[string]int64) { delete(other, "a"); other["A"] = 3 },
	} {
		other := maps.Clone(list)
		mutate(other)
		if SameObjects(list, other) == nil {
			t.Errorf("accepted: %s", name)
		}
		counters.Add("mutated histories rejected", 1)
	}
}

func TestADatastoreThatKeepsEverythingIsRejected(t *testing.T) {
	sizes := func(each func(i int64) int64) (samples []Sample) {
		for i := range int64(8) {
			samples = append(samples, Sample{each(i), 100 * i})
		}
		return samples
	}
	if err := Reclaimed(sizes(func(i int64) int64 { return 250 + 40*(i%2) })); err != nil {
		t.Error(err)
	}
	for name, samples := range map[string][]Sample{
		"nothing is given back":  sizes(func(i int64) int64 { return 100 * i }),
		"too little is":          sizes(func(i int64) int64 { return 60 * i }),
		"too few samples":        sizes(func(int64) int64 { return 250 })[:3],
		"nothing was written":    make([]Sample, 8),
		"it grows at its end":    append(sizes(func(int64) int64 { return 250 }), Sample{1000, 900}),
		"there are none of them": nil,
	} {
		if Reclaimed(samples) == nil {
			t.Errorf("accepted: %s", name)
		}
		counters.Add("mutated histories rejected", 1)
	}
}
