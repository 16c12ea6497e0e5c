/* A command that nobody asked for, so that the first one that somebody does ask for is not slow.
 *
 * An emulator that has just loaded a machine has no translated code: starting the first command takes it four times as
 * long as the second. The host needs a moment to bring its first command after a restore; in that moment a child of ours
 * becomes `true`. It is no session and leaves nothing but a used process number. */
#ifndef KELPIE_REHEARSAL_H
#define KELPIE_REHEARSAL_H

struct agent;

enum rehearsal { REHEARSAL_NONE, REHEARSAL_DUE, REHEARSAL_RUNNING };

/* To be held once everything that waits for the host has been sent. Nothing when one is due or running. */
void rehearsal_ask(struct agent *agent);
/* A turn: begins one that is due. */
void rehearsal_run(struct agent *agent);
/* There is a real command: it shall not share the processor with a rehearsal. */
void rehearsal_cancel(struct agent *agent);

#endif
