"""locks.py DIR ROUNDS: BitBake's lock files (bb.utils.lockfile), as a counter
that only the holder of the lock may change. Run several at a time.

The lock is a file that its last holder removes: who gets the lock must see that
the file is still the one of that name, by its inode number.
"""
import errno
import fcntl
import os
import sys
import time


def take(name, block):
    while True:
        f = open(name, "a+")
        try:
            fcntl.flock(f.fileno(), fcntl.LOCK_EX | (0 if block else fcntl.LOCK_NB))
            try:
                if os.fstat(f.fileno()).st_ino == os.stat(name).st_ino:
                    return f
            except FileNotFoundError:
                pass
        except OSError as e:
            if e.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            time.sleep(0.001)
        f.close()


def release(f):
    try:
        os.unlink(f.name)
    except OSError:
        pass
    fcntl.flock(f.fileno(), fcntl.LOCK_UN)
    f.close()


def main():
    directory, rounds = sys.argv[1], int(sys.argv[2])
    for i in range(rounds):
        f = take(os.path.join(directory, "sstate:x.tar.zst.lock"), block=i % 2 == 0)
        counter = os.path.join(directory, "counter")
        value = int(open(counter).read()) if os.path.exists(counter) else 0
        with open(counter, "w") as c:
            c.write(str(value + 1))
        release(f)


main()
