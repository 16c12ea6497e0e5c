/*
 *          ┌───────────────────────────── agent_step ─────────────────────────────┐
 *   epoll ─► note edges ─► reap children ─► port ─► frames ─► timers ─► sessions, transfers ─► answers ─┐
 *     ▲                                                                                                │
 *     └──────────── wait for an edge or the next timer; not at all when something moved ◄──────────────┘
 *
 * Edges only set flags in watches. All reading and writing happens in the step, in a fixed order, each source a bounded
 * amount: one that floods cannot keep the others from their turn.
 */
#include "agent.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

static bool watch_signals(struct agent *agent)
{
    /* SIGINT comes of Ctrl-Alt-Del; the others are what `poweroff`, `reboot` and `halt` of small systems send. */
    static const int numbers[] = {SIGCHLD, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGPWR};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigaddset(&set, numbers[i]);
    /* What cannot be written must come back as an errno. */
    bool is_ignored = signal(SIGPIPE, SIG_IGN) != SIG_ERR && signal(SIGXFSZ, SIG_IGN) != SIG_ERR;
    if (!is_ignored || sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return false;
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return fd >= 0 && watch_open(&agent->signals, agent->epoll_fd, fd);
}

bool agent_init(struct agent *agent, bool is_init)
{
    agent->is_init = is_init;
    agent->power.data_fd = -1;
    agent->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (agent->epoll_fd < 0)
        return false;
    frame_decoder_reset(&agent->connection.in);
    sessions_init(agent);
    watch_init(&agent->signals);
    return watch_signals(agent);
}

static void take_signals(struct agent *agent)
{
    struct signalfd_siginfo info;
    while (agent->signals.is_readable && watch_read(&agent->signals, &info, sizeof info) == (ssize_t)sizeof info)
        if (info.ssi_signo != SIGCHLD)
            power_off_begin(agent);
}

/* True when there may be more: a flood of orphans must not hold up the rest. */
static bool reap_children(struct agent *agent)
{
    for (int i = 0; i < REAPED_PER_STEP_MAX; i++) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        agent->has_children = pid >= 0;
        if (pid <= 0)
            return false;
        spawn_settled(pid);
        if (!sessions_reap(agent, pid, status) && !rehearsal_reap(agent, pid))
            jobs_reap(agent, pid, status);
    }
    return true;
}

static bool pump_sources(struct agent *agent)
{
    /* Turns, so that neither kind takes all the room in the out queue. */
    agent->is_transfers_turn = !agent->is_transfers_turn;
    bool has_moved = agent->is_transfers_turn && transfers_pump(agent);
    has_moved |= sessions_pump(agent);
    has_moved |= !agent->is_transfers_turn && transfers_pump(agent);
    return has_moved;
}

bool agent_step(struct agent *agent)
{
    take_signals(agent);
    bool has_moved = reap_children(agent);
    has_moved |= port_pump(agent);
    connection_pump_input(agent);
    /* Before the sources, which send what a timer made due. */
    sessions_run_timers(agent);
    has_moved |= pump_sources(agent);
    has_moved |= requests_pump(agent);
    port_run_timer(agent);
    has_moved |= power_run(agent);
    rehearsal_run(agent);
    return has_moved || connection_has_work(agent);
}

static int wait_ms(const struct agent *agent)
{
    int64_t next = sessions_next_timer_ms(agent);
    if (agent->port.retry_at_ms < next)
        next = agent->port.retry_at_ms;
    if (agent->power.state != POWER_ON && agent->power.next_at_ms < next)
        next = agent->power.next_at_ms;
    if (next == NEVER_MS)
        return -1;
    int64_t wait = next - clock_monotonic_ms();
    return wait < 0 ? 0 : wait > INT32_MAX ? INT32_MAX : (int)wait;
}

void agent_run(struct agent *agent)
{
    bool is_hurried = true;
    while (agent->power.state != POWER_OFF) {
        struct epoll_event events[EVENTS_PER_STEP_MAX];
        int count = epoll_wait(agent->epoll_fd, events, EVENTS_PER_STEP_MAX, is_hurried ? 0 : wait_ms(agent));
        for (int i = 0; i < count; i++)
            watch_note(events[i].data.ptr, events[i].events);
        is_hurried = agent_step(agent);
    }
}
