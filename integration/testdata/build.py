"""build.py VERB ROOT WORK [LOG]: does VERB for each key on standard input.

Prints "key outcome" for each. A key that ends in .siginfo is published as a
signature whatever the verb of publishing says. The verb `build` publishes or
restores, as a build does, and siginfo files with it.
"""
import os
import sys

import bb


def build(builder, key):
    """One task: checked, then restored or made."""
    if builder.check(key) == "found":
        return builder.restore(key)
    builder.siginfo(key + ".siginfo")
    return builder.archive(key, alone=False)


def main():
    verb, root, work = sys.argv[1:4]
    log = sys.argv[4] if len(sys.argv) > 4 else None
    os.umask(0o002)
    builder = bb.Builder(root, work, log)
    verbs = {"replace": lambda k: builder.siginfo(k, 1), "build": lambda k: build(builder, k)}
    for line in sys.stdin:
        key = line.rstrip("\n")
        act = verbs.get(verb) or getattr(builder, verb)
        if key.endswith(".siginfo") and verb in ("archive", "shell", "signed"):
            act = builder.siginfo
        print(key, act(key), flush=True)
    builder.close()


main()
