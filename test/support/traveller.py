"""Runs in a VM that goes from host to host, and holds what dies with a process: a count, a file without a name, and memory that
nobody can make again. Whoever writes a line to ASK gets it all looked through, as one line of JSON from ANSWER.

    python3 traveller.py MEGABYTES
"""

import json
import os
import select
import sys
import zlib

TICK_S = 0.1
ASK = "/run/traveller.ask"
ANSWER = "/run/traveller.answer"


def open_unlinked(content: bytes) -> int:
    """A file that only this process can reach: its bytes exist for as long as the descriptor does."""
    descriptor = os.open("/root/.held-open", os.O_RDWR | os.O_CREAT, 0o600)
    os.unlink("/root/.held-open")
    os.write(descriptor, content)
    return descriptor


def main() -> None:
    memory = os.urandom(int(sys.argv[1]) << 20)
    held = open_unlinked(memory[:4096])
    os.mkfifo(ANSWER)
    os.mkfifo(ASK)
    # Open for writing too: it never ends, whoever asks and goes.
    asked = os.open(ASK, os.O_RDWR)
    counter = 0
    while True:
        counter += 1
        if not select.select([asked], [], [], TICK_S)[0]:
            continue
        os.read(asked, 4096)
        answer = {
            "pid": os.getpid(),
            "counter": counter,
            "file": zlib.adler32(os.pread(held, 4096, 0)),
            "memory": zlib.adler32(memory),
        }
        with open(ANSWER, "w") as file:
            file.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
