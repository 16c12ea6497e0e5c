/* The guest agent of Kelpie: the first process of the VM, or in tests an ordinary one. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "agent.h"
#include "init.h"
#include "log.h"

/* Static, since it holds the buffers: memory that is never touched is never taken. */
static struct agent the_agent;

static int usage(void)
{
    /* The image builder reads the name from the binary: it may be one for another architecture, which it cannot run. */
    fputs("kelpie-agent/" AGENT_VERSION "\n"
          "usage: kelpie-agent (--listen-unix PATH | --fd N) [--generation-file PATH]\n"
          "Without arguments it must be the first process of a VM.\n",
          stderr);
    return 2;
}

static int fail(const char *what)
{
    fprintf(stderr, "kelpie-agent: %s: %s\n", what, strerror(errno));
    return 1;
}

static int run_as_init(struct agent *agent)
{
    int data_fd = init_boot();
    bool is_ready = agent_init(agent, true);
    agent->power.data_fd = data_fd;
    int error = machine_init(&agent->machine, GENERATION_PATH);
    if (!is_ready || error != 0) {
        log_line("the agent could not start (errno %d)", error != 0 ? error : errno);
        power_cut(data_fd);
    }
    port_init(&agent->port, PORT_MACHINE);
    port_open(agent, -1);
    agent_run(agent);
    power_cut(data_fd);
}

static int run_as_test(struct agent *agent, const char *unix_path, int fd, const char *generation_path)
{
    /* Orphans come to us as they would to the first process. */
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || !agent_init(agent, false))
        return fail("cannot start");
    errno = machine_init(&agent->machine, generation_path);
    if (errno != 0)
        return fail(generation_path);
    port_init(&agent->port, unix_path != NULL ? PORT_UNIX : PORT_FD);
    agent->port.unix_path = unix_path;
    if (!port_open(agent, fd))
        return fail("cannot listen");
    agent_run(agent);
    return 0;
}

int main(int argc, char **argv)
{
    if (getpid() == 1)
        return run_as_init(&the_agent);
    const char *unix_path = NULL;
    const char *generation_path = GENERATION_PATH;
    int fd = -1;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--listen-unix") == 0)
            unix_path = argv[i + 1];
        else if (strcmp(argv[i], "--fd") == 0)
            fd = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--generation-file") == 0)
            generation_path = argv[i + 1];
        else
            return usage();
    }
    if (argc % 2 == 0 || (unix_path != NULL) == (fd >= 0))
        return usage();
    return run_as_test(&the_agent, unix_path, fd, generation_path);
}
