/* The whole state of the agent, and the loop that drives it. */
#ifndef KELPIE_AGENT_H
#define KELPIE_AGENT_H

#include "connection.h"
#include "exec.h"
#include "file.h"
#include "job.h"
#include "json.h"
#include "machine.h"
#include "port.h"
#include "power.h"
#include "rehearsal.h"
#include "requests.h"
#include "session.h"
#include "system.h"
#include "transfer.h"

struct agent {
    bool is_init; /* we are the first process of the machine */
    int epoll_fd;
    bool is_transfers_turn;
    bool has_children; /* as of the last look */
    struct watch signals; /* a signalfd */
    struct port port;
    struct connection connection;
    struct requests requests;
    struct json json; /* of the request at hand */
    struct sessions sessions;
    struct transfer transfers[TRANSFERS_MAX];
    struct job jobs[JOBS_MAX];
    struct rehearsal rehearsal;
    struct machine machine;
    struct power power;
};

/* Everything but the port and the machine. False: errno is set. */
bool agent_init(struct agent *agent, bool is_init);
/* One turn of the loop after the events have been noted. True when it should not wait before the next one. */
bool agent_step(struct agent *agent);
/* Runs until the machine is to be turned off, or the process to end. */
void agent_run(struct agent *agent);

#endif
