package hackage

import "context"

// Unsigned returns a file of at most limit bytes that nothing signs, such as what a
// mirror says of itself: nobody may build on it. So it comes from the address's own
// host, without a redirect to another. The error is fs.ErrNotExist if there is none,
// and ErrTooLarge beyond the limit.
func (u *Upstream) Unsigned(ctx context.Context, key string, limit int64) ([]byte, error) {
	raw, _, err := u.fetchBytes(ctx, request{key: key, limit: limit, home: true})
	return raw, err
}
