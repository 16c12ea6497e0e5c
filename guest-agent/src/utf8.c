/* See utf8.h. */
#include "utf8.h"

static size_t sequence_length(uint8_t first)
{
    if (first < 0x80)
        return 1;
    if (first >= 0xC2 && first <= 0xDF)
        return 2;
    if (first >= 0xE0 && first <= 0xEF)
        return 3;
    if (first >= 0xF0 && first <= 0xF4)
        return 4;
    return 0;
}

/* What the second byte must be above or below 0x80 … 0xBF, to rule out overlong forms, surrogates and too large ones. */
static bool is_second_byte_valid(uint8_t first, uint8_t second)
{
    switch (first) {
    case 0xE0:
        return second >= 0xA0;
    case 0xED:
        return second <= 0x9F;
    case 0xF0:
        return second >= 0x90;
    case 0xF4:
        return second <= 0x8F;
    default:
        return true;
    }
}

bool utf8_is_valid(const char *text, size_t length)
{
    const uint8_t *bytes = (const uint8_t *)text;
    for (size_t i = 0; i < length;) {
        size_t sequence = sequence_length(bytes[i]);
        if (sequence == 0 || sequence > length - i)
            return false;
        for (size_t k = 1; k < sequence; k++)
            if ((bytes[i + k] & 0xC0) != 0x80)
                return false;
        if (sequence > 1 && !is_second_byte_valid(bytes[i], bytes[i + 1]))
            return false;
        i += sequence;
    }
    return true;
}

size_t utf8_encode(char *target, uint32_t code_point)
{
    if (code_point < 0x80) {
        target[0] = (char)code_point;
        return 1;
    }
    size_t length = code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    static const uint8_t lead[5] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = length - 1; i > 0; i--, code_point >>= 6)
        target[i] = (char)(0x80 | (code_point & 0x3F));
    target[0] = (char)(lead[length] | code_point);
    return length;
}
