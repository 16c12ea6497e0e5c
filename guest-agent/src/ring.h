/* The last bytes of a stream, addressed by their offset from the stream's beginning. */
#ifndef KELPIE_RING_H
#define KELPIE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring {
    uint8_t *bytes; /* NULL: closed */
    size_t capacity;
    uint64_t start; /* offset of the oldest byte kept */
    uint64_t end;   /* offset after the newest byte: the stream's length so far */
};

/* The memory is taken from the system only as bytes come. False (errno is set) when there is none. */
bool ring_open(struct ring *ring, size_t capacity);
void ring_close(struct ring *ring);

/* A contiguous place for at most length_max bytes after the newest one. What is filled there pushes the oldest out. */
uint8_t *ring_space(const struct ring *ring, size_t length_max, size_t *length);
void ring_filled(struct ring *ring, size_t length);
void ring_push(struct ring *ring, const uint8_t *bytes, size_t length);

/* The contiguous bytes from an offset between start and end on. */
const uint8_t *ring_peek(const struct ring *ring, uint64_t offset, size_t *length);
/* Forgets the bytes before an offset between start and end. */
void ring_drop_until(struct ring *ring, uint64_t offset);

#endif
