/* A linear buffer: frames are built at its end and written from its beginning. */
#include "out-queue.h"

#include <assert.h>
#include <string.h>

#include "bytes.h"

size_t out_queue_used(const struct out_queue *queue)
{
    return queue->end - queue->begin;
}

bool out_queue_has_control_room(const struct out_queue *queue)
{
    return out_queue_used(queue) + CONTROL_FRAME_BYTES_MAX <= OUT_QUEUE_BYTES;
}

bool out_queue_has_data_room(const struct out_queue *queue)
{
    return out_queue_used(queue) + FRAME_PAYLOAD_BYTES_MAX + FRAME_OVERHEAD_BYTES <= OUT_QUEUE_DATA_BYTES_MAX;
}

bool out_queue_has_request_room(const struct out_queue *queue)
{
    return out_queue_used(queue) + FRAME_PAYLOAD_BYTES_MAX + FRAME_OVERHEAD_BYTES <= OUT_QUEUE_REQUEST_BYTES_MAX;
}

uint8_t *out_queue_reserve(struct out_queue *queue, size_t payload_length_max)
{
    size_t needed = payload_length_max + FRAME_OVERHEAD_BYTES;
    assert(out_queue_used(queue) + needed <= OUT_QUEUE_BYTES);
    if (queue->end + needed > OUT_QUEUE_BYTES) {
        memmove(queue->bytes, queue->bytes + queue->begin, out_queue_used(queue));
        queue->end -= queue->begin;
        queue->begin = 0;
    }
    return queue->bytes + queue->end + FRAME_HEADER_BYTES;
}

void out_queue_commit(struct out_queue *queue, enum frame_type type, size_t payload_length)
{
    assert(queue->end + payload_length + FRAME_OVERHEAD_BYTES <= OUT_QUEUE_BYTES);
    queue->end += frame_encode(queue->bytes + queue->end, type, payload_length);
}

const uint8_t *out_queue_peek(const struct out_queue *queue, size_t *length)
{
    *length = out_queue_used(queue);
    return queue->bytes + queue->begin;
}

void out_queue_consume(struct out_queue *queue, size_t length)
{
    assert(length <= out_queue_used(queue));
    while (length > 0) {
        if (queue->head_left == 0)
            queue->head_left = bytes_get_u32(queue->bytes + queue->begin + 4) + FRAME_OVERHEAD_BYTES;
        size_t part = length < queue->head_left ? length : queue->head_left;
        queue->begin += part;
        queue->head_left -= part;
        length -= part;
    }
    if (queue->begin == queue->end)
        queue->begin = queue->end = 0;
}

void out_queue_drop_frames(struct out_queue *queue)
{
    queue->end = queue->begin + queue->head_left;
}

void out_queue_clear(struct out_queue *queue)
{
    queue->begin = 0;
    queue->end = 0;
    queue->head_left = 0;
}
