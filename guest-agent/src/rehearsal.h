/* A command that nobody asked for, so that the first one that somebody does ask for is not slow: a child of ours becomes
 * `true`, just as a command would. It is no session and leaves nothing but a used process number.
 *
 * After a restore: an emulator that has just loaded a machine has no translated code, and starting the first command
 * takes it four times as long as the second. The host needs a moment to bring its first command; that moment is used, and
 * a command that comes ends it.
 *
 * After a boot: what commands begin with is then in memory, and in that of snapshots to come, instead of in a compressed
 * image. That has time: it runs when nothing else does. */
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
    /* The one at hand is that of the boot. */
    bool is_patient;
    /* While it runs. */
    struct spawned child;
};

/* To be held once everything that waits for the host has been sent. Nothing when one is due or running. */
void rehearsal_ask(struct agent *agent);
/* That of the boot: nothing after the first time. */
void rehearsal_ask_once(struct agent *agent);
/* A turn: begins one that is due. */
void rehearsal_run(struct agent *agent);
/* Whether the child that ended was the rehearsal's. */
bool rehearsal_reap(struct agent *agent, pid_t pid);
/* There is a real command: it shall not share the processor with a rehearsal. That of the boot goes on beside it. */
void rehearsal_cancel(struct agent *agent);

#endif
