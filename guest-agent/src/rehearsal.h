/* A command that nobody asked for, so that the first one that somebody does ask for is not slow.
 *
 * An emulator that has just loaded a machine has no translated code: starting the first command takes it four times as
 * long as the second. The host needs a moment to bring its first command after a restore; in that moment a child of ours
 * becomes `true`, just as a command would. After a boot one is held too: what commands begin with is then in memory, and
 * in the snapshots to come, instead of in a compressed image. It is no session and leaves nothing but a used process
 * number. */
#ifndef KELPIE_REHEARSAL_H
#define KELPIE_REHEARSAL_H

#include <stdbool.h>
#include <sys/types.h>

#include "spawn.h"

struct agent;

enum rehearsal_state { REHEARSAL_NONE, REHEARSAL_DUE, REHEARSAL_RUNNING };

struct rehearsal {
    enum rehearsal_state state;
    /* That of the boot has been asked for. */
    bool has_begun;
    /* While it runs. */
    struct spawned child;
};

/* To be held once everything that waits for the host has been sent. Nothing when one is due or running. */
void rehearsal_ask(struct agent *agent);
/* The same, but only the first time since the boot. */
void rehearsal_ask_once(struct agent *agent);
/* A turn: begins one that is due. */
void rehearsal_run(struct agent *agent);
/* Whether the child that ended was the rehearsal's. */
bool rehearsal_reap(struct agent *agent, pid_t pid);
/* There is a real command: it shall not share the processor with a rehearsal. */
void rehearsal_cancel(struct agent *agent);

#endif
