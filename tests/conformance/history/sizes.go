package history

import "fmt"

// SameObjects compares two lists, the revision of each object by its name.
func SameObjects(one, other map[string]int64) error {
	for name, revision := range one {
		found, present := other[name]
		switch {
		case !present:
			return fmt.Errorf("%q, of revision %d, is in one list only", name, revision)
		case found != revision:
			return fmt.Errorf("%q is of revision %d in one list and of %d in the other", name, revision, found)
		}
	}
	for name, revision := range other {
		if _, present := one[name]; !present {
			return fmt.Errorf("%q, of revision %d, is in one list only", name, revision)
		}
	}
	return nil
}

// Sample is the size of a datastore at one of its compactions, and how much had been written until then.
type Sample struct{ Size, Written int64 }

// Reclaimed judges the sizes of a datastore whose objects are rewritten at a steady rate while its old revisions are
// compacted: over the second half of the samples it has to grow by less than half of what was written meanwhile.
func Reclaimed(samples []Sample) error {
	const needed = 6
	if len(samples) < needed {
		return fmt.Errorf("%d samples are too few: %d are needed", len(samples), needed)
	}
	middle, last := samples[len(samples)/2], samples[len(samples)-1]
	written := last.Written - middle.Written
	if written <= 0 {
		return fmt.Errorf("nothing was written between the samples")
	}
	if grown := last.Size - middle.Size; grown > written/2 {
		return fmt.Errorf("grew by %d bytes while %d were written and compacted", grown, written)
	}
	return nil
}
