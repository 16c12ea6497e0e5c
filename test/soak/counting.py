"""What the guest of the soak does: it counts ten times a second, in its memory and, past every cache, on its disk; each count marks one page of a block of
memory. Before each count the disk must say what memory says, since both were captured at one instant; once a second all of the block is looked at.

    python3 counting.py      # reports to /run/counting.json, and for ever "broken" once something did not agree
"""

import hashlib
import json
import mmap
import os
import random
import time

TICK_S = 0.1
CHECK_TICKS = 10
REPORT = "/run/counting.json"
DISK_FILE = "/root/counting"
PAGE_BYTES = 4096
PAGES = 1024
WORDS_PER_PAGE = PAGE_BYTES // 8
STATIC_BYTES = 2_000_000


class Disk:
    """One block of a file that is read and written past the guest's page cache."""

    def __init__(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_DIRECT | os.O_DSYNC
        self.descriptor = os.open(DISK_FILE, flags, 0o600)
        self.block = mmap.mmap(-1, PAGE_BYTES)
        self.write(0)

    def write(self, count: int) -> None:
        self.block[:8] = count.to_bytes(8, "little")
        os.pwritev(self.descriptor, [self.block], 0)

    def read(self) -> int:
        self.block[:8] = b"\xff" * 8
        os.preadv(self.descriptor, [self.block], 0)
        return int.from_bytes(self.block[:8], "little")


def last_mark(page: int, count: int) -> int:
    """The greatest number up to `count` whose page this is; 0 for none."""
    return max(0, count - (count - page) % PAGES)


def report(state: dict) -> None:
    with open(REPORT + ".new", "w") as file:
        json.dump(state, file)
    os.replace(REPORT + ".new", REPORT)


def main() -> None:
    static = random.Random(1).randbytes(STATIC_BYTES)
    checksum = hashlib.sha256(static).hexdigest()
    block = mmap.mmap(-1, PAGES * PAGE_BYTES)
    words = memoryview(block).cast("Q")
    disk = Disk()
    count = 0
    checked = 0
    broken = None
    while broken is None:
        on_disk = disk.read()
        if on_disk != count:
            broken = f"the disk says {on_disk}, memory {count}"
        elif count % CHECK_TICKS == 0:
            marks = words[::WORDS_PER_PAGE].tolist()
            wrong = [page for page in range(PAGES) if marks[page] != last_mark(page, count)]
            if wrong:
                broken = f"at {count}, page {wrong[0]} of {len(wrong)} wrong ones has {marks[wrong[0]]}"
            elif hashlib.sha256(static).hexdigest() != checksum:
                broken = f"at {count}, what never changes has changed"
            checked = count
        if broken is None:
            count += 1
            words[count % PAGES * WORDS_PER_PAGE] = count
            disk.write(count)
        report({"pid": os.getpid(), "count": count, "checked": checked, "broken": broken, "checksum": checksum})
        time.sleep(TICK_S)
    # Whoever asks later must still find it.
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
