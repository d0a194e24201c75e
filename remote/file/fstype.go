package file

import (
	"time"

	"golang.org/x/sys/unix"
)

// Magic numbers that golang.org/x/sys/unix lacks.
const (
	lustreMagic = 0x0BD00BD0
	gpfsMagic   = 0x47504653
	beegfsMagic = 0x19830326
	gfs2Magic   = 0x01161970
	ocfs2Magic  = 0x7461636f
	panfsMagic  = 0xAAD7AAEA
	vxfsMagic   = 0xA501FCF5
	cifsMagic   = 0xFF534D42
	exfatMagic  = 0x2011BAB0
	vboxsfMagic = 0x786F4256
	prlfsMagic  = 0x7C7C6673
	vmhgfsMagic = 0xBACBACBC
	autofsMagic = 0x0187
	cephMagic   = 0x00C36400
)

// The time that a stored time may be early: the kernel stamps files with the
// time of its last tick (up to 10 ms ago), network servers and FAT with less
// precision yet.
const (
	fine   = 10 * time.Millisecond
	coarse = 2 * time.Second
)

// isLocal tells whether a Stat costs microseconds: not where a server or
// another process answers it. Cluster file systems take locks over the
// network. overlayfs counts as local, what it lies on cannot be seen.
func isLocal(fsType int64) bool {
	switch fsType & 0xFFFFFFFF { // f_type is signed and 32 bits wide on some architectures
	case unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, cifsMagic,
		unix.FUSE_SUPER_MAGIC, cephMagic, unix.V9FS_MAGIC, unix.AFS_SUPER_MAGIC, unix.AFS_FS_MAGIC,
		unix.CODA_SUPER_MAGIC, unix.NCP_SUPER_MAGIC, autofsMagic,
		lustreMagic, gpfsMagic, beegfsMagic, gfs2Magic, ocfs2Magic, panfsMagic, vxfsMagic,
		vboxsfMagic, prlfsMagic, vmhgfsMagic:
		return false
	}
	return true
}

func resolution(fsType int64) time.Duration {
	switch fsType & 0xFFFFFFFF {
	case unix.MSDOS_SUPER_MAGIC, exfatMagic:
		return coarse
	}
	if isLocal(fsType) {
		return fine
	}
	return coarse
}
