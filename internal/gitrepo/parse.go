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

// one returns the value of a header, "" unless it is there once.
func one(headers []header, key string) (value string) {
	times := 0
	for _, h := range headers {
		if h.key == key {
			value = h.value
			times++
		}
	}
	if times != 1 {
		return ""
	}
	return value
}

// parseCommit reads a commit as git does: the tree is in the first line, and the
// parents in those behind it, whatever other lines say.
func parseCommit(content []byte) (c Commit, err error) {
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
	c.Author, c.AuthorWhen = parseStamp(one(headers, "author"))
	c.Committer, c.CommitterWhen = parseStamp(one(headers, "committer"))
	if signature := one(headers, signatureHeader); signature != "" {
		c.Signature, c.Signed = signature+"\n", withoutSignature(content)
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

// parseTag reads a tag as git does: object, type and name are in its first lines.
func parseTag(content []byte) (t Tag, err error) {
	signed, signature := splitTag(content)
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
	t.Tagger, t.When = parseStamp(one(headers, "tagger"))
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

// parseStamp reads "NAME <EMAIL> SECONDS ZONE". What it cannot read is nobody, or
// the zero time.
func parseStamp(value string) (id Identity, when time.Time) {
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
