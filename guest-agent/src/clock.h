/* The clocks that the agent reads. */
#ifndef KELPIE_CLOCK_H
#define KELPIE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NEVER_MS INT64_MAX

static inline int64_t clock_read_ms(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Stands still while the VM is at rest: a time-out counts the time that its command could run. */
static inline int64_t clock_monotonic_ms(void)
{
    return clock_read_ms(CLOCK_MONOTONIC);
}

static inline int64_t clock_unix_ms(void)
{
    return clock_read_ms(CLOCK_REALTIME);
}

#endif
