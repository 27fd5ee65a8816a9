package index

import "bytes"

// readUsual reads a package.json that is to the byte as the two known writers
// make it, which saves most of the time of reading them all. Any other is left to
// the parser, which reads these in the same way.
func readUsual(r Release, raw []byte) (t named, ok bool) {
	u := usual{rest: raw}
	u.text(`{"signatures":[],"signed":{"_type":"Targets","expires":null,"targets":{"<repo>/package/`)
	u.text(r.Package)
	u.text("-")
	u.text(r.Version)
	u.text(`.tar.gz":{"hashes":{`)
	first := int64(1)
	if md5 := []byte(`"md5":"`); bytes.HasPrefix(u.rest, md5) {
		first = 0
		u.text(string(md5))
		u.digest(t.md5[:])
		u.text(`",`)
	}
	u.text(`"sha256":"`)
	u.digest(t.SHA256[:])
	u.text(`"},"length":`)
	t.Length = u.number()
	u.text(`}},"version":`)
	version := u.number()
	u.text(`}}`)
	if u.failed || len(u.rest) > 0 {
		return named{}, false
	}
	t.again = version > first
	return t, true
}

// usual reads one thing after another of a text, as long as they are there.
type usual struct {
	rest   []byte
	failed bool
}

func (u *usual) text(want string) {
	if len(u.rest) < len(want) || string(u.rest[:len(want)]) != want {
		u.failed = true
		return
	}
	u.rest = u.rest[len(want):]
}

// digest reads lower-case hexadecimal digits.
func (u *usual) digest(into []byte) {
	if len(u.rest) < 2*len(into) {
		u.failed = true
		return
	}
	for i := range into {
		high, low := hexDigit(u.rest[2*i]), hexDigit(u.rest[2*i+1])
		u.failed = u.failed || high > 15 || low > 15
		into[i] = high<<4 | low
	}
	u.rest = u.rest[2*len(into):]
}

// hexDigit returns the value of a lower-case digit, 16 if c is none.
func hexDigit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 16
}

// number reads a number of at most 15 digits that does not begin with 0.
func (u *usual) number() (n int64) {
	i := 0
	for ; i < len(u.rest) && '0' <= u.rest[i] && u.rest[i] <= '9' && i < 16; i++ {
		n = 10*n + int64(u.rest[i]-'0')
	}
	if i == 0 || i == 16 || i > 1 && u.rest[0] == '0' {
		u.failed = true
	}
	u.rest = u.rest[i:]
	return n
}
