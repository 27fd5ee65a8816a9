package cli

import (
	"cmp"
	"fmt"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/secret"
	"github.com/hackage-mirror/hackage-mirror/internal/setup"
)

// KeyOptions are all that key can be told.
type KeyOptions struct {
	Signer            string        `name:"signer" placeholder:"'NAME <ADDRESS>'" help:"Who signs commits and tags. Needed to make a key."`
	Expires           string        `name:"expires" placeholder:"AGE" help:"When a new key expires: never, or after 2y, 18m, 90d. Without it never."`
	SigningPassphrase secret.Secret `name:"signing-passphrase" secret:"phrase" placeholder:"FILE" help:"Passphrase of the key, if it is to have one: a file; in the environment (HACKAGE_MIRROR_SIGNING_PASSPHRASE) also the text itself."`
	Keys              string        `name:"keys" default:"hackage-mirror-keys" placeholder:"DIR" help:"Folder for the key. A key in it is used and never changed."`
}

// runKey makes a signing key or reads the one that is there, and prints what readers
// need of it.
func runKey(o *KeyOptions, env Env) error {
	key, err := setup.MakeSigningKey(o.Keys, o.Signer, o.Expires, o.SigningPassphrase.Bytes(), env.Now)
	if err != nil {
		return err
	}
	what, name := "found", key.Name()
	day, _ := key.Expires()
	if key.Made {
		what = "made"
	} else if o.Expires != "" || o.Signer != "" && o.Signer != name {
		env.warn(fmt.Sprintf("there is a key already, and it stays as it is: %s, expires %s; to make another one, move it elsewhere or give another folder by --keys", name, expiry(day)))
	}
	with := ""
	if key.Locked {
		path, _ := o.SigningPassphrase.File()
		with = " --signing-passphrase " + cmp.Or(path, "FILE")
	}
	fmt.Fprintf(env.Stderr, "%s: %s signing key %q of %s, expires %s; keep a copy in a safe place. Sync takes it by --signing-key %s%s\n", program, what, key.Path, name, expiry(day), key.Path, with)
	_, err = fmt.Fprintf(env.Stdout, "%s\n%s", key.Fingerprint(), key.PublicKey())
	return err
}

// expiry is the day on which a key expires.
func expiry(day time.Time) string {
	if day.IsZero() {
		return "never"
	}
	return day.UTC().Format(time.DateOnly)
}
