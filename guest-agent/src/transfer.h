/* Files on their way between host and guest. */
#ifndef KELPIE_TRANSFER_H
#define KELPIE_TRANSFER_H

#include <stdbool.h>
#include <stdint.h>

#include "connection.h"
#include "file-target.h"
#include "limits.h"
#include "requests.h"

enum transfer_state {
    TRANSFER_FREE,
    TRANSFER_READING,
    TRANSFER_WRITING,
    TRANSFER_WRITTEN,    /* END came */
    TRANSFER_FAILED,     /* of a write: until the host has been told */
    TRANSFER_COMMITTING, /* a job is at work */
};

struct transfer {
    enum transfer_state state;
    uint32_t channel;
    uint64_t offset;     /* bytes moved */
    uint64_t limit;      /* credit: of the host when reading, told to the host when writing */
    uint64_t bytes_max;  /* when reading: where to end though the file goes on */
    int source_fd;
    struct file_target target;
    int error;           /* errno of TRANSFER_FAILED */
    struct request_ref commit_request;
};

/* NULL when there is none with that channel. */
struct transfer *transfers_find(struct agent *agent, uint32_t channel);
/* A free slot, or NULL. */
struct transfer *transfers_find_free(struct agent *agent);
/* Ends a transfer that is not committing, leaving nothing. */
void transfer_abort(struct transfer *transfer);

bool transfers_handle_frame(struct agent *agent, const struct channel_frame *frame);
/* Moves bytes and queues frames. True when something moved. */
bool transfers_pump(struct agent *agent);
void transfers_abort_all(struct agent *agent);

#endif
