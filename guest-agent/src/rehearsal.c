/*
 *   NONE ──ask──► DUE ──answers are sent: child──► RUNNING ──child ended──► NONE
 *     ▲            │                                  │
 *     └── cancel ──┘                                  └── cancel: child killed
 */
#include "rehearsal.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"

/* At the priority of all commands: ahead of the guest's own work it would gain no more, and hold that up. */
static bool begin(struct spawned *child)
{
    static struct json json;
    static struct user root;
    char text[] = "[\"true\"]";
    if (!json_parse(&json, text, strlen(text)) || !user_find("root", &root))
        return false;
    struct spawn_request request = {.json = &json, .argv = json.values, .user = &root};
    return spawn(&request, child) == 0;
}

void rehearsal_ask(struct agent *agent)
{
    if (agent->rehearsal.state == REHEARSAL_NONE)
        agent->rehearsal.state = REHEARSAL_DUE;
}

void rehearsal_ask_once(struct agent *agent)
{
    if (!agent->rehearsal.has_begun)
        rehearsal_ask(agent);
    agent->rehearsal.has_begun = true;
}

void rehearsal_run(struct agent *agent)
{
    size_t unsent;
    out_queue_peek(&agent->connection.out, &unsent);
    if (agent->rehearsal.state != REHEARSAL_DUE || unsent != 0)
        return;
    agent->rehearsal.state = begin(&agent->rehearsal.child) ? REHEARSAL_RUNNING : REHEARSAL_NONE;
}

bool rehearsal_reap(struct agent *agent, pid_t pid)
{
    const struct spawned *child = &agent->rehearsal.child;
    if (agent->rehearsal.state != REHEARSAL_RUNNING || pid != child->pid)
        return false;
    /* It was only for the practice: what it said, and how it went, does not matter. */
    close(child->stdout_fd);
    close(child->stderr_fd);
    close(child->error_fd);
    agent->rehearsal.state = REHEARSAL_NONE;
    return true;
}

void rehearsal_cancel(struct agent *agent)
{
    if (agent->rehearsal.state == REHEARSAL_DUE)
        agent->rehearsal.state = REHEARSAL_NONE;
    if (agent->rehearsal.state == REHEARSAL_RUNNING)
        kill(agent->rehearsal.child.pid, SIGKILL);
}
