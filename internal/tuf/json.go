package tuf

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Limits of the parser. The digits are hackage-security's; the depth is ours,
// far above what any file needs, so that brackets cannot eat the stack.
const (
	maxDigits = 15
	maxDepth  = 64
)

// A Value is parsed JSON. The zero Value is null.
type Value struct {
	// data is nil, a bool, an int64, a string, a []Value or an object.
	data any
}

// An object has its members in the order of their names' bytes, each name once.
type object []member

type member struct {
	name  string
	value Value
}

// ParseJSON reads one value, with white space around it and between its tokens
// allowed. It does not have to be in canonical form.
func ParseJSON(raw []byte) (Value, error) {
	p := parser{raw: raw}
	p.space()
	v, err := p.value(0)
	if err != nil {
		return Value{}, err
	}
	if p.at < len(raw) {
		return Value{}, p.refuse("more text after the value")
	}
	return v, nil
}

// Canonical returns the form that is signed and hashed.
func (v Value) Canonical() []byte { return v.appendTo(nil) }

func (v Value) appendTo(out []byte) []byte {
	switch data := v.data.(type) {
	case bool:
		return strconv.AppendBool(out, data)
	case int64:
		return strconv.AppendInt(out, data, 10)
	case string:
		return appendString(out, data)
	case []Value:
		out = append(out, '[')
		for i, item := range data {
			if i > 0 {
				out = append(out, ',')
			}
			out = item.appendTo(out)
		}
		return append(out, ']')
	case object:
		return data.appendTo(out)
	}
	return append(out, "null"...)
}

func (o object) appendTo(out []byte) []byte {
	out = append(out, '{')
	for i, m := range o {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendString(out, m.name), ':')
		out = m.value.appendTo(out)
	}
	return append(out, '}')
}

func appendString(out []byte, text string) []byte {
	out = append(out, '"')
	for i := range len(text) {
		if c := text[i]; c == '"' || c == '\\' {
			out = append(out, '\\')
		}
		out = append(out, text[i])
	}
	return append(out, '"')
}

// find returns the member with that name.
func (o object) find(name string) (Value, bool) {
	i, ok := slices.BinarySearchFunc(o, name, func(m member, name string) int {
		return cmp.Compare(m.name, name)
	})
	if !ok {
		return Value{}, false
	}
	return o[i].value, true
}

// A parser stands at the first byte of a token; every method that reads a token
// also reads the white space behind it.
type parser struct {
	raw []byte
	at  int
}

func (p *parser) refuse(why string) error {
	return fmt.Errorf("%s at byte %d of %d: not canonical JSON (an answer cut short, or from something else?)", why, p.at, len(p.raw))
}

// peek returns the next byte, or zero at the end: no token starts with it.
func (p *parser) peek() byte {
	if p.at < len(p.raw) {
		return p.raw[p.at]
	}
	return 0
}

func (p *parser) space() {
	for p.at < len(p.raw) {
		switch c := p.raw[p.at]; {
		case c == ' ', '\t' <= c && c <= '\r', c == 0xa0:
			p.at++
		default:
			return
		}
	}
}

// skip moves behind a token of one byte, and the space behind it, if it is next.
func (p *parser) skip(token byte) bool {
	if p.peek() != token {
		return false
	}
	p.at++
	p.space()
	return true
}

func (p *parser) value(depth int) (Value, error) {
	if depth > maxDepth {
		return Value{}, p.refuse("nested too deeply")
	}
	switch c := p.peek(); {
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.array(depth)
	case c == '"':
		text, err := p.text()
		return Value{text}, err
	case c == '-', isDigit(c):
		return p.number()
	}
	return p.word()
}

func (p *parser) word() (Value, error) {
	for _, w := range [...]struct {
		text string
		data any
	}{{"null", nil}, {"true", true}, {"false", false}} {
		if bytes.HasPrefix(p.raw[p.at:], []byte(w.text)) {
			p.at += len(w.text)
			p.space()
			return Value{w.data}, nil
		}
	}
	return Value{}, p.refuse("no value")
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func (p *parser) number() (Value, error) {
	start := p.at
	if p.peek() == '-' {
		p.at++
	}
	first := p.at
	for isDigit(p.peek()) {
		p.at++
	}
	text := string(p.raw[start:p.at])
	switch digits := p.at - first; {
	case digits == 0:
		return Value{}, p.refuse("a minus without digits")
	case digits > maxDigits:
		return Value{}, p.refuse("a number of more than 15 digits")
	case p.raw[first] == '0' && text != "0":
		return Value{}, p.refuse("a number with a leading zero or a negative zero")
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return Value{}, p.refuse("a number out of range")
	}
	p.space()
	return Value{n}, nil
}

func (p *parser) text() (string, error) {
	p.at++
	var unescaped strings.Builder
	for {
		n := bytes.IndexAny(p.raw[p.at:], `"\`)
		if n < 0 {
			return "", p.refuse("a string without an end")
		}
		plain := p.raw[p.at : p.at+n]
		p.at += n
		if p.raw[p.at] == '"' {
			p.at++
			p.space()
			unescaped.Write(plain)
			return unescaped.String(), nil
		}
		p.at++
		if c := p.peek(); c != '"' && c != '\\' {
			return "", p.refuse("an unknown escape")
		}
		unescaped.Write(plain)
		unescaped.WriteByte(p.raw[p.at])
		p.at++
	}
}

// items reads an opening bracket, items with commas between them, and the
// closing bracket.
func (p *parser) items(closing byte, item func() error) error {
	p.at++
	p.space()
	if p.skip(closing) {
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		if p.skip(closing) {
			return nil
		}
		if !p.skip(',') {
			return p.refuse("neither a comma nor a closing bracket")
		}
	}
}

func (p *parser) array(depth int) (Value, error) {
	list := []Value{}
	err := p.items(']', func() error {
		v, err := p.value(depth + 1)
		list = append(list, v)
		return err
	})
	return Value{list}, err
}

func (p *parser) object(depth int) (Value, error) {
	members := object{}
	err := p.items('}', func() error {
		if p.peek() != '"' {
			return p.refuse("no name of a field")
		}
		name, err := p.text()
		if err != nil {
			return err
		}
		if !p.skip(':') {
			return p.refuse("no colon behind the name of a field")
		}
		v, err := p.value(depth + 1)
		members = append(members, member{name, v})
		return err
	})
	if err != nil {
		return Value{}, err
	}
	slices.SortFunc(members, func(a, b member) int { return cmp.Compare(a.name, b.name) })
	for i := 1; i < len(members); i++ {
		if name := members[i].name; name == members[i-1].name {
			return Value{}, p.refuse(fmt.Sprintf("field %.40q twice in an object that ends", name))
		}
	}
	return Value{members}, nil
}
