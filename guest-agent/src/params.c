/* See params.h. */
#include "params.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

static const char *const type_names[] = {"null",   "false",     "true",    "a number",
                                         "a string", "an array", "an object"};

bool params_are_valid(const struct params *params)
{
    return params->problem[0] == '\0';
}

void params_refuse(struct params *params, const char *format, ...)
{
    if (!params_are_valid(params))
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(params->problem, sizeof params->problem, format, arguments);
    va_end(arguments);
}

static const struct json_value *find(const struct params *params, const char *name)
{
    if (params->object == NULL)
        return NULL;
    const struct json_value *value = json_member(params->json, params->object, name);
    return value == NULL || value->type == JSON_NULL ? NULL : value;
}

const struct json_value *params_optional(struct params *params, const char *name, enum json_type type)
{
    const struct json_value *value = find(params, name);
    if (value == NULL || value->type == type)
        return value;
    params_refuse(params, "%s must be %s", name, type_names[type]);
    return NULL;
}

const struct json_value *params_required(struct params *params, const char *name, enum json_type type)
{
    const struct json_value *value = params_optional(params, name, type);
    if (value == NULL)
        params_refuse(params, "%s is missing: it must be %s", name, type_names[type]);
    return value;
}

static uint64_t read_uint(struct params *params, const char *name, const struct json_value *value, uint64_t min,
                          uint64_t max)
{
    uint64_t number;
    if (json_uint(params->json, value, &number) && number >= min && number <= max)
        return number;
    params_refuse(params, "%s must be a whole number from %" PRIu64 " to %" PRIu64, name, min, max);
    return min;
}

uint64_t params_uint(struct params *params, const char *name, uint64_t min, uint64_t max)
{
    const struct json_value *value = params_required(params, name, JSON_NUMBER);
    return value == NULL ? min : read_uint(params, name, value, min, max);
}

uint64_t params_uint_or(struct params *params, const char *name, uint64_t min, uint64_t max, uint64_t fallback)
{
    const struct json_value *value = params_optional(params, name, JSON_NUMBER);
    return value == NULL ? fallback : read_uint(params, name, value, min, max);
}

static const char *read_string(struct params *params, const char *name, const struct json_value *value,
                               size_t bytes_max)
{
    if (value->length >= 1 && value->length <= bytes_max)
        return json_string(params->json, value);
    params_refuse(params, "%s must have from 1 to %zu bytes", name, bytes_max);
    return "";
}

const char *params_string(struct params *params, const char *name, size_t bytes_max)
{
    const struct json_value *value = params_required(params, name, JSON_STRING);
    return value == NULL ? "" : read_string(params, name, value, bytes_max);
}

const char *params_string_or(struct params *params, const char *name, size_t bytes_max, const char *fallback)
{
    const struct json_value *value = params_optional(params, name, JSON_STRING);
    return value == NULL ? fallback : read_string(params, name, value, bytes_max);
}

bool params_bool_or(struct params *params, const char *name, bool fallback)
{
    const struct json_value *value = find(params, name);
    if (value == NULL)
        return fallback;
    if (value->type != JSON_TRUE && value->type != JSON_FALSE)
        params_refuse(params, "%s must be true or false", name);
    return value->type == JSON_TRUE;
}

const char *params_path(struct params *params, const char *name)
{
    const char *path = params_string(params, name, PATH_BYTES_MAX);
    if (path[0] != '/')
        params_refuse(params, "%s must be an absolute path", name);
    return path;
}
