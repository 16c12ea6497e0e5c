"""A small program with everything that usually dies in a move: state in memory only, an open file without a name, a live
TCP connection to itself, and a file on disk. It counts ten times a second and reports to /run/counter.json.

    python3 counter.py [MEGABYTES]      # also keeps MEGABYTES of memory whose checksum it reports (default 8)
"""

import hashlib
import json
import os
import random
import socket
import sys
import time

TICK_S = 0.1
REPORT = "/run/counter.json"
DISK_FILE = "/root/counter-disk.txt"


def open_unlinked() -> int:
    """A file that only this process can reach: its bytes exist for as long as the descriptor does."""
    descriptor = os.open("/root/.held-open", os.O_RDWR | os.O_CREAT, 0o600)
    os.unlink("/root/.held-open")
    os.write(descriptor, b"held open")
    return descriptor


def connect_to_self() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
    return client, accepted


def report(state: dict) -> None:
    with open(REPORT + ".new", "w") as file:
        json.dump(state, file)
    os.replace(REPORT + ".new", REPORT)


def main() -> None:
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    memory = random.Random(1).randbytes(megabytes * 1_000_000)
    checksum = hashlib.sha256(memory).hexdigest()
    held = open_unlinked()
    client, accepted = connect_to_self()
    with open(DISK_FILE, "w") as file:
        file.write("written before the move\n")
        file.flush()
        os.fsync(file.fileno())

    counter = 0
    next_tick = time.monotonic()
    while True:
        counter += 1
        message = counter.to_bytes(8, "little")
        client.sendall(message)
        connection_works = accepted.recv(8) == message
        file_works = os.pread(held, 9, 0) == b"held open"
        memory_works = counter % 50 != 1 or hashlib.sha256(memory).hexdigest() == checksum
        report(
            {
                "pid": os.getpid(),
                "counter": counter,
                "connection": connection_works,
                "openFile": file_works,
                "memory": memory_works,
                "checksum": checksum,
                "monotonicMs": round(time.monotonic() * 1000),
                "unixMs": round(time.time() * 1000),
            }
        )
        next_tick += TICK_S
        delay = next_tick - time.monotonic()
        if delay > 0:
            time.sleep(delay)
        else:
            next_tick = time.monotonic()


if __name__ == "__main__":
    main()
