/* The bounded queue of whole frames on their way to the host. */
#ifndef KELPIE_OUT_QUEUE_H
#define KELPIE_OUT_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame.h"
#include "limits.h"

struct out_queue {
    size_t begin;
    size_t end;
    size_t head_left; /* bytes still to be sent of a frame that was sent in part; 0 at a boundary */
    uint8_t bytes[OUT_QUEUE_BYTES];
};

size_t out_queue_used(const struct out_queue *queue);

/* Whether a small control frame fits. */
bool out_queue_has_control_room(const struct out_queue *queue);
/* Whether a full DATA frame may be added without taking the room of control frames. */
bool out_queue_has_data_room(const struct out_queue *queue);
/* Whether a request may be taken up: its answer will fit whatever its size. */
bool out_queue_has_request_room(const struct out_queue *queue);

/* Room for a payload. The caller fills it and then calls out_queue_commit with the length it really has. */
uint8_t *out_queue_reserve(struct out_queue *queue, size_t payload_length_max);
void out_queue_commit(struct out_queue *queue, enum frame_type type, size_t payload_length);

/* What to write next; then how much of it was taken. */
const uint8_t *out_queue_peek(const struct out_queue *queue, size_t *length);
void out_queue_consume(struct out_queue *queue, size_t length);

/* Drops all frames but the rest of one that is under way: the host must see whole frames. */
void out_queue_drop_frames(struct out_queue *queue);
/* Drops everything: the stream is gone. */
void out_queue_clear(struct out_queue *queue);

#endif
