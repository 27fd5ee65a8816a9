package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// memoryOf returns the most memory in bytes that a process held so far, and the
// most that one of its descendants did which still runs.
func memoryOf(pid int) (own, children int64) {
	name, own := readStatus(pid)
	for _, child := range childrenOf(pid) {
		called, peak := readStatus(child)
		// Until it becomes another program a child shows its parent's
		// memory. The counter of packs is ours, too.
		if called != name && !strings.HasPrefix(filepath.Base(os.Args[0]), called) {
			children = max(children, peak)
		}
		_, below := memoryOf(child)
		children = max(children, below)
	}
	return own, children
}

// childrenOf returns the ids of a process's children.
func childrenOf(pid int) []int {
	lists, _ := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task", "*", "children"))
	var ids []int
	for _, list := range lists {
		raw, err := os.ReadFile(list)
		if err != nil {
			continue // it ended meanwhile
		}
		for field := range strings.FieldsSeq(string(raw)) {
			if id, err := strconv.Atoi(field); err == nil {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// readStatus returns a process's name and the most memory in bytes that it held.
func readStatus(pid int) (string, int64) {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return "", 0
	}
	return parseStatus(string(raw))
}
