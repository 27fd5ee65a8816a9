package gitpack

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
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
	// Message ends in a newline; Marshal adds a missing one.
	Message string
	signature
}

// A Tag is an annotated tag object.
type Tag struct {
	Object string
	// Type is that of Object; Marshal takes "" for commit.
	Type   string
	Name   string
	Tagger Identity
	When   time.Time
	// Message is without the signature and ends in a newline; Marshal adds
	// a missing one.
	Message string
	signature
}

// A signature is for reading; Marshal makes its own.
type signature struct {
	Signature string // armored, "" if there is none
	Signed    []byte // what it covers
}

// Marshal writes the commit, signed unless s is nil.
func (c Commit) Marshal(s *openpgp.Signer) (Object, error) {
	var b bytes.Buffer
	b.WriteString("tree " + c.Tree + "\n")
	err := CheckID(c.Tree)
	for _, parent := range c.Parents {
		b.WriteString("parent " + parent + "\n")
		err = cmp.Or(err, CheckID(parent))
	}
	err = cmp.Or(err, writeIdentity(&b, "author", c.Author, c.AuthorWhen),
		writeIdentity(&b, "committer", c.Committer, c.CommitterWhen), writeMessage(&b, c.Message))
	if err != nil {
		return Object{}, err
	}
	return Object{"commit", b.Bytes()}.sign(s)
}

// Marshal writes the tag, signed unless s is nil.
func (t Tag) Marshal(s *openpgp.Signer) (Object, error) {
	t.Type = cmp.Or(t.Type, "commit")
	if !slices.Contains([]string{"commit", "tree", "blob", "tag"}, t.Type) {
		return Object{}, fmt.Errorf("write tag of type %q: %w", t.Type, ErrObject)
	}
	for line := range strings.Lines(t.Message) {
		if strings.HasPrefix(line, "-----BEGIN ") {
			return Object{}, fmt.Errorf("write tag: a line of its message would be taken for a signature: %w", ErrObject)
		}
	}
	var b bytes.Buffer
	b.WriteString("object " + t.Object + "\ntype " + t.Type + "\ntag " + t.Name + "\n")
	err := cmp.Or(CheckID(t.Object), CheckRef("refs/tags/"+t.Name),
		writeIdentity(&b, "tagger", t.Tagger, t.When), writeMessage(&b, t.Message))
	if err != nil {
		return Object{}, err
	}
	return Object{"tag", b.Bytes()}.sign(s)
}

// sign signs a commit or a tag unless s is nil. The signature is taken out of the
// finished object again and verified.
func (o Object) sign(s *openpgp.Signer) (Object, error) {
	if s == nil {
		return o, nil
	}
	armored, err := s.Sign(o.Content)
	if err != nil {
		return Object{}, err
	}
	if o.Type == "tag" {
		o.Content = append(o.Content, armored...)
		made, err := ParseTag(o.Content)
		return o, cmp.Or(err, s.Verify(made.Signed, made.Signature))
	}
	o.Content = withSignature(o.Content, armored)
	made, err := ParseCommit(o.Content)
	return o, cmp.Or(err, s.Verify(made.Signed, made.Signature))
}

