/* The host's side of the agent: the stream, its frames, and who they are for. */
#ifndef KELPIE_CONNECTION_H
#define KELPIE_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame.h"
#include "out-queue.h"

struct agent;

struct connection {
    struct frame_decoder in;
    struct out_queue out;
};

/* A DATA, END or CREDIT frame's payload, taken apart. */
struct channel_frame {
    uint8_t type;
    uint32_t channel;
    uint8_t stream;
    uint64_t offset;
    const uint8_t *bytes;
    size_t length;
};

enum channel_stream { STREAM_STDIN = 0, STREAM_STDOUT = 1, STREAM_STDERR = 2 };

/* Decodes and carries out what the port gave, as far as the out queue has room for answers. */
void connection_pump_input(struct agent *agent);
/* Whether undecoded bytes wait for nothing but room. */
bool connection_has_work(const struct agent *agent);

/* The stream is gone: the session ends, unsent bytes are dropped. */
void connection_close(struct agent *agent);

/* Queue a frame; the caller made sure of the room. */
void connection_send(struct agent *agent, enum frame_type type, const char *payload, size_t length);
void connection_send_channel(struct agent *agent, enum frame_type type, uint32_t channel, enum channel_stream stream,
                             uint64_t offset);
/* Begins a DATA frame for at most DATA_BYTES_MAX bytes: returns where they go. */
uint8_t *connection_begin_data(struct agent *agent);
void connection_end_data(struct agent *agent, uint32_t channel, enum channel_stream stream, uint64_t offset,
                         size_t length);

#endif
