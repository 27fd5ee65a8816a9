package gitrepo

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// signatureHeader is the commit header of a SHA-1 repository's signature.
const signatureHeader = "gpgsig"

// A header is one field of an object; its value has the lines of a folded
// field without their leading space.
type header struct{ key, value string }

// splitObject parts the headers from the message, which starts after the first
// empty line.
func splitObject(content []byte) (headers []header, message string, err error) {
	rest := string(content)
	for {
		line, after, ok := strings.Cut(rest, "\n")
		if !ok {
			return nil, "", fmt.Errorf("no end of headers: %w", ErrObject)
		}
		rest = after
		if line == "" {
			return headers, rest, nil
		}
		if more, ok := strings.CutPrefix(line, " "); ok && len(headers) > 0 {
			headers[len(headers)-1].value += "\n" + more
			continue
		}
		key, value, ok := strings.Cut(line, " ")
		if !ok {
			return nil, "", fmt.Errorf("header %.40q: %w", line, ErrObject)
		}
		headers = append(headers, header{key, value})
	}
}

func parseCommit(content []byte) (c Commit, err error) {
	headers, message, err := splitObject(content)
	if err != nil {
		return Commit{}, err
	}
	c.Message = message
	for _, h := range headers {
		switch h.key {
		case "tree":
			c.Tree = h.value
		case "parent":
			c.Parents = append(c.Parents, h.value)
		case "author":
			c.Author, c.AuthorWhen, err = parseStamp(h.value)
		case "committer":
			c.Committer, c.CommitterWhen, err = parseStamp(h.value)
		case signatureHeader:
			c.Signature = h.value + "\n"
		}
		if err != nil {
			return Commit{}, err
		}
	}
	if !objectID.MatchString(c.Tree) {
		return Commit{}, fmt.Errorf("no tree: %w", ErrObject)
	}
	if c.Signature != "" {
		c.Signed = withoutSignature(content)
	}
	return c, nil
}

// withoutSignature takes the gpgsig header with its folded lines out of a
// commit: what is left is what the signature covers.
func withoutSignature(content []byte) []byte {
	var out []byte
	inHeaders, inSignature := true, false
	for line := range bytes.Lines(content) {
		if inHeaders {
			inHeaders = string(line) != "\n"
			folded := inSignature && line[0] == ' '
			inSignature = folded || bytes.HasPrefix(line, []byte(signatureHeader+" "))
			if inSignature {
				continue
			}
		}
		out = append(out, line...)
	}
	return out
}

// withSignature puts the gpgsig header behind the other headers.
func withSignature(content []byte, armored string) []byte {
	end := bytes.Index(content, []byte("\n\n")) + 1
	folded := strings.ReplaceAll(strings.TrimSuffix(armored, "\n"), "\n", "\n ")
	out := append([]byte(nil), content[:end]...)
	out = append(out, signatureHeader+" "+folded+"\n"...)
	return append(out, content[end:]...)
}

func parseTag(content []byte) (t Tag, err error) {
	signed, signature := splitTag(content)
	headers, message, err := splitObject(signed)
	if err != nil {
		return Tag{}, err
	}
	t.Message = message
	for _, h := range headers {
		switch h.key {
		case "object":
			t.Object = h.value
		case "type":
			t.Type = h.value
		case "tag":
			t.Name = h.value
		case "tagger":
			t.Tagger, t.When, err = parseStamp(h.value)
		}
		if err != nil {
			return Tag{}, err
		}
	}
	if !objectID.MatchString(t.Object) {
		return Tag{}, fmt.Errorf("no object: %w", ErrObject)
	}
	if signature != "" {
		t.Signature, t.Signed = signature, signed
	}
	return t, nil
}

// splitTag parts a tag where git does: at the last line that opens an OpenPGP
// signature.
func splitTag(content []byte) (signed []byte, signature string) {
	at, pos := len(content), 0
	for line := range bytes.Lines(content) {
		if bytes.HasPrefix(line, []byte("-----BEGIN PGP SIGNATURE-----")) || bytes.HasPrefix(line, []byte("-----BEGIN PGP MESSAGE-----")) {
			at = pos
		}
		pos += len(line)
	}
	return content[:at], string(content[at:])
}

// parseStamp reads "NAME <EMAIL> SECONDS ZONE". Odd old ones without a time get
// the zero time.
func parseStamp(value string) (id Identity, when time.Time, err error) {
	open, end := strings.IndexByte(value, '<'), strings.LastIndexByte(value, '>')
	if open < 0 || end < open {
		return id, when, fmt.Errorf("stamp %.80q: %w", value, ErrObject)
	}
	id = Identity{Name: strings.TrimSpace(value[:open]), Email: value[open+1 : end]}
	seconds, _, _ := strings.Cut(strings.TrimSpace(value[end+1:]), " ")
	if n, err := strconv.ParseInt(seconds, 10, 64); err == nil {
		when = time.Unix(n, 0).UTC()
	}
	return id, when, nil
}
