/* A descriptor under edge-triggered epoll: what may be readable or writable, until a system call says EAGAIN.
 *
 * Edge-triggered, because a virtio-serial port without a host is "hung up" for as long as that lasts, and a pipe that we
 * do not read for want of room stays readable: both would make a level-triggered loop spin. */
#ifndef KELPIE_WATCH_H
#define KELPIE_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct watch {
    int epoll_fd;
    int fd; /* −1: closed. Zeroed memory is not a closed watch: see watch_init */
    bool is_readable;
    bool is_writable;
};

void watch_init(struct watch *watch);
/* Takes over a non-blocking descriptor. On failure (errno is set) it is closed. */
bool watch_open(struct watch *watch, int epoll_fd, int fd);
void watch_close(struct watch *watch);
/* Notes what epoll reported. */
void watch_note(struct watch *watch, uint32_t events);

/* read(2) and write(2), retried on EINTR, which clear the flag on EAGAIN. */
ssize_t watch_read(struct watch *watch, void *bytes, size_t length);
ssize_t watch_write(struct watch *watch, const void *bytes, size_t length);

#endif
