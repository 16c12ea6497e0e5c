/* Reading a request's params: each call checks one member; the first thing wrong is kept as a sentence. So a method reads
 * all that it needs and asks once, by params_are_valid, whether to go on. Null counts as absent. */
#ifndef KELPIE_PARAMS_H
#define KELPIE_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "json.h"

#define PARAMS_PROBLEM_BYTES 160

struct params {
    const struct json *json;
    const struct json_value *object; /* NULL: the request has none */
    char problem[PARAMS_PROBLEM_BYTES];
};

bool params_are_valid(const struct params *params);
__attribute__((format(printf, 2, 3))) void params_refuse(struct params *params, const char *format, ...);

/* NULL when absent. */
const struct json_value *params_optional(struct params *params, const char *name, enum json_type type);
const struct json_value *params_required(struct params *params, const char *name, enum json_type type);

/* After a problem these return something that is safe to carry along: the lower bound, "", or the fallback. */
uint64_t params_uint(struct params *params, const char *name, uint64_t min, uint64_t max);
uint64_t params_uint_or(struct params *params, const char *name, uint64_t min, uint64_t max, uint64_t fallback);
const char *params_string(struct params *params, const char *name, size_t bytes_max);
const char *params_string_or(struct params *params, const char *name, size_t bytes_max, const char *fallback);
bool params_bool_or(struct params *params, const char *name, bool fallback);
/* An absolute path. */
const char *params_path(struct params *params, const char *name);

#endif
