/* The moving part of a session: bytes between command and host, answers and events as they become due. */
#include <errno.h>
#include <string.h>

#include "agent.h"
#include "clock.h"

static void answer_start(struct agent *agent, const struct session *session)
{
    char text[96];
    struct json_writer writer;
    json_writer_init(&writer, text, sizeof text);
    json_open_object(&writer);
    json_member_uint(&writer, "session", session->number);
    json_member_uint(&writer, "pid", (uint64_t)session->pid);
    json_close_object(&writer);
    requests_succeed(agent, session->start_request, text, writer.length);
}

void session_pump_start(struct agent *agent, struct session *session)
{
    int reason;
    ssize_t got = watch_read(&session->error, &reason, sizeof reason);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got == 0) {
        watch_close(&session->error);
        spawn_settled(session->pid);
        session->state = SESSION_RUNNING;
        answer_start(agent, session);
        return;
    }
    int error = got == sizeof reason ? reason : EIO;
    requests_fail(agent, session->start_request,
                  &(struct rpc_error){RPC_NOT_EXECUTABLE, error, "the command could not be started"});
    session_forget(session);
}

static bool send_exited(struct agent *agent, struct session *session)
{
    if (!out_queue_has_control_room(&agent->connection.out))
        return false;
    char text[CONTROL_FRAME_BYTES_MAX - FRAME_OVERHEAD_BYTES];
    struct json_writer writer;
    json_writer_init(&writer, text, sizeof text);
    json_open_object(&writer);
    json_member_string(&writer, "jsonrpc", "2.0");
    json_member_string(&writer, "method", "exec.exited");
    json_put_name(&writer, "params");
    json_open_object(&writer);
    json_member_uint(&writer, "session", session->number);
    json_put_name(&writer, "exit");
    session_write_exit(session, &writer);
    json_close_object(&writer);
    json_close_object(&writer);
    connection_send(agent, FRAME_EVENT, text, writer.length);
    session->is_attached = false;
    return true;
}

static bool pump_to_host(struct agent *agent, struct session *session)
{
    input_grant(&session->input, agent, session->number);
    bool has_moved = output_send(&session->outputs[0], agent, session->number, STREAM_STDOUT);
    has_moved |= output_send(&session->outputs[1], agent, session->number, STREAM_STDERR);
    bool is_complete = session->outputs[0].is_end_sent && session->outputs[1].is_end_sent;
    if (is_complete && session->state == SESSION_ENDED)
        has_moved |= send_exited(agent, session);
    return has_moved;
}

bool sessions_pump(struct agent *agent)
{
    bool has_moved = false;
    int64_t now = clock_monotonic_ms();
    struct sessions *sessions = &agent->sessions;
    /* Who goes first takes turns: else a flood in the first slot would leave the others no room in the out queue. */
    sessions->turn = (sessions->turn + 1) % SESSIONS_MAX;
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        struct session *session = &sessions->slots[(sessions->turn + i) % SESSIONS_MAX];
        if (session->state == SESSION_STARTING && session->error.is_readable)
            session_pump_start(agent, session);
        if (session->state == SESSION_FREE)
            continue;
        bool is_held = session->is_attached || now < session->held_until_ms;
        bool is_running = session->state != SESSION_ENDED;
        has_moved |= input_drain(&session->input);
        has_moved |= output_fill(&session->outputs[0], is_held, is_running);
        has_moved |= output_fill(&session->outputs[1], is_held, is_running);
        if (session->state == SESSION_ENDED) {
            output_settle(&session->outputs[0], false);
            output_settle(&session->outputs[1], false);
        }
        /* While it starts, its number has not been told, and while the answer waits, it comes first. */
        if (session->is_attached && session->state != SESSION_STARTING && requests_are_sent(agent))
            has_moved |= pump_to_host(agent, session);
    }
    return has_moved;
}
