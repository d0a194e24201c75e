"""fsx.py FILE SEED OPERATIONS [unlink]: random reads, writes, truncations and
mappings of one file through two descriptors, compared with a copy in memory.

With `unlink` the file loses its name first. After the fsx of Apple and Linux,
written anew.
"""
import mmap
import os
import random
import sys

LARGEST = 300_000


class File:
    def __init__(self, path, seed):
        self.r = random.Random(seed)
        self.path = path
        self.fds = [os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644), os.open(path, os.O_RDWR)]
        self.want = bytearray()
        self.done = []

    def fd(self):
        return self.r.choice(self.fds)

    def span(self, limit):
        """An offset and a length, often at the borders of pages."""
        at = self.r.randrange(limit + 1)
        if self.r.random() < 0.3:
            at &= ~4095
        return at, self.r.randrange(1, 40_000)

    def write(self):
        at, n = self.span(LARGEST - 40_000)
        data = self.r.randbytes(n)
        self.note("write", at, n)
        assert os.pwrite(self.fd(), data, at) == n
        self.put(at, data)

    def put(self, at, data):
        if at > len(self.want):
            self.want.extend(bytes(at - len(self.want)))
        self.want[at:at + len(data)] = data

    def append(self):
        n = self.r.randrange(1, 5000)
        if len(self.want) + n > LARGEST:
            return
        data = self.r.randbytes(n)
        self.note("append", len(self.want), n)
        f = os.open(self.name(), os.O_WRONLY | os.O_APPEND)
        assert os.write(f, data) == n
        os.close(f)
        self.put(len(self.want), data)

    def read(self):
        at, n = self.span(len(self.want) + 5000)
        self.note("read", at, n)
        self.same(os.pread(self.fd(), n, at), at, n)

    def truncate(self):
        size = self.r.randrange(LARGEST)
        self.note("truncate", size, 0)
        self.cut(size)
        if self.r.random() < 0.5:
            os.ftruncate(self.fd(), size)
        else:
            os.truncate(self.name(), size)

    def cut(self, size):
        del self.want[size:]
        self.want.extend(bytes(size - len(self.want)))

    def map(self, write):
        if not self.want:
            return
        at, n = self.span(len(self.want) - 1)
        n = min(n, len(self.want) - at)
        self.note("mapwrite" if write else "mapread", at, n)
        access = mmap.ACCESS_WRITE if write else mmap.ACCESS_READ
        with mmap.mmap(self.fd(), len(self.want), access=access) as m:
            if write:
                data = self.r.randbytes(n)
                m[at:at + n] = data
                self.want[at:at + n] = data
                if self.r.random() < 0.5:
                    m.flush()
            else:
                self.same(m[at:at + n], at, n)

    def mapread(self):
        self.map(False)

    def mapwrite(self):
        self.map(True)

    def reopen(self):
        self.note("reopen", 0, 0)
        i = self.r.randrange(2)
        new = os.open(self.name(), os.O_RDWR)
        os.close(self.fds[i])
        self.fds[i] = new

    def sync(self):
        self.note("fsync", 0, 0)
        self.r.choice([os.fsync, os.fdatasync])(self.fd())

    def size(self):
        self.note("stat", 0, 0)
        got = os.fstat(self.fd()).st_size
        assert got == len(self.want), f"size is {got}, want {len(self.want)}"

    def name(self):
        """A path to the file that works when it has lost its name."""
        return f"/proc/self/fd/{self.fds[0]}" if self.path is None else self.path

    def same(self, got, at, n):
        want = bytes(self.want[at:at + n])
        if got != want:
            first = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
            raise AssertionError(f"{len(got)} bytes at {at}, want {len(want)}; first difference at {at + first}")

    def note(self, *what):
        self.done = self.done[-30:] + [what]

    def run(self, count):
        ops = [self.write] * 4 + [self.read] * 4 + [self.append, self.truncate, self.mapread, self.mapwrite,
                                                  self.mapwrite, self.reopen, self.sync, self.size]
        for _ in range(count):
            self.r.choice(ops)()
        self.same(os.pread(self.fds[0], LARGEST + 1, 0), 0, LARGEST + 1)
        self.same(os.pread(self.fds[1], LARGEST + 1, 0), 0, LARGEST + 1)


def main():
    path, seed, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    f = File(path, seed)
    try:
        if sys.argv[4:] == ["unlink"]:
            os.unlink(path)
            f.path = None
        f.run(count)
        if f.path:
            f.same(open(path, "rb").read(), 0, LARGEST + 1)
    except BaseException:
        print("last operations:", *f.done, sep="\n", file=sys.stderr)
        raise


main()
