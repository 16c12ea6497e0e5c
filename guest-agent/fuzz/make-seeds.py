"""Writes seeds for fuzz-connection: python3 fuzz/make-seeds.py FOLDER. The script format is at the top of that file."""

import json
import os
import struct
import sys

HELLO, REQUEST, DATA, END, CREDIT, RAW, REAP, OUTPUT = range(8)
CHANNEL = 1 << 31


def step(kind, data=b""):
    return struct.pack("<BH", kind, len(data)) + data


def request(method, number=1, **params):
    return step(REQUEST, json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode())


def channel(kind, number, stream, offset, data=b""):
    return step(kind, struct.pack("<IBxxxQ", number, stream, offset) + data)


START = request("exec.start", argv=["a"], env={"b": "c"}, stdin=True, attach={"stdoutLimit": 100, "stderrLimit": 100})
TTY = request("exec.start", argv=["a"], tty={"rows": 1, "columns": 2}, timeoutMs=5, user="root", cwd="/")
SEED = "A" * 64
SEEDS = {
    "session": START + channel(DATA, 1, 0, 0, b"in") + step(OUTPUT, b"out") + channel(CREDIT, 1, 1, 1000) + channel(END, 1, 0, 2)
    + request("exec.list") + step(REAP) + request("exec.attach", session=1, stdoutLimit=9, stderrLimit=9),
    "attach": START + step(HELLO) + request("exec.attach", session=1, stdoutOffset=0, stderrOffset=0, stdoutLimit=9, stderrLimit=9)
    + request("exec.detach", session=1) + request("exec.signal", session=1, signal=9) + step(REAP, b"x") + request("exec.forget", session=1),
    "tty": TTY + request("exec.resize", session=1, rows=5, columns=6) + step(OUTPUT, b"x" * 5000) + step(REAP),
    "read": request("file.read", channel=CHANNEL, path="/file", limit=5) + channel(CREDIT, CHANNEL, 1, 1 << 40) + request("file.abort", channel=CHANNEL),
    "write": request("file.write", channel=CHANNEL, path="/file", mode=420, uid=0, gid=0) + channel(DATA, CHANNEL, 0, 0, b"abc")
    + channel(END, CHANNEL, 0, 3) + request("file.commit", channel=CHANNEL) + step(REAP),
    "fail": request("file.write", channel=CHANNEL, path="/file") + channel(DATA, CHANNEL, 0, 0, b"Fbc") + request("file.commit", channel=CHANNEL),
    "system": request("system.health") + request("system.repair", unixNs="2", seed=SEED, generation=1, hostname="h", machineId="a" * 32, rehearse=True)
    + request("system.setClock", unixNs="2") + request("system.reseed", seed=SEED) + request("system.sync") + request("file.stat", path="/"),
    "power": request("system.powerOff") + step(RAW, bytes(100)) + step(RAW, b"K\x10"),
}

for name, seed in SEEDS.items():
    with open(os.path.join(sys.argv[1], name), "wb") as file:
        file.write(seed)
