/*
 *   ON ──asked──► ANSWERING ──answer sent, or 200 ms──► TERMINATING ──all ended, or 3 s──► KILLING ──all ended, or 0.5 s──► OFF
 *                                                       SIGTERM to all                     SIGKILL to all
 *
 * The data disk is not unmounted, as the overlay that we stand on cannot be left: it is frozen instead, which writes all
 * back, empties the journal and marks the file system clean, and nothing can dirty it after that.
 */
#include "power.h"

#include <errno.h>
#include <linux/fs.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "agent.h"
#include "boot.h"
#include "clock.h"
#include "log.h"

static void enter(struct power *power, enum power_state state, int64_t wait_ms)
{
    power->state = state;
    power->next_at_ms = clock_monotonic_ms() + wait_ms;
}

void power_off_begin(struct agent *agent)
{
    if (agent->power.state == POWER_ON)
        enter(&agent->power, POWER_ANSWERING, POWER_OFF_ANSWER_MS);
}

static void signal_all(const struct agent *agent, int number)
{
    if (agent->is_init) {
        kill(-1, number);
        return;
    }
    for (size_t i = 0; i < SESSIONS_MAX; i++)
        if (agent->sessions.slots[i].state == SESSION_RUNNING)
            kill(-agent->sessions.slots[i].pid, number);
}

static bool are_all_gone(const struct agent *agent)
{
    if (agent->is_init)
        return !agent->has_children; /* every process of a user descends from us; kill(−1, 0) would find kernel threads */
    for (size_t i = 0; i < SESSIONS_MAX; i++)
        if (agent->sessions.slots[i].state == SESSION_RUNNING)
            return false;
    return true;
}

bool power_run(struct agent *agent)
{
    struct power *power = &agent->power;
    bool is_time = clock_monotonic_ms() >= power->next_at_ms;
    switch (power->state) {
    case POWER_ANSWERING:
        if (!is_time && out_queue_used(&agent->connection.out) > 0)
            return false;
        signal_all(agent, SIGTERM);
        enter(power, POWER_TERMINATING, POWER_OFF_TERM_MS);
        return true;
    case POWER_TERMINATING:
        if (!is_time && !are_all_gone(agent))
            return false;
        signal_all(agent, SIGKILL);
        enter(power, POWER_KILLING, POWER_OFF_KILL_MS);
        return true;
    case POWER_KILLING:
        if (!is_time && !are_all_gone(agent))
            return false;
        enter(power, POWER_OFF, 0);
        return true;
    case POWER_ON:
    case POWER_OFF:
        return false;
    }
    return false;
}

_Noreturn void power_cut(int data_fd)
{
    log_line("powering off");
    sync();
    if (data_fd >= 0 && ioctl(data_fd, FIFREEZE, 0) < 0)
        log_line("the data disk could not be frozen (errno %d)", errno);
    /* Firecracker's x86 machine has no switch: a halted one would stay for ever, and a restart ends it. */
    char how[sizeof "restart"];
    bool restarts = boot_option("kelpie.off", how, sizeof how) && strcmp(how, "restart") == 0;
    reboot(restarts ? RB_AUTOBOOT : RB_POWER_OFF);
    for (;;)
        pause();
}
