/* See system.h and docs/PROTOCOL.md, "System". */
#include "system.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent.h"
#include "base64.h"
#include "clock.h"
#include "utf8.h"

#define MACHINE_ID_DIGITS 32
#define UNIX_NS_DIGITS_MAX 19
#define IMAGE_VERSION_PATH "/etc/kelpie-image-version"

struct seed {
    uint8_t bytes[SEED_BYTES_MAX];
    size_t length;
};

static uint64_t read_unix_ns(struct params *params)
{
    const char *text = params_string(params, "unixNs", UNIX_NS_DIGITS_MAX);
    if (strspn(text, "0123456789") != strlen(text))
        params_refuse(params, "unixNs must be a string of digits");
    uint64_t unix_ns = strtoull(text, NULL, 10);
    if (unix_ns > INT64_MAX)
        params_refuse(params, "unixNs is out of range");
    return unix_ns;
}

static void read_seed(struct params *params, struct seed *seed)
{
    const char *text = params_string(params, "seed", (SEED_BYTES_MAX + 2) / 3 * 4);
    if (!base64_decode(text, seed->bytes, sizeof seed->bytes, &seed->length) || seed->length < SEED_BYTES_MIN)
        params_refuse(params, "seed must be base64 of %u to %u bytes", SEED_BYTES_MIN, SEED_BYTES_MAX);
}

static const char *read_hostname(struct params *params)
{
    const char *hostname = params_string_or(params, "hostname", HOSTNAME_BYTES_MAX, NULL);
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
    if (hostname != NULL && (strspn(hostname, allowed) != strlen(hostname) || strchr("-.", hostname[0]) != NULL))
        params_refuse(params, "hostname must consist of letters, digits, - and .");
    return hostname;
}

static const char *read_machine_id(struct params *params)
{
    const char *machine_id = params_string_or(params, "machineId", MACHINE_ID_DIGITS, NULL);
    if (machine_id != NULL &&
        (strlen(machine_id) != MACHINE_ID_DIGITS || strspn(machine_id, "0123456789abcdef") != MACHINE_ID_DIGITS))
        params_refuse(params, "machineId must be 32 lower-case hexadecimal digits");
    return machine_id;
}

enum rpc_outcome system_set_clock(struct agent *agent, struct rpc_call *call)
{
    (void)agent;
    uint64_t unix_ns = read_unix_ns(&call->params);
    if (!params_are_valid(&call->params))
        return rpc_fail_params(call);
    int64_t step_ms;
    int error = machine_set_clock(unix_ns, &step_ms);
    if (error != 0)
        return rpc_fail_os(call, error, "the clock could not be set");
    json_open_object(&call->result);
    json_member_int(&call->result, "clockStepMs", step_ms);
    json_close_object(&call->result);
    return RPC_DONE;
}

enum rpc_outcome system_reseed(struct agent *agent, struct rpc_call *call)
{
    (void)agent;
    struct seed seed;
    read_seed(&call->params, &seed);
    if (!params_are_valid(&call->params))
        return rpc_fail_params(call);
    int error = machine_reseed(seed.bytes, seed.length);
    explicit_bzero(&seed, sizeof seed);
    if (error != 0)
        return rpc_fail_os(call, error, "the kernel did not take the seed");
    return rpc_done_empty(call);
}

enum rpc_outcome system_repair(struct agent *agent, struct rpc_call *call)
{
    struct params *params = &call->params;
    struct seed seed;
    uint64_t unix_ns = read_unix_ns(params);
    read_seed(params, &seed);
    uint64_t generation = params_uint(params, "generation", (uint64_t)agent->machine.generation + 1, UINT32_MAX);
    const char *hostname = read_hostname(params);
    const char *machine_id = read_machine_id(params);
    bool rehearses = params_bool_or(params, "rehearse", false);
    if (!params_are_valid(params))
        return rpc_fail_params(call);
    /* The generation comes last: who sees it advance may trust all the rest, and a repair that failed can be repeated. */
    int64_t step_ms = 0;
    int error = machine_set_clock(unix_ns, &step_ms);
    if (error != 0)
        return rpc_fail_os(call, error, "the clock could not be set");
    error = machine_reseed(seed.bytes, seed.length);
    explicit_bzero(&seed, sizeof seed);
    if (error != 0)
        return rpc_fail_os(call, error, "the kernel did not take the seed");
    if (hostname != NULL && (error = machine_set_hostname(hostname)) != 0)
        return rpc_fail_os(call, error, "the host name could not be set");
    if (machine_id != NULL && (error = machine_set_machine_id(machine_id)) != 0)
        return rpc_fail_os(call, error, "the machine id could not be set");
    error = machine_set_generation(&agent->machine, (uint32_t)generation);
    if (error != 0)
        return rpc_fail_os(call, error, "the generation could not be written");
    if (rehearses)
        rehearsal_ask(agent);
    json_open_object(&call->result);
    json_member_int(&call->result, "clockStepMs", step_ms);
    json_member_uint(&call->result, "generation", generation);
    json_close_object(&call->result);
    return RPC_DONE;
}

