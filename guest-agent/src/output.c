/*
 *               ┌ fill ┐                          ┌─ send ─┐
 *   command ──► │ pipe │ ──► ring: start … sent … end ──► out queue ──► host
 *               └──────┘            └ kept ┘└unsent┘
 *
 *   held (a host is attached, or was until a moment ago):  unsent ≤ OUTPUT_UNSENT_BYTES_MAX, else fill waits, and the
 *                                                          command in its turn waits for room in the pipe
 *   not held:                                              fill never waits, the oldest bytes go
 *
 *   length of the stream:  unknown ──command ended, and pipe at its end──────────────► known ──all sent──► END sent
 *                             └──── command ended, 200 ms later: what is in the pipe ────┘
 */
#include "output.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent.h"

bool output_open(struct output *output, int epoll_fd, int fd)
{
    memset(output, 0, sizeof *output);
    watch_init(&output->watch);
    if (fd < 0) {
        output->is_end_known = true;
        return true;
    }
    if (!ring_open(&output->ring, OUTPUT_RING_BYTES)) {
        int error = errno;
        close(fd);
        errno = error;
        return false;
    }
    return watch_open(&output->watch, epoll_fd, fd);
}

void output_close(struct output *output)
{
    watch_close(&output->watch);
    ring_close(&output->ring);
}

bool output_fill(struct output *output, bool is_held, bool is_running)
{
    if (output->watch.fd < 0 || !output->watch.is_readable)
        return false;
    uint64_t unsent = output->ring.end - output->sent;
    size_t room = READ_BYTES_MAX;
    if (is_held) {
        if (unsent >= OUTPUT_UNSENT_BYTES_MAX)
            return false;
        if (OUTPUT_UNSENT_BYTES_MAX - unsent < room)
            room = (size_t)(OUTPUT_UNSENT_BYTES_MAX - unsent);
    }
    size_t length;
    uint8_t *target = ring_space(&output->ring, room, &length);
    ssize_t got = watch_read(&output->watch, target, length);
    if (got > 0)
        ring_filled(&output->ring, (size_t)got);
    else if (got < 0 && errno == EIO && is_running)
        /* A terminal that nobody has open. Closing our end too would send its command a SIGHUP, which kills one that
         * closed its files in order to exit (cat does), and it may open /dev/tty again. */
        output->watch.is_readable = false;
    else if (got == 0 || errno != EAGAIN)
        watch_close(&output->watch);
    return got > 0;
}

static uint64_t end_with_pipe(const struct output *output)
{
    int waiting = 0;
    if (output->watch.fd >= 0 && ioctl(output->watch.fd, FIONREAD, &waiting) < 0)
        waiting = 0;
    return output->ring.end + (uint64_t)waiting;
}

void output_settle(struct output *output, bool is_lingering_over)
{
    if (output->is_end_known || (output->watch.fd >= 0 && !is_lingering_over))
        return;
    output->is_end_known = true;
    output->end = end_with_pipe(output);
}

void output_attach(struct output *output, const uint64_t *offset, uint64_t limit)
{
    const struct ring *ring = &output->ring;
    output->sent = offset == NULL || *offset < ring->start ? ring->start : *offset > ring->end ? ring->end : *offset;
    output->limit = limit;
    output->is_end_sent = false;
    /* What a background child wrote since the stream was last declared at its end belongs to this answer. */
    if (output->is_end_known)
        output->end = end_with_pipe(output);
}

static void send_data(struct output *output, struct agent *agent, uint32_t channel, enum channel_stream stream,
                      uint64_t until)
{
    uint8_t *target = connection_begin_data(agent);
    size_t total = until - output->sent < DATA_BYTES_MAX ? (size_t)(until - output->sent) : DATA_BYTES_MAX;
    for (size_t copied = 0; copied < total;) {
        size_t length;
        const uint8_t *bytes = ring_peek(&output->ring, output->sent + copied, &length);
        if (length > total - copied)
            length = total - copied;
        memcpy(target + copied, bytes, length);
        copied += length;
    }
    connection_end_data(agent, channel, stream, output->sent, total);
    output->sent += total;
}

bool output_send(struct output *output, struct agent *agent, uint32_t channel, enum channel_stream stream)
{
    const struct out_queue *out = &agent->connection.out;
    assert(output->sent >= output->ring.start && output->sent <= output->ring.end);
    uint64_t until = output->ring.end;
    if (output->is_end_known && output->end < until)
        until = output->end;
    if (output->limit < until)
        until = output->limit;
    if (output->sent < until) {
        if (!out_queue_has_data_room(out))
            return false;
        send_data(output, agent, channel, stream, until);
        return true;
    }
    bool is_complete = output->is_end_known && output->sent >= output->end;
    if (!is_complete || output->is_end_sent || !out_queue_has_control_room(out))
        return false;
    connection_send_channel(agent, FRAME_END, channel, stream, output->sent);
    output->is_end_sent = true;
    return true;
}
