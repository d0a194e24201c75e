"""What BitBake and oe-core do to SSTATE_DIR, call by call.

Written from observation (strace) of BitBake 1.46 to 2.19: see section 2.1 of
BITBAKE.md. The content of an object follows from its key, so that a reader can
check it without being told.
"""
import errno
import hashlib
import os
import random
import shutil
import subprocess
import tempfile

ZSTD = "pzstd" if shutil.which("pzstd") else "zstd"
GZIP = "pigz" if shutil.which("pigz") else "gzip"


def payload(key):
    """The bytes that the archive of a key holds: 0 to 40 KB, half of them zero."""
    r = random.Random(key)
    return r.randbytes(r.randrange(20_000)) + bytes(r.randrange(20_000))


def siginfo(key, version=0):
    """The bytes of a signature before compression."""
    r = random.Random(f"{key} {version}")
    return ('{"task":"%s","taint":"%s"}' % (key, r.randbytes(r.randrange(4000)).hex())).encode()


def digest(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def tool(*args, **more):
    subprocess.run(args, check=True, stdin=subprocess.DEVNULL, **more)


def mkdirhier(directory):
    """mkdir of missing levels; somebody else may be doing the same."""
    try:
        os.makedirs(directory)
    except FileExistsError:
        if not os.path.isdir(directory):
            raise


def touch(path):
    """oe.utils.touch: a failure to set times is ignored when it is a matter of rights."""
    try:
        os.utime(path, None)
    except OSError as e:
        if e.errno not in (errno.EPERM, errno.EACCES, errno.EROFS):
            raise


class Builder:
    """One build process: a place to work in, and the log of what was acknowledged."""

    def __init__(self, root, work, log=None):
        self.root = root
        self.work = tempfile.mkdtemp(dir=work)
        self.log = open(log, "a") if log else None

    def close(self):
        shutil.rmtree(self.work)

    def acknowledged(self, key, sha):
        """Notes that a publish was answered; in the log before anything else happens."""
        if self.log:
            self.log.write(f"{key} {sha}\n")
            self.log.flush()

    def tree(self, key):
        """What a task leaves for its archive."""
        d = os.path.join(self.work, "tree")
        os.makedirs(d, exist_ok=True)
        with open(os.path.join(d, "payload"), "wb") as f:
            f.write(payload(key))
        return d

    def tar(self, key, out):
        """tar, whose child creates `out` again with creat(2) and writes to it."""
        packer = GZIP if key.endswith(".tgz") else ZSTD
        tool("tar", "-I", packer, "-cS", "-f", out, "-C", self.tree(key), "payload", stderr=subprocess.DEVNULL)

    # Publishing.

    def archive(self, key, alone=True):
        """scarthgap and later, unsigned. alone: nobody else publishes this key."""
        final = os.path.join(self.root, key)
        if os.path.exists(final):
            touch(final)
            return "exists"
        mkdirhier(os.path.dirname(final))
        with tempfile.NamedTemporaryFile(dir=os.path.dirname(final), prefix=os.path.basename(final)) as tmp:
            self.tar(key, tmp.name)
            os.chmod(tmp.name, 0o664)
            sha = digest(tmp.name)
            assert not os.path.islink(final), "a link at the final name"
            outcome = "published"
            try:
                os.link(tmp.name, final)
                self.acknowledged(key, sha)
            except FileExistsError:
                outcome = "lost"
                touch(final)
            os.utime(tmp.name, None)
            if outcome == "published" and alone:
                self.same_inode(tmp.name, final)
        return outcome

    @staticmethod
    def same_inode(tmp, final):
        a, b = os.stat(tmp), os.stat(final)
        assert a.st_ino == b.st_ino, f"link made another inode: {a.st_ino} {b.st_ino}"
        assert (a.st_nlink, b.st_nlink) == (2, 2), f"nlink {a.st_nlink} and {b.st_nlink}, want 2"

    def shell(self, key):
        """dunfell to nanbield: mktemp, tar, chmod, ln (-f over a dangling link), rm."""
        final = os.path.join(self.root, key)
        packer = GZIP if key.endswith(".tgz") else ZSTD
        script = """
            umask 002
            [ -e "$1" ] && { touch -a "$1"; echo exists; exit 0; }
            mkdir -p "$(dirname "$1")"
            T=$(mktemp "$1.XXXXXXXX")
            tar -I "$2" -cS -f "$T" -C "$3" payload
            chmod 0664 "$T"
            SHA=$(sha256sum < "$T")
            if [ ! -e "$1" ]; then
                if [ -h "$1" ]; then ln -f "$T" "$1"; else ln "$T" "$1"; fi
                echo "published ${SHA%% *}"
            else
                touch "$1"; echo exists
            fi
            rm "$T"
        """
        out = subprocess.run(["/bin/sh", "-euc", script, "sh", final, packer, self.tree(key)],
                             check=True, capture_output=True, text=True)
        word, *sha = out.stdout.split()
        if sha:
            self.acknowledged(key, sha[0])
        return word

    def signed(self, key):
        """SSTATE_SIG_KEY: archive and .sig are made in a folder of their own."""
        final = os.path.join(self.root, key)
        if os.path.exists(final):
            touch(final)
            return "exists"
        leaf = os.path.dirname(final)
        mkdirhier(leaf)
        base = os.path.basename(key)
        with tempfile.TemporaryDirectory(dir=leaf) as d:
            tmp = os.path.join(d, base)
            self.tar(key, tmp)
            os.chmod(tmp, 0o664)
            sha = digest(tmp)
            with open(tmp + ".sig", "w") as f:
                f.write("signature of " + sha)
            sig_sha = digest(tmp + ".sig")
            os.link(tmp + ".sig", final + ".sig")
            os.rename(tmp, final)
            self.acknowledged(key, sha)
            self.acknowledged(key + ".sig", sig_sha)
            try:
                os.rmdir(d)
            except OSError as e:
                assert e.errno == errno.ENOTEMPTY, f"rmdir of a full folder: {e}"
            else:
                raise AssertionError("rmdir of a full folder succeeded")
        assert not os.path.exists(d)
        return "published"

    def siginfo(self, key, version=0):
        """A signature, made by a child that inherits the descriptor, and renamed."""
        final = os.path.join(self.root, key)
        if version == 0 and os.path.exists(final):
            touch(final)
            return "exists"
        leaf = os.path.dirname(final)
        mkdirhier(leaf)
        fd, tmp = tempfile.mkstemp(dir=leaf, prefix="sigtask.")
        with os.fdopen(fd, "wb") as f:
            subprocess.run(["zstd", "-q", "-c"], input=siginfo(key, version), stdout=f, check=True)
        os.chmod(tmp, 0o664)
        sha = digest(tmp)
        os.rename(tmp, final)
        self.acknowledged(key, sha)
        return "published"

    # Using.

    def check(self, key):
        """The availability check, in BitBake's order."""
        final = os.path.join(self.root, key)
        try:
            os.stat(final)
        except OSError:
            return "missing"
        touch(final)
        os.path.exists(final + ".sig")
        try:
            os.stat(final + ".siginfo")
        except OSError:
            return "found"
        touch(final + ".siginfo")
        return "found"

    def restore(self, key):
        """Unpack, compare, and tell that it was used."""
        final = os.path.join(self.root, key)
        if not (os.path.exists(final) and os.path.exists(final)):
            return "missing"
        outcome = self.unpack(key)
        for side in ("", ".sig", ".siginfo"):
            if outcome == "restored" and os.path.exists(final + side):
                tool("touch", final + side)
                tool("touch", "--no-dereference", final + side)
        return outcome

    def unpack(self, key):
        """Compare what an archive holds with what its key stands for."""
        final = os.path.join(self.root, key)
        packer = GZIP if key.endswith(".tgz") else ZSTD
        into = tempfile.mkdtemp(dir=self.work)
        done = subprocess.run(["tar", "-I", packer, "-x", "-f", final, "-C", into], capture_output=True, text=True)
        if done.returncode != 0:
            return "failed: " + " ".join(done.stderr.split())
        with open(os.path.join(into, "payload"), "rb") as f:
            same = f.read() == payload(key)
        shutil.rmtree(into)
        return "restored" if same else "wrong"
