package actor

import (
	"context"
	"maps"
)

// NewMetadataContext returns a copy of parent with words of your own about what
// happens under it: a reason, a ticket, a trace id. The history records them
// beside the actor.
//
//	ctx = actor.NewMetadataContext(ctx, map[string]string{"reason": "refund, ticket 4711"})
//
// They are added to the metadata of parent, and replace what parent has under the
// same keys. An empty value takes a key away. The map is copied. Like
// [context.WithValue], NewMetadataContext panics when parent is nil.
//
// Nothing is refused here. A history takes at most 16 keys, with at most 4 KiB in
// keys and values together, of valid UTF-8 without zero bytes. Writes with other
// metadata fail.
func NewMetadataContext(parent context.Context, metadata map[string]string) context.Context {
	mustParent(parent)
	merged := MetadataFromContext(parent)
	if merged == nil {
		merged = make(map[string]string, len(metadata))
	}
	maps.Copy(merged, metadata)
	maps.DeleteFunc(merged, func(_, value string) bool { return value == "" })
	return context.WithValue(parent, metadataKey{}, merged)
}

// MetadataFromContext returns a copy of the metadata of ctx, for a queue's message
// for instance. When there is none, and for a nil ctx, it returns nil and does not
// allocate.
func MetadataFromContext(ctx context.Context) map[string]string {
	if ctx == nil {
		return nil
	}
	metadata, _ := ctx.Value(metadataKey{}).(map[string]string)
	if len(metadata) == 0 {
		return nil
	}
	return maps.Clone(metadata)
}

type metadataKey struct{}
