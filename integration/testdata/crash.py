"""Does what builds do, plan by plan, while the daemon under it is killed.

Reads one plan a line, {"root": mountpoint, "steps": [[verb, key, file], ...]},
and tells on standard output, in order and at once, what it was answered:
"begin N", then one of "ack N", "exists N", "gone N", "read N SHA256", or
"fail N ERRNO", which ends the plan. "end" is the last line of every plan.
"""
import errno
import hashlib
import json
import os
import secrets
import sys


def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def content(path):
    with open(path, "rb") as f:
        return f.read()


def write(path, data, flags=os.O_EXCL):
    fd = os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o664)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)


def folders(path):
    try:
        os.makedirs(path, exist_ok=True)
    except FileExistsError:
        os.stat(path)  # it is there, and cannot be looked at any more: that is the error


def token():
    return secrets.token_hex(4)


class Step:
    """One step: its number, and where its object is."""

    def __init__(self, number, root, key, made):
        self.number, self.made = number, made
        self.final = os.path.join(root, key)
        self.leaf, self.base = os.path.split(self.final)

    def tell(self, word, *more):
        say(word, self.number, *more)

    def link(self):
        """An archive: temporary, link, unlink."""
        folders(self.leaf)
        tmp = self.final + token()
        write(tmp, content(self.made))
        try:
            os.link(tmp, self.final)
            self.tell("ack")
        except FileExistsError:
            self.tell("exists")
        os.utime(tmp)
        os.unlink(tmp)

    def rename(self):
        """A signature, over another one or not."""
        folders(self.leaf)
        tmp = os.path.join(self.leaf, "sigtask." + token())
        write(tmp, content(self.made))
        os.rename(tmp, self.final)
        self.tell("ack")

    def signed(self):
        """An archive with its .sig, made in a folder of their own."""
        folders(self.leaf)
        folder = os.path.join(self.leaf, "tmp" + token())
        os.mkdir(folder)
        tmp = os.path.join(folder, self.base)
        write(tmp, content(self.made))
        write(tmp + ".sig", content(self.made + ".sig"))
        os.link(tmp + ".sig", self.final + ".sig")
        os.rename(tmp, self.final)
        self.tell("ack")
        os.unlink(tmp + ".sig")
        os.rmdir(folder)

    def copy(self):
        """cp: written under its own name."""
        folders(self.leaf)
        write(self.final, content(self.made))
        self.tell("ack")

    def recall(self):
        """An archive that goes as soon as it is there: its put may be on its way."""
        folders(self.leaf)
        tmp = self.final + token()
        write(tmp, content(self.made))
        os.link(tmp, self.final)
        os.unlink(self.final)
        self.tell("ack")
        os.unlink(tmp)

    def remove(self):
        os.unlink(self.final)
        self.tell("ack")

    def touch(self):
        os.utime(self.final)
        self.tell("ack")

    def read(self):
        self.tell("read", hashlib.sha256(content(self.final)).hexdigest())


def perform(plan):
    for number, (verb, key, made) in enumerate(plan["steps"]):
        step = Step(number, plan["root"], key, made)
        step.tell("begin")
        try:
            getattr(step, verb)()
        except FileNotFoundError:
            step.tell("gone")
        except OSError as e:
            step.tell("fail", errno.errorcode.get(e.errno, e.errno))
            return


os.umask(0o002)  # BitBake's
for line in sys.stdin:
    perform(json.loads(line))
    say("end")
