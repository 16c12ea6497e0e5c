"""What a measured VM does: it counts, writes a few megabytes per second to its memory, and tells each tick to the host.

    python3 -c SOURCE NAME PORT

The clocks of a guest stand still while it is paused, so it cannot see its own pauses: it says that it lives, and the host
measures the silence. Datagrams need no connection, which would not survive a restore.
"""

import socket
import sys
import time

TICK_S = 0.004
PAGE_BYTES = 4096
PAGES = 1024
PAGES_PER_TICK = 2

name, port = sys.argv[1], int(sys.argv[2])
memory = bytearray(PAGES * PAGE_BYTES)
host = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
tick = 0
while True:
    tick += 1
    for step in range(PAGES_PER_TICK):
        page = (tick * PAGES_PER_TICK + step) % PAGES
        memory[page * PAGE_BYTES : page * PAGE_BYTES + 8] = tick.to_bytes(8, "little")
    try:
        host.sendto(b"%s %d" % (name.encode(), tick), ("10.0.2.2", port))
    except OSError:
        pass  # the network of a VM that was just restored
    time.sleep(TICK_S)
