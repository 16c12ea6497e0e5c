/* Sessions: commands that outlive the connection that started them. */
#ifndef KELPIE_SESSION_H
#define KELPIE_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "input.h"
#include "limits.h"
#include "output.h"
#include "requests.h"
#include "spawn.h"

enum session_state { SESSION_FREE, SESSION_STARTING, SESSION_RUNNING, SESSION_ENDED };

struct session {
    enum session_state state;
    uint32_t number;
    pid_t pid;
    bool is_tty;
    bool is_attached;
    bool is_timed_out;
    int wait_status;        /* of waitpid, once ended */
    int64_t started_unix_ms;
    int64_t ended_ms;       /* monotonic; orders the ended ones by age */
    int64_t timeout_at_ms;  /* NEVER_MS: none */
    int64_t kill_at_ms;     /* after a time-out */
    int64_t linger_until_ms;
    int64_t held_until_ms;  /* after a lost connection */
    struct watch error;     /* while starting: see struct spawned */
    struct request_ref start_request;
    struct input input;
    struct output outputs[2]; /* stdout or terminal, stderr */
    char user[USER_BYTES_MAX + 1];
    bool is_argv_cut;
    size_t argv_length;
    char argv[ARGV_SHOWN_BYTES_MAX]; /* as a JSON array */
};

struct sessions {
    uint32_t last_number;
    size_t turn; /* the slot that is served first */
    struct session slots[SESSIONS_MAX];
};

void sessions_init(struct agent *agent);
/* A free slot, if need be that of the session that ended first and is not attached; NULL when all run. */
struct session *sessions_make_room(struct agent *agent);
/* Starts in a slot of sessions_make_room. 0 or an errno; then the slot is free again. */
int session_start(struct agent *agent, struct session *session, const struct spawn_request *request);
/* NULL when there is none of that number that has really started. */
struct session *sessions_find(struct agent *agent, uint32_t number);
void session_forget(struct session *session);
void session_attach(struct session *session, const uint64_t *offsets[2], const uint64_t limits[2]);
/* `null`, `{code}` or `{signal}` of the protocol. */
void session_write_exit(const struct session *session, struct json_writer *writer);

uint32_t sessions_count(const struct agent *agent);
bool sessions_handle_frame(struct agent *agent, const struct channel_frame *frame);
void sessions_lose_host(struct agent *agent);
/* Whether the child that ended was a session's command. */
bool sessions_reap(struct agent *agent, pid_t pid, int status);
/* While starting: learns whether exec succeeded, answers exec.start, and frees the slot if not. */
void session_pump_start(struct agent *agent, struct session *session);
/* Moves bytes and queues frames. True when something moved, so that another round may be worth it. */
bool sessions_pump(struct agent *agent);
void sessions_run_timers(struct agent *agent);
int64_t sessions_next_timer_ms(const struct agent *agent);

#endif
