/* Starting a command: pipes or a terminal, and a child that becomes it (child.h). */
#ifndef KELPIE_SPAWN_H
#define KELPIE_SPAWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "json.h"
#include "user.h"

struct spawn_request {
    const struct json *json;
    const struct json_value *argv; /* array of strings, not empty */
    const struct json_value *env;  /* object of strings, or NULL */
    const char *cwd;               /* NULL: the user's home, or / when there is none */
    const struct user *user;
    bool has_tty;
    uint16_t rows;
    uint16_t columns;
    bool has_stdin;
};

/* The agent's ends, non-blocking; −1 where there is none. With a terminal, stdout is its master and stdin a duplicate. */
struct spawned {
    pid_t pid; /* also the number of its process group and session */
    int stdin_fd;
    int stdout_fd;
    int stderr_fd;
    /* Gives the errno of what went wrong before exec as an int, or ends without a byte when exec succeeded. */
    int error_fd;
};

/* 0, or an errno when not even a child could be made; then nothing is left open. */
int spawn(const struct spawn_request *request, struct spawned *spawned);

/* To be called when error_fd has ended without a byte, or the child was reaped; more often does no harm. */
void spawn_settled(pid_t pid);

#endif
