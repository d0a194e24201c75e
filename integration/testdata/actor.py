"""Makes single system calls as it is told.

Reads one JSON list a line, [name, argument, ...], and answers each with one
line: {"ok": value} or {"errno": "ENOENT"}. Bytes travel as latin-1 text.
"""
import ctypes
import errno
import fcntl
import hashlib
import json
import mmap
import os
import shutil
import signal
import struct
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100


class Timespec(ctypes.Structure):
    _fields_ = [("sec", ctypes.c_long), ("nsec", ctypes.c_long)]


def checked(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), "libc")


def raw(s):
    return s.encode("latin-1")


def status(st):
    return {
        "ino": st.st_ino, "mode": st.st_mode, "nlink": st.st_nlink, "size": st.st_size,
        "uid": st.st_uid, "gid": st.st_gid, "blocks": st.st_blocks, "dev": st.st_dev,
        "atime": st.st_atime_ns, "mtime": st.st_mtime_ns, "ctime": st.st_ctime_ns,
    }


def utimens(path, asec, ansec, msec, mnsec, flags):
    """utimensat(2): path is a name or a descriptor (futimens)."""
    times = (Timespec * 2)(Timespec(asec, ansec), Timespec(msec, mnsec))
    if isinstance(path, int):
        checked(libc.futimens(path, times))
    else:
        checked(libc.utimensat(AT_FDCWD, os.fsencode(path), times, flags))


def renameat2(old, new, flags):
    checked(libc.renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), flags))


def setlk(fd, kind, start, length):
    """fcntl(F_SETLK): kind is r, w or u."""
    code = {"r": fcntl.F_RDLCK, "w": fcntl.F_WRLCK, "u": fcntl.F_UNLCK}[kind]
    fcntl.fcntl(fd, fcntl.F_SETLK, struct.pack("hhqqi4x", code, 0, start, length, 0))


def setlkw(fd, kind, start, length):
    """fcntl(F_SETLKW): waits."""
    code = {"r": fcntl.F_RDLCK, "w": fcntl.F_WRLCK}[kind]
    fcntl.fcntl(fd, fcntl.F_SETLKW, struct.pack("hhqqi4x", code, 0, start, length, 0))


def getlk(fd, kind, start, length):
    """fcntl(F_GETLK): the pid that is in the way, 0 for none."""
    code = {"r": fcntl.F_RDLCK, "w": fcntl.F_WRLCK}[kind]
    got = fcntl.fcntl(fd, fcntl.F_GETLK, struct.pack("hhqqi4x", code, 0, start, length, 0))
    code, _, _, _, pid = struct.unpack("hhqqi4x", got)
    return 0 if code == fcntl.F_UNLCK else pid


maps = {}


def mmap_open(fd, length):
    m = mmap.mmap(fd, length)
    maps[id(m)] = m
    return id(m)


def mmap_read(m, start, end):
    return maps[m][start:end]


def mmap_write(m, start, text):
    maps[m][start:start + len(text)] = raw(text)


def mmap_flush(m):
    maps[m].flush()


def mmap_close(m):
    maps.pop(m).close()


def read_file(path):
    with open(path, "rb") as f:
        return f.read()


def write_file(path, text):
    with open(path, "wb") as f:
        f.write(raw(text))


def statvfs(path):
    st = os.statvfs(path)
    return {"blocks": st.f_blocks, "bavail": st.f_bavail, "files": st.f_files, "namemax": st.f_namemax,
            "frsize": st.f_frsize, "bsize": st.f_bsize, "ffree": st.f_ffree}


def touch(path):
    """What touch(1) does: open for writing, set the times through the handle."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOCTTY | os.O_NONBLOCK, 0o666)
    try:
        os.utime(fd)
    finally:
        os.close(fd)


def digest(path):
    """The sha256 of a file that is read from its beginning to its end."""
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def follow(path, made):
    """Reads a file in small pieces from its beginning, as it comes, and compares it with what it was made of:
    whether all of that was right, how many bytes there were, and how it ended: "end", or an errno."""
    right, length = True, 0
    with open(made, "rb") as want:
        try:
            fd = os.open(path, os.O_RDONLY)
            try:
                while piece := os.read(fd, 50_000):
                    right = right and piece == want.read(len(piece))
                    length += len(piece)
            finally:
                os.close(fd)
        except OSError as e:
            return [right, length, errno.errorcode.get(e.errno, str(e.errno))]
    return [right, length, "end"]


def timed(*calls):
    """Makes calls one after the other: the seconds that they took together, and how each ended."""
    begun = time.monotonic()
    ends = [attempt(call) for call in calls]
    return {"seconds": time.monotonic() - begun, "ends": ends}


def handle_signals():
    """Lets SIGUSR1 come and go."""
    signal.signal(signal.SIGUSR1, lambda *_: None)
    return os.getpid()


def default_signals():
    """Lets SIGINT end the process, as most programs do."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return os.getpid()


calls = {
    "default_signals": default_signals,
    "handle_signals": handle_signals,
    "stat": lambda p: status(os.stat(p)),
    "lstat": lambda p: status(os.lstat(p)),
    "fstat": lambda fd: status(os.fstat(fd)),
    "read": os.read,
    "pread": os.pread,
    "write": lambda fd, text: os.write(fd, raw(text)),
    "pwrite": lambda fd, text, at: os.pwrite(fd, raw(text), at),
    "renameat2": renameat2, "utimens": utimens, "utime": os.utime, "statvfs": statvfs, "touch": touch,
    "flock": fcntl.flock, "setlk": setlk, "setlkw": setlkw, "getlk": getlk,
    "mmap_open": mmap_open, "mmap_read": mmap_read, "mmap_write": mmap_write,
    "mmap_flush": mmap_flush, "mmap_close": mmap_close,
    "read_file": read_file, "write_file": write_file, "digest": digest, "follow": follow, "copy": shutil.copyfile, "timed": timed,
    "link": lambda a, b: os.link(a, b, follow_symlinks=False),
    "listdir": lambda p: sorted(os.listdir(p)),
}


def perform(name, *args):
    value = calls.get(name, getattr(os, name, None))(*args)
    return value.decode("latin-1") if isinstance(value, bytes) else value


def attempt(call):
    try:
        return {"ok": perform(*call)}
    except OSError as e:
        return {"errno": errno.errorcode.get(e.errno, str(e.errno))}


def main():
    os.umask(0o002)  # BitBake's
    for line in sys.stdin:
        print(json.dumps(attempt(json.loads(line))), flush=True)


main()
