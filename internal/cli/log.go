package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/progress"
)

// The forms of the log.
const (
	logText = "text"
	logJSON = "json"
)

// progress returns the Progress for what standard error is.
func (e Env) progress(verbose bool) *progress.Progress {
	return progress.New(e.Stderr, e.IsTerminal, verbose, e.Now, e.console)
}

// A logWriter gives each line of the log the form that was asked for. It is plain
// until set is called. All methods are safe for concurrent use.
type logWriter struct {
	w   io.Writer
	now func() time.Time

	mu     sync.Mutex
	format string
	rest   []byte // a line that is not whole yet
}

// set chooses the form, and reports whether it belongs to a log.
func (l *logWriter) set(format string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if format == logText || format == logJSON {
		l.format = format
	}
	return l.format != ""
}

// Write passes whole lines on. A command to GitHub's runner stays one.
func (l *logWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.format == "" {
		return l.w.Write(p)
	}
	l.rest = append(l.rest, p...)
	for {
		line, after, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		text := l.line(string(line))
		l.rest = append([]byte(nil), after...)
		if _, err := io.WriteString(l.w, text+"\n"); err != nil {
			return len(p), err
		}
	}
}

func (l *logWriter) line(text string) string {
	now := l.now().UTC().Format(time.RFC3339)
	switch {
	case strings.HasPrefix(text, "::"):
		return text
	case l.format == logText:
		return now + " " + text
	}
	level := "info"
	message, ours := strings.CutPrefix(text, program+": ")
	early, soon := strings.CutPrefix(message, progress.ErrorPrefix)
	if ours || soon {
		level, message = "error", early
	}
	for _, prefix := range []string{"warning: ", lookAtThis} {
		if rest, found := strings.CutPrefix(message, prefix); found {
			level = "warning"
			if prefix != lookAtThis {
				message = rest
			}
		}
	}
	form := struct {
		Time    string `json:"time"`
		Level   string `json:"level"`
		Message string `json:"message"`
	}{now, level, message}
	raw, err := json.Marshal(form)
	if err != nil {
		return text // of strings it cannot be
	}
	return string(raw)
}
