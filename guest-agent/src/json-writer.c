/* See json-writer.h. */
#include "json-writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void json_writer_init(struct json_writer *writer, char *text, size_t capacity)
{
    *writer = (struct json_writer){.text = text, .capacity = capacity};
}

static void put_bytes(struct json_writer *writer, const char *bytes, size_t length)
{
    if (writer->is_overflown || length > writer->capacity - writer->length) {
        writer->is_overflown = true;
        return;
    }
    memcpy(writer->text + writer->length, bytes, length);
    writer->length += length;
}

static void begin_value(struct json_writer *writer)
{
    if (writer->needs_comma)
        put_bytes(writer, ",", 1);
    writer->needs_comma = true;
}

static void open_container(struct json_writer *writer, const char *bracket)
{
    begin_value(writer);
    put_bytes(writer, bracket, 1);
    writer->needs_comma = false;
}

static void close_container(struct json_writer *writer, const char *bracket)
{
    put_bytes(writer, bracket, 1);
    writer->needs_comma = true;
}

void json_open_object(struct json_writer *writer)
{
    open_container(writer, "{");
}

void json_close_object(struct json_writer *writer)
{
    close_container(writer, "}");
}

void json_open_array(struct json_writer *writer)
{
    open_container(writer, "[");
}

void json_close_array(struct json_writer *writer)
{
    close_container(writer, "]");
}

static void put_quoted(struct json_writer *writer, const char *value)
{
    put_bytes(writer, "\"", 1);
    for (; *value != '\0'; value++) {
        unsigned char character = (unsigned char)*value;
        if (character == '"' || character == '\\') {
            char escape[2] = {'\\', *value};
            put_bytes(writer, escape, sizeof escape);
        } else if (character < 0x20 || character == 0x7f) {
            char escape[7];
            snprintf(escape, sizeof escape, "\\u%04x", character);
            put_bytes(writer, escape, 6);
        } else {
            put_bytes(writer, value, 1);
        }
    }
    put_bytes(writer, "\"", 1);
}

void json_put_name(struct json_writer *writer, const char *name)
{
    begin_value(writer);
    put_quoted(writer, name);
    put_bytes(writer, ":", 1);
    writer->needs_comma = false;
}

void json_put_raw(struct json_writer *writer, const char *json, size_t length)
{
    begin_value(writer);
    put_bytes(writer, json, length);
}

void json_put_null(struct json_writer *writer)
{
    json_put_raw(writer, "null", 4);
}

void json_put_bool(struct json_writer *writer, bool value)
{
    json_put_raw(writer, value ? "true" : "false", value ? 4 : 5);
}

void json_put_uint(struct json_writer *writer, uint64_t value)
{
    char text[24];
    json_put_raw(writer, text, (size_t)snprintf(text, sizeof text, "%" PRIu64, value));
}

void json_put_int(struct json_writer *writer, int64_t value)
{
    char text[24];
    json_put_raw(writer, text, (size_t)snprintf(text, sizeof text, "%" PRId64, value));
}

void json_put_string(struct json_writer *writer, const char *value)
{
    begin_value(writer);
    put_quoted(writer, value);
}

void json_member_uint(struct json_writer *writer, const char *name, uint64_t value)
{
    json_put_name(writer, name);
    json_put_uint(writer, value);
}

void json_member_int(struct json_writer *writer, const char *name, int64_t value)
{
    json_put_name(writer, name);
    json_put_int(writer, value);
}

void json_member_bool(struct json_writer *writer, const char *name, bool value)
{
    json_put_name(writer, name);
    json_put_bool(writer, value);
}

void json_member_string(struct json_writer *writer, const char *name, const char *value)
{
    json_put_name(writer, name);
    json_put_string(writer, value);
}
