package main

import "sync"

// maxJobs is how many jobs people may have running at a time. Beyond, they are
// told to come back.
const maxJobs = 4

// jobs are what goes on after its request has been answered.
type jobs struct {
	running sync.WaitGroup
	slots   chan struct{} // holds one for each job that people have running
}

func newJobs() *jobs { return &jobs{slots: make(chan struct{}, maxJobs)} }

// start runs a job that somebody asked for, or returns errBusy where too many
// are running.
func (j *jobs) start(job func()) error {
	select {
	case j.slots <- struct{}{}:
	default:
		return errBusy
	}
	j.running.Go(func() {
		defer func() { <-j.slots }()
		job()
	})
	return nil
}

// wait returns when all jobs are done.
func (j *jobs) wait() { j.running.Wait() }
