/* CRC-32 of IEEE 802.3, the one of zlib. */
#ifndef KELPIE_CRC32_H
#define KELPIE_CRC32_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32_of(const uint8_t *bytes, size_t length);

#endif
