package differential

import (
	"fmt"
	"iter"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// planted is a copy of a message with one thing changed.
type planted struct {
	what    string
	message proto.Message
}

// plant makes every small change of a message: each value changed, each part taken away or added, neighbours swapped,
// elements lost and doubled.
func plant(message proto.Message) iter.Seq[planted] {
	return func(yield func(planted) bool) {
		for i := 0; ; i++ {
			mutant := proto.Clone(message)
			what := plantAt(mutant.ProtoReflect(), i)
			if what == "" || !proto.Equal(mutant, message) && !yield(planted{what, mutant}) {
				return
			}
		}
	}
}

// plantAt makes the i-th change, and returns "" when there are not so many.
func plantAt(message protoreflect.Message, i int) string {
	what := ""
	walk(message, func(m protoreflect.Message, field protoreflect.FieldDescriptor) {
		for _, change := range changes(m, field) {
			if i == 0 && what == "" {
				what = string(field.ContainingMessage().Name()) + "." + string(field.Name()) + " " + change.what
				change.make()
			}
			i--
		}
	})
	return what
}

type change struct {
	what string
	make func()
}

// changes are those of one field. Only the first elements of a long list are looked at, and the last.
func changes(m protoreflect.Message, field protoreflect.FieldDescriptor) []change {
	if field.IsList() {
		return changesOfList(m, field)
	}
	set := func(what string, value protoreflect.Value) change {
		return change{what, func() { m.Set(field, value) }}
	}
	value := m.Get(field)
	switch field.Kind() {
	case protoreflect.Int64Kind:
		return []change{set("+1", protoreflect.ValueOfInt64(value.Int()+1)), set("-1", protoreflect.ValueOfInt64(value.Int()-1)),
			set("=0", protoreflect.ValueOfInt64(0)), set("far", protoreflect.ValueOfInt64(value.Int()+1000000))}
	case protoreflect.Uint64Kind:
		return []change{set("+1", protoreflect.ValueOfUint64(value.Uint()+1)), set("=0", protoreflect.ValueOfUint64(0))}
	case protoreflect.Uint32Kind:
		return []change{set("bit", protoreflect.ValueOfUint32(uint32(value.Uint())^1))}
	case protoreflect.BoolKind:
		return []change{set("not", protoreflect.ValueOfBool(!value.Bool()))}
	case protoreflect.EnumKind:
		return []change{set("another", protoreflect.ValueOfEnum(value.Enum()+1))}
	case protoreflect.StringKind:
		return []change{set("more", protoreflect.ValueOfString(value.String()+"x")), set("gone", protoreflect.ValueOfString(""))}
	case protoreflect.BytesKind:
		return []change{set("more", protoreflect.ValueOfBytes(append(value.Bytes()[:len(value.Bytes()):len(value.Bytes())], 0))),
			set("gone", protoreflect.ValueOfBytes(nil))}
	case protoreflect.MessageKind:
		if m.Has(field) {
			return []change{{"gone", func() { m.Clear(field) }}}
		}
		if field.ContainingOneof() == nil {
			return []change{{"there", func() { m.Mutable(field) }}}
		}
	}
	return nil
}

func changesOfList(m protoreflect.Message, field protoreflect.FieldDescriptor) []change {
	const looked = 3
	length := m.Get(field).List().Len()
	var all []change
	for i := range length {
		if i >= looked && i != length-1 {
			continue
		}
		all = append(all, change{fmt.Sprintf("without [%d]", i), func() { replaceList(m, field, without(length, i)) }},
			change{fmt.Sprintf("[%d] twice", i), func() { replaceList(m, field, twice(length, i)) }})
		if i+1 < length {
			all = append(all, change{fmt.Sprintf("[%d] and the next swapped", i), func() { replaceList(m, field, swapped(length, i)) }})
		}
	}
	return all
}

// replaceList makes a list of the elements at these places.
func replaceList(m protoreflect.Message, field protoreflect.FieldDescriptor, places []int) {
	old := m.Get(field).List()
	list := m.NewField(field).List()
	for _, i := range places {
		list.Append(old.Get(i))
	}
	m.Set(field, protoreflect.ValueOfList(list))
}

func without(length, at int) []int {
	var places []int
	for i := range length {
		if i != at {
			places = append(places, i)
		}
	}
	return places
}

func twice(length, at int) []int {
	var places []int
	for i := range length {
		places = append(places, i)
		if i == at {
			places = append(places, i)
		}
	}
	return places
}

func swapped(length, at int) []int {
	places := without(length, -1)
	places[at], places[at+1] = places[at+1], places[at]
	return places
}

// undetermined says that a change is none that the comparison can or should see: it is in what normalize takes out.
func undetermined(r request, original, mutant proto.Message) bool {
	if before := headerOf(original); before != nil && headerOf(mutant).GetRaftTerm() == 0 {
		return false
	}
	if before, streamed := original.(*pb.RangeStreamResponse); streamed {
		return samePiece(before.RangeResponse, mutant.(*pb.RangeStreamResponse).RangeResponse)
	}
	left, _ := normalize(r, answer{messages: []proto.Message{original}})
	right, _ := normalize(r, answer{messages: []proto.Message{mutant}})
	alignRemaining(left[0], right[0])
	return proto.Equal(left[0], right[0])
}

// samePiece compares two pieces of a streamed range but for the term; that a piece is empty or not there is the same.
func samePiece(before, after *pb.RangeResponse) bool {
	if (before.GetHeader() == nil) != (after.GetHeader() == nil) || before.GetHeader() != nil && after.Header.RaftTerm == 0 {
		return false
	}
	left, right := &pb.RangeResponse{}, &pb.RangeResponse{}
	if before != nil {
		proto.Merge(left, before)
	}
	if after != nil {
		proto.Merge(right, after)
	}
	for _, header := range []*pb.ResponseHeader{left.Header, right.Header} {
		if header != nil {
			header.RaftTerm = 0
		}
	}
	return proto.Equal(left, right)
}
