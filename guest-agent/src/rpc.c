/* See rpc.h. The table of methods is the whole of what a host can ask. */
#include "rpc.h"

#include <assert.h>
#include <string.h>

#include "agent.h"

struct method {
    const char *name;
    rpc_method *handle;
};

static const struct method methods[] = {
    {"exec.start", exec_start},
    {"exec.attach", exec_attach},
    {"exec.detach", exec_detach},
    {"exec.signal", exec_signal},
    {"exec.resize", exec_resize},
    {"exec.list", exec_list},
    {"exec.forget", exec_forget},
    {"file.read", file_read},
    {"file.write", file_write},
    {"file.commit", file_commit},
    {"file.abort", file_abort},
    {"file.stat", file_stat},
    {"system.health", system_health},
    {"system.repair", system_repair},
    {"system.setClock", system_set_clock},
    {"system.reseed", system_reseed},
    {"system.sync", system_sync},
    {"system.powerOff", system_power_off},
};

enum rpc_outcome rpc_fail(struct rpc_call *call, enum rpc_code code, const char *message)
{
    call->error = (struct rpc_error){.code = code, .message = message};
    return RPC_FAILED;
}

enum rpc_outcome rpc_fail_os(struct rpc_call *call, int os_errno, const char *message)
{
    call->error = (struct rpc_error){.code = RPC_OS, .os_errno = os_errno, .message = message};
    return RPC_FAILED;
}

enum rpc_outcome rpc_fail_params(struct rpc_call *call)
{
    assert(!params_are_valid(&call->params));
    return rpc_fail(call, RPC_INVALID_PARAMS, call->params.problem);
}

enum rpc_outcome rpc_done_empty(struct rpc_call *call)
{
    json_open_object(&call->result);
    json_close_object(&call->result);
    return RPC_DONE;
}

const char *rpc_reason(enum rpc_code code)
{
    switch (code) {
    case RPC_PARSE:
        return "parse";
    case RPC_INVALID_REQUEST:
        return "invalid_request";
    case RPC_UNKNOWN_METHOD:
        return "unknown_method";
    case RPC_INVALID_PARAMS:
        return "invalid_params";
    case RPC_NOT_FOUND:
        return "not_found";
    case RPC_BUSY:
        return "busy";
    case RPC_OS:
        return "os";
    case RPC_NOT_EXECUTABLE:
        return "not_executable";
    case RPC_CONFLICT:
        return "conflict";
    }
    return "os";
}

void rpc_write_error(struct json_writer *writer, const struct rpc_error *error)
{
    json_put_name(writer, "error");
    json_open_object(writer);
    json_member_int(writer, "code", error->code);
    json_member_string(writer, "message", error->message);
    json_put_name(writer, "data");
    json_open_object(writer);
    json_member_string(writer, "reason", rpc_reason(error->code));
    if (error->os_errno != 0)
        json_member_int(writer, "errno", error->os_errno);
    json_close_object(writer);
    json_close_object(writer);
}

/* id 0: unknown, answered as null. */
static void respond_with_error(struct agent *agent, uint32_t id, const struct rpc_error *error)
{
    char text[CONTROL_FRAME_BYTES_MAX - FRAME_OVERHEAD_BYTES];
    struct json_writer writer;
    json_writer_init(&writer, text, sizeof text);
    json_open_object(&writer);
    json_member_string(&writer, "jsonrpc", "2.0");
    json_put_name(&writer, "id");
    if (id == 0)
        json_put_null(&writer);
    else
        json_put_uint(&writer, id);
    rpc_write_error(&writer, error);
    json_close_object(&writer);
    assert(!writer.is_overflown);
    connection_send(agent, FRAME_RESPONSE, text, writer.length);
}

static void refuse(struct agent *agent, uint32_t id, enum rpc_code code, const char *message)
{
    respond_with_error(agent, id, &(struct rpc_error){.code = code, .message = message});
}

static rpc_method *find_method(const char *name)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (strcmp(methods[i].name, name) == 0)
            return methods[i].handle;
    return NULL;
}

static bool is_version_2(const struct json *json, const struct json_value *version)
{
    return version != NULL && version->type == JSON_STRING && strcmp(json_string(json, version), "2.0") == 0;
}

static void call_method(struct agent *agent, rpc_method *handle, uint32_t id, const struct json_value *params)
{
    struct rpc_call call = {.id = id, .params = {.json = &agent->json, .object = params}};
    /* The result is written straight into the out queue's room, behind what belongs in front of it. */
    char *payload = (char *)out_queue_reserve(&agent->connection.out, FRAME_PAYLOAD_BYTES_MAX);
    json_writer_init(&call.result, payload, FRAME_PAYLOAD_BYTES_MAX);
    json_open_object(&call.result);
    json_member_string(&call.result, "jsonrpc", "2.0");
    json_member_uint(&call.result, "id", id);
    json_put_name(&call.result, "result");
    switch (handle(agent, &call)) {
    case RPC_LATER:
        break;
    case RPC_FAILED:
        respond_with_error(agent, id, &call.error);
        break;
    case RPC_DONE:
        json_close_object(&call.result);
        assert(!call.result.is_overflown);
        out_queue_commit(&agent->connection.out, FRAME_RESPONSE, call.result.length);
        break;
    }
}

void rpc_handle(struct agent *agent, char *text, size_t length)
{
    struct json *json = &agent->json;
    if (!json_parse(json, text, length)) {
        refuse(agent, 0, RPC_PARSE, "the request is not JSON within the bounds");
        return;
    }
    const struct json_value *request = &json->values[0];
    if (request->type != JSON_OBJECT) {
        refuse(agent, 0, RPC_INVALID_REQUEST, "a request must be an object");
        return;
    }
    const struct json_value *id_value = json_member(json, request, "id");
    uint64_t id;
    if (id_value == NULL || !json_uint(json, id_value, &id) || id < 1 || id > INT32_MAX) {
        refuse(agent, 0, RPC_INVALID_REQUEST, "id must be a whole number from 1 to 2147483647");
        return;
    }
    const struct json_value *name = json_member(json, request, "method");
    const struct json_value *params = json_member(json, request, "params");
    if (!is_version_2(json, json_member(json, request, "jsonrpc")) || name == NULL || name->type != JSON_STRING) {
        refuse(agent, (uint32_t)id, RPC_INVALID_REQUEST, "a request needs jsonrpc \"2.0\" and a method");
        return;
    }
    rpc_method *handle = find_method(json_string(json, name));
    if (handle == NULL)
        refuse(agent, (uint32_t)id, RPC_UNKNOWN_METHOD, "this agent has no such method");
    else if (params != NULL && params->type != JSON_OBJECT)
        refuse(agent, (uint32_t)id, RPC_INVALID_PARAMS, "params must be an object");
    else if (!requests_have_room(agent))
        refuse(agent, (uint32_t)id, RPC_BUSY, "too many requests are in flight");
    else
        call_method(agent, handle, (uint32_t)id, params);
}
