package mirror

import "golang.org/x/sync/errgroup"

// workers do tasks concurrently, up to a number at a time. They stay for the
// next task, for the stack that a put takes is grown by copying it, and a put is
// short.
type workers struct {
	group *errgroup.Group
	tasks chan func()
	limit int
	begun int
}

func newWorkers(limit int) *workers {
	return &workers{group: &errgroup.Group{}, tasks: make(chan func()), limit: limit}
}

// do hands a task to a worker, and waits while all are busy. It must not be
// called concurrently.
func (w *workers) do(task func()) {
	select {
	case w.tasks <- task:
		return
	default:
	}
	if w.begun == w.limit {
		w.tasks <- task
		return
	}
	w.begun++
	w.group.Go(func() error {
		for ok := true; ok; task, ok = <-w.tasks {
			task()
		}
		return nil
	})
}

// wait waits until all tasks are done, and sends the workers home.
func (w *workers) wait() {
	close(w.tasks)
	_ = w.group.Wait() // tasks keep their errors
	*w = *newWorkers(w.limit)
}
