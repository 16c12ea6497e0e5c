/* The method exec.start: everything is checked before anything is started. */
#include <errno.h>
#include <string.h>

#include "agent.h"
#include "clock.h"

static const struct json_value *read_argv(struct params *params)
{
    const struct json_value *argv = params_required(params, "argv", JSON_ARRAY);
    if (argv == NULL)
        return NULL;
    if (argv->children < 1 || argv->children > ARGV_MAX)
        params_refuse(params, "argv must have from 1 to %u strings", ARGV_MAX);
    const struct json_value *argument = json_first_child(argv);
    for (unsigned i = 0; i < argv->children; i++) {
        if (argument->type != JSON_STRING)
            params_refuse(params, "argv must hold nothing but strings");
        argument = json_after(params->json, argument);
    }
    if (params_are_valid(params) && json_first_child(argv)->length == 0)
        params_refuse(params, "argv must begin with a command");
    return argv;
}

static const struct json_value *read_env(struct params *params)
{
    const struct json_value *env = params_optional(params, "env", JSON_OBJECT);
    if (env == NULL)
        return NULL;
    if (env->children > ENV_MAX)
        params_refuse(params, "env must have at most %u members", ENV_MAX);
    const struct json_value *name = json_first_child(env);
    for (unsigned i = 0; i < env->children; i++) {
        const struct json_value *value = name + 1;
        if (name->length == 0 || strchr(json_string(params->json, name), '=') != NULL || value->type != JSON_STRING)
            params_refuse(params, "env must map names, which are not empty and hold no =, to strings");
        name = json_after(params->json, value);
    }
    return env;
}

/* A member of params that is itself an object. */
static struct params read_nested(struct params *params, const char *name)
{
    return (struct params){.json = params->json, .object = params_optional(params, name, JSON_OBJECT)};
}

static void read_tty(struct params *params, struct spawn_request *request)
{
    struct params tty = read_nested(params, "tty");
    request->has_tty = tty.object != NULL;
    if (!request->has_tty)
        return;
    request->rows = (uint16_t)params_uint(&tty, "rows", 1, TTY_CELLS_MAX);
    request->columns = (uint16_t)params_uint(&tty, "columns", 1, TTY_CELLS_MAX);
    if (!params_are_valid(&tty))
        params_refuse(params, "tty: %s", tty.problem);
}

/* Whether to attach, and with what credit. */
static bool read_attach(struct params *params, uint64_t limits[2])
{
    struct params attach = read_nested(params, "attach");
    if (attach.object == NULL)
        return false;
    limits[0] = params_uint(&attach, "stdoutLimit", 0, UINT64_MAX);
    limits[1] = params_uint(&attach, "stderrLimit", 0, UINT64_MAX);
    if (!params_are_valid(&attach))
        params_refuse(params, "attach: %s", attach.problem);
    return true;
}

/* Keeps as much of argv as exec.list shows. */
static void keep_argv(struct session *session, const struct json *json, const struct json_value *argv)
{
    struct json_writer writer;
    json_writer_init(&writer, session->argv, sizeof session->argv - 1); /* room for the bracket */
    json_open_array(&writer);
    const struct json_value *argument = json_first_child(argv);
    for (unsigned i = 0; i < argv->children; i++) {
        struct json_writer before = writer;
        json_put_string(&writer, json_string(json, argument));
        if (writer.is_overflown) {
            writer = before;
            session->is_argv_cut = true;
            break;
        }
        argument = json_after(json, argument);
    }
    session->argv[writer.length] = ']';
    session->argv_length = writer.length + 1;
}

static enum rpc_outcome start(struct agent *agent, struct rpc_call *call, const struct spawn_request *request,
                              uint64_t timeout_ms, const uint64_t *limits)
{
    if (agent->sessions.last_number == SESSION_NUMBER_MAX)
        return rpc_fail(call, RPC_BUSY, "all session numbers of this boot are used up");
    struct session *session = sessions_make_room(agent);
    if (session == NULL)
        return rpc_fail(call, RPC_BUSY, "too many sessions are running");
    struct request_ref ref;
    if (!requests_hold(agent, call->id, &ref))
        return rpc_fail(call, RPC_BUSY, "too many requests are in flight");
    rehearsal_cancel(agent);
    int error = session_start(agent, session, request);
    if (error != 0) {
        requests_release(agent, ref);
        return rpc_fail_os(call, error, "the session could not be made");
    }
    session->start_request = ref;
    keep_argv(session, request->json, request->argv);
    if (timeout_ms != 0)
        session->timeout_at_ms = clock_monotonic_ms() + (int64_t)timeout_ms;
    if (limits != NULL) {
        const uint64_t beginning = 0;
        const uint64_t *offsets[2] = {&beginning, &beginning};
        session_attach(session, offsets, limits);
    }
    return RPC_LATER;
}

enum rpc_outcome exec_start(struct agent *agent, struct rpc_call *call)
{
    struct params *params = &call->params;
    struct spawn_request request = {.json = params->json, .argv = read_argv(params), .env = read_env(params)};
    request.cwd = params_optional(params, "cwd", JSON_STRING) == NULL ? NULL : params_path(params, "cwd");
    const char *user_name = params_string_or(params, "user", USER_BYTES_MAX, "root");
    read_tty(params, &request);
    request.has_stdin = params_bool_or(params, "stdin", false);
    uint64_t timeout_ms = params_uint_or(params, "timeoutMs", 0, EXEC_TIMEOUT_MS_MAX, 0);
    uint64_t limits[2];
    bool is_attaching = read_attach(params, limits);
    if (!params_are_valid(params))
        return rpc_fail_params(call);
    struct user user;
    if (!user_find(user_name, &user))
        return rpc_fail(call, RPC_NOT_FOUND, "there is no such user");
    request.user = &user;
    return start(agent, call, &request, timeout_ms, is_attaching ? limits : NULL);
}
