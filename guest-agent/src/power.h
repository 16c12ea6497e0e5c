/* Powering off in order; of an agent that is not the first process: ending. */
#ifndef KELPIE_POWER_H
#define KELPIE_POWER_H

#include <stdbool.h>
#include <stdint.h>

struct agent;

enum power_state { POWER_ON, POWER_ANSWERING, POWER_TERMINATING, POWER_KILLING, POWER_OFF };

struct power {
    enum power_state state;
    int64_t next_at_ms; /* when to go on at the latest */
    /* A descriptor on the data disk's file system, or −1. */
    int data_fd;
};

void power_off_begin(struct agent *agent);
/* Takes the next step if it is time. True when it did. The loop ends at POWER_OFF. */
bool power_run(struct agent *agent);
/* Makes the data disk clean and turns the machine off. Only for the first process; does not return. */
_Noreturn void power_cut(int data_fd);

#endif
