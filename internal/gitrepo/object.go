package gitrepo

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// An Identity is a person or program as git names it.
type Identity struct{ Name, Email string }

// String returns NAME <EMAIL>.
func (id Identity) String() string { return id.Name + " <" + id.Email + ">" }

// A Commit is a commit object. Times have whole seconds and are written as UTC.
type Commit struct {
	// ID is for reading.
	ID            string
	Tree          string
	Parents       []string
	Author        Identity
	AuthorWhen    time.Time
	Committer     Identity
	CommitterWhen time.Time
	// Message ends in a newline; WriteCommit adds a missing one.
	Message string

	// Signature is armored, "" if there is none, and Signed is what it
	// covers. Both are for reading; WriteCommit makes its own.
	Signature string
	Signed    []byte
}

// A Tag is an annotated tag object.
type Tag struct {
	Object string
	// Type is that of Object; WriteTag takes "" for commit.
	Type   string
	Name   string
	Tagger Identity
	When   time.Time
	// Message is without the signature and ends in a newline; WriteTag adds
	// a missing one.
	Message string

	// Signature is armored, "" if there is none, and Signed is what it
	// covers. Both are for reading; WriteTag makes its own.
	Signature string
	Signed    []byte
}

// BlobID returns the id that git gives to a file of this content.
func BlobID(content []byte) string { return object{"blob", content}.id() }

// An object is the type and the content of a git object.
type object struct {
	kind    string
	content []byte
}

// An oid is the id of an object in binary form.
type oid [sha1.Size]byte

func (id oid) String() string { return hex.EncodeToString(id[:]) }

// parseID reads an id in hexadecimal.
func parseID(id string) (oid, error) {
	raw, err := hex.DecodeString(id)
	if err != nil || len(raw) != len(oid{}) {
		return oid{}, checkID(id)
	}
	return oid(raw), nil
}

// oid is the SHA-1 over "TYPE SIZE<nul>" and the content.
func (o object) oid() (id oid) {
	h := sha1.New()
	var head [32]byte
	h.Write(append(strconv.AppendInt(append(append(head[:0], o.kind...), ' '), int64(len(o.content)), 10), 0))
	h.Write(o.content)
	h.Sum(id[:0])
	return id
}

// id is oid in hexadecimal.
func (o object) id() string { return o.oid().String() }

// encode writes the commit without a signature.
func (c Commit) encode() ([]byte, error) {
	var b bytes.Buffer
	for _, id := range append([]string{c.Tree}, c.Parents...) {
		if err := checkID(id); err != nil {
			return nil, err
		}
	}
	b.WriteString("tree " + c.Tree + "\n")
	for _, parent := range c.Parents {
		b.WriteString("parent " + parent + "\n")
	}
	if err := writeStamp(&b, "author", c.Author, c.AuthorWhen); err != nil {
		return nil, err
	}
	if err := writeStamp(&b, "committer", c.Committer, c.CommitterWhen); err != nil {
		return nil, err
	}
	err := writeMessage(&b, c.Message)
	return b.Bytes(), err
}

// encode writes the tag without a signature.
func (t Tag) encode() ([]byte, error) {
	if err := checkID(t.Object); err != nil {
		return nil, err
	}
	if err := checkRef("refs/tags/" + t.Name); err != nil {
		return nil, err
	}
	kind := t.Type
	if kind == "" {
		kind = "commit"
	}
	if kind != "commit" && kind != "tree" && kind != "blob" && kind != "tag" {
		return nil, fmt.Errorf("write tag of type %q: %w", kind, ErrObject)
	}
	for line := range strings.Lines(t.Message) {
		if strings.HasPrefix(line, "-----BEGIN ") {
			return nil, fmt.Errorf("write tag: a line of its message would be taken for a signature: %w", ErrObject)
		}
	}
	var b bytes.Buffer
	b.WriteString("object " + t.Object + "\ntype " + kind + "\ntag " + t.Name + "\n")
	if err := writeStamp(&b, "tagger", t.Tagger, t.When); err != nil {
		return nil, err
	}
	err := writeMessage(&b, t.Message)
	return b.Bytes(), err
}

// writeStamp writes who and when.
func writeStamp(b *bytes.Buffer, role string, id Identity, when time.Time) error {
	if id.Name == "" || strings.ContainsFunc(id.Name+id.Email, func(r rune) bool { return isControl(r) || r == '<' || r == '>' }) {
		return fmt.Errorf("write %s %q: a name is needed, and no < > or control characters: %w", role, id.String(), ErrObject)
	}
	if when.Unix() < 0 || when.IsZero() {
		return fmt.Errorf("write %s: time %s is before 1970: %w", role, when, ErrObject)
	}
	fmt.Fprintf(b, "%s %s %d +0000\n", role, id, when.Unix())
	return nil
}

func writeMessage(b *bytes.Buffer, message string) error {
	if strings.TrimSpace(message) == "" || strings.ContainsRune(message, 0) {
		return fmt.Errorf("write message %.40q: empty, or with a NUL: %w", message, ErrObject)
	}
	b.WriteString("\n" + message)
	if !strings.HasSuffix(message, "\n") {
		b.WriteByte('\n')
	}
	return nil
}

// ReadCommit reads a commit by id. fs.ErrNotExist says that it is not here,
// ErrObject that it is something else.
func (r *Repo) ReadCommit(ctx context.Context, id string) (Commit, error) {
	content, err := r.readKind(ctx, "commit", id)
	if err != nil {
		return Commit{}, err
	}
	c, err := parseCommit(content)
	if err != nil {
		return Commit{}, fmt.Errorf("read commit %s: %w", id, err)
	}
	c.ID = id
	return c, nil
}

// ReadTag reads an annotated tag by the id of its object. Errors are those of
// ReadCommit.
func (r *Repo) ReadTag(ctx context.Context, id string) (Tag, error) {
	content, err := r.readKind(ctx, "tag", id)
	if err != nil {
		return Tag{}, err
	}
	t, err := parseTag(content)
	if err != nil {
		return Tag{}, fmt.Errorf("read tag %s: %w", id, err)
	}
	return t, nil
}

func (r *Repo) readKind(ctx context.Context, want, id string) ([]byte, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	kind, content, err := r.object(ctx, id, MaxObject)
	if err != nil {
		return nil, fmt.Errorf("read %s %s: %w", want, id, err)
	}
	if kind != want {
		return nil, fmt.Errorf("read %s %s: it is a %s: %w", want, id, kind, ErrObject)
	}
	return content, nil
}
