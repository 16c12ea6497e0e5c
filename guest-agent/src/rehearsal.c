/*
 *   NONE ──ask──► DUE ──answers are sent: child──► RUNNING ──child ended──► NONE
 *     ▲            │                                  │
 *     └── cancel ──┘                                  └── cancel: child killed
 */
#include "rehearsal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "agent.h"

static bool has_something(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    return poll(&ready, 1, REHEARSAL_WAIT_MS) > 0;
}

/* In a child, whose descriptors and memory nobody else sees. At our own priority: it is of use only if it is done before the
 * first command comes, and everything else in the guest has just woken up too. */
static int start_true(const void *argument)
{
    (void)argument;
    setpriority(PRIO_PROCESS, 0, AGENT_NICE); /* refused in tests, where it does not matter */
    char text[] = "[\"true\"]";
    struct json json;
    struct user user;
    struct spawned spawned;
    if (!json_parse(&json, text, strlen(text)) || !user_find("root", &user))
        return EINVAL;
    struct spawn_request request = {.json = &json, .argv = json.values, .user = &user};
    int error = spawn(&request, &spawned);
    if (error != 0)
        return error;
    if (!has_something(spawned.error_fd) || !has_something(spawned.stdout_fd) || !has_something(spawned.stderr_fd))
        kill(spawned.pid, SIGKILL);
    waitpid(spawned.pid, NULL, 0);
    return 0;
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
    agent->rehearsal = job_start(agent, start_true, NULL, done, 0) == 0 ? REHEARSAL_RUNNING : REHEARSAL_NONE;
}

void rehearsal_cancel(struct agent *agent)
{
    if (agent->rehearsal == REHEARSAL_DUE)
        agent->rehearsal = REHEARSAL_NONE;
    if (agent->rehearsal == REHEARSAL_RUNNING)
        job_kill(agent, done, 0);
}
