#include <string.h>

#include "../src/json-writer.h"
#include "../src/json.h"
#include "check.h"

static struct json json;

/* Parses from a buffer of exactly the text's size, so that the sanitizer sees every step beyond it. */
static bool parses(const char *text, size_t length)
{
    char *copy = malloc(length > 0 ? length : 1);
    memcpy(copy, text, length);
    bool is_valid = json_parse(&json, copy, length);
    free(copy);
    return is_valid;
}

static void test_accepted(void)
{
    static const char *const valid[] = {
        "{}", "[]", " [ ] ", "0", "-0", "-1.5e+3", "\"\"", "null", "true", "[1,[2,[3]],{\"a\":{\"b\":[]}}]",
        "{\"a\":1,\"b\":\"\\u00e9\\ud83d\\ude00\\n\"}", "[[[[[[[[1]]]]]]]]", "\"\x7f\"",
    };
    static const char *const invalid[] = {
        "", " ", "{", "}", "[1,]", "[,1]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "01", "1.", ".5", "+1", "1e", "- 1",
        "tru", "nul", "\"", "\"\\x\"", "\"\\u12\"", "\"\\u0000\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\n\"", "\"\xff\"",
        "[[[[[[[[[1]]]]]]]]]", "1 2", "[1}", "{\"a\":1]", "[1 2]", "\"\\", "\"\\u", "'a'", "[1]]",
    };
    for (size_t i = 0; i < sizeof valid / sizeof valid[0]; i++)
        CHECK(parses(valid[i], strlen(valid[i])));
    for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++)
        CHECK(!parses(invalid[i], strlen(invalid[i])));
    CHECK(!parses("\"a\0b\"", 5));
}

static void test_truncated(void)
{
    static const char text[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"params\":{\"argv\":[\"a\\u00e9\\\\\",true,null,-1.5e3],\"x\":{}}}";
    for (size_t length = 0; length < sizeof text - 1; length++)
        CHECK(!parses(text, length));
    CHECK(parses(text, sizeof text - 1));
}

static void test_access(void)
{
    char text[] = "{\"a\":[1,{\"a\":2}],\"s\":\"x\\ty\\u00e9\",\"n\":18446744073709551615,\"big\":18446744073709551616,\"f\":1.0,\"a\":7}";
    CHECK(json_parse(&json, text, sizeof text - 1));
    const struct json_value *object = &json.values[0];
    uint64_t number;
    CHECK(object->type == JSON_OBJECT && object->children == 6 && object->next == json.count);
    CHECK(json_uint(&json, json_member(&json, object, "a"), &number) && number == 7);
    CHECK(json_uint(&json, json_member(&json, object, "n"), &number) && number == UINT64_MAX);
    CHECK(!json_uint(&json, json_member(&json, object, "big"), &number));
    CHECK(!json_uint(&json, json_member(&json, object, "f"), &number));
    CHECK(!json_uint(&json, json_member(&json, object, "s"), &number));
    CHECK(strcmp(json_string(&json, json_member(&json, object, "s")), "x\ty\xC3\xA9") == 0);
    CHECK(json_member(&json, object, "none") == NULL);
}

static void test_bounds(void)
{
    static char text[FRAME_PAYLOAD_BYTES_MAX + 1];
    memset(text, '[', sizeof text);
    CHECK(!json_parse(&json, text, FRAME_PAYLOAD_BYTES_MAX));
    for (size_t i = 1; i < sizeof text; i++)
        text[i] = i % 2 ? '1' : ',';
    CHECK(!json_parse(&json, text, FRAME_PAYLOAD_BYTES_MAX)); /* more than JSON_VALUES_MAX */
    memset(text, ' ', sizeof text);
    text[0] = '1';
    CHECK(json_parse(&json, text, FRAME_PAYLOAD_BYTES_MAX));
    CHECK(!json_parse(&json, text, FRAME_PAYLOAD_BYTES_MAX + 1));
}

static void test_writer(void)
{
    char text[64];
    struct json_writer writer;
    json_writer_init(&writer, text, sizeof text);
    json_open_object(&writer);
    json_member_string(&writer, "s", "a\"\\\n");
    json_put_name(&writer, "l");
    json_open_array(&writer);
    json_put_int(&writer, -1);
    json_put_null(&writer);
    json_close_array(&writer);
    json_member_bool(&writer, "b", true);
    json_close_object(&writer);
    static const char expected[] = "{\"s\":\"a\\\"\\\\\\u000a\",\"l\":[-1,null],\"b\":true}";
    CHECK(!writer.is_overflown && writer.length == sizeof expected - 1);
    CHECK(memcmp(text, expected, writer.length) == 0);
    for (size_t capacity = 0; capacity < 4; capacity++) {
        json_writer_init(&writer, text, capacity);
        json_put_string(&writer, "ab");
        CHECK(writer.is_overflown && writer.length <= capacity);
    }
}

void test_json(void)
{
    test_accepted();
    test_truncated();
    test_access();
    test_bounds();
    test_writer();
}
