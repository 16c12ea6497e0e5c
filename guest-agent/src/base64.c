/* See base64.h. */
#include "base64.h"

#include <string.h>

static int digit_of(char character)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = character == '\0' ? NULL : strchr(digits, character);
    return found == NULL ? -1 : (int)(found - digits);
}

bool base64_decode(const char *text, uint8_t *bytes, size_t capacity, size_t *length)
{
    size_t characters = strlen(text);
    *length = 0;
    if (characters % 4 != 0)
        return false;
    for (size_t at = 0; at < characters; at += 4) {
        bool is_last = at + 4 == characters;
        unsigned padding = is_last && text[at + 3] == '=' ? (text[at + 2] == '=' ? 2 : 1) : 0;
        uint32_t group = 0;
        for (unsigned i = 0; i < 4; i++) {
            int digit = i >= 4 - padding ? 0 : digit_of(text[at + i]);
            if (digit < 0)
                return false;
            group = group << 6 | (uint32_t)digit;
        }
        bool has_stray_bits = (group & (padding == 2 ? 0xffff : padding == 1 ? 0xff : 0)) != 0;
        if (has_stray_bits || *length + 3 - padding > capacity)
            return false;
        for (unsigned i = 0; i < 3 - padding; i++)
            bytes[(*length)++] = (uint8_t)(group >> (16 - 8 * i));
    }
    return true;
}
