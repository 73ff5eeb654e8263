package differential

import (
	"strconv"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// extremes are requests in which each field, one after the other, has each of its values of interest: what the random
// requests of a seed happen not to hit is asked all the same.
func extremes() []request {
	ops := then(putOp(putOf("a", "1")), rangeOp(&pb.RangeRequest{Key: []byte("b")}), deleteOp(deleteOf("c", "")))
	ops.Compare = []*pb.Compare{
		{Key: []byte("a"), TargetUnion: &pb.Compare_Version{}},
		{Key: []byte("a"), Target: pb.Compare_CREATE, TargetUnion: &pb.Compare_CreateRevision{}},
		{Key: []byte("a"), Target: pb.Compare_MOD, TargetUnion: &pb.Compare_ModRevision{}},
		{Key: []byte("a"), Target: pb.Compare_LEASE, TargetUnion: &pb.Compare_Lease{}},
	}
	var all []request
	for _, template := range []request{
		call("KV/Txn", ops),
		call("KV/Range", &pb.RangeRequest{Key: []byte{0}, RangeEnd: []byte{0}}),
		call("KV/Put", putOf("a", "2")),
		call("KV/DeleteRange", deleteOf("a", "")),
		call("KV/Compact", &pb.CompactionRequest{}),
		call("Lease/LeaseGrant", &pb.LeaseGrantRequest{ID: 20, TTL: longLease}),
		call("Lease/LeaseRevoke", &pb.LeaseRevokeRequest{}),
		call("Lease/LeaseKeepAlive", &pb.LeaseKeepAliveRequest{}),
		call("Lease/LeaseTimeToLive", &pb.LeaseTimeToLiveRequest{}),
		call("Maintenance/HashKV", &pb.HashKVRequest{}),
		call("Maintenance/Alarm", &pb.AlarmRequest{}),
	} {
		all = append(all, extremesOf(template)...)
	}
	return all
}

func extremesOf(template request) []request {
	var all []request
	for place := 0; ; place++ {
		field := placeOf(template.messages[0], place, "")
		if field == nil {
			return all
		}
		for _, value := range wanted(field) {
			if message := proto.Clone(template.messages[0]); !never[key(field, value)] {
				placeOf(message, place, value)
				all = append(all, call(template.method, message))
			}
		}
	}
}

// placeOf finds the field at a place, and gives it a value if one is named.
func placeOf(message proto.Message, place int, value string) (found protoreflect.FieldDescriptor) {
	walk(message.ProtoReflect(), func(m protoreflect.Message, field protoreflect.FieldDescriptor) {
		if field.IsList() || len(wanted(field)) == 0 || field.ContainingOneof() != nil && !m.Has(field) {
			return
		}
		if place == 0 && value != "" {
			m.Set(field, valueOf(field, value))
		}
		if place == 0 {
			found = field
		}
		place--
	})
	return found
}

// valueOf reads what wanted writes.
func valueOf(field protoreflect.FieldDescriptor, text string) protoreflect.Value {
	switch field.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(text == "true")
	case protoreflect.Uint64Kind:
		number, _ := strconv.ParseUint(text, 10, 64)
		return protoreflect.ValueOfUint64(number)
	}
	number, _ := strconv.ParseInt(text, 10, 64)
	if field.Kind() == protoreflect.EnumKind {
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(number))
	}
	return protoreflect.ValueOfInt64(number)
}
