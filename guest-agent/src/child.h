/*
 * A child between its making and its exec.
 *
 *   FREE ──start──► LENT ──exec succeeded, or reaped──► FREE
 *
 * It runs in the agent's own memory, beside the agent, in a room of its own there: nothing of the agent is copied for
 * it page by page, as fork would, and the agent does not wait while its program is read, as with vfork. Where the
 * processor is emulated that is a fifth of a restored machine's first command, whose kernel code is all translated anew.
 */
#ifndef KELPIE_CHILD_H
#define KELPIE_CHILD_H

#include <sys/types.h>

#include "spawn.h"

/* The child's ends of what it gets as descriptors 0, 1 and 2; all above 2. */
struct child_ends {
    int stdin_fd;
    int stdout_fd;
    int stderr_fd;
};

/* The pid, or −1 with errno set. Nothing of what is given is needed after it. What goes wrong in the child before exec
 * is written to error_writer, as an int. */
pid_t child_start(const struct spawn_request *request, const struct child_ends *ends, int error_writer);

#endif
