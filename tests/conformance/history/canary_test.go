package history

import (
	"fmt"
	"os"
	"testing"

	"regent/tests/conformance/counters"
)

func TestMain(m *testing.M) { os.Exit(counters.Main(m, "mutated histories rejected")) }

// response is what a watch receives at once: events, or a progress notification.
type response struct {
	revision int64
	progress bool
	events   []Event
}

// correctStream is a history without a fault: 40 writes of 4 keys, two of them in one revision now and then, every fifth
// change of a key a DELETE, a progress notification after every eighth response.
func correctStream() (responses []response, writes []Write) {
	state := map[string]Event{}
	revision := int64(1)
	for i := 0; i < 40; i++ {
		revision++
		answer := response{revision: revision}
		keys := []string{fmt.Sprintf("key%d", i%4)}
		if i%7 == 0 {
			keys = append(keys, fmt.Sprintf("key%d", (i+1)%4))
		}
		for _, key := range keys {
			event := next(state[key], key, revision, i)
			state[key] = event
			answer.events = append(answer.events, event)
			writes = append(writes, Write{event.Kind, key, event.Value, revision})
		}
		responses = append(responses, answer)
		if i%8 == 7 {
			responses = append(responses, response{revision: revision, progress: true})
		}
	}
	return responses, writes
}

func next(before Event, key string, revision int64, i int) Event {
	exists := before.Revision > 0 && before.Kind == Put
	event := Event{Kind: Put, Key: key, Value: fmt.Sprint("value", i), Revision: revision, CreateRevision: revision, Version: 1}
	if exists {
		event.CreateRevision, event.Version = before.CreateRevision, before.Version+1
		event.Previous = &Previous{before.Value, before.Revision, before.Version}
		if before.Version == 4 {
			event.Kind, event.Value, event.CreateRevision, event.Version = Delete, "", 0, 0
		}
	}
	return event
}

func judge(responses []response, writes []Write) error {
	stream := EventStream{WithPrevious: true, Start: 2}
	for _, answer := range responses {
		var err error
		if answer.progress {
			err = stream.Progress(answer.revision)
		} else {
			err = stream.Response(answer.revision, answer.events)
		}
		if err != nil {
			return err
		}
	}
	return stream.Complete(writes, nil)
}

func TestACorrectEventStreamIsAccepted(t *testing.T) {
	if err := judge(correctStream()); err != nil {
		t.Fatal(err)
	}
}

func TestAMutatedEventStreamIsRejected(t *testing.T) {
	mutations := map[string]func([]response) []response{
		"a response lost":         func(r []response) []response { return append(r[:20], r[21:]...) },
		"the first lost":          func(r []response) []response { return r[1:] },
		"the last lost":           func(r []response) []response { return r[:len(r)-2] },
		"a response doubled":      func(r []response) []response { return append(r[:5:5], append([]response{r[4]}, r[5:]...)...) },
		"two responses swapped":   func(r []response) []response { r[12], r[13] = r[13], r[12]; return r },
		"a revision split":        splitFirstPair,
		"an event lost of a pair": func(r []response) []response { r[0].events = r[0].events[:1]; return r },
		"an event of no write": func(r []response) []response {
			r[3].events = append(r[3].events, Event{Key: "other", Revision: r[3].revision, CreateRevision: r[3].revision, Version: 1})
			return r
		},
		"another value":             func(r []response) []response { r[10].events[0].Value = "other"; return r },
		"a PUT for a DELETE":        func(r []response) []response { return turnDelete(r) },
		"progress too early":        func(r []response) []response { r[8].revision = r[11].revision; return r },
		"progress goes back":        func(r []response) []response { r[17].revision = 3; return r },
		"an event of the future":    func(r []response) []response { r[2].revision--; return r },
		"no previous value":         func(r []response) []response { r[10].events[0].Previous = nil; return r },
		"an older previous value":   func(r []response) []response { r[30].events[0].Previous.Revision--; return r },
		"previous of a creation":    func(r []response) []response { r[0].events[0].Previous = &Previous{}; return r },
		"a version skipped":         func(r []response) []response { r[10].events[0].Version++; return r },
		"an event before the start": func(r []response) []response { r[0].events[0].Revision = 1; return r },
	}
	for name, mutate := range mutations {
		t.Run(name, func(t *testing.T) {
			responses, writes := correctStream()
			if err := judge(mutate(responses), writes); err == nil {
				t.Fatal("the checker accepted it")
			}
			counters.Add("mutated histories rejected", 1)
		})
	}
}

