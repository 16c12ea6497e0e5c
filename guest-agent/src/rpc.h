/* JSON-RPC: from a REQUEST's text to a method, and from its outcome to a RESPONSE. */
#ifndef KELPIE_RPC_H
#define KELPIE_RPC_H

#include <stddef.h>
#include <stdint.h>

#include "json-writer.h"
#include "params.h"

struct agent;

enum rpc_code {
    RPC_PARSE = -32700,
    RPC_INVALID_REQUEST = -32600,
    RPC_UNKNOWN_METHOD = -32601,
    RPC_INVALID_PARAMS = -32602,
    RPC_NOT_FOUND = 1,
    RPC_BUSY = 2,
    RPC_OS = 3,
    RPC_NOT_EXECUTABLE = 4,
    RPC_CONFLICT = 5,
};

struct rpc_error {
    enum rpc_code code;
    int os_errno; /* 0: none */
    const char *message;
};

struct rpc_call {
    uint32_t id;
    struct params params;
    struct json_writer result;
    struct rpc_error error;
};

enum rpc_outcome {
    RPC_DONE,   /* the result is written */
    RPC_FAILED, /* the error is set */
    RPC_LATER,  /* the method holds a request (requests.h) and answers it later */
};

typedef enum rpc_outcome rpc_method(struct agent *agent, struct rpc_call *call);

/* Set the error; for `return rpc_fail(…)`. The message must outlive the call. */
enum rpc_outcome rpc_fail(struct rpc_call *call, enum rpc_code code, const char *message);
enum rpc_outcome rpc_fail_os(struct rpc_call *call, int os_errno, const char *message);
enum rpc_outcome rpc_fail_params(struct rpc_call *call);
/* The result `{}`. */
enum rpc_outcome rpc_done_empty(struct rpc_call *call);

void rpc_write_error(struct json_writer *writer, const struct rpc_error *error);
const char *rpc_reason(enum rpc_code code);

/* Carries out the request in a payload, which is written to, and queues the RESPONSE. The out queue must have room for a
 * request (out_queue_has_request_room). */
void rpc_handle(struct agent *agent, char *text, size_t length);

#endif
