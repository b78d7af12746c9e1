package releasenotes

import "strings"

// arena packs many short strings into few allocations.
type arena struct {
	chunk strings.Builder
	size  int
}

func (a *arena) join(parts ...string) string {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	start := a.room(n)
	for _, p := range parts {
		a.chunk.WriteString(p)
	}
	return a.chunk.String()[start:]
}

func (a *arena) bytes(p []byte) string {
	start := a.room(len(p))
	a.chunk.Write(p)
	return a.chunk.String()[start:]
}

// room makes room for n bytes and returns where they will begin. A chunk never
// grows, so that the strings in it stay where they are.
func (a *arena) room(n int) int {
	if a.chunk.Cap()-a.chunk.Len() < n {
		a.size = min(max(2*a.size, 2<<10), 64<<10)
		a.chunk = strings.Builder{}
		a.chunk.Grow(max(n, a.size))
	}
	return a.chunk.Len()
}