// writeIdentity writes a line "ROLE NAME <EMAIL> SECONDS +0000".
func writeIdentity(b *bytes.Buffer, role string, id Identity, when time.Time) error {
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

// signatureHeader is the commit header of a SHA-1 repository's signature.
const signatureHeader = "gpgsig"

// A header is one field of an object; its value has the lines of a folded
// field without their leading space.
type header struct{ key, value string }

// splitObject parts the headers from the message, which starts after the first
// empty line. Hosts that check nothing have objects whose lines say anything; git
// reads what it needs of them, and so do we.
func splitObject(content []byte) (headers []header, message string) {
	for rest := string(content); rest != ""; {
		line, after, _ := strings.Cut(rest, "\n")
		rest = after
		if line == "" {
			return headers, rest
		}
		if more, ok := strings.CutPrefix(line, " "); ok && len(headers) > 0 {
			headers[len(headers)-1].value += "\n" + more
			continue
		}
		key, value, _ := strings.Cut(line, " ")
		headers = append(headers, header{key, value})
	}
	return headers, ""
}

// headerValue returns the value of a header, "" unless it is there once.
func headerValue(headers []header, key string) string {
	var values []string
	for _, h := range headers {
		if h.key == key {
			values = append(values, h.value)
		}
	}
	if len(values) != 1 {
		return ""
	}
	return values[0]
}

// ParseCommit reads a commit as git does: the tree is in the first line, and the
// parents in those behind it, whatever other lines say.
func ParseCommit(content []byte) (c Commit, err error) {
	headers, message := splitObject(content)
	if len(headers) == 0 || headers[0].key != "tree" || !objectID.MatchString(headers[0].value) {
		return Commit{}, fmt.Errorf("no tree: %w", ErrObject)
	}
	c.Tree, c.Message = headers[0].value, message
	for _, h := range headers[1:] {
		if h.key != "parent" || !objectID.MatchString(h.value) {
			break
		}
		c.Parents = append(c.Parents, h.value)
	}
	c.Author, c.AuthorWhen = parseIdentity(headerValue(headers, "author"))
	c.Committer, c.CommitterWhen = parseIdentity(headerValue(headers, "committer"))
	if armored := headerValue(headers, signatureHeader); armored != "" {
		c.signature = signature{armored + "\n", withoutSignature(content)}
	}
	return c, nil
}

// signatureField is that header with its folded lines.
var signatureField = regexp.MustCompile(`(?m)^` + signatureHeader + ` .*\n(?: .*\n)*`)

// withoutSignature takes the header out of a commit: what is left is what the
// signature covers.
func withoutSignature(content []byte) []byte {
	headers := content
	if end := bytes.Index(content, []byte("\n\n")); end >= 0 {
		headers = content[:end+1]
	}
	return slices.Concat(signatureField.ReplaceAll(headers, nil), content[len(headers):])
}

// withSignature puts the gpgsig header behind the other headers.
func withSignature(content []byte, armored string) []byte {
	end := bytes.Index(content, []byte("\n\n")) + 1
	folded := strings.ReplaceAll(strings.TrimSuffix(armored, "\n"), "\n", "\n ")
	return slices.Concat(content[:end], []byte(signatureHeader+" "+folded+"\n"), content[end:])
}

// ParseTag reads a tag as git does: object, type and name are in its first lines.
func ParseTag(content []byte) (t Tag, err error) {
	signed := content // up to the last line that begins a signature, where git parts them
	if starts := signatureStart.FindAllIndex(content, -1); len(starts) > 0 {
		signed = content[:starts[len(starts)-1][0]]
	}
	headers, message := splitObject(signed)
	for i, key := range []string{"object", "type", "tag"} {
		if len(headers) <= i || headers[i].key != key {
			return Tag{}, fmt.Errorf("no %s: %w", key, ErrObject)
		}
	}
	t.Object, t.Type, t.Name, t.Message = headers[0].value, headers[1].value, headers[2].value, message
	if !objectID.MatchString(t.Object) {
		return Tag{}, fmt.Errorf("no object: %w", ErrObject)
	}
	t.Tagger, t.When = parseIdentity(headerValue(headers, "tagger"))
	if len(signed) < len(content) {
		t.signature = signature{string(content[len(signed):]), signed}
	}
	return t, nil
}

// signatureStart begins the signature of a tag.
var signatureStart = regexp.MustCompile(`(?m)^-----BEGIN PGP (?:SIGNATURE|MESSAGE)-----`)

// parseIdentity reads "NAME <EMAIL> SECONDS ZONE". What it cannot read is nobody, or
// the zero time.
func parseIdentity(value string) (id Identity, when time.Time) {
	open, end := strings.IndexByte(value, '<'), strings.LastIndexByte(value, '>')
	if open < 0 || end < open {
		return id, when
	}
	id = Identity{Name: strings.TrimSpace(value[:open]), Email: value[open+1 : end]}
	seconds, _, _ := strings.Cut(strings.TrimSpace(value[end+1:]), " ")
	if n, err := strconv.ParseInt(seconds, 10, 64); err == nil {
		when = time.Unix(n, 0).UTC()
	}
	return id, when
}
