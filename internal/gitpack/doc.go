// Package gitpack reads and writes git's objects as bytes, and packs of them as
// files. It starts no program and knows no remote.
//
// The forms are git's own, told in its Documentation:
//
//	ID          SHA-1 of "TYPE SIZE<nul>CONTENT"
//	tree        for each entry "MODE NAME<nul>" and the 20 bytes of the id; sorted
//	            by name, a folder as if its name ended in a slash
//	commit, tag headers, an empty line, the message (git-cat-file, git-mktag)
//	signature   in a commit the header gpgsig, after the committer, each line after
//	            the first led by one space; it covers the commit without that
//	            header. In a tag the end of the message; it covers what is before
//	            (gitformat-signature)
//	pack        "PACK", version 2, how many objects, the objects, SHA-1 of all that
//	            (gitformat-pack). Of an object: type and size, for a delta how far
//	            back its base stands (OFS_DELTA), and a zlib stream
//	delta       the sizes of base and object, then what to copy from the base and
//	            what to insert
//	index       version 2, "\377tOc"
//
// A [Writer] writes packs. A tree is written as a delta to what the folder was
// before, a file to the one before it at its path, or else to the last of its name
// below the same folder of the root, if both are in one pack: so packs are as small
// as git's own packing makes them, and git need not look for deltas, which would
// take longer than writing everything. A [TreeWriter] makes trees, one after the
// other, in a tenth of the time that git fast-import takes for a tree of many
// folders that changes many times.
//
// Each signature made here is taken out of the finished object again and verified.
package gitpack
