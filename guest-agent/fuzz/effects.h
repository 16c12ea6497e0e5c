/* What the fuzzer does in place of commands. */
#ifndef KELPIE_EFFECTS_H
#define KELPIE_EFFECTS_H

#include <stddef.h>
#include <stdint.h>

#include "../src/agent.h"

/* The command of the oldest session that runs writes to its standard output. */
void effects_write_output(struct agent *agent, const uint8_t *bytes, size_t length);
/* It ends with a wait status. */
void effects_end_command(struct agent *agent, uint8_t status);
/* All jobs end with an errno. */
void effects_end_jobs(struct agent *agent, int error);

#endif
