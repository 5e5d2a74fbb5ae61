package main

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

// carry is middleware of river's. A job has its inserter's actor among its
// metadata, and is worked by that: nobody who writes a job need think of it.
type carry struct{ river.MiddlewareDefaults }

// InsertMany implements rivertype.JobInsertMiddleware.
func (*carry) InsertMany(ctx context.Context, jobs []*rivertype.JobInsertParams, insert func(context.Context) ([]*rivertype.JobInsertResult, error)) ([]*rivertype.JobInsertResult, error) {
	who, ok := actor.FromContext(ctx)
	if !ok {
		return nil, errors.New("insert a job: no actor in the context")
	}
	for _, job := range jobs {
		all := map[string]any{}
		if len(job.Metadata) > 0 {
			if err := json.Unmarshal(job.Metadata, &all); err != nil {
				return nil, err
			}
		}
		all["actor"] = who
		text, err := json.Marshal(all)
		if err != nil {
			return nil, err
		}
		job.Metadata = text
	}
	return insert(ctx)
}

// Work implements rivertype.WorkerMiddleware. A job that was inserted without the
// middleware has the queue for its actor.
func (*carry) Work(ctx context.Context, job *rivertype.JobRow, work func(context.Context) error) error {
	var metadata struct{ Actor actor.Actor }
	if err := json.Unmarshal(job.Metadata, &metadata); err != nil {
		return err
	}
	if metadata.Actor.IsAnonymous() {
		metadata.Actor = actor.System("queue")
	}
	return work(actor.NewContext(ctx, metadata.Actor))
}
