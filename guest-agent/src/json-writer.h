/* Writes JSON into a buffer of fixed size. What does not fit sets is_overflown; nothing is written beyond the buffer. */
#ifndef KELPIE_JSON_WRITER_H
#define KELPIE_JSON_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_writer {
    char *text;
    size_t capacity;
    size_t length;
    bool is_overflown;
    bool needs_comma;
};

void json_writer_init(struct json_writer *writer, char *text, size_t capacity);

void json_open_object(struct json_writer *writer);
void json_close_object(struct json_writer *writer);
void json_open_array(struct json_writer *writer);
void json_close_array(struct json_writer *writer);

void json_put_name(struct json_writer *writer, const char *name);
void json_put_null(struct json_writer *writer);
void json_put_bool(struct json_writer *writer, bool value);
void json_put_uint(struct json_writer *writer, uint64_t value);
void json_put_int(struct json_writer *writer, int64_t value);
/* Text that is valid UTF-8. */
void json_put_string(struct json_writer *writer, const char *value);
/* A value that is JSON already. */
void json_put_raw(struct json_writer *writer, const char *json, size_t length);

/* A member in one call. */
void json_member_uint(struct json_writer *writer, const char *name, uint64_t value);
void json_member_int(struct json_writer *writer, const char *name, int64_t value);
void json_member_bool(struct json_writer *writer, const char *name, bool value);
void json_member_string(struct json_writer *writer, const char *name, const char *value);

#endif
