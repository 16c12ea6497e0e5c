/* Base64 of RFC 4648, with padding. */
#ifndef KELPIE_BASE64_H
#define KELPIE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* False when the text is not canonical base64 or has more than capacity bytes. */
bool base64_decode(const char *text, uint8_t *bytes, size_t capacity, size_t *length);

#endif
