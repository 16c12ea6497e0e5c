/*
 * Finds frames in the bytes that come from the host.
 *
 *                     valid HELLO: FRAME_READY
 *       ┌──────────┐ ─────────────────────────► ┌────────┐ ──┐ valid frame:
 *       │ UNSYNCED │                            │ SYNCED │   │ FRAME_READY
 *       └──────────┘ ◄───────────────────────── └────────┘ ◄─┘
 *        skips bytes   any rule broken:           skips 0x00
 *                      FRAME_LOST                 between frames
 *
 * A stream may begin with the rest of what an earlier host said. While unsynced, nothing but a whole HELLO counts; a
 * candidate that turns out wrong costs one byte, so that no garbage can hide the HELLO behind it.
 */
#include "frame.h"

#include <assert.h>
#include <string.h>

#include "bytes.h"
#include "crc32.h"

#define HELLO_PAYLOAD_BYTES (FRAME_MAGIC_BYTES + FRAME_NONCE_BYTES)
#define HELLO_BYTES (HELLO_PAYLOAD_BYTES + FRAME_OVERHEAD_BYTES)
#define START_BYTE 0x4B

/* The bytes that every HELLO frame begins with: its header and the magic. */
static const uint8_t hello_prefix[FRAME_HEADER_BYTES + FRAME_MAGIC_BYTES] = {
    START_BYTE, FRAME_HELLO, 0, 0, HELLO_PAYLOAD_BYTES, 0, 0, 0, 'K', 'E', 'L', 'P', 'I', 'E', '-', 'H', 'E', 'L', 'L',
    'O', 0, 0, 0, 1};

void frame_decoder_reset(struct frame_decoder *decoder)
{
    decoder->is_synced = false;
    decoder->is_drained = true;
    decoder->begin = 0;
    decoder->end = 0;
}

void frame_decoder_lose(struct frame_decoder *decoder)
{
    decoder->is_synced = false;
}

uint8_t *frame_decoder_space(struct frame_decoder *decoder, size_t *length)
{
    if (decoder->begin > 0) {
        memmove(decoder->bytes, decoder->bytes + decoder->begin, decoder->end - decoder->begin);
        decoder->end -= decoder->begin;
        decoder->begin = 0;
    }
    *length = sizeof decoder->bytes - decoder->end;
    return decoder->bytes + decoder->end;
}

void frame_decoder_filled(struct frame_decoder *decoder, size_t length)
{
    assert(length <= sizeof decoder->bytes - decoder->end);
    decoder->end += length;
    decoder->is_drained = false;
}

static bool has_valid_crc(const uint8_t *bytes, size_t covered)
{
    return crc32_of(bytes, covered) == bytes_get_u32(bytes + covered);
}

static void take(struct frame_decoder *decoder, struct frame *frame, size_t payload_length)
{
    uint8_t *bytes = decoder->bytes + decoder->begin;
    frame->type = bytes[1];
    frame->payload = bytes + FRAME_HEADER_BYTES;
    frame->length = payload_length;
    decoder->begin += payload_length + FRAME_OVERHEAD_BYTES;
}

static enum frame_next next_hello(struct frame_decoder *decoder, struct frame *frame)
{
    while (decoder->begin < decoder->end) {
        uint8_t *bytes = decoder->bytes + decoder->begin;
        size_t available = decoder->end - decoder->begin;
        uint8_t *start = memchr(bytes, START_BYTE, available);
        if (start == NULL)
            break;
        decoder->begin += (size_t)(start - bytes);
        available -= (size_t)(start - bytes);
        size_t compared = available < sizeof hello_prefix ? available : sizeof hello_prefix;
        bool is_candidate = memcmp(start, hello_prefix, compared) == 0;
        if (is_candidate && available < HELLO_BYTES)
            return FRAME_NONE;
        if (is_candidate && has_valid_crc(start, HELLO_BYTES - 4)) {
            decoder->is_synced = true;
            take(decoder, frame, HELLO_PAYLOAD_BYTES);
            return FRAME_READY;
        }
        decoder->begin++;
    }
    decoder->begin = decoder->end = 0;
    return FRAME_NONE;
}

static bool is_valid_header(const uint8_t *bytes)
{
    uint32_t length = bytes_get_u32(bytes + 4);
    if (bytes[2] != 0 || bytes[3] != 0)
        return false;
    switch (bytes[1]) {
    case FRAME_HELLO:
        return length == HELLO_PAYLOAD_BYTES;
    case FRAME_REQUEST:
        return length <= FRAME_PAYLOAD_BYTES_MAX;
    case FRAME_DATA:
        return length > CHANNEL_HEADER_BYTES && length <= FRAME_PAYLOAD_BYTES_MAX;
    case FRAME_END:
    case FRAME_CREDIT:
        return length == CHANNEL_HEADER_BYTES;
    default:
        return false;
    }
}

static enum frame_next lose(struct frame_decoder *decoder)
{
    /* The byte that began the broken frame is not looked at again: it cannot begin a valid one. */
    decoder->begin++;
    decoder->is_synced = false;
    return FRAME_LOST;
}

static enum frame_next next_synced(struct frame_decoder *decoder, struct frame *frame)
{
    while (decoder->begin < decoder->end && decoder->bytes[decoder->begin] == 0)
        decoder->begin++;
    size_t available = decoder->end - decoder->begin;
    if (available == 0)
        return FRAME_NONE;
    const uint8_t *bytes = decoder->bytes + decoder->begin;
    if (bytes[0] != START_BYTE)
        return lose(decoder);
    if (available < FRAME_HEADER_BYTES)
        return FRAME_NONE;
    if (!is_valid_header(bytes))
        return lose(decoder);
    size_t covered = FRAME_HEADER_BYTES + bytes_get_u32(bytes + 4);
    if (available < covered + 4)
        return FRAME_NONE;
    if (!has_valid_crc(bytes, covered))
        return lose(decoder);
    if (bytes[1] == FRAME_HELLO && memcmp(bytes, hello_prefix, sizeof hello_prefix) != 0)
        return lose(decoder);
    take(decoder, frame, covered - FRAME_HEADER_BYTES);
    return FRAME_READY;
}

enum frame_next frame_decoder_next(struct frame_decoder *decoder, struct frame *frame)
{
    enum frame_next next = decoder->is_synced ? next_synced(decoder, frame) : next_hello(decoder, frame);
    decoder->is_drained = next == FRAME_NONE;
    return next;
}

size_t frame_encode(uint8_t *target, enum frame_type type, size_t payload_length)
{
    assert(payload_length <= FRAME_PAYLOAD_BYTES_MAX);
    target[0] = START_BYTE;
    target[1] = (uint8_t)type;
    target[2] = 0;
    target[3] = 0;
    bytes_put_u32(target + 4, (uint32_t)payload_length);
    size_t covered = FRAME_HEADER_BYTES + payload_length;
    bytes_put_u32(target + covered, crc32_of(target, covered));
    return covered + 4;
}
