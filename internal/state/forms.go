package state

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A File is hackage-mirror.json, the state of a bucket.
type File struct {
	State State
	// Tool is the version of the program that wrote the file.
	Tool string
	// Updated is when the file was written.
	Updated time.Time
}

// fileForm is the JSON of a File. The lines keep their keys; "pending" holds
// the ledger, a line a release.
type fileForm struct {
	Tool    string            `json:"tool"`
	Updated string            `json:"updated"`
	State   map[string]string `json:"state"`
	Pending []string          `json:"pending"`
}

// JSON returns the written form of f, indented for people, ending in a newline.
func (f File) JSON() []byte {
	form := fileForm{
		Tool: f.Tool, Updated: formatTime(f.Updated),
		State: map[string]string{}, Pending: []string{},
	}
	for _, l := range f.State.lines(append(f.State.fields(), f.State.bucketFields()...)...) {
		if l.key == keyPending {
			form.Pending = append(form.Pending, l.value)
			continue
		}
		form.State[l.key] = l.value
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(form); err != nil {
		panic("state: strings do not fit into JSON: " + err.Error())
	}
	return out.Bytes()
}

// ParseFile reads hackage-mirror.json.
func ParseFile(raw []byte) (File, error) {
	var form fileForm
	if err := json.Unmarshal(raw, &form); err != nil {
		return File{}, fmt.Errorf("read state: %w: %w", err, ErrForm)
	}
	var in []line
	for key, value := range form.State {
		in = append(in, line{key, value})
	}
	for _, value := range form.Pending {
		in = append(in, line{keyPending, value})
	}
	f := File{Tool: form.Tool}
	err := f.State.parseLines(in, append(f.State.fields(), f.State.bucketFields()...)...)
	if err != nil {
		return File{}, err
	}
	f.Updated, err = parseTime("updated", form.Updated)
	return f, err
}

// Message returns a tag's message: the subject, a blank line, and the state.
func (s State) Message(subject, tool string) string {
	var out strings.Builder
	out.WriteString(subject + "\n\n")
	for _, l := range s.lines(append(s.tagFields(), s.fields()...)...) {
		out.WriteString(l.key + ": " + oneLine(l.value) + "\n")
	}
	out.WriteString("Tool: " + oneLine(tool) + "\n")
	return out.String()
}

// HasState reports whether a tag's message holds the lines of a state, readable
// or not. Those of the older tools have none.
func HasState(message string) bool {
	return strings.Contains(message, "\n"+keyLength+": ")
}

// ParseMessage reads the state out of a tag's message. A tag of the older
// tools has none: that is ErrForm.
func ParseMessage(message string) (s State, err error) {
	_, body, ok := strings.Cut(message, "\n\n")
	if !ok {
		return s, fmt.Errorf("read tag message: it has only a subject: %w", ErrForm)
	}
	var in []line
	for text := range strings.Lines(body) {
		key, value, ok := strings.Cut(strings.TrimSuffix(text, "\n"), ": ")
		if !ok {
			continue
		}
		in = append(in, line{key, value})
	}
	if !slices.ContainsFunc(in, func(l line) bool { return l.key == keyLength }) {
		return s, fmt.Errorf("read tag message: it names no position: %w", ErrForm)
	}
	err = s.parseLines(in, append(s.tagFields(), s.fields()...)...)
	return s, err
}

// oneLine keeps a value from opening a line of its own.
func oneLine(value string) string { return strings.NewReplacer("\n", " ", "\r", " ").Replace(value) }
