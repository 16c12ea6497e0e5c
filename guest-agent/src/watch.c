/* See watch.h. */
#include "watch.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

void watch_init(struct watch *watch)
{
    *watch = (struct watch){.epoll_fd = -1, .fd = -1};
}

bool watch_open(struct watch *watch, int epoll_fd, int fd)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = watch};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        int error = errno;
        close(fd);
        watch_init(watch);
        errno = error;
        return false;
    }
    /* Both are tried once: what is ready already must not wait for an edge. */
    *watch = (struct watch){.epoll_fd = epoll_fd, .fd = fd, .is_readable = true, .is_writable = true};
    return true;
}

void watch_close(struct watch *watch)
{
    if (watch->fd >= 0) {
        /* Explicit: a child between fork and exec may hold the descriptor still, and with it the registration. */
        epoll_ctl(watch->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
        close(watch->fd);
    }
    watch_init(watch);
}

void watch_note(struct watch *watch, uint32_t events)
{
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        watch->is_readable = true;
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        watch->is_writable = true;
}

ssize_t watch_read(struct watch *watch, void *bytes, size_t length)
{
    ssize_t got;
    do
        got = read(watch->fd, bytes, length);
    while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EAGAIN)
        watch->is_readable = false;
    return got;
}

ssize_t watch_write(struct watch *watch, const void *bytes, size_t length)
{
    ssize_t put;
    do
        put = write(watch->fd, bytes, length);
    while (put < 0 && errno == EINTR);
    if (put < 0 && errno == EAGAIN)
        watch->is_writable = false;
    return put;
}
