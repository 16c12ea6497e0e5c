/*
 *   host ──DATA──► take ──► ring: start … end ──► drain ──► command
 *     ▲                          (≤ STDIN_WINDOW_BYTES)
 *     └──CREDIT── grant: start + STDIN_WINDOW_BYTES
 *
 *   OPEN ──END──► ENDING ──buffer written──► CLOSED
 *     └────┬─────────┘
 *          └ command closed its end, or ended ──► DISCARD
 */
#include "input.h"

#include <errno.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "agent.h"

bool input_open(struct input *input, int epoll_fd, int fd, bool is_tty)
{
    memset(input, 0, sizeof *input);
    watch_init(&input->watch);
    if (fd < 0)
        return true;
    input->state = INPUT_OPEN;
    input->is_tty = is_tty;
    input->last_byte = '\n';
    if (!ring_open(&input->ring, STDIN_WINDOW_BYTES)) {
        int error = errno;
        close(fd);
        errno = error;
        return false;
    }
    return watch_open(&input->watch, epoll_fd, fd);
}

void input_close(struct input *input)
{
    watch_close(&input->watch);
    ring_close(&input->ring);
}

void input_discard(struct input *input)
{
    watch_close(&input->watch);
    if (input->state != INPUT_OPEN && input->state != INPUT_ENDING)
        return;
    input->state = INPUT_DISCARD;
    ring_drop_until(&input->ring, input->ring.end);
}

void input_attach(struct input *input)
{
    input->granted = 0;
}

uint64_t input_limit(const struct input *input)
{
    bool takes_bytes = input->state == INPUT_OPEN || input->state == INPUT_DISCARD;
    return takes_bytes ? input->ring.start + STDIN_WINDOW_BYTES : 0;
}

static bool is_within_credit(const struct input *input, const struct channel_frame *frame)
{
    return frame->offset == input->ring.end && input->granted >= frame->offset &&
           frame->length <= input->granted - frame->offset;
}

bool input_take(struct input *input, const struct channel_frame *frame)
{
    /* After its end, or without one, stdin has nothing to break: a host may have sent before it knew. */
    if (input->state == INPUT_NONE || input->state == INPUT_ENDING || input->state == INPUT_CLOSED)
        return true;
    if (frame->type == FRAME_END) {
        if (frame->offset != input->ring.end)
            return false;
        input->state = input->state == INPUT_OPEN ? INPUT_ENDING : INPUT_CLOSED;
        return true;
    }
    if (!is_within_credit(input, frame))
        return false;
    ring_push(&input->ring, frame->bytes, frame->length);
    if (input->state == INPUT_DISCARD)
        ring_drop_until(&input->ring, input->ring.end);
    return true;
}

/* A terminal has no end of file, only a character that means it: twice when a line is begun, as the first one then only
 * hands over that line. A terminal in raw mode gets it as a byte. */
static bool pass_on_tty_end(struct input *input)
{
    struct termios modes;
    uint8_t bytes[2] = {4, 4};
    size_t length = 1;
    if (tcgetattr(input->watch.fd, &modes) == 0 && (modes.c_lflag & ICANON)) {
        bytes[0] = bytes[1] = modes.c_cc[VEOF];
        length = input->last_byte == '\n' ? 1 : 2;
    }
    ssize_t put = watch_write(&input->watch, bytes, length);
    return put >= 0 || errno != EAGAIN;
}

static bool pass_on_end(struct input *input)
{
    if (input->is_tty && !pass_on_tty_end(input))
        return false;
    input->state = INPUT_CLOSED;
    watch_close(&input->watch);
    return true;
}

bool input_drain(struct input *input)
{
    if (input->watch.fd < 0 || !input->watch.is_writable)
        return false;
    size_t length;
    const uint8_t *bytes = ring_peek(&input->ring, input->ring.start, &length);
    if (length == 0)
        return input->state == INPUT_ENDING && pass_on_end(input);
    ssize_t put = watch_write(&input->watch, bytes, length);
    if (put > 0) {
        input->last_byte = bytes[put - 1];
        ring_drop_until(&input->ring, input->ring.start + (uint64_t)put);
        return true;
    }
    if (put < 0 && errno == EAGAIN)
        return false;
    input_discard(input);
    return true;
}

void input_grant(struct input *input, struct agent *agent, uint32_t channel)
{
    uint64_t limit = input_limit(input);
    bool is_worth_it = input->granted == 0 ? limit > 0 : limit >= input->granted + STDIN_WINDOW_BYTES / 2;
    if (!is_worth_it || !out_queue_has_control_room(&agent->connection.out))
        return;
    connection_send_channel(agent, FRAME_CREDIT, channel, STREAM_STDIN, limit);
    input->granted = limit;
}
