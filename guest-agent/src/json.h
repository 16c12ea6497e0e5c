/* A bounded JSON parser that works in place and without recursion. */
#ifndef KELPIE_JSON_H
#define KELPIE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "limits.h"

enum json_type { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json_value {
    uint8_t type;      /* enum json_type */
    uint16_t children; /* elements of an array, members of an object */
    uint16_t next;     /* index after this value and all that is inside it */
    uint16_t length;   /* bytes of a string or number */
    uint32_t start;    /* where a string or number starts in the text */
};

/* Values lie in the order of the text: a container, then its content; of a member first the name, then the value. */
struct json {
    char *text;
    uint16_t count;
    struct json_value values[JSON_VALUES_MAX];
};

/* Parses length bytes, at most FRAME_PAYLOAD_BYTES_MAX. Strings are unescaped in place and end with NUL; text must live
 * as long as the result is used. False when it is not JSON, not UTF-8, holds a NUL, or breaks a bound. */
bool json_parse(struct json *json, char *text, size_t length);

/* The value of an object's member, or NULL. Of two members of one name the last counts, as in JavaScript. */
const struct json_value *json_member(const struct json *json, const struct json_value *object, const char *name);

/* A string's bytes, ended by NUL. */
const char *json_string(const struct json *json, const struct json_value *value);

/* False unless it is a whole number that fits, written without fraction and exponent. */
bool json_uint(const struct json *json, const struct json_value *value, uint64_t *number);

static inline const struct json_value *json_first_child(const struct json_value *container)
{
    return container + 1;
}

static inline const struct json_value *json_after(const struct json *json, const struct json_value *value)
{
    return &json->values[value->next];
}

#endif
