/* One output stream of a session: from the command's pipe or terminal, through a ring, to the host. */
#ifndef KELPIE_OUTPUT_H
#define KELPIE_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "connection.h"
#include "ring.h"
#include "watch.h"

struct output {
    struct watch watch; /* closed: no byte will come any more */
    struct ring ring;
    uint64_t sent;  /* of the host that is, or was last, attached */
    uint64_t limit; /* its credit */
    bool is_end_known;
    bool is_end_sent;
    uint64_t end; /* the stream's length, once known */
};

/* fd −1: a stream that ends before its first byte (standard error beside a terminal). False: errno is set, fd closed. */
bool output_open(struct output *output, int epoll_fd, int fd);
void output_close(struct output *output);

/* Reads what the command wrote; while is_held only as far as nothing is lost to the host. True when there was something. */
bool output_fill(struct output *output, bool is_held, bool is_running);

/* The command has ended: fixes the stream's length when the pipe has ended too, or at once when is_lingering_over. */
void output_settle(struct output *output, bool is_lingering_over);

/* The host goes on from an offset, or from the oldest byte kept when that is NULL. */
void output_attach(struct output *output, const uint64_t *offset, uint64_t limit);

/* Queues one DATA frame, or END, if it is time. True when it did. */
bool output_send(struct output *output, struct agent *agent, uint32_t channel, enum channel_stream stream);

#endif
