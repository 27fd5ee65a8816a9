package gitpack

import (
	"cmp"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
)

// SignerIdentity returns the name and address of a signing key's primary user
// id, as far as git can have them.
func SignerIdentity(s *openpgp.Signer) Identity {
	name, email := s.User()
	id := Identity{Name: plainName(name), Email: plainName(email)}
	if id.Email == "" && strings.Contains(id.Name, "@") && !strings.Contains(id.Name, " ") {
		id.Email = id.Name // a user id that is an address and no more
	}
	id.Name = cmp.Or(id.Name, id.Email, s.Fingerprint())
	return id
}

// plainName drops what git cannot have in a name.
func plainName(name string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if isControl(r) || r == '<' || r == '>' {
			return -1
		}
		return r
	}, name))
}
