#include <string.h>

#include "../src/ring.h"
#include "check.h"

#define CAPACITY 4096u

static uint8_t byte_at(uint64_t offset)
{
    return (uint8_t)(offset * 31 + offset / 251);
}

static void check_content(const struct ring *ring)
{
    for (uint64_t offset = ring->start; offset < ring->end;) {
        size_t length;
        const uint8_t *bytes = ring_peek(ring, offset, &length);
        CHECK(length > 0);
        for (size_t i = 0; i < length; i++)
            CHECK(bytes[i] == byte_at(offset + i));
        offset += length;
    }
}

void test_ring(void)
{
    struct ring ring;
    CHECK(ring_open(&ring, CAPACITY));
    uint64_t total = 0;
    for (size_t step = 1; step < 3 * CAPACITY; step = step * 2 + 1) {
        uint8_t bytes[3 * CAPACITY];
        for (size_t i = 0; i < step; i++)
            bytes[i] = byte_at(total + i);
        ring_push(&ring, bytes, step);
        total += step;
        CHECK(ring.end == total);
        CHECK(ring.end - ring.start == (total < CAPACITY ? total : CAPACITY));
        check_content(&ring);
    }
    ring_drop_until(&ring, ring.end - 5);
    CHECK(ring.end - ring.start == 5);
    check_content(&ring);
    size_t length;
    ring_peek(&ring, ring.end, &length);
    CHECK(length == 0);
    ring_close(&ring);
    CHECK(ring.bytes == NULL);
}
