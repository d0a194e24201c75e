package store

import "container/heap"

// readyHeap orders entries by the time of their next try, then by age.
type readyHeap []*entry

func (h readyHeap) Len() int { return len(h) }
func (h readyHeap) Less(i, j int) bool {
	if !h[i].notBefore.Equal(h[j].notBefore) {
		return h[i].notBefore.Before(h[j].notBefore)
	}
	return h[i].seq < h[j].seq
}
func (h readyHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push is for container/heap.
func (h *readyHeap) Push(x any) { *h = append(*h, x.(*entry)) }

// Pop is for container/heap.
func (h *readyHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	*h = old[:len(old)-1]
	return e
}

func (h *readyHeap) drop(e *entry) {
	for i, x := range *h {
		if x == e {
			heap.Remove(h, i)
			return
		}
	}
}
