package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/seed-3826ef92/whodunit/gormaudit/actor"
)

const (
	archiveEvery = time.Minute
	archiveAfter = 30 * 24 * time.Hour
)

// startArchiver puts old notes away, now and every so often, until ctx is
// done. There is no request here, so the job says itself who it is.
func (a *app) startArchiver(ctx context.Context) {
	ctx = actor.NewContext(ctx, archiver)
	a.jobs.running.Go(func() {
		ticker := time.NewTicker(archiveEvery)
		defer ticker.Stop()
		for {
			if err := a.archiveOld(ctx); err != nil && ctx.Err() == nil {
				slog.ErrorContext(ctx, "archive old notes", "error", err)
			}
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	})
}

// archiveOld archives all old notes in one statement, and each of them says
// that ctx's actor did it.
func (a *app) archiveOld(ctx context.Context) error {
	now := a.db.NowFunc()
	return a.db.WithContext(ctx).Model(&Note{}).
		Where("archived_at IS NULL AND updated_at < ?", now.Add(-archiveAfter)).
		Update("archived_at", now).Error
}
