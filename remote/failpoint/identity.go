package failpoint

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Identity is the inode of a file, when that was made, and its size: the same
// for a content that never changes, whatever is done to its times. It is empty
// for a file that is not there.
func Identity(path string) string {
	var st unix.Statx_t
	if unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st) != nil {
		return ""
	}
	return fmt.Sprintf("%d.%d.%d/%d", st.Ino, st.Btime.Sec, st.Btime.Nsec, st.Size)
}
