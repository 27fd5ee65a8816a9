package openpgp

import (
	"bytes"
	"encoding/base64"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	pgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// The table in docs/keys.md is written by: go test ./internal/openpgp -run Forms -update
var update = flag.Bool("update", false, "write the table into docs/keys.md")

// A form is a signing key as somebody may give it.
type form struct {
	name       string
	make       func(t *testing.T) []byte
	passphrase string
	says       string // of a refusal; "" for a key that is taken
}

// parameters of gpg for keys of the forms.
var (
	signs     = []string{"Key-Type: eddsa", "Key-Curve: ed25519", "Key-Usage: sign", "Expire-Date: 0"}
	withSub   = []string{"Key-Type: eddsa", "Key-Curve: ed25519", "Key-Usage: cert", "Subkey-Type: eddsa", "Subkey-Curve: ed25519", "Subkey-Usage: sign", "Expire-Date: 0"}
	withCrypt = []string{"Key-Type: eddsa", "Key-Curve: ed25519", "Key-Usage: sign", "Subkey-Type: ecdh", "Subkey-Curve: cv25519", "Subkey-Usage: encrypt", "Expire-Date: 0"}
)

// made is a key of gpg, armored.
func made(passphrase string, parameters ...string) func(*testing.T) []byte {
	return func(t *testing.T) []byte {
		home := newGPG(t)
		home.generate(t, passphrase, parameters...)
		return []byte(home.run(t, "", "--armor", "--passphrase", passphrase, "--export-secret-keys"))
	}
}

// digest is a key that holds itself together by an old digest.
func digest(name string) func(*testing.T) []byte {
	return func(t *testing.T) []byte {
		home := newGPG(t)
		home.run(t, "", "--passphrase", "", "--cert-digest-algo", name, "--allow-weak-digest-algos", "--quick-generate-key", "Mirror Bot <bot@example.org>", "rsa2048", "sign", "never")
		return home.export(t, "--export-secret-keys", "--allow-weak-digest-algos")
	}
}

// rebuilt is a key whose packets were changed.
func rebuilt(key func(*testing.T) []byte, change func(n int, p *packet.OpaquePacket) *packet.OpaquePacket) func(*testing.T) []byte {
	return func(t *testing.T) []byte { return rebuild(t, key(t), change) }
}

// rebuild changes packets of a key; change returns nil to leave one out.
func rebuild(t *testing.T, text []byte, change func(n int, p *packet.OpaquePacket) *packet.OpaquePacket) []byte {
	t.Helper()
	blocks, err := unpack(text, blockPrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	packets := packet.NewOpaqueReader(bytes.NewReader(blocks[0]))
	for n := 0; ; n++ {
		p, err := packets.Next()
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if p = change(n, p); p != nil {
			if err := p.Serialize(&out); err != nil {
				t.Fatal(err)
			}
		}
	}
	return block64(t, out.Bytes())
}

func block64(t *testing.T, raw []byte) []byte {
	t.Helper()
	text, err := armored(blockPrivateKey, raw)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// onCard turns private parts of a type into what gpg exports of a smart card.
func onCard(tag uint8) func(int, *packet.OpaquePacket) *packet.OpaquePacket {
	return func(_ int, p *packet.OpaquePacket) *packet.OpaquePacket {
		if p.Tag != tag {
			return p
		}
		public := &packet.OpaquePacket{Tag: tagPublicSubkey, Contents: p.Contents}
		parsed, err := public.Parse()
		if err != nil {
			return p
		}
		var exact bytes.Buffer
		if err := parsed.(*packet.PublicKey).Serialize(&exact); err != nil {
			return p
		}
		stub, err := packet.NewOpaqueReader(&exact).Next()
		if err != nil {
			return p
		}
		card := append(stub.Contents, 255, 0, 101, 0, 'G', 'N', 'U', 2, 16)
		return &packet.OpaquePacket{Tag: tag, Contents: append(card, make([]byte, 16)...)}
	}
}

// entity is a key of go-crypto, armored, after a change.
func entity(config packet.Config, change func(*pgp.Entity, *packet.Config)) func(*testing.T) []byte {
	return func(t *testing.T) []byte { return newEntity(t, config, change) }
}

func newEntity(t *testing.T, config packet.Config, change func(*pgp.Entity, *packet.Config)) []byte {
	t.Helper()
	config.Time = func() time.Time { return time.Now().Add(-time.Hour) }
	var e *pgp.Entity
	var err error
	if config.V6Keys {
		e, err = pgp.NewEntityWithoutId(&config)
	} else {
		e, err = pgp.NewEntity("Mirror Bot", "", "bot@example.org", &config)
	}
	if err != nil {
		t.Fatal(err)
	}
	if e.Subkeys = nil; change != nil {
		change(e, &config)
	}
	var raw bytes.Buffer
	if err := e.SerializePrivateWithoutSigning(&raw, nil); err != nil {
		t.Fatal(err)
	}
	return block64(t, raw.Bytes())
}

func withoutFlags(e *pgp.Entity, config *packet.Config) {
	for _, id := range e.Identities {
		self := id.SelfCertifications[0].Packet
		self.FlagsValid = false
		if err := self.SignUserId(id.UserId.Id, e.PrimaryKey, e.PrivateKey, config); err != nil {
			panic(err)
		}
	}
}

// algorithms and parts are forms that differ in what the key is.
func algorithms() []form {
	return []form{
		{"Ed25519", made("", signs...), "", ""},
		{"RSA, 2048 bits", made("", "Key-Type: rsa", "Key-Length: 2048", "Expire-Date: 0"), "", ""},
		{"RSA, 1024 bits", made("", "Key-Type: rsa", "Key-Length: 1024", "Expire-Date: 0"), "", ""},
		{"DSA, 1024 bits", made("", "Key-Type: dsa", "Key-Length: 1024", "Key-Usage: sign", "Expire-Date: 0"), "", ""},
		{"ECDSA, NIST P-256", made("", "Key-Type: ecdsa", "Key-Curve: nistp256", "Key-Usage: sign", "Expire-Date: 0"), "", ""},
		{"ECDSA, NIST P-521", made("", "Key-Type: ecdsa", "Key-Curve: nistp521", "Key-Usage: sign", "Expire-Date: 0"), "", ""},
		{"ECDSA, Brainpool P-256", made("", "Key-Type: ecdsa", "Key-Curve: brainpoolP256r1", "Key-Usage: sign", "Expire-Date: 0"), "", ""},
		{"ECDSA, secp256k1", made("", "Key-Type: ecdsa", "Key-Curve: secp256k1", "Key-Usage: sign", "Expire-Date: 0"), "", ""},
		{"Ed25519 as RFC 9580 has it (algorithm 27), version 4", entity(packet.Config{Algorithm: packet.PubKeyAlgoEd25519}, nil), "", "an algorithm that not every gpg can verify"},
		{"version 6 (RFC 9580), no user id", entity(packet.Config{V6Keys: true, Algorithm: packet.PubKeyAlgoEd25519}, nil), "", "it is a key of version 6"},
		{"without key flags", entity(packet.Config{Algorithm: packet.PubKeyAlgoRSA, RSABits: 2048}, withoutFlags), "", ""},
		{"its own signature by SHA-1", digest("SHA1"), "", ""},
		{"its own signature by RIPEMD-160", digest("RIPEMD160"), "", "gpg --quick-set-expire"},
		{"its own signature by MD5", digest("MD5"), "", "gpg --quick-set-expire"},
		{"with a passphrase", made("a ü", signs...), "a ü", ""},
		{"with a passphrase, and a line end behind it", made("a ü", signs...), "a ü\r\n", ""},
		{"with another passphrase", made("a ü", signs...), "b", "the passphrase is wrong"},
	}
}

func parts() []form {
	sub, crypt := made("", withSub...), made("", withCrypt...)
	laterAlgorithm := func(_ int, p *packet.OpaquePacket) *packet.OpaquePacket {
		if p.Tag == tagSecretSubkey {
			p.Contents[5] = 8
		}
		return p
	}
	noUser := func(n int, p *packet.OpaquePacket) *packet.OpaquePacket {
		if n > 0 {
			return nil
		}
		return p
	}
	return []form{
		{"signing subkey", sub, "", ""},
		{"two signing subkeys: the newer one signs", twoSubkeys, "", ""},
		{"primary part kept offline (`--export-secret-subkeys`)", offline(withSub), "", ""},
		{"primary part on a card, signing subkey here", rebuilt(sub, onCard(tagSecretKey)), "", ""},
		{"subkey for encryption on a card", rebuilt(crypt, onCard(tagSecretSubkey)), "", ""},
		{"signing subkey on a card", rebuilt(sub, onCard(tagSecretSubkey)), "", "its private part is on a smart card"},
		{"primary part offline, no subkey", offline(withCrypt), "", "its private part is not in this export"},
		{"subkey of a later algorithm (Kyber)", rebuilt(crypt, laterAlgorithm), "", ""},
		{"certifies only", made("", "Key-Type: eddsa", "Key-Curve: ed25519", "Key-Usage: cert", "Expire-Date: 0"), "", "the primary key is not for signing"},
		{"no user id", rebuilt(sub, noUser), "", "no user id"},
		{"expired", made("", append(slices.Clone(signs[:3]), "Creation-Date: 20200101T000000", "Expire-Date: seconds=2678400")...), "", "expired on 2020-02-01"},
		{"revoked", revoked, "", "the primary key is revoked"},
	}
}

func twoSubkeys(t *testing.T) []byte {
	home := newGPG(t)
	fingerprint := home.generate(t, "", withSub...)
	home.run(t, "", "--passphrase", "", "--quick-add-key", fingerprint, "rsa2048", "sign", "never")
	return home.export(t, "--export-secret-keys")
}

func offline(parameters []string) func(*testing.T) []byte {
	return func(t *testing.T) []byte {
		home := newGPG(t)
		home.generate(t, "", parameters...)
		return home.export(t, "--export-secret-subkeys")
	}
}

func revoked(t *testing.T) []byte {
	home := newGPG(t)
	fingerprint := home.generate(t, "", signs...)
	certificate, err := os.ReadFile(home.dir + "/openpgp-revocs.d/" + fingerprint + ".rev")
	if err != nil {
		t.Fatal(err)
	}
	home.run(t, strings.ReplaceAll(string(certificate), ":-----BEGIN", "-----BEGIN"), "--import")
	return home.export(t, "--export-secret-keys")
}

// pasted are forms that differ in how the text came here.
func pasted(t *testing.T) []form {
	home, two := newGPG(t), newGPG(t)
	home.generate(t, "", signs...)
	two.generate(t, "", signs...)
	key, public, other := string(home.export(t, "--export-secret-keys")), string(home.export(t, "--export")), string(two.export(t, "--export-secret-keys"))
	two.run(t, key, "--import")
	blocks, err := unpack([]byte(key), blockPrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(key), "\n")
	begin, sum, end := lines[0], lines[len(lines)-2], "\n"+lines[len(lines)-1]+"\n"
	lines = lines[2 : len(lines)-2]
	data := strings.Join(lines, "")
	wide := "\xff\xfe"
	for _, unit := range utf16.Encode([]rune(key)) {
		wide += string([]byte{byte(unit), byte(unit >> 8)})
	}
	certificate, err := os.ReadFile(home.dir + "/openpgp-revocs.d/" + home.fingerprints(t)[0] + ".rev")
	if err != nil {
		t.Fatal(err)
	}
	text := func(name, text, says string) form {
		return form{name, func(*testing.T) []byte { return []byte(text) }, "", says}
	}
	return []form{
		text("byte order mark", "\ufeff"+key, ""),
		text("lines of gpg in front (`2>&1`)", "gpg: keybox created\ngpg: starting\n"+key, ""),
		text("public key in front", public+key, ""),
		text("CRLF, no last line end", strings.TrimSpace(strings.ReplaceAll(key, "\n", "\r\n")), ""),
		text("indented", "    "+strings.ReplaceAll(key, "\n", "\n    "), ""),
		text("blanks that do not break, signs that nobody sees", strings.ReplaceAll(key, "\n", "\u00a0\u200b\n"), ""),
		text("UTF-16, as PowerShell writes it", wide, ""),
		text("all on one line", strings.ReplaceAll(key, "\n", " "), ""),
		text("line ends written as \\n", strings.ReplaceAll(key, "\n", `\n`), ""),
		text("the empty line taken out", strings.Replace(key, "\n\n", "\n", 1), ""),
		text("written as \\n, with a note in front", "the bot's key:\n"+strings.ReplaceAll(key, "\n", `\n`)+"\n", ""),
		text("in quotes, as in a file of settings", `SIGNING_KEY="`+key+`"`, ""),
		text("in JSON", `{"key": "`+strings.ReplaceAll(key, "\n", `\n`)+`"}`, ""),
		text("quoted by `> `", "> "+strings.ReplaceAll(strings.TrimSpace(key), "\n", "\n> "), ""),
		text("folded by YAML", strings.ReplaceAll(strings.ReplaceAll(key, "\n", " "), "  ", "\n"), ""),
		text("UTF-16 without a byte order mark", wide[2:], ""),
		text("data on one line", begin+"\n\n"+data+"\n"+sum+end, ""),
		text("data on one line, no checksum", begin+"\n\n"+data+end, ""),
		text("data and checksum on one line", begin+"\n\n"+data+sum+end, ""),
		text("data joined by blanks", begin+"\n\n"+strings.Join(lines, " ")+" "+sum+end, ""),
		text("all but the first mark on line 2", begin+"\n"+strings.Join(lines, " ")+" "+sum+strings.ReplaceAll(end, "\n", " "), ""),
		text("checksum behind the last line", begin+"\n\n"+strings.Join(lines, "\n")+sum+end, ""),
		text("without the filling of base64", begin+"\n\n"+strings.Trim(strings.Join(lines, "\n"), "=")+"\n"+sum+end, ""),
		text("one sign a line", begin+"\n\n"+strings.Join(strings.Split(data, ""), "\n")+"\n"+sum+end, ""),
		text("empty lines between", strings.ReplaceAll(key, "\n", "\n\n"), ""),
		text("signs that base64 lacks", begin+"\n\n* "+strings.Join(lines, "\n* ")+"\n"+sum+end, ""),
		text("data alone quoted", begin+"\n\n> "+strings.Join(lines, "\n> ")+"\n> "+sum+end, ""),
		text("headers", begin+"\nVersion: GnuPG v2\nComment:\n\n"+strings.Join(lines, "\n")+"\n"+sum+end, ""),
		text("headers without the empty line", begin+"\nVersion: GnuPG v2\nComment: a b\n"+strings.Join(lines, "\n")+"\n"+sum+end, ""),
		text("that, with CRLF", strings.ReplaceAll(begin+"\nComment: a b\n"+strings.Join(lines, "\n")+"\n"+sum+end, "\n", "\r\n"), ""),
		text("another word in the last mark", strings.Replace(key, "END PGP PRIVATE", "END PGP PUBLIC", 1), ""),
		text("last mark cut", strings.TrimRight(key, "-\n")+"--", ""),
		text("words behind", strings.TrimSpace(key)+" hello\n", ""),
		text("the old name, `PGP SECRET KEY BLOCK`", strings.ReplaceAll(key, "PRIVATE KEY", "SECRET KEY"), ""),
		text("named `PGP PUBLIC KEY BLOCK`", strings.ReplaceAll(key, "PRIVATE KEY", "PUBLIC KEY"), ""),
		text("certificate of revocation behind", key+strings.ReplaceAll(string(certificate), ":-----BEGIN", "-----BEGIN"), "the primary key is revoked"),
		text("that, still behind gpg's colon", key+string(certificate), ""),
		text("wrong checksum", begin+"\n\n"+strings.Join(lines, "\n")+"\n=AAAA"+end, ""),
		text("coded in base64 once more", base64.StdEncoding.EncodeToString([]byte(key)), ""),
		text("binary", string(blocks[0]), ""),
		text("binary, in base64", base64.StdEncoding.EncodeToString(blocks[0]), ""),
		text("the same key twice", key+key, ""),
		text("two keys in one block", string(two.export(t, "--export-secret-keys")), "the text holds 2 keys"),
		text("two keys in two blocks", key+other, "the text holds 2 keys"),
		text("public key only", public, "is a public key"),
		text("cut off", key[:len(key)/2], "cut off"),
		text("without its last mark", strings.Split(key, "-----END")[0], ""),
		text("an ssh key", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n", "an ssh or TLS key"),
		text("a fingerprint", strings.Repeat("0123456789", 4), "it is a fingerprint"),
		text("nothing", " \n", "it is empty"),
	}
}

// gpgSigns tells what gpg makes of a form.
func (f form) gpgSigns(t *testing.T, text []byte) string {
	t.Helper()
	home := newGPG(t)
	_, _, imported := home.try(string(text), "--passphrase", strings.TrimRight(f.passphrase, "\r\n"), "--import")
	_, _, err := home.try("text", "--passphrase", strings.TrimRight(f.passphrase, "\r\n"), "--local-user", "bot@example.org", "--detach-sign")
	switch {
	case err == nil:
		return "signs"
	case imported == nil:
		return "imports it, does not sign"
	}
	return "refuses it"
}

// try holds a form to what it is said to be, and returns its line of the table.
func (f form) try(t *testing.T) string {
	t.Helper()
	text := f.make(t)
	gpg, here := f.gpgSigns(t, text), "signs"
	s, err := NewSigner(text, []byte(f.passphrase), time.Now)
	switch {
	case err == nil && f.says == "":
		checkSigning(t, s)
	case err == nil:
		t.Errorf("was taken, but %q is wrong with it", f.says)
	case f.says == "" || !strings.Contains(err.Error(), f.says):
		t.Errorf("%v; want %q", err, f.says)
	default:
		here = "refused: …" + f.says + "…"
	}
	return fmt.Sprintf("| %s | %s | %s |\n", f.name, gpg, here)
}

var gpgVersion = regexp.MustCompile(`\| gpg ([0-9.]+) \|`)

// TestForms tries every form with gpg and here, and holds docs/keys.md to it.
// Another gpg than the one of the table may think otherwise.
func TestForms(t *testing.T) {
	t.Parallel()
	home := newGPG(t)
	version := strings.Fields(home.run(t, "", "--version"))[2]
	all := slices.Concat(algorithms(), parts(), pasted(t))
	lines := make([]string, len(all))
	t.Run("each", func(t *testing.T) {
		for i, f := range all {
			t.Run(f.name, func(t *testing.T) {
				t.Parallel()
				lines[i] = f.try(t)
			})
		}
	})
	table := fmt.Sprintf("| form | gpg %s | here |\n|---|---|---|\n", version) + strings.Join(lines, "")
	const doc, begin, end = "../../docs/keys.md", "<!-- openpgp -->\n", "<!-- /openpgp -->"
	raw, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(raw), begin)
	inside, after, ok := strings.Cut(rest, end)
	switch written := gpgVersion.FindStringSubmatch(inside); {
	case !ok:
		t.Fatalf("%s lacks its marks", doc)
	case *update && !t.Failed():
		if err := os.WriteFile(doc, []byte(before+begin+table+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	case written == nil || written[1] == version && inside != table:
		t.Errorf("%s does not have this table; run: go test ./internal/openpgp -run Forms -update\n%s", doc, table)
	}
}
