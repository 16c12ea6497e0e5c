/* The methods on sessions that exist. See docs/PROTOCOL.md, "Sessions". */
#include "exec.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>

#include "agent.h"

/* The session that a request names; NULL: the call's error is set. */
static struct session *find_session(struct agent *agent, struct rpc_call *call)
{
    uint64_t number = params_uint(&call->params, "session", 1, SESSION_NUMBER_MAX);
    if (!params_are_valid(&call->params)) {
        rpc_fail_params(call);
        return NULL;
    }
    struct session *session = sessions_find(agent, (uint32_t)number);
    if (session == NULL)
        rpc_fail(call, RPC_NOT_FOUND, "there is no such session");
    return session;
}

/* An optional offset: NULL when absent. */
static const uint64_t *read_offset(struct params *params, const char *name, uint64_t *offset)
{
    if (params_optional(params, name, JSON_NUMBER) == NULL)
        return NULL;
    *offset = params_uint(params, name, 0, UINT64_MAX);
    return offset;
}

enum rpc_outcome exec_attach(struct agent *agent, struct rpc_call *call)
{
    struct params *params = &call->params;
    uint64_t asked[2];
    const uint64_t *offsets[2] = {read_offset(params, "stdoutOffset", &asked[0]),
                                  read_offset(params, "stderrOffset", &asked[1])};
    uint64_t limits[2] = {params_uint(params, "stdoutLimit", 0, UINT64_MAX),
                          params_uint(params, "stderrLimit", 0, UINT64_MAX)};
    struct session *session = find_session(agent, call);
    if (session == NULL)
        return RPC_FAILED;
    if (session->is_attached)
        return rpc_fail(call, RPC_CONFLICT, "the session is attached already");
    session_attach(session, offsets, limits);
    struct json_writer *result = &call->result;
    json_open_object(result);
    json_member_uint(result, "stdoutOffset", session->outputs[0].sent);
    json_member_uint(result, "stderrOffset", session->outputs[1].sent);
    json_member_uint(result, "stdinOffset", session->input.ring.end);
    json_member_uint(result, "stdinLimit", input_limit(&session->input));
    json_member_bool(result, "running", session->state == SESSION_RUNNING);
    json_put_name(result, "exit");
    session_write_exit(session, result);
    json_close_object(result);
    return RPC_DONE;
}

enum rpc_outcome exec_detach(struct agent *agent, struct rpc_call *call)
{
    struct session *session = find_session(agent, call);
    if (session == NULL)
        return RPC_FAILED;
    session->is_attached = false;
    session->held_until_ms = 0;
    return rpc_done_empty(call);
}

enum rpc_outcome exec_signal(struct agent *agent, struct rpc_call *call)
{
    uint64_t number = params_uint(&call->params, "signal", 1, SIGNAL_MAX);
    struct session *session = find_session(agent, call);
    if (session == NULL)
        return RPC_FAILED;
    if (session->state != SESSION_RUNNING)
        return rpc_fail(call, RPC_CONFLICT, "the session has ended");
    if (kill(-session->pid, (int)number) < 0)
        return rpc_fail_os(call, errno, "the signal could not be sent");
    return rpc_done_empty(call);
}

enum rpc_outcome exec_resize(struct agent *agent, struct rpc_call *call)
{
    struct winsize size = {
        .ws_row = (unsigned short)params_uint(&call->params, "rows", 1, TTY_CELLS_MAX),
        .ws_col = (unsigned short)params_uint(&call->params, "columns", 1, TTY_CELLS_MAX),
    };
    struct session *session = find_session(agent, call);
    if (session == NULL)
        return RPC_FAILED;
    if (!session->is_tty)
        return rpc_fail(call, RPC_CONFLICT, "the session has no terminal");
    int master = session->outputs[0].watch.fd;
    if (master < 0)
        return rpc_fail(call, RPC_CONFLICT, "the terminal is closed");
    if (ioctl(master, TIOCSWINSZ, &size) < 0)
        return rpc_fail_os(call, errno, "the terminal could not be resized");
    return rpc_done_empty(call);
}

static void list_session(struct json_writer *result, const struct session *session)
{
    json_open_object(result);
    json_member_uint(result, "session", session->number);
    json_member_uint(result, "pid", (uint64_t)session->pid);
    json_put_name(result, "argv");
    json_put_raw(result, session->argv, session->argv_length);
    if (session->is_argv_cut)
        json_member_bool(result, "argvCut", true);
    json_member_string(result, "user", session->user);
    json_member_bool(result, "tty", session->is_tty);
    json_member_int(result, "startedAtUnixMs", session->started_unix_ms);
    json_member_bool(result, "running", session->state == SESSION_RUNNING);
    json_member_bool(result, "attached", session->is_attached);
    json_member_uint(result, "stdoutBytes", session->outputs[0].ring.end);
    json_member_uint(result, "stderrBytes", session->outputs[1].ring.end);
    json_put_name(result, "exit");
    session_write_exit(session, result);
    json_close_object(result);
}

enum rpc_outcome exec_list(struct agent *agent, struct rpc_call *call)
{
    json_open_object(&call->result);
    json_put_name(&call->result, "sessions");
    json_open_array(&call->result);
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        const struct session *session = &agent->sessions.slots[i];
        if (session->state == SESSION_RUNNING || session->state == SESSION_ENDED)
            list_session(&call->result, session);
    }
    json_close_array(&call->result);
    json_close_object(&call->result);
    return RPC_DONE;
}

enum rpc_outcome exec_forget(struct agent *agent, struct rpc_call *call)
{
    struct session *session = find_session(agent, call);
    if (session == NULL)
        return RPC_FAILED;
    if (session->state != SESSION_ENDED || session->is_attached)
        return rpc_fail(call, RPC_CONFLICT, "the session is running or attached");
    session_forget(session);
    return rpc_done_empty(call);
}
