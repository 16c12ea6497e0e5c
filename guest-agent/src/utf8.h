/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef KELPIE_UTF8_H
#define KELPIE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool utf8_is_valid(const char *text, size_t length);

/* Writes 1 … 4 bytes and returns how many. */
size_t utf8_encode(char *target, uint32_t code_point);

#endif
