/*
 *   no host ──bytes──► UNSYNCED ──HELLO: forget, WELCOME──► SESSION ──┐ REQUEST, DATA, END, CREDIT
 *      ▲                  ▲  ▲                                │ │ ▲ └──┘
 *      │                  │  └──── a rule broken: forget ─────┘ └─┘ HELLO: forget, WELCOME
 *      └──── stream closed: forget ───────────────────────────┘
 *
 * "Forget": queued frames are dropped, waiting requests go unanswered, attachments end, transfers are aborted. Commands
 * live on. Outside SESSION nothing is sent.
 */
#include "connection.h"

#include <assert.h>
#include <string.h>

#include "agent.h"
#include "bytes.h"

#define FRAMES_PER_STEP_MAX 64

static void forget(struct agent *agent)
{
    out_queue_drop_frames(&agent->connection.out);
    requests_forget(agent);
    sessions_lose_host(agent);
    transfers_abort_all(agent);
}

void connection_close(struct agent *agent)
{
    forget(agent);
    out_queue_clear(&agent->connection.out);
    frame_decoder_reset(&agent->connection.in);
}

void connection_send(struct agent *agent, enum frame_type type, const char *payload, size_t length)
{
    uint8_t *target = out_queue_reserve(&agent->connection.out, length);
    memcpy(target, payload, length);
    out_queue_commit(&agent->connection.out, type, length);
}

static void put_channel_header(uint8_t *payload, uint32_t channel, enum channel_stream stream, uint64_t offset)
{
    memset(payload, 0, CHANNEL_HEADER_BYTES);
    bytes_put_u32(payload, channel);
    payload[4] = (uint8_t)stream;
    bytes_put_u64(payload + 8, offset);
}

void connection_send_channel(struct agent *agent, enum frame_type type, uint32_t channel, enum channel_stream stream,
                             uint64_t offset)
{
    uint8_t *payload = out_queue_reserve(&agent->connection.out, CHANNEL_HEADER_BYTES);
    put_channel_header(payload, channel, stream, offset);
    out_queue_commit(&agent->connection.out, type, CHANNEL_HEADER_BYTES);
}

uint8_t *connection_begin_data(struct agent *agent)
{
    return out_queue_reserve(&agent->connection.out, FRAME_PAYLOAD_BYTES_MAX) + CHANNEL_HEADER_BYTES;
}

void connection_end_data(struct agent *agent, uint32_t channel, enum channel_stream stream, uint64_t offset,
                         size_t length)
{
    assert(length >= 1 && length <= DATA_BYTES_MAX);
    uint8_t *payload = out_queue_reserve(&agent->connection.out, FRAME_PAYLOAD_BYTES_MAX);
    put_channel_header(payload, channel, stream, offset);
    out_queue_commit(&agent->connection.out, FRAME_DATA, CHANNEL_HEADER_BYTES + length);
}

static void welcome(struct agent *agent, const uint8_t *nonce)
{
    forget(agent);
    uint8_t *payload = out_queue_reserve(&agent->connection.out, 40);
    memcpy(payload, nonce, FRAME_NONCE_BYTES);
    bytes_put_u32(payload + 16, PROTOCOL_VERSION);
    bytes_put_u32(payload + 20, agent->machine.generation);
    memcpy(payload + 24, agent->machine.boot_id, sizeof agent->machine.boot_id);
    out_queue_commit(&agent->connection.out, FRAME_WELCOME, 40);
    rehearsal_ask_once(agent);
}

/* False when the frame breaks a rule. */
static bool handle_channel_frame(struct agent *agent, const struct frame *frame)
{
    const uint8_t *payload = frame->payload;
    struct channel_frame parsed = {
        .type = frame->type,
        .channel = bytes_get_u32(payload),
        .stream = payload[4],
        .offset = bytes_get_u64(payload + 8),
        .bytes = payload + CHANNEL_HEADER_BYTES,
        .length = frame->length - CHANNEL_HEADER_BYTES,
    };
    if (parsed.stream > STREAM_STDERR || payload[5] != 0 || payload[6] != 0 || payload[7] != 0)
        return false;
    /* stdin is the host's to send, the others the agent's. */
    if ((parsed.type == FRAME_CREDIT) == (parsed.stream == STREAM_STDIN))
        return false;
    if (parsed.channel >= CHANNEL_TRANSFER_FIRST)
        return transfers_handle_frame(agent, &parsed);
    return sessions_handle_frame(agent, &parsed);
}

static void handle_frame(struct agent *agent, const struct frame *frame)
{
    switch (frame->type) {
    case FRAME_HELLO:
        welcome(agent, frame->payload + FRAME_MAGIC_BYTES);
        return;
    case FRAME_REQUEST:
        rpc_handle(agent, (char *)frame->payload, frame->length);
        return;
    default:
        if (!handle_channel_frame(agent, frame)) {
            frame_decoder_lose(&agent->connection.in);
            forget(agent);
        }
    }
}

bool connection_has_work(const struct agent *agent)
{
    return !agent->connection.in.is_drained && out_queue_has_request_room(&agent->connection.out);
}

void connection_pump_input(struct agent *agent)
{
    struct frame_decoder *in = &agent->connection.in;
    for (int i = 0; i < FRAMES_PER_STEP_MAX; i++) {
        if (!out_queue_has_request_room(&agent->connection.out))
            return;
        struct frame frame;
        switch (frame_decoder_next(in, &frame)) {
        case FRAME_NONE:
            return;
        case FRAME_LOST:
            forget(agent);
            break;
        case FRAME_READY:
            handle_frame(agent, &frame);
            break;
        }
    }
}