func splitFirstPair(r []response) []response {
	pair := r[0]
	first, second := pair, pair
	first.events, second.events = pair.events[:1], pair.events[1:]
	return append([]response{first, second}, r[1:]...)
}

func turnDelete(r []response) []response {
	for i := range r {
		for j := range r[i].events {
			if r[i].events[j].Kind == Delete {
				r[i].events[j].Kind = Put
				return r
			}
		}
	}
	return r
}

func TestAnUncertainWriteMayHaveAnEvent(t *testing.T) {
	responses, writes := correctStream()
	uncertain := []Write{writes[7]}
	certain := append(append([]Write{}, writes[:7]...), writes[8:]...)
	stream := EventStream{}
	for _, answer := range responses {
		if !answer.progress {
			if err := stream.Response(answer.revision, answer.events); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := stream.Complete(certain, uncertain); err != nil {
		t.Fatal(err)
	}
	if err := stream.Complete(certain, nil); err == nil {
		t.Fatal("an event that belongs to no write was accepted")
	}
	counters.Add("mutated histories rejected", 1)
}

func TestStaleListsAreRejected(t *testing.T) {
	lists := func() []List {
		return []List{
			{5, map[string]int64{"a": 5}},
			{7, map[string]int64{"a": 5, "b": 6}},
			{9, map[string]int64{"b": 8}},
		}
	}
	judge := func(lists []List) error {
		var checker ConsistentLists
		writes := [][]Write{{{Put, "a", "1", 5}}, {{Put, "b", "1", 6}}, {{Put, "b", "2", 8}, {Delete, "a", "", 9}}}
		for i, list := range lists {
			for _, write := range writes[i] {
				checker.Acknowledged(write)
			}
			if err := checker.Listed(list); err != nil {
				return err
			}
		}
		return nil
	}
	if err := judge(lists()); err != nil {
		t.Fatal(err)
	}
	mutations := map[string]func([]List){
		"the object is missing":       func(l []List) { delete(l[1].Objects, "b") },
		"the revision is too old":     func(l []List) { l[1].Revision = 5; delete(l[1].Objects, "b") },
		"the old object is shown":     func(l []List) { l[2].Objects["b"] = 6 },
		"a deleted object is shown":   func(l []List) { l[2].Objects["a"] = 5 },
		"an object newer than itself": func(l []List) { l[0].Objects["a"] = 6 },
		"an object of nobody":         func(l []List) { l[0].Objects["c"] = 4 },
		"lists go back":               func(l []List) { l[1].Revision = 10 },
	}
	for name, mutate := range mutations {
		t.Run(name, func(t *testing.T) {
			mutated := lists()
			mutate(mutated)
			if judge(mutated) == nil {
				t.Fatal("the checker accepted it")
			}
			counters.Add("mutated histories rejected", 1)
		})
	}
}

func TestLostWritesAreRejected(t *testing.T) {
	record := func() *Writes {
		var writes Writes
		writes.Acknowledged(Write{Put, "a", "1", 2})
		writes.Acknowledged(Write{Put, "a", "2", 3})
		writes.Acknowledged(Write{Put, "b", "1", 4})
		writes.Uncertain(Write{Put, "b", "2", 0})
		writes.Uncertain(Write{Put, "c", "1", 0})
		writes.Acknowledged(Write{Put, "d", "1", 5})
		writes.Acknowledged(Write{Delete, "d", "", 6})
		return &writes
	}
	for _, final := range []map[string]string{
		{"a": "2", "b": "1"}, {"a": "2", "b": "2"}, {"a": "2", "b": "1", "c": "1"},
	} {
		if err := record().Survived(final); err != nil {
			t.Errorf("%v: %v", final, err)
		}
	}
	for name, final := range map[string]map[string]string{
		"a key gone":          {"b": "1"},
		"an older value":      {"a": "1", "b": "1"},
		"a value of nobody":   {"a": "2", "b": "3"},
		"a key of nobody":     {"a": "2", "b": "1", "e": "1"},
		"a key back again":    {"a": "2", "b": "1", "d": "1"},
		"another try's value": {"a": "2", "b": "1", "c": "2"},
	} {
		t.Run(name, func(t *testing.T) {
			if record().Survived(final) == nil {
				t.Fatal("the checker accepted it")
			}
			counters.Add("mutated histories rejected", 1)
		})
	}
}
