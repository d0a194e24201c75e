#!/usr/bin/env python3
"""count-misses.py MOUNTPOINT FILE: lookups by recipe, for the textfile collector
of Prometheus' node exporter."""
import collections, json, os, subprocess, sys

mountpoint, path = sys.argv[1:]
counts = collections.Counter()
events = subprocess.Popen(
    ["sstatefs", "events", "--types", "hit,miss", mountpoint], stdout=subprocess.PIPE, text=True)
for line in events.stdout:
    event = json.loads(line)
    if "key" not in event:  # some events were lost
        continue
    recipe = os.path.basename(event["key"]).split(":")[1]
    counts[recipe, event["event"]] += 1
    with open(path + ".new", "w") as out:
        for (recipe, what), n in sorted(counts.items()):
            print('sstatefs_lookups_total{recipe="%s",result="%s"} %d' % (recipe, what, n), file=out)
    os.replace(path + ".new", path)
sys.exit(events.wait())
