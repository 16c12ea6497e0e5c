/* Little-endian integers in byte buffers. */
#ifndef KELPIE_BYTES_H
#define KELPIE_BYTES_H

#include <stdint.h>

static inline void bytes_put_u32(uint8_t *target, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        target[i] = (uint8_t)(value >> (8 * i));
}

static inline void bytes_put_u64(uint8_t *target, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        target[i] = (uint8_t)(value >> (8 * i));
}

static inline uint32_t bytes_get_u32(const uint8_t *source)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < 4; i++)
        value |= (uint32_t)source[i] << (8 * i);
    return value;
}

static inline uint64_t bytes_get_u64(const uint8_t *source)
{
    return bytes_get_u32(source) | (uint64_t)bytes_get_u32(source + 4) << 32;
}

#endif
