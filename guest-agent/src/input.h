/* The standard input of a session: from the host, through a buffer, to the command's pipe or terminal. */
#ifndef KELPIE_INPUT_H
#define KELPIE_INPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "connection.h"
#include "ring.h"
#include "watch.h"

enum input_state {
    INPUT_NONE,    /* the command has /dev/null */
    INPUT_OPEN,    /* takes bytes */
    INPUT_ENDING,  /* END came; the buffer is still being written */
    INPUT_CLOSED,  /* END was passed on */
    INPUT_DISCARD, /* the command does not read any more: bytes are taken and dropped, so that the host is not stuck */
};

struct input {
    enum input_state state;
    bool is_tty;
    uint8_t last_byte;
    struct watch watch;
    struct ring ring;  /* start: written to the command; end: taken from the host */
    uint64_t granted;  /* credit that the attached host has been told; 0: none yet */
};

/* fd −1: no input. False: errno is set, fd closed. */
bool input_open(struct input *input, int epoll_fd, int fd, bool is_tty);
void input_close(struct input *input);
/* The command ended: what the host still sends is dropped. */
void input_discard(struct input *input);

/* A new host attached: it has no credit yet. */
void input_attach(struct input *input);
/* Below which offset bytes are taken; 0 when none are. */
uint64_t input_limit(const struct input *input);

/* DATA and END of the host; false when they break their offset or credit. */
bool input_take(struct input *input, const struct channel_frame *frame);
/* Writes to the command. True when something moved. */
bool input_drain(struct input *input);
/* Queues a CREDIT frame when enough room became free. */
void input_grant(struct input *input, struct agent *agent, uint32_t channel);

#endif
