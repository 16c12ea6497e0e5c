/* Frames of docs/PROTOCOL.md: finding them in a stream of bytes, and building them. */
#ifndef KELPIE_FRAME_H
#define KELPIE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "limits.h"

enum frame_type {
    FRAME_HELLO = 0x01,
    FRAME_WELCOME = 0x02,
    FRAME_REQUEST = 0x10,
    FRAME_RESPONSE = 0x11,
    FRAME_EVENT = 0x12,
    FRAME_DATA = 0x20,
    FRAME_END = 0x21,
    FRAME_CREDIT = 0x22,
};

#define FRAME_HEADER_BYTES 8u
#define FRAME_MAGIC_BYTES 16u
#define FRAME_NONCE_BYTES 16u

struct frame {
    uint8_t type;
    uint8_t *payload; /* inside the decoder; may be written to; valid until the decoder is used again */
    size_t length;
};

struct frame_decoder {
    bool is_synced;
    bool is_drained; /* what is left is less than a frame */
    size_t begin;
    size_t end;
    uint8_t bytes[2 * (FRAME_PAYLOAD_BYTES_MAX + FRAME_OVERHEAD_BYTES)];
};

enum frame_next {
    FRAME_NONE,  /* more bytes are needed */
    FRAME_READY, /* *frame is filled; a HELLO among them means that the decoder is synced from here on */
    FRAME_LOST,  /* the stream broke a rule: the decoder is unsynced from here on */
};

/* Unsynced and empty: a new stream. */
void frame_decoder_reset(struct frame_decoder *decoder);

/* Drops to unsynced; the bytes not yet decoded are searched for a HELLO. */
void frame_decoder_lose(struct frame_decoder *decoder);

/* Where the next bytes of the stream go; never empty when frame_decoder_next has just said FRAME_NONE. */
uint8_t *frame_decoder_space(struct frame_decoder *decoder, size_t *length);
void frame_decoder_filled(struct frame_decoder *decoder, size_t length);

enum frame_next frame_decoder_next(struct frame_decoder *decoder, struct frame *frame);

/* Puts header and CRC around a payload that lies at target + FRAME_HEADER_BYTES. Returns the frame's size. */
size_t frame_encode(uint8_t *target, enum frame_type type, size_t payload_length);

#endif
