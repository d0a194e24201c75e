"""mirror.py ROOT MIRROR KEY...: what the fetchers leave in SSTATE_DIR.

Odd keys are taken as from a file:// mirror, by a link with an absolute target;
even ones as from http, by many small appends to a .tmp that is renamed.
"""
import fcntl
import os
import sys

import bb


def by_link(final, source):
    try:
        os.lstat(final)
    except FileNotFoundError:
        pass
    assert os.access(os.path.dirname(final), os.W_OK)
    os.symlink(source, final)
    assert os.readlink(final) == source
    assert bb.digest(final) == bb.digest(source)
    before = os.lstat(final).st_mtime_ns
    os.utime(final, None, follow_symlinks=False)
    assert os.lstat(final).st_mtime_ns > before, "touch -h of a link"
    bb.touch(final)


def by_download(final, source):
    lock = open(final + ".lock", "a+")
    fcntl.flock(lock, fcntl.LOCK_EX)
    assert os.fstat(lock.fileno()).st_ino == os.stat(final + ".lock").st_ino
    tmp = final + ".tmp"
    with open(source, "rb") as src:
        fd = os.open(tmp, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        while part := src.read(37):
            assert os.write(fd, part) == len(part)
        os.close(fd)
    times = (1_600_000_000_123_456_789, 1_600_000_001_987_654_321)
    os.utime(tmp, ns=times)
    assert os.stat(tmp).st_mtime_ns == times[1]
    os.rename(tmp, final)
    open(final + ".done", "w").close()
    os.unlink(lock.name)
    fcntl.flock(lock, fcntl.LOCK_UN)
    lock.close()
    assert bb.digest(final) == bb.digest(source)
    assert os.stat(final).st_mtime_ns >= times[1]  # publishing may count as a use


def main():
    root, mirror, *keys = sys.argv[1:]
    for n, key in enumerate(keys):
        final, source = os.path.join(root, key), os.path.join(mirror, key)
        bb.mkdirhier(os.path.dirname(final))
        (by_link if n % 2 else by_download)(final, source)


main()
