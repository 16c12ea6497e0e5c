/* libFuzzer target: the frame decoder and the JSON parser, on the same bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../src/frame.h"
#include "../src/json-writer.h"
#include "../src/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct frame_decoder decoder;
static struct json json;

static void fuzz_frames(const uint8_t *data, size_t size)
{
    /* The first byte chooses the sizes of the pieces. */
    size_t piece = size > 0 ? 1 + data[0] * 7u : 1;
    frame_decoder_reset(&decoder);
    decoder.is_synced = size > 1 && data[1] & 1;
    for (size_t at = 0; at < size;) {
        size_t space;
        uint8_t *target = frame_decoder_space(&decoder, &space);
        size_t part = size - at < piece ? size - at : piece;
        if (part > space)
            abort();
        memcpy(target, data + at, part);
        frame_decoder_filled(&decoder, part);
        at += part;
        struct frame frame;
        while (frame_decoder_next(&decoder, &frame) != FRAME_NONE)
            ;
    }
}

/* Walks all that the parser claims to be there. */
static void fuzz_json(const uint8_t *data, size_t size)
{
    char *text = malloc(size > 0 ? size : 1);
    memcpy(text, data, size);
    if (json_parse(&json, text, size)) {
        for (unsigned i = 0; i < json.count; i++) {
            const struct json_value *value = &json.values[i];
            if (value->next <= i || value->next > json.count)
                abort();
            if (value->type == JSON_STRING && strlen(json_string(&json, value)) != value->length)
                abort();
            if (value->type == JSON_OBJECT)
                json_member(&json, value, "a");
            uint64_t number;
            json_uint(&json, value, &number);
        }
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_frames(data, size);
    fuzz_json(data, size);
    return 0;
}
