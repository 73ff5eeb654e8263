// Package history judges what clients have seen: the events of one watch, consistent lists, and what became of
// acknowledged writes. The checkers know no server and no clock, so that the tests beside them can feed each one a
// mutated history that it must reject.
package history

import (
	"fmt"
	"sort"

	"go.etcd.io/etcd/api/v3/mvccpb"
)

// Kind says what an event did to its key.
type Kind int

const (
	Put Kind = iota
	Delete
)

func (k Kind) String() string { return [...]string{"PUT", "DELETE"}[k] }

// Event is one change as a watch reported it.
type Event struct {
	Kind           Kind
	Key            string
	Value          string
	Revision       int64 // the revision that made the change
	CreateRevision int64 // 0 in a DELETE
	Version        int64 // 0 in a DELETE
	Previous       *Previous
}

// Previous is the key as it was just before an event.
type Previous struct {
	Value    string
	Revision int64
	Version  int64
}

// Write is a change that the server has acknowledged to the client that asked for it.
type Write struct {
	Kind     Kind
	Key      string
	Value    string
	Revision int64
}

// FromWire translates the events of one watch response.
func FromWire(events []*mvccpb.Event) []Event {
	translated := make([]Event, 0, len(events))
	for _, wire := range events {
		event := Event{
			Key:            string(wire.Kv.Key),
			Value:          string(wire.Kv.Value),
			Revision:       wire.Kv.ModRevision,
			CreateRevision: wire.Kv.CreateRevision,
			Version:        wire.Kv.Version,
		}
		if wire.Type == mvccpb.Event_DELETE {
			event.Kind = Delete
		}
		if before := wire.PrevKv; before != nil {
			event.Previous = &Previous{string(before.Value), before.ModRevision, before.Version}
		}
		translated = append(translated, event)
	}
	return translated
}

// EventStream checks the responses of one watch as they come: events strictly in the order of their revisions, each
// change once, one revision never split over two responses, nothing at or below a revision that a progress notification
// has declared complete.
type EventStream struct {
	// WithPrevious says that the watch asked for the previous values.
	WithPrevious bool
	// Start is the first revision that the watch may report; 0 when it does not matter.
	Start int64
	// Filtered says that the watch asked for one kind of events only, so that a key's events are not all there.
	Filtered bool
	// Repeats says that a transaction may delete and put one key: etcd lets pass what it does not see to overlap.
	Repeats bool

	events      []Event
	complete    int64 // every event up to here was promised to have been sent
	last        int64
	seenInLast  map[string]bool
	currentKeys map[string]Event
}

// Events are all events seen so far.
func (s *EventStream) Events() []Event { return s.events }

// Response takes the next response with events. headerRevision is the store's revision that came with it.
func (s *EventStream) Response(headerRevision int64, events []Event) error {
	for i, event := range events {
		if event.Revision > headerRevision {
			return fmt.Errorf("event %s %q of revision %d in a response of revision %d",
				event.Kind, event.Key, event.Revision, headerRevision)
		}
		if i == 0 && event.Revision == s.last {
			return fmt.Errorf("revision %d is split over two responses (key %q)", event.Revision, event.Key)
		}
		if err := s.take(event); err != nil {
			return err
		}
	}
	return nil
}

// Progress takes a notification that everything up to the revision has been sent.
func (s *EventStream) Progress(revision int64) error {
	if revision < s.last || revision < s.complete {
		return fmt.Errorf("progress at revision %d after an event of revision %d and progress at %d",
			revision, s.last, s.complete)
	}
	if s.Start > 0 && revision < s.Start-1 {
		return fmt.Errorf("progress at revision %d for a watch that starts at %d", revision, s.Start)
	}
	s.complete = revision
	return nil
}