static uint64_t read_memory_bytes(const char *text, const char *field)
{
    const char *found = strstr(text, field);
    return found == NULL ? 0 : strtoull(found + strlen(field), NULL, 10) * 1024;
}

/* A file's beginning as a string; empty when it cannot be read. */
static void read_text(const char *path, char *text, size_t capacity)
{
    FILE *file = fopen(path, "re");
    size_t length = file == NULL ? 0 : fread(text, 1, capacity - 1, file);
    text[length] = '\0';
    if (file != NULL)
        fclose(file);
}

static void put_image_version(struct json_writer *result)
{
    char version[64];
    read_text(IMAGE_VERSION_PATH, version, sizeof version);
    version[strcspn(version, "\r\n")] = '\0';
    json_put_name(result, "imageVersion");
    if (version[0] != '\0' && utf8_is_valid(version, strlen(version)))
        json_put_string(result, version);
    else
        json_put_null(result);
}

enum rpc_outcome system_health(struct agent *agent, struct rpc_call *call)
{
    struct json_writer *result = &call->result;
    struct utsname kernel;
    char memory[2048];
    char boot_id[2 * BOOT_ID_BYTES + 1];
    uname(&kernel);
    read_text("/proc/meminfo", memory, sizeof memory);
    machine_write_hex(boot_id, agent->machine.boot_id, BOOT_ID_BYTES);
    json_open_object(result);
    json_member_string(result, "version", AGENT_VERSION);
    json_member_uint(result, "protocol", PROTOCOL_VERSION);
    json_member_string(result, "architecture", strcmp(kernel.machine, "aarch64") == 0 ? "arm64" : kernel.machine);
    json_member_string(result, "bootId", boot_id);
    json_member_uint(result, "generation", agent->machine.generation);
    json_member_int(result, "uptimeMs", clock_read_ms(CLOCK_BOOTTIME));
    json_member_int(result, "unixMs", clock_unix_ms());
    json_member_uint(result, "sessions", sessions_count(agent));
    json_member_uint(result, "memoryTotalBytes", read_memory_bytes(memory, "MemTotal:"));
    json_member_uint(result, "memoryAvailableBytes", read_memory_bytes(memory, "MemAvailable:"));
    json_member_string(result, "kernel", kernel.release);
    put_image_version(result);
    json_close_object(result);
    return RPC_DONE;
}

static int sync_work(const void *argument)
{
    (void)argument;
    sync();
    return 0;
}

static void sync_done(struct agent *agent, uint64_t token, int error)
{
    struct request_ref ref = {.index = (uint32_t)token, .serial = (uint32_t)(token >> 32)};
    if (error == 0)
        requests_succeed(agent, ref, "{}", 2);
    else
        requests_fail(agent, ref, &(struct rpc_error){RPC_OS, error, "sync failed"});
}

enum rpc_outcome system_sync(struct agent *agent, struct rpc_call *call)
{
    struct request_ref ref;
    if (!requests_hold(agent, call->id, &ref))
        return rpc_fail(call, RPC_BUSY, "too many requests are in flight");
    uint64_t token = (uint64_t)ref.serial << 32 | ref.index;
    int error = job_start(agent, sync_work, NULL, sync_done, token);
    if (error == 0)
        return RPC_LATER;
    requests_release(agent, ref);
    if (error == EAGAIN)
        return rpc_fail(call, RPC_BUSY, "too many disk operations are under way");
    return rpc_fail_os(call, error, "sync could not be started");
}

enum rpc_outcome system_power_off(struct agent *agent, struct rpc_call *call)
{
    power_off_begin(agent);
    return rpc_done_empty(call);
}
