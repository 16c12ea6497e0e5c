/* See file.h and docs/PROTOCOL.md, "Files". */
#include "file.h"

#include <errno.h>
#include <fcntl.h>

#include "agent.h"

#define MODE_MAX 07777

static uint32_t read_channel(struct params *params)
{
    return (uint32_t)params_uint(params, "channel", CHANNEL_TRANSFER_FIRST, UINT32_MAX);
}

/* A free slot for a new channel; NULL: the call's error is set. */
static struct transfer *make_transfer(struct agent *agent, struct rpc_call *call, uint32_t channel)
{
    if (transfers_find(agent, channel) != NULL) {
        rpc_fail(call, RPC_CONFLICT, "the channel is in use");
        return NULL;
    }
    struct transfer *transfer = transfers_find_free(agent);
    if (transfer == NULL)
        rpc_fail(call, RPC_BUSY, "too many transfers are under way");
    return transfer;
}

static enum rpc_outcome fail_path(struct rpc_call *call, int error, const char *message)
{
    if (error == ENOENT || error == ENOTDIR) {
        call->error = (struct rpc_error){RPC_NOT_FOUND, error, "there is no such file or folder"};
        return RPC_FAILED;
    }
    return rpc_fail_os(call, error, message);
}

static void put_status(struct json_writer *result, const struct stat *status)
{
    json_member_int(result, "sizeBytes", status->st_size);
    json_member_uint(result, "mode", status->st_mode & MODE_MAX);
    json_member_uint(result, "uid", status->st_uid);
    json_member_uint(result, "gid", status->st_gid);
    json_member_int(result, "modifiedAtUnixMs", status->st_mtim.tv_sec * 1000 + status->st_mtim.tv_nsec / 1000000);
}

enum rpc_outcome file_read(struct agent *agent, struct rpc_call *call)
{
    uint32_t channel = read_channel(&call->params);
    const char *path = params_path(&call->params, "path");
    uint64_t limit = params_uint(&call->params, "limit", 0, UINT64_MAX);
    if (!params_are_valid(&call->params))
        return rpc_fail_params(call);
    struct transfer *transfer = make_transfer(agent, call, channel);
    if (transfer == NULL)
        return RPC_FAILED;
    struct stat status;
    int fd;
    int error = file_source_open(path, &fd, &status);
    if (error != 0)
        return fail_path(call, error, "the file could not be opened");
    /* A file that grows while it is read ends where it ended; one of the kernel's says 0 and is read to its end. */
    uint64_t bytes_max = status.st_size > 0 ? (uint64_t)status.st_size : UINT64_MAX;
    *transfer = (struct transfer){
        .state = TRANSFER_READING, .channel = channel, .limit = limit, .bytes_max = bytes_max, .source_fd = fd};
    json_open_object(&call->result);
    put_status(&call->result, &status);
    json_close_object(&call->result);
    return RPC_DONE;
}

static int64_t read_attribute(struct params *params, const char *name, uint64_t max)
{
    if (params_optional(params, name, JSON_NUMBER) == NULL)
        return -1;
    return (int64_t)params_uint(params, name, 0, max);
}

enum rpc_outcome file_write(struct agent *agent, struct rpc_call *call)
{
    struct params *params = &call->params;
    uint32_t channel = read_channel(params);
    const char *path = params_path(params, "path");
    struct file_attributes attributes = {
        .mode = read_attribute(params, "mode", MODE_MAX),
        .uid = read_attribute(params, "uid", UINT32_MAX - 1),
        .gid = read_attribute(params, "gid", UINT32_MAX - 1),
    };
    bool makes_parents = params_bool_or(params, "parents", false);
    if (!params_are_valid(params))
        return rpc_fail_params(call);
    struct transfer *transfer = make_transfer(agent, call, channel);
    if (transfer == NULL)
        return RPC_FAILED;
    struct file_target target;
    int error = file_target_open(&target, path, &attributes, makes_parents);
    if (error != 0)
        return fail_path(call, error, "the file could not be made");
    *transfer = (struct transfer){.state = TRANSFER_WRITING, .channel = channel, .target = target};
    return rpc_done_empty(call);
}

static int commit_work(const void *argument)
{
    return file_target_commit(argument);
}

static void commit_done(struct agent *agent, uint64_t token, int error)
{
    struct transfer *transfer = &agent->transfers[token];
    file_target_close(&transfer->target, error == 0);
    transfer->state = TRANSFER_FREE;
    if (error != 0) {
        struct rpc_error failure = {RPC_OS, error, "the file could not be put in place"};
        requests_fail(agent, transfer->commit_request, &failure);
        return;
    }
    char text[48];
    struct json_writer writer;
    json_writer_init(&writer, text, sizeof text);
    json_open_object(&writer);
    json_member_uint(&writer, "sizeBytes", transfer->offset);
    json_close_object(&writer);
    requests_succeed(agent, transfer->commit_request, text, writer.length);
}

enum rpc_outcome file_commit(struct agent *agent, struct rpc_call *call)
{
    uint32_t channel = read_channel(&call->params);
    if (!params_are_valid(&call->params))
        return rpc_fail_params(call);
    struct transfer *transfer = transfers_find(agent, channel);
    if (transfer == NULL)
        return rpc_fail(call, RPC_NOT_FOUND, "there is no such transfer");
    if (transfer->state == TRANSFER_FAILED) {
        int error = transfer->error;
        transfer_abort(transfer);
        return rpc_fail_os(call, error, "the file could not be written");
    }
    if (transfer->state != TRANSFER_WRITTEN)
        return rpc_fail(call, RPC_CONFLICT, "only a write whose END was sent can be committed");
    if (!requests_hold(agent, call->id, &transfer->commit_request))
        return rpc_fail(call, RPC_BUSY, "too many requests are in flight");
    uint64_t token = (uint64_t)(transfer - agent->transfers);
    int error = job_start(agent, commit_work, &transfer->target, commit_done, token);
    if (error != 0) {
        requests_release(agent, transfer->commit_request);
        return error == EAGAIN ? rpc_fail(call, RPC_BUSY, "too many disk operations are under way")
                               : rpc_fail_os(call, error, "the commit could not be started");
    }
    transfer->state = TRANSFER_COMMITTING;
    return RPC_LATER;
}

enum rpc_outcome file_abort(struct agent *agent, struct rpc_call *call)
{
    uint32_t channel = read_channel(&call->params);
    if (!params_are_valid(&call->params))
        return rpc_fail_params(call);
    struct transfer *transfer = transfers_find(agent, channel);
    if (transfer == NULL)
        return rpc_done_empty(call); /* it ended while the host was asking */
    if (transfer->state == TRANSFER_COMMITTING)
        return rpc_fail(call, RPC_CONFLICT, "the file is being committed");
    transfer_abort(transfer);
    return rpc_done_empty(call);
}

static const char *type_of(mode_t mode)
{
    return S_ISREG(mode) ? "file" : S_ISDIR(mode) ? "directory" : S_ISLNK(mode) ? "symlink" : "other";
}

enum rpc_outcome file_stat(struct agent *agent, struct rpc_call *call)
{
    (void)agent;
    const char *path = params_path(&call->params, "path");
    if (!params_are_valid(&call->params))
        return rpc_fail_params(call);
    struct stat status;
    if (lstat(path, &status) < 0)
        return fail_path(call, errno, "the file could not be looked at");
    json_open_object(&call->result);
    json_member_string(&call->result, "type", type_of(status.st_mode));
    put_status(&call->result, &status);
    json_close_object(&call->result);
    return RPC_DONE;
}
