/*
 *   FREE ──hold──► WAITING ──succeed, fail──► ANSWERED ──pump: RESPONSE queued──► FREE
 *     ▲               │ forget (connection ended)  │
 *     └───────────────┴────────────────────────────┘
 *
 * An answer waits here until the out queue has room, so that a host that does not read cannot make it grow.
 */
#include "requests.h"

#include <assert.h>
#include <string.h>

#include "agent.h"

bool requests_hold(struct agent *agent, uint32_t id, struct request_ref *ref)
{
    struct requests *requests = &agent->requests;
    for (uint32_t i = 0; i < REQUESTS_IN_FLIGHT_MAX; i++) {
        struct request *request = &requests->slots[i];
        if (request->state != REQUEST_FREE)
            continue;
        request->state = REQUEST_WAITING;
        request->id = id;
        request->serial = ++requests->serial;
        *ref = (struct request_ref){.index = i, .serial = request->serial};
        return true;
    }
    return false;
}

bool requests_have_room(const struct agent *agent)
{
    for (uint32_t i = 0; i < REQUESTS_IN_FLIGHT_MAX; i++)
        if (agent->requests.slots[i].state == REQUEST_FREE)
            return true;
    return false;
}

static struct request *find_waiting(struct agent *agent, struct request_ref ref)
{
    struct request *request = &agent->requests.slots[ref.index];
    return request->state == REQUEST_WAITING && request->serial == ref.serial ? request : NULL;
}

void requests_release(struct agent *agent, struct request_ref ref)
{
    struct request *request = find_waiting(agent, ref);
    assert(request != NULL);
    request->state = REQUEST_FREE;
}

static void begin_answer(struct request *request, struct json_writer *writer)
{
    json_writer_init(writer, request->answer, sizeof request->answer);
    json_open_object(writer);
    json_member_string(writer, "jsonrpc", "2.0");
    json_member_uint(writer, "id", request->id);
}

static void end_answer(struct request *request, struct json_writer *writer)
{
    json_close_object(writer);
    assert(!writer->is_overflown);
    request->length = writer->length;
    request->state = REQUEST_ANSWERED;
}

void requests_succeed(struct agent *agent, struct request_ref ref, const char *result, size_t length)
{
    struct request *request = find_waiting(agent, ref);
    if (request == NULL)
        return;
    struct json_writer writer;
    begin_answer(request, &writer);
    json_put_name(&writer, "result");
    json_put_raw(&writer, result, length);
    end_answer(request, &writer);
}

void requests_fail(struct agent *agent, struct request_ref ref, const struct rpc_error *error)
{
    struct request *request = find_waiting(agent, ref);
    if (request == NULL)
        return;
    struct json_writer writer;
    begin_answer(request, &writer);
    rpc_write_error(&writer, error);
    end_answer(request, &writer);
}

bool requests_pump(struct agent *agent)
{
    bool has_moved = false;
    for (uint32_t i = 0; i < REQUESTS_IN_FLIGHT_MAX; i++) {
        struct request *request = &agent->requests.slots[i];
        if (request->state != REQUEST_ANSWERED || !out_queue_has_control_room(&agent->connection.out))
            continue;
        connection_send(agent, FRAME_RESPONSE, request->answer, request->length);
        request->state = REQUEST_FREE;
        has_moved = true;
    }
    return has_moved;
}

bool requests_are_sent(const struct agent *agent)
{
    for (uint32_t i = 0; i < REQUESTS_IN_FLIGHT_MAX; i++)
        if (agent->requests.slots[i].state == REQUEST_ANSWERED)
            return false;
    return true;
}

void requests_forget(struct agent *agent)
{
    for (uint32_t i = 0; i < REQUESTS_IN_FLIGHT_MAX; i++)
        agent->requests.slots[i].state = REQUEST_FREE;
}
