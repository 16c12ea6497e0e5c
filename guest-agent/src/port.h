/* Where the host is: a virtio-serial port, vsock, or in tests a Unix socket or an inherited descriptor. */
#ifndef KELPIE_PORT_H
#define KELPIE_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "watch.h"

#define VIRTIO_PORT_NAME "dev.kelpie.agent.0"
#define VSOCK_PORT 9001

struct agent;

enum port_kind {
    PORT_MACHINE, /* virtio-serial if there is such a port, else vsock */
    PORT_UNIX,
    PORT_FD,
};

struct port {
    enum port_kind kind;
    const char *unix_path;
    bool is_virtio;        /* stream is a virtio-serial port: stays open without a host */
    struct watch listener; /* of a socket */
    struct watch stream;   /* of the one host */
    int64_t retry_at_ms;   /* look for a device again, or try again to write */
};

void port_init(struct port *port, enum port_kind kind);
/* Opens what can be opened now. False: the Unix socket or descriptor cannot be used (errno is set). */
bool port_open(struct agent *agent, int fd);
/* Accepts a host, reads from it and writes to it. True when something moved. */
bool port_pump(struct agent *agent);
void port_run_timer(struct agent *agent);

#endif
