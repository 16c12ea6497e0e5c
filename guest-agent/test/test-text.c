#include <string.h>

#include "../src/base64.h"
#include "../src/crc32.h"
#include "../src/utf8.h"
#include "check.h"

static void test_crc32(void)
{
    CHECK(crc32_of((const uint8_t *)"", 0) == 0);
    CHECK(crc32_of((const uint8_t *)"123456789", 9) == 0xCBF43926u);
    CHECK(crc32_of((const uint8_t *)"The quick brown fox jumps over the lazy dog", 43) == 0x414FA339u);
}

static void test_utf8(void)
{
    static const char *const valid[] = {"", "a", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF",
                                        "\xEE\x80\x80", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"};
    static const char *const invalid[] = {"\x80", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2\x41", "\xE0\x9F\xBF",
                                          "\xED\xA0\x80", "\xE1\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF"};
    for (size_t i = 0; i < sizeof valid / sizeof valid[0]; i++)
        CHECK(utf8_is_valid(valid[i], strlen(valid[i])));
    for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++)
        CHECK(!utf8_is_valid(invalid[i], strlen(invalid[i])));
    char text[4];
    for (uint32_t point = 1; point < 0x110000; point += point < 0x3000 ? 1 : 97) {
        bool is_surrogate = point >= 0xD800 && point <= 0xDFFF;
        CHECK(utf8_is_valid(text, utf8_encode(text, point)) == !is_surrogate);
    }
}

static bool decodes_to(const char *text, const char *expected)
{
    uint8_t bytes[16];
    size_t length;
    return base64_decode(text, bytes, sizeof bytes, &length) && length == strlen(expected) &&
           memcmp(bytes, expected, length) == 0;
}

static void test_base64(void)
{
    /* RFC 4648, section 10 */
    CHECK(decodes_to("", ""));
    CHECK(decodes_to("Zg==", "f"));
    CHECK(decodes_to("Zm8=", "fo"));
    CHECK(decodes_to("Zm9v", "foo"));
    CHECK(decodes_to("Zm9vYmFy", "foobar"));
    static const char *const invalid[] = {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "Zg==Zg==", "=", "====", "Z===", "Zm 9v", "Zm9v\n"};
    uint8_t bytes[16];
    size_t length;
    for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++)
        CHECK(!base64_decode(invalid[i], bytes, sizeof bytes, &length));
    CHECK(!base64_decode("Zm9vYmFy", bytes, 5, &length));
}

void test_text(void)
{
    test_crc32();
    test_utf8();
    test_base64();
}