func (s *EventStream) take(event Event) error {
	switch {
	case event.Revision < s.last:
		return fmt.Errorf("event of revision %d (%q) after one of revision %d", event.Revision, event.Key, s.last)
	case event.Revision <= s.complete:
		return fmt.Errorf("event of revision %d (%q) after progress at revision %d", event.Revision, event.Key, s.complete)
	case event.Revision < s.Start:
		return fmt.Errorf("event of revision %d (%q) in a watch that starts at %d", event.Revision, event.Key, s.Start)
	}
	if event.Revision > s.last {
		s.seenInLast = map[string]bool{}
	}
	if s.seenInLast[event.Key] && !s.Repeats {
		return fmt.Errorf("two events of key %q in revision %d", event.Key, event.Revision)
	}
	if !s.Filtered {
		if err := s.checkPrevious(event); err != nil {
			return err
		}
	}
	if s.currentKeys == nil {
		s.currentKeys = map[string]Event{}
	}
	s.seenInLast[event.Key] = true
	s.currentKeys[event.Key] = event
	s.last = event.Revision
	s.events = append(s.events, event)
	return nil
}

// checkPrevious compares an event with what the stream has shown of its key before.
func (s *EventStream) checkPrevious(event Event) error {
	before, known := s.currentKeys[event.Key]
	creates := event.Kind == Put && event.CreateRevision == event.Revision
	if known && event.Kind == Put && before.Kind == Put && event.Version != before.Version+1 {
		return fmt.Errorf("key %q goes from version %d to %d at revision %d: an event is missing or doubled",
			event.Key, before.Version, event.Version, event.Revision)
	}
	if known && before.Kind == Delete && !creates {
		return fmt.Errorf("key %q changes at revision %d without a creation after its DELETE at %d",
			event.Key, event.Revision, before.Revision)
	}
	if !s.WithPrevious {
		return nil
	}
	if creates != (event.Previous == nil) {
		return fmt.Errorf("%s of %q at revision %d (created %d): previous value present is %v",
			event.Kind, event.Key, event.Revision, event.CreateRevision, event.Previous != nil)
	}
	if event.Previous != nil && known && (event.Previous.Revision != before.Revision || event.Previous.Value != before.Value) {
		return fmt.Errorf("%s of %q at revision %d: the previous value is of revision %d, the last event was of %d",
			event.Kind, event.Key, event.Revision, event.Previous.Revision, before.Revision)
	}
	return nil
}

// Complete compares the whole stream with the acknowledged writes of the watched keys: each is there exactly once, at its
// revision, with its value. uncertain are writes whose outcome the client never learnt: an event may belong to one of
// them, no other event may be there.
func (s *EventStream) Complete(acknowledged, uncertain []Write) error {
	type change struct {
		kind       Kind
		key, value string
	}
	wanted := map[int64]map[string]Write{}
	for _, write := range acknowledged {
		if wanted[write.Revision] == nil {
			wanted[write.Revision] = map[string]Write{}
		}
		wanted[write.Revision][write.Key] = write
	}
	possible := map[change]int{}
	for _, write := range uncertain {
		possible[change{write.Kind, write.Key, write.Value}]++
	}
	for _, event := range s.events {
		write, known := wanted[event.Revision][event.Key]
		if known {
			if write.Kind != event.Kind || (event.Kind == Put && write.Value != event.Value) {
				return fmt.Errorf("event %s %q of revision %d does not match the write %s", event.Kind, event.Key, event.Revision, write.Kind)
			}
			delete(wanted[event.Revision], event.Key)
			continue
		}
		same := change{event.Kind, event.Key, event.Value}
		if possible[same] == 0 {
			return fmt.Errorf("event %s %q of revision %d belongs to no write", event.Kind, event.Key, event.Revision)
		}
		possible[same]--
	}
	return missing(wanted)
}

func missing(wanted map[int64]map[string]Write) error {
	var lost []string
	for revision, writes := range wanted {
		for key, write := range writes {
			lost = append(lost, fmt.Sprintf("%s %q of revision %d", write.Kind, key, revision))
		}
	}
	if len(lost) == 0 {
		return nil
	}
	sort.Strings(lost)
	return fmt.Errorf("%d acknowledged writes have no event, first: %s", len(lost), lost[0])
}
