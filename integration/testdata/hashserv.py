"""hashserv.py DB WRITER ROWS: a process of a hash equivalence server: sqlite in
WAL mode, shared memory and byte locks included."""
import sqlite3
import sys


def main():
    path, writer, rows = sys.argv[1], sys.argv[2], int(sys.argv[3])
    db = sqlite3.connect(path, timeout=60, isolation_level=None)
    assert db.execute("PRAGMA journal_mode=WAL").fetchone() == ("wal",), "no WAL mode"
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute("CREATE TABLE IF NOT EXISTS unihashes_v3 (writer TEXT, n INTEGER, unihash TEXT, UNIQUE(writer, n))")
    for n in range(rows):
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO unihashes_v3 VALUES (?, ?, ?)", (writer, n, f"{n:064x}" * 8))
        db.execute("COMMIT")
        db.execute("SELECT count(*) FROM unihashes_v3").fetchone()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    count = db.execute("SELECT count(*) FROM unihashes_v3 WHERE writer = ?", (writer,)).fetchone()[0]
    assert count == rows, f"{count} rows, want {rows}"
    db.close()


main()
