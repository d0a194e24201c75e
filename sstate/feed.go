package sstate

import (
	"strings"
	"time"
)

// FeedFolder is the folder of a remote in which mounts tell each other what
// they changed, see store/feed.go. No extra path has this name.
const FeedFolder = "sstatefs-feed"

// FeedPrefix begins the base names in it. Backends list names that begin so;
// nobody takes one for an object, as their folders are none of objects.
const FeedPrefix = "sstate:feed:"

// FeedKept is the age at which parts of the feed may be removed: a day more
// than any mount relies on them.
const FeedKept = 96 * time.Hour

// IsFeed reports whether path is a name of the change feed.
func IsFeed(path string) bool {
	folder, base := path[:max(strings.LastIndexByte(path, '/'), 0)], path[strings.LastIndexByte(path, '/')+1:]
	return strings.HasPrefix(folder, FeedFolder+"/") && strings.HasPrefix(base, FeedPrefix)
}
