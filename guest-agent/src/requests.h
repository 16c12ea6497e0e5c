/* Requests whose answer comes later. */
#ifndef KELPIE_REQUESTS_H
#define KELPIE_REQUESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "limits.h"
#include "rpc.h"

#define REQUEST_ANSWER_BYTES_MAX 512u

enum request_state { REQUEST_FREE, REQUEST_WAITING, REQUEST_ANSWERED };

struct request {
    enum request_state state;
    uint32_t id;
    uint32_t serial;
    size_t length;
    char answer[REQUEST_ANSWER_BYTES_MAX];
};

struct requests {
    uint32_t serial; /* of the last one held */
    struct request slots[REQUESTS_IN_FLIGHT_MAX];
};

/* Which request to answer. It goes stale, harmlessly, when the connection ends first. {0} is stale from the start. */
struct request_ref {
    uint32_t index;
    uint32_t serial;
};

/* False when too many wait already. */
bool requests_hold(struct agent *agent, uint32_t id, struct request_ref *ref);
/* Gives a request back unanswered: the method answers at once after all. */
void requests_release(struct agent *agent, struct request_ref ref);
bool requests_have_room(const struct agent *agent);
/* result is a JSON value of at most REQUEST_ANSWER_BYTES_MAX − 100 bytes. */
void requests_succeed(struct agent *agent, struct request_ref ref, const char *result, size_t length);
void requests_fail(struct agent *agent, struct request_ref ref, const struct rpc_error *error);
/* Queues the answers that there are, as far as there is room. True when there was one. */
bool requests_pump(struct agent *agent);
/* False while an answer waits for room: what follows from it must not be sent yet. */
bool requests_are_sent(const struct agent *agent);
/* The connection ended: nobody waits any more. */
void requests_forget(struct agent *agent);

#endif
