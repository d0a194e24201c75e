#!/usr/bin/env python3
# Writes python.json and pickles/: what Python makes of random texts, and one
# signature as a pickle of each protocol.
import difflib
import json
import pickle
import random

rand = random.Random(2026)
ALPHABET = ["a", "b", " ", "\t", "\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x1f", "\x85", "\xa0", "\xad",
            "\x00", "\x7f", "\u200b", "\u2028", "\u2029", "\u3000", "\ufeff", "\ufffe", "'", '"', "\\", "\xe9", "\u65e5",
            "\U0001f600", "\U000e0001", "\U0010ffff", "{", "%s"]


def text():
    return "".join(rand.choice(ALPHABET) for _ in range(rand.randrange(8)))


def edited(lines, pool):
    new = list(lines)
    for _ in range(rand.choice([0, 1, 3, 20])):
        at = rand.randrange(len(new) + 1)
        if rand.random() < .5:
            new.insert(at, rand.choice(pool))
        elif new:
            del new[min(at, len(new) - 1)]
    return new


def diffs():
    for _ in range(60):
        pool = [str(n) for n in range(rand.choice([2, 4, 20, 200]))]
        old = [rand.choice(pool) for _ in range(rand.choice([0, 1, 3, 10, 30, 150, 199, 200, 201, 300]))]
        new = edited(old, pool)
        yield [" ".join(old), " ".join(new), list(difflib.unified_diff(old, new, lineterm=""))[2:]]


texts = [text() for _ in range(300)]
with open("python.json", "w") as out:
    json.dump({
        "repr": [[t, repr(t)] for t in texts],
        "splitlines": [[t, t.splitlines()] for t in texts],
        "split": [[t, t.split()] for t in texts],
        "unified": list(diffs()),
    }, out, separators=(",", ":"))

signature = {
    "task": "do_compile",
    "basewhitelist": {"PWD", "USER"},
    "taskwhitelist": None,
    "taskdeps": ["A", "B"],
    "gendeps": {"A": frozenset({"B"}), "B": set()},
    "varvals": {"A": "caf\xe9 \u65e5", "B": None, "do_compile": "x" * 300, "N": 70000, "T": True},
    "basehash": "b",
    "runtaskdeps": ["a:do_x"],
    "runtaskhashes": {"a:do_x": "h"},
    "file_checksum_values": [("f", "s"), ("f", None), ["./g/h", "t"]],
    "taint": "nostamp:u",
}
for protocol in range(6):
    with open("pickles/protocol-%d" % protocol, "wb") as out:
        pickle.dump(signature, out, protocol)
signature["file_checksum_values"] = {"g": None, "f": "s"}
with open("pickles/files-dict", "wb") as out:
    pickle.dump(signature, out, 3)
