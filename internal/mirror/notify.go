package mirror

import "context"

// Notified returns the word of health that those heard last who are notified of
// each change, "" if they heard none, and whether the bucket has a state to say so.
func (b *Bucket) Notified() (word string, known bool) {
	return b.stored.Notified, b.CanTell()
}

// Notify says in the state what they have heard by now. No claim is made and nothing
// else of the state changes. bucket.ErrConflict says that another run has come.
func (b *Bucket) Notify(ctx context.Context, word string) error {
	b.told.Health = "" // another word is about to be told
	s := b.stored
	s.Notified = word
	_, err := b.writeState(ctx, s)
	return err
}
