package differential

import (
	"fmt"
	"math"
	"sync"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// edges are the values that every int64 field of a request has to have had: RK-08 is about one that was never sent.
var edges = []int64{math.MinInt64, -1, 0, 1, math.MaxInt64}

// outOfRange is a number that no enumeration has.
const outOfRange = 99

// fieldCoverage counts which values the fields of the requests have had.
type fieldCoverage struct {
	mutex sync.Mutex // the runs of several seeds share one coverage
	seen  map[string]int
}

func newFieldCoverage() *fieldCoverage { return &fieldCoverage{seen: map[string]int{}} }

// requested are the messages whose fields have to be covered.
var requested = []proto.Message{
	&pb.RangeRequest{}, &pb.PutRequest{}, &pb.DeleteRangeRequest{}, &pb.Compare{}, &pb.CompactionRequest{},
	&pb.LeaseGrantRequest{}, &pb.LeaseRevokeRequest{}, &pb.LeaseKeepAliveRequest{}, &pb.LeaseTimeToLiveRequest{},
	&pb.HashKVRequest{}, &pb.AlarmRequest{}, &pb.WatchCreateRequest{}, &pb.WatchCancelRequest{},
}

// record notes the values of all fields of a request, nested ones included.
func (c *fieldCoverage) record(message proto.Message) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	walk(message.ProtoReflect(), func(m protoreflect.Message, field protoreflect.FieldDescriptor) {
		if value := interesting(field, m); value != "" {
			c.seen[key(field, value)]++
		}
	})
}

// missing names every value of interest that no request has had.
func (c *fieldCoverage) missing() []string {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	var missing []string
	for _, message := range requested {
		fields := message.ProtoReflect().Descriptor().Fields()
		for i := range fields.Len() {
			for _, value := range wanted(fields.Get(i)) {
				if name := key(fields.Get(i), value); c.seen[name] == 0 && !never[name] {
					missing = append(missing, name)
				}
			}
		}
	}
	return missing
}

func (c *fieldCoverage) covered() int {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return len(c.seen)
}

func key(field protoreflect.FieldDescriptor, value string) string {
	return string(field.ContainingMessage().Name()) + "." + string(field.Name()) + "=" + value
}

// wanted are the values of interest of a field.
func wanted(field protoreflect.FieldDescriptor) []string {
	var values []string
	switch field.Kind() {
	case protoreflect.Int64Kind:
		for _, edge := range edges {
			values = append(values, fmt.Sprint(edge))
		}
	case protoreflect.Uint64Kind:
		values = []string{"0", "1", fmt.Sprint(uint64(math.MaxUint64))}
	case protoreflect.BoolKind:
		values = []string{"true", "false"}
	case protoreflect.EnumKind:
		if field.IsList() {
			return []string{"some"}
		}
		for i := range field.Enum().Values().Len() {
			values = append(values, fmt.Sprint(field.Enum().Values().Get(i).Number()))
		}
		values = append(values, fmt.Sprint(outOfRange))
	}
	return values
}

// interesting is the value of a field if it is one of those wanted.
func interesting(field protoreflect.FieldDescriptor, m protoreflect.Message) string {
	if field.IsList() {
		if field.Kind() == protoreflect.EnumKind && m.Get(field).List().Len() > 0 {
			return "some"
		}
		return ""
	}
	if field.ContainingOneof() != nil && !m.Has(field) {
		return ""
	}
	text := fmt.Sprint(m.Get(field).Interface())
	for _, value := range wanted(field) {
		if value == text {
			return value
		}
	}
	return ""
}

// walk visits the fields of a message and of all messages in it.
func walk(m protoreflect.Message, visit func(protoreflect.Message, protoreflect.FieldDescriptor)) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		visit(m, field)
		if field.Message() == nil || !m.Has(field) {
			continue
		}
		if !field.IsList() {
			walk(m.Get(field).Message(), visit)
			continue
		}
		for j := range m.Get(field).List().Len() {
			walk(m.Get(field).List().Get(j).Message(), visit)
		}
	}
}
