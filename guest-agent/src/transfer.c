/*
 *   file.read:   FREE ──► READING ──end of file: END sent──► FREE
 *                            └──error: file.failed──► FREE
 *
 *   file.write:  FREE ──► WRITING ──END──► WRITTEN ──file.commit──► COMMITTING ──► FREE
 *                            └──error──► FAILED ──file.failed, or file.commit answered with it──► FREE
 *
 *   from all but COMMITTING, file.abort and the connection's end lead to FREE and leave nothing. What is COMMITTING goes
 *   through to its end: whether the target was replaced is then decided by the job alone.
 */
#include "transfer.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"

struct transfer *transfers_find(struct agent *agent, uint32_t channel)
{
    for (size_t i = 0; i < TRANSFERS_MAX; i++)
        if (agent->transfers[i].state != TRANSFER_FREE && agent->transfers[i].channel == channel)
            return &agent->transfers[i];
    return NULL;
}

struct transfer *transfers_find_free(struct agent *agent)
{
    for (size_t i = 0; i < TRANSFERS_MAX; i++)
        if (agent->transfers[i].state == TRANSFER_FREE)
            return &agent->transfers[i];
    return NULL;
}

void transfer_abort(struct transfer *transfer)
{
    if (transfer->state == TRANSFER_READING)
        close(transfer->source_fd);
    else
        file_target_close(&transfer->target, false);
    transfer->state = TRANSFER_FREE;
}

void transfers_abort_all(struct agent *agent)
{
    for (size_t i = 0; i < TRANSFERS_MAX; i++) {
        struct transfer *transfer = &agent->transfers[i];
        if (transfer->state != TRANSFER_FREE && transfer->state != TRANSFER_COMMITTING)
            transfer_abort(transfer);
    }
}

static void take_bytes(struct transfer *transfer, const struct channel_frame *frame)
{
    int error = file_target_write(&transfer->target, frame->bytes, frame->length);
    transfer->offset += frame->length;
    if (error == 0)
        return;
    /* The temporary file goes at once: the disk is likely full. */
    file_target_close(&transfer->target, false);
    transfer->error = error;
    transfer->state = TRANSFER_FAILED;
}

static bool handle_written(struct transfer *transfer, const struct channel_frame *frame)
{
    if (frame->offset != transfer->offset)
        return false;
    if (frame->type == FRAME_END) {
        transfer->state = TRANSFER_WRITTEN;
        return true;
    }
    if (transfer->limit < transfer->offset || frame->length > transfer->limit - transfer->offset)
        return false;
    take_bytes(transfer, frame);
    return true;
}

bool transfers_handle_frame(struct agent *agent, const struct channel_frame *frame)
{
    struct transfer *transfer = transfers_find(agent, frame->channel);
    if (transfer == NULL)
        return true; /* sent before the host knew that it ended */
    if (frame->type == FRAME_CREDIT) {
        if (transfer->state == TRANSFER_READING && frame->stream == STREAM_STDOUT && frame->offset > transfer->limit)
            transfer->limit = frame->offset;
        return true;
    }
    if (frame->stream != STREAM_STDIN || transfer->state == TRANSFER_READING)
        return false;
    return transfer->state != TRANSFER_WRITING || handle_written(transfer, frame);
}

static void send_failed(struct agent *agent, const struct transfer *transfer, int error)
{
    char text[256];
    struct json_writer writer;
    json_writer_init(&writer, text, sizeof text);
    json_open_object(&writer);
    json_member_string(&writer, "jsonrpc", "2.0");
    json_member_string(&writer, "method", "file.failed");
    json_put_name(&writer, "params");
    json_open_object(&writer);
    json_member_uint(&writer, "channel", transfer->channel);
    json_member_string(&writer, "reason", rpc_reason(RPC_OS));
    json_member_int(&writer, "errno", error);
    json_close_object(&writer);
    json_close_object(&writer);
    connection_send(agent, FRAME_EVENT, text, writer.length);
}

static bool pump_read(struct agent *agent, struct transfer *transfer)
{
    uint64_t until = transfer->limit < transfer->bytes_max ? transfer->limit : transfer->bytes_max;
    bool is_at_end = transfer->offset == transfer->bytes_max;
    ssize_t got = 0;
    if (!is_at_end) {
        if (transfer->offset >= until || !out_queue_has_data_room(&agent->connection.out))
            return false;
        uint64_t wanted = until - transfer->offset;
        uint8_t *target = connection_begin_data(agent);
        got = read(transfer->source_fd, target, wanted < DATA_BYTES_MAX ? (size_t)wanted : DATA_BYTES_MAX);
    }
    if (got > 0) {
        connection_end_data(agent, transfer->channel, STREAM_STDOUT, transfer->offset, (size_t)got);
        transfer->offset += (uint64_t)got;
        return true;
    }
    int error = errno;
    if (!out_queue_has_control_room(&agent->connection.out))
        return false;
    if (got < 0)
        send_failed(agent, transfer, error);
    else
        connection_send_channel(agent, FRAME_END, transfer->channel, STREAM_STDOUT, transfer->offset);
    transfer_abort(transfer);
    return true;
}

static bool pump_write(struct agent *agent, struct transfer *transfer)
{
    uint64_t limit = transfer->offset + FILE_WINDOW_BYTES;
    bool is_worth_it = transfer->limit == 0 || limit >= transfer->limit + FILE_WINDOW_BYTES / 2;
    if (!is_worth_it || !out_queue_has_control_room(&agent->connection.out))
        return false;
    connection_send_channel(agent, FRAME_CREDIT, transfer->channel, STREAM_STDIN, limit);
    transfer->limit = limit;
    return true;
}

static bool pump_failed(struct agent *agent, struct transfer *transfer)
{
    if (!out_queue_has_control_room(&agent->connection.out))
        return false;
    send_failed(agent, transfer, transfer->error);
    transfer_abort(transfer);
    return true;
}

bool transfers_pump(struct agent *agent)
{
    bool has_moved = false;
    for (size_t i = 0; i < TRANSFERS_MAX; i++) {
        struct transfer *transfer = &agent->transfers[i];
        if (transfer->state == TRANSFER_READING)
            has_moved |= pump_read(agent, transfer);
        else if (transfer->state == TRANSFER_WRITING)
            has_moved |= pump_write(agent, transfer);
        else if (transfer->state == TRANSFER_FAILED)
            has_moved |= pump_failed(agent, transfer);
    }
    return has_moved;
}
