/*
 *   NONE ──ask──► DUE ──answers are sent: child──► RUNNING ──child ended──► NONE
 *     ▲            │                                  │
 *     └── cancel ──┘                                  └── cancel: child killed
 *
 * A patient one is not cancelled, unless another has been asked for while it is due or runs.
 */
#include "rehearsal.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent.h"

#define NICE_PATIENT 19

/* At the priority of all commands: ahead of the guest's own work it would gain no more, and hold that up. */
static bool begin(struct rehearsal *rehearsal)
{
    static struct json json;
    static struct user root;
    char text[] = "[\"true\"]";
    if (!json_parse(&json, text, strlen(text)) || !user_find("root", &root))
        return false;
    struct spawn_request request = {.json = &json, .argv = json.values, .user = &root};
    if (spawn(&request, &rehearsal->child) != 0)
        return false;
    /* At the worst it does not wait for others. */
    if (rehearsal->is_patient)
        setpriority(PRIO_PROCESS, (id_t)rehearsal->child.pid, NICE_PATIENT);
    return true;
}

void rehearsal_ask(struct agent *agent)
{
    struct rehearsal *rehearsal = &agent->rehearsal;
    rehearsal->is_patient = false;
    if (rehearsal->state == REHEARSAL_NONE)
        rehearsal->state = REHEARSAL_DUE;
}

void rehearsal_ask_once(struct agent *agent)
{
    struct rehearsal *rehearsal = &agent->rehearsal;
    if (rehearsal->has_begun)
        return;
    rehearsal->has_begun = true;
    rehearsal->is_patient = true;
    rehearsal->state = REHEARSAL_DUE;
}

void rehearsal_run(struct agent *agent)
{
    struct rehearsal *rehearsal = &agent->rehearsal;
    size_t unsent;
    out_queue_peek(&agent->connection.out, &unsent);
    if (rehearsal->state != REHEARSAL_DUE || unsent != 0)
        return;
    rehearsal->state = begin(rehearsal) ? REHEARSAL_RUNNING : REHEARSAL_NONE;
}

bool rehearsal_reap(struct agent *agent, pid_t pid)
{
    struct rehearsal *rehearsal = &agent->rehearsal;
    if (rehearsal->state != REHEARSAL_RUNNING || pid != rehearsal->child.pid)
        return false;
    /* It was only for the practice: what it said, and how it went, does not matter. */
    close(rehearsal->child.stdout_fd);
    close(rehearsal->child.stderr_fd);
    close(rehearsal->child.error_fd);
    rehearsal->state = REHEARSAL_NONE;
    return true;
}

void rehearsal_cancel(struct agent *agent)
{
    struct rehearsal *rehearsal = &agent->rehearsal;
    if (rehearsal->is_patient)
        return;
    if (rehearsal->state == REHEARSAL_DUE)
        rehearsal->state = REHEARSAL_NONE;
    if (rehearsal->state == REHEARSAL_RUNNING)
        kill(rehearsal->child.pid, SIGKILL);
}
