/*
 *   NONE ──ask──► DUE ──answers are sent: child──► RUNNING ──child ended──► NONE
 *     ▲            │                                  │
 *     └── cancel ──┘                                  └── cancel: child killed
 */
#include "rehearsal.h"

#include <errno.h>
#include <unistd.h>

#include "agent.h"

/* In a child, at the priority of all commands: ahead of the guest's own work it would gain no more, and hold that up. */
static int become_true(const void *argument)
{
    (void)argument;
    char *argv[] = {"true", NULL};
    execvp(argv[0], argv);
    return errno;
}

/* It was only for the practice: how it went does not matter. */
static void done(struct agent *agent, uint64_t token, int error)
{
    (void)token;
    (void)error;
    agent->rehearsal = REHEARSAL_NONE;
}

void rehearsal_ask(struct agent *agent)
{
    if (agent->rehearsal == REHEARSAL_NONE)
        agent->rehearsal = REHEARSAL_DUE;
}

void rehearsal_run(struct agent *agent)
{
    size_t unsent;
    out_queue_peek(&agent->connection.out, &unsent);
    if (agent->rehearsal != REHEARSAL_DUE || unsent != 0)
        return;
    agent->rehearsal = job_start(agent, become_true, NULL, done, 0) == 0 ? REHEARSAL_RUNNING : REHEARSAL_NONE;
}

void rehearsal_cancel(struct agent *agent)
{
    if (agent->rehearsal == REHEARSAL_DUE)
        agent->rehearsal = REHEARSAL_NONE;
    if (agent->rehearsal == REHEARSAL_RUNNING)
        job_kill(agent, done, 0);
}
