/*
 * The parser walks the text once, with an explicit stack of at most JSON_DEPTH_MAX open containers:
 *
 *      ┌────────────► VALUE ──[ or {──► (push) ──┐ empty: close
 *      │   ',' ':'      │ scalar                 │
 *      │                ▼                        ▼
 *      └────────────── AFTER ◄──] or } (pop)─────┘
 *                       │ stack empty, text at its end
 *                       ▼
 *                      done                       anything else: not JSON
 */
#include "json.h"

#include <string.h>

#include "utf8.h"

struct parser {
    struct json *json;
    size_t at;
    size_t length;
    unsigned depth;
    uint16_t open[JSON_DEPTH_MAX];
};

static char current(const struct parser *parser)
{
    return parser->at < parser->length ? parser->json->text[parser->at] : '\0';
}

static void skip_space(struct parser *parser)
{
    while (parser->at < parser->length && strchr(" \t\r\n", parser->json->text[parser->at]) != NULL)
        parser->at++;
}

static struct json_value *add_value(struct parser *parser, enum json_type type)
{
    struct json *json = parser->json;
    if (json->count == JSON_VALUES_MAX - 1) /* one is kept free, so that json_after always has a place to point at */
        return NULL;
    struct json_value *value = &json->values[json->count++];
    *value = (struct json_value){.type = (uint8_t)type, .next = json->count};
    return value;
}

static bool parse_literal(struct parser *parser, const char *literal, enum json_type type)
{
    size_t length = strlen(literal);
    if (parser->length - parser->at < length || memcmp(parser->json->text + parser->at, literal, length) != 0)
        return false;
    parser->at += length;
    return add_value(parser, type) != NULL;
}

static size_t skip_digits(struct parser *parser)
{
    size_t start = parser->at;
    while (current(parser) >= '0' && current(parser) <= '9')
        parser->at++;
    return parser->at - start;
}

static bool parse_number(struct parser *parser)
{
    size_t start = parser->at;
    if (current(parser) == '-')
        parser->at++;
    bool has_leading_zero = current(parser) == '0';
    size_t digits = skip_digits(parser);
    if (digits == 0 || (has_leading_zero && digits > 1))
        return false;
    if (current(parser) == '.') {
        parser->at++;
        if (skip_digits(parser) == 0)
            return false;
    }
    if (current(parser) == 'e' || current(parser) == 'E') {
        parser->at++;
        if (current(parser) == '+' || current(parser) == '-')
            parser->at++;
        if (skip_digits(parser) == 0)
            return false;
    }
    struct json_value *value = add_value(parser, JSON_NUMBER);
    if (value == NULL)
        return false;
    value->start = (uint32_t)start;
    value->length = (uint16_t)(parser->at - start);
    return true;
}

static int hex_digit(char character)
{
    if (character >= '0' && character <= '9')
        return character - '0';
    if (character >= 'a' && character <= 'f')
        return character - 'a' + 10;
    if (character >= 'A' && character <= 'F')
        return character - 'A' + 10;
    return -1;
}

static bool parse_hex4(struct parser *parser, uint32_t *unit)
{
    *unit = 0;
    for (int i = 0; i < 4; i++, parser->at++) {
        int digit = hex_digit(current(parser));
        if (digit < 0)
            return false;
        *unit = *unit << 4 | (uint32_t)digit;
    }
    return true;
}

/* After "\u": one code point, of which surrogates come in pairs. NUL is refused: it would cut C strings. */
static bool parse_unicode_escape(struct parser *parser, uint32_t *code_point)
{
    if (!parse_hex4(parser, code_point))
        return false;
    if (*code_point >= 0xD800 && *code_point <= 0xDBFF) {
        uint32_t low;
        if (current(parser) != '\\')
            return false;
        parser->at++;
        if (current(parser) != 'u')
            return false;
        parser->at++;
        if (!parse_hex4(parser, &low) || low < 0xDC00 || low > 0xDFFF)
            return false;
        *code_point = 0x10000 + ((*code_point - 0xD800) << 10) + (low - 0xDC00);
    } else if (*code_point >= 0xDC00 && *code_point <= 0xDFFF) {
        return false;
    }
    return *code_point != 0;
}

