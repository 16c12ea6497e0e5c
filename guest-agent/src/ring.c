/*
 *   offset:   0 ........ start ............... end
 *             (gone)     └── kept, ≤ capacity ─┘
 *   a byte with offset o lies at bytes[o % capacity]
 *
 * The bytes are a private anonymous mapping: the kernel gives a page when it is first written, so that a quiet command
 * costs one page and not its whole ring, and takes all of it back at once on close.
 */
#include "ring.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>

bool ring_open(struct ring *ring, size_t capacity)
{
    void *bytes = mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (bytes == MAP_FAILED)
        return false;
    *ring = (struct ring){.bytes = bytes, .capacity = capacity};
    return true;
}

void ring_close(struct ring *ring)
{
    if (ring->bytes != NULL)
        munmap(ring->bytes, ring->capacity);
    *ring = (struct ring){0};
}

uint8_t *ring_space(const struct ring *ring, size_t length_max, size_t *length)
{
    size_t at = (size_t)(ring->end % ring->capacity);
    size_t contiguous = ring->capacity - at;
    *length = length_max < contiguous ? length_max : contiguous;
    return ring->bytes + at;
}

void ring_filled(struct ring *ring, size_t length)
{
    assert(length <= ring->capacity);
    ring->end += length;
    if (ring->end - ring->start > ring->capacity)
        ring->start = ring->end - ring->capacity;
}

void ring_push(struct ring *ring, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        size_t part;
        uint8_t *target = ring_space(ring, length, &part);
        memcpy(target, bytes, part);
        ring_filled(ring, part);
        bytes += part;
        length -= part;
    }
}

const uint8_t *ring_peek(const struct ring *ring, uint64_t offset, size_t *length)
{
    assert(offset >= ring->start && offset <= ring->end);
    size_t at = (size_t)(offset % ring->capacity);
    size_t contiguous = ring->capacity - at;
    uint64_t kept = ring->end - offset;
    *length = kept < contiguous ? (size_t)kept : contiguous;
    return ring->bytes + at;
}

void ring_drop_until(struct ring *ring, uint64_t offset)
{
    assert(offset >= ring->start && offset <= ring->end);
    ring->start = offset;
}
