package s3

import (
	"cmp"
	"time"
)

// Options are what an address on S3 does not say. All may be left out.
type Options struct {
	// Endpoint, Region and PathStyle stand in for parameters that an address lacks.
	Endpoint, Region string
	PathStyle        *bool

	// Pause bounds the time between two attempts; 0 is 20 s.
	Pause time.Duration
	// Stall is how long a connection may stand still; 0 is 2 min.
	Stall time.Duration
	// Part is the size in bytes of the parts that larger objects are put in;
	// 0 is 8 MiB, for some are held in memory. Servers want at least 5 MiB.
	Part int64
}

// withDefaults fills in what was left out.
func (o Options) withDefaults() Options {
	o.Pause = cmp.Or(max(o.Pause, 0), 20*time.Second)
	o.Stall = cmp.Or(max(o.Stall, 0), 2*time.Minute)
	o.Part = cmp.Or(max(o.Part, 0), 8<<20)
	return o
}
