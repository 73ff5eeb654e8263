package history

import "fmt"

// List is the answer to one list request: the revision it claims and the revision of each object in it.
type List struct {
	Revision int64
	Objects  map[string]int64
}

// ConsistentLists checks lists that claim to be consistent: each shows every write that was acknowledged before it was
// asked for, contains nothing newer than itself, and the revisions of lists asked for one after the other never go back.
// Only writes to the same set of keys may be given to one checker.
type ConsistentLists struct {
	acknowledged map[string]Write
	last         int64
}

// Acknowledged takes a write that was answered before the next list is asked for.
func (c *ConsistentLists) Acknowledged(write Write) {
	if c.acknowledged == nil {
		c.acknowledged = map[string]Write{}
	}
	c.acknowledged[write.Key] = write
}

// Listed takes the answer to a list that was asked for after all writes given so far.
func (c *ConsistentLists) Listed(list List) error {
	if list.Revision < c.last {
		return fmt.Errorf("a list of revision %d after one of revision %d", list.Revision, c.last)
	}
	c.last = list.Revision
	for key, revision := range list.Objects {
		if revision > list.Revision {
			return fmt.Errorf("the list of revision %d contains %q of revision %d", list.Revision, key, revision)
		}
		if _, known := c.acknowledged[key]; !known {
			return fmt.Errorf("the list of revision %d contains %q, which nobody wrote", list.Revision, key)
		}
	}
	for key, write := range c.acknowledged {
		if err := c.shows(list, key, write); err != nil {
			return err
		}
	}
	return nil
}

func (c *ConsistentLists) shows(list List, key string, write Write) error {
	revision, present := list.Objects[key]
	switch {
	case list.Revision < write.Revision:
		return fmt.Errorf("stale: a list of revision %d after %q was written at %d", list.Revision, key, write.Revision)
	case write.Kind == Delete && present:
		return fmt.Errorf("stale: the list of revision %d still has %q, deleted at %d", list.Revision, key, write.Revision)
	case write.Kind == Put && !present:
		return fmt.Errorf("the list of revision %d lacks %q, written at %d", list.Revision, key, write.Revision)
	case write.Kind == Put && revision != write.Revision:
		return fmt.Errorf("the list of revision %d has %q of revision %d instead of %d", list.Revision, key, revision, write.Revision)
	}
	return nil
}
