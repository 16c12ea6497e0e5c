/*
 *                         exec succeeded             command ended
 *   FREE ──start──► STARTING ──────────► RUNNING ──────────────────► ENDED ──forget, or its room is needed──► FREE
 *                      │ exec failed                                  │
 *                      └──────────────────────► FREE                  │ not attached: keeps its output
 *                                                                     │ attached: DATA … END, END, exec.exited,
 *                                                                     └──► then not attached any more
 *
 *   time-out:  RUNNING ──timeout_at──► SIGTERM to the group ──2 s──► SIGKILL to the group
 */
#include "session.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "agent.h"
#include "clock.h"

static bool is_live(const struct session *session)
{
    return session->state == SESSION_STARTING || session->state == SESSION_RUNNING;
}

static void session_clear(struct session *session)
{
    memset(session, 0, sizeof *session);
    watch_init(&session->error);
    watch_init(&session->input.watch);
    watch_init(&session->outputs[0].watch);
    watch_init(&session->outputs[1].watch);
    session->timeout_at_ms = NEVER_MS;
    session->kill_at_ms = NEVER_MS;
    session->linger_until_ms = NEVER_MS;
}

void sessions_init(struct agent *agent)
{
    for (size_t i = 0; i < SESSIONS_MAX; i++)
        session_clear(&agent->sessions.slots[i]);
}

void session_forget(struct session *session)
{
    watch_close(&session->error);
    input_close(&session->input);
    output_close(&session->outputs[0]);
    output_close(&session->outputs[1]);
    session_clear(session);
}

struct session *sessions_make_room(struct agent *agent)
{
    struct session *oldest = NULL;
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        struct session *session = &agent->sessions.slots[i];
        if (session->state == SESSION_FREE)
            return session;
        bool is_forgettable = session->state == SESSION_ENDED && !session->is_attached;
        if (is_forgettable && (oldest == NULL || session->ended_ms < oldest->ended_ms))
            oldest = session;
    }
    if (oldest != NULL)
        session_forget(oldest);
    return oldest;
}

int session_start(struct agent *agent, struct session *session, const struct spawn_request *request)
{
    assert(session->state == SESSION_FREE);
    struct spawned spawned;
    int error = spawn(request, &spawned);
    if (error != 0)
        return error;
    session->state = SESSION_STARTING;
    session->number = ++agent->sessions.last_number;
    session->pid = spawned.pid;
    session->is_tty = request->has_tty;
    session->started_unix_ms = clock_unix_ms();
    strcpy(session->user, request->user->name);
    /* All four are tried, so that each descriptor ends in a watch or is closed. */
    bool is_open = input_open(&session->input, agent->epoll_fd, spawned.stdin_fd, request->has_tty);
    is_open &= output_open(&session->outputs[0], agent->epoll_fd, spawned.stdout_fd);
    is_open &= output_open(&session->outputs[1], agent->epoll_fd, spawned.stderr_fd);
    is_open &= watch_open(&session->error, agent->epoll_fd, spawned.error_fd);
    if (is_open)
        return 0;
    error = errno;
    kill(spawned.pid, SIGKILL);
    session_forget(session);
    return error;
}

struct session *sessions_find(struct agent *agent, uint32_t number)
{
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        struct session *session = &agent->sessions.slots[i];
        if (session->number == number && (session->state == SESSION_RUNNING || session->state == SESSION_ENDED))
            return session;
    }
    return NULL;
}

void session_attach(struct session *session, const uint64_t *offsets[2], const uint64_t limits[2])
{
    assert(!session->is_attached);
    session->is_attached = true;
    session->held_until_ms = 0;
    input_attach(&session->input);
    for (int i = 0; i < 2; i++)
        output_attach(&session->outputs[i], offsets[i], limits[i]);
}