/* After the backslash. An escape is never shorter than what it stands for, so unescaping in place cannot overtake. */
static bool parse_escape(struct parser *parser, char **target)
{
    static const char names[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    char name = current(parser);
    if (name == '\0')
        return false;
    parser->at++;
    if (name == 'u') {
        uint32_t code_point;
        if (!parse_unicode_escape(parser, &code_point))
            return false;
        *target += utf8_encode(*target, code_point);
        return true;
    }
    const char *found = strchr(names, name);
    if (found == NULL)
        return false;
    *(*target)++ = meanings[found - names];
    return true;
}

static bool parse_string(struct parser *parser)
{
    char *text = parser->json->text;
    size_t start = ++parser->at;
    char *target = text + start;
    for (;;) {
        if (parser->at == parser->length)
            return false;
        char character = text[parser->at++];
        if (character == '"')
            break;
        if ((unsigned char)character < 0x20)
            return false;
        if (character != '\\')
            *target++ = character;
        else if (!parse_escape(parser, &target))
            return false;
    }
    struct json_value *value = add_value(parser, JSON_STRING);
    if (value == NULL)
        return false;
    value->start = (uint32_t)start;
    value->length = (uint16_t)((size_t)(target - text) - start);
    *target = '\0'; /* at the latest on the closing quote */
    return true;
}

static struct json_value *innermost(const struct parser *parser)
{
    return &parser->json->values[parser->open[parser->depth - 1]];
}

/* A member's name and its colon. */
static bool parse_name(struct parser *parser)
{
    skip_space(parser);
    if (current(parser) != '"' || !parse_string(parser))
        return false;
    skip_space(parser);
    if (current(parser) != ':')
        return false;
    parser->at++;
    return true;
}

static void close_container(struct parser *parser)
{
    parser->at++;
    innermost(parser)->next = parser->json->count;
    parser->depth--;
}

/* Opens a container. *is_complete says whether it was empty and is closed already. */
static bool open_container(struct parser *parser, enum json_type type, bool *is_complete)
{
    if (parser->depth == JSON_DEPTH_MAX || add_value(parser, type) == NULL)
        return false;
    parser->open[parser->depth++] = (uint16_t)(parser->json->count - 1);
    parser->at++;
    skip_space(parser);
    *is_complete = current(parser) == (type == JSON_ARRAY ? ']' : '}');
    if (*is_complete) {
        close_container(parser);
        return true;
    }
    innermost(parser)->children = 1;
    return type == JSON_ARRAY || parse_name(parser);
}

static bool parse_value(struct parser *parser, bool *is_complete)
{
    *is_complete = true;
    skip_space(parser);
    switch (current(parser)) {
    case '{':
        return open_container(parser, JSON_OBJECT, is_complete);
    case '[':
        return open_container(parser, JSON_ARRAY, is_complete);
    case '"':
        return parse_string(parser);
    case 't':
        return parse_literal(parser, "true", JSON_TRUE);
    case 'f':
        return parse_literal(parser, "false", JSON_FALSE);
    case 'n':
        return parse_literal(parser, "null", JSON_NULL);
    default:
        return parse_number(parser);
    }
}

/* After a value: closes what closes, until a comma asks for another value or the outermost one is complete. */
static bool parse_after(struct parser *parser)
{
    while (parser->depth > 0) {
        struct json_value *container = innermost(parser);
        skip_space(parser);
        char character = current(parser);
        if (character == (container->type == JSON_ARRAY ? ']' : '}')) {
            close_container(parser);
            continue;
        }
        if (character != ',')
            return false;
        parser->at++;
        container->children++;
        return container->type == JSON_ARRAY || parse_name(parser);
    }
    return true;
}

bool json_parse(struct json *json, char *text, size_t length)
{
    json->text = text;
    json->count = 0;
    struct parser parser = {.json = json, .length = length};
    if (length > FRAME_PAYLOAD_BYTES_MAX || memchr(text, '\0', length) != NULL || !utf8_is_valid(text, length))
        return false;
    do {
        bool is_complete;
        if (!parse_value(&parser, &is_complete))
            return false;
        if (is_complete && !parse_after(&parser))
            return false;
    } while (parser.depth > 0);
    skip_space(&parser);
    return parser.at == length;
}

const struct json_value *json_member(const struct json *json, const struct json_value *object, const char *name)
{
    const struct json_value *found = NULL;
    const struct json_value *child = json_first_child(object);
    for (unsigned i = 0; i < object->children; i++) {
        const struct json_value *value = child + 1;
        if (strcmp(json_string(json, child), name) == 0)
            found = value;
        child = json_after(json, value);
    }
    return found;
}

const char *json_string(const struct json *json, const struct json_value *value)
{
    return json->text + value->start;
}

bool json_uint(const struct json *json, const struct json_value *value, uint64_t *number)
{
    if (value->type != JSON_NUMBER)
        return false;
    *number = 0;
    for (unsigned i = 0; i < value->length; i++) {
        char character = json->text[value->start + i];
        if (character < '0' || character > '9')
            return false;
        unsigned digit = (unsigned)(character - '0');
        if (*number > (UINT64_MAX - digit) / 10)
            return false;
        *number = *number * 10 + digit;
    }
    return true;
}
