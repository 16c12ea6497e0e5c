#include <string.h>

#include "../src/out-queue.h"
#include "check.h"

static struct out_queue queue;

static void put(size_t length, uint8_t fill)
{
    memset(out_queue_reserve(&queue, length), fill, length);
    out_queue_commit(&queue, FRAME_DATA, length);
}

static void test_drop_keeps_the_frame_under_way(void)
{
    out_queue_clear(&queue);
    put(100, 1);
    put(200, 2);
    out_queue_consume(&queue, 112 + 5);
    CHECK(queue.head_left == 207);
    out_queue_drop_frames(&queue);
    CHECK(out_queue_used(&queue) == 207);
    put(10, 3);
    out_queue_consume(&queue, 207);
    CHECK(queue.head_left == 0 && out_queue_used(&queue) == 22);
    out_queue_drop_frames(&queue);
    CHECK(out_queue_used(&queue) == 0);
}

static void test_rooms(void)
{
    out_queue_clear(&queue);
    while (out_queue_has_data_room(&queue))
        put(FRAME_PAYLOAD_BYTES_MAX, 4);
    CHECK(out_queue_has_request_room(&queue));
    while (out_queue_has_request_room(&queue))
        put(FRAME_PAYLOAD_BYTES_MAX, 5);
    CHECK(out_queue_has_control_room(&queue));
    while (out_queue_has_control_room(&queue))
        put(CONTROL_FRAME_BYTES_MAX - FRAME_OVERHEAD_BYTES, 6);
    /* Taken byte by byte and refilled, it never outgrows its buffer. */
    for (int i = 0; i < 100000; i++) {
        out_queue_consume(&queue, 1 + (size_t)i % 7000 % out_queue_used(&queue));
        if (out_queue_has_data_room(&queue))
            put(FRAME_PAYLOAD_BYTES_MAX, 7);
    }
}

void test_out_queue(void)
{
    test_drop_keeps_the_frame_under_way();
    test_rooms();
}