uint32_t sessions_count(const struct agent *agent)
{
    uint32_t count = 0;
    for (size_t i = 0; i < SESSIONS_MAX; i++)
        count += agent->sessions.slots[i].state != SESSION_FREE;
    return count;
}

bool sessions_handle_frame(struct agent *agent, const struct channel_frame *frame)
{
    struct session *session = sessions_find(agent, frame->channel);
    if (session == NULL || !session->is_attached)
        return true; /* sent before the host knew that it ended */
    if (frame->stream == STREAM_STDIN)
        return input_take(&session->input, frame);
    if (frame->type != FRAME_CREDIT)
        return false;
    struct output *output = &session->outputs[frame->stream - STREAM_STDOUT];
    if (frame->offset > output->limit)
        output->limit = frame->offset;
    return true;
}

void sessions_lose_host(struct agent *agent)
{
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        struct session *session = &agent->sessions.slots[i];
        if (session->is_attached)
            session->held_until_ms = clock_monotonic_ms() + REATTACH_GRACE_MS;
        session->is_attached = false;
    }
}

void session_write_exit(const struct session *session, struct json_writer *writer)
{
    if (session->state != SESSION_ENDED) {
        json_put_null(writer);
        return;
    }
    json_open_object(writer);
    if (WIFSIGNALED(session->wait_status))
        json_member_int(writer, "signal", WTERMSIG(session->wait_status));
    else
        json_member_int(writer, "code", WEXITSTATUS(session->wait_status));
    if (session->is_timed_out)
        json_member_bool(writer, "timedOut", true);
    json_close_object(writer);
}

bool sessions_reap(struct agent *agent, pid_t pid, int status)
{
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        struct session *session = &agent->sessions.slots[i];
        if (!is_live(session) || session->pid != pid)
            continue;
        session->wait_status = status;
        session->ended_ms = clock_monotonic_ms();
        session->timeout_at_ms = NEVER_MS;
        /* It ended before we looked: whether exec succeeded decides if it ever was a session. */
        if (session->state == SESSION_STARTING)
            session_pump_start(agent, session);
        if (session->state == SESSION_FREE)
            return true;
        session->state = SESSION_ENDED;
        session->linger_until_ms = session->ended_ms + STREAM_LINGER_MS;
        input_discard(&session->input);
        session->outputs[0].watch.is_readable = true; /* a terminal without users now counts as ended */
        return true;
    }
    return false;
}

void sessions_run_timers(struct agent *agent)
{
    int64_t now = clock_monotonic_ms();
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        struct session *session = &agent->sessions.slots[i];
        if (now >= session->timeout_at_ms) {
            session->timeout_at_ms = NEVER_MS;
            session->is_timed_out = true;
            session->kill_at_ms = now + TIMEOUT_KILL_MS;
            kill(-session->pid, SIGTERM);
        }
        /* The group may outlive the command. That its number was given to another in these 2 s is not to be feared:
         * Linux gives out every other number first. */
        if (now >= session->kill_at_ms) {
            session->kill_at_ms = NEVER_MS;
            kill(-session->pid, SIGKILL);
        }
        if (session->state != SESSION_ENDED)
            continue;
        bool is_lingering_over = now >= session->linger_until_ms;
        output_settle(&session->outputs[0], is_lingering_over);
        output_settle(&session->outputs[1], is_lingering_over);
        if (is_lingering_over)
            session->linger_until_ms = NEVER_MS;
    }
}

static int64_t earlier(int64_t one, int64_t other)
{
    return one < other ? one : other;
}

int64_t sessions_next_timer_ms(const struct agent *agent)
{
    int64_t next = NEVER_MS;
    int64_t now = clock_monotonic_ms();
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        const struct session *session = &agent->sessions.slots[i];
        next = earlier(next, session->timeout_at_ms);
        next = earlier(next, session->kill_at_ms);
        next = earlier(next, session->linger_until_ms);
        if (session->held_until_ms > now)
            next = earlier(next, session->held_until_ms);
    }
    return next;
}
