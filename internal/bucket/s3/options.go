package s3

import (
	"cmp"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
)

// Options are what an address does not say. All may be left out.
type Options struct {
	// Defaults stand in for what an address lacks.
	bucket.Defaults
	// Credentials are used if they are set. Otherwise it is the usual chain:
	// AWS_ACCESS_KEY_ID and its kin, a web identity (OIDC), the profile, the
	// machine's role.
	Credentials Credentials
	// Notify is told, in a sentence, of what a server lacks and how that is made
	// up for; each lack once.
	Notify func(text string)

	// Full makes an S3 believe only bytes of what is in place: an object that is
	// to be put IfAbsent and is there is read whole.
	Full bool

	// Attempts is how often a request is tried that fails for a reason that may
	// pass; 0 is 6. A server that is only busy is asked four times as often.
	// Pause bounds the time between two; 0 is 20 s.
	Attempts int
	Pause    time.Duration
	// Stall is how long a connection may stand still; 0 is 2 min.
	Stall time.Duration
	// Part is the size in bytes of the parts that larger objects are put in;
	// 0 is 8 MiB, for some are held in memory. Servers want at least 5 MiB.
	Part int64
}

// withDefaults fills in what was left out.
func (o Options) withDefaults() Options {
	o.Attempts = cmp.Or(max(o.Attempts, 0), 6)
	o.Pause = cmp.Or(max(o.Pause, 0), 20*time.Second)
	o.Stall = cmp.Or(max(o.Stall, 0), 2*time.Minute)
	o.Part = cmp.Or(max(o.Part, 0), 8<<20)
	if o.Notify == nil {
		o.Notify = func(string) {}
	}
	return o
}

// Credentials are an access key.
type Credentials struct {
	ID, Secret string
	// Token belongs to a temporary key.
	Token string
}
