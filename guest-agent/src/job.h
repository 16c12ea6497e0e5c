/* System calls that may wait for the disk, carried out in a child so that the agent never waits. */
#ifndef KELPIE_JOB_H
#define KELPIE_JOB_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct agent;

/* Runs in the child; returns 0 or an errno (at most 255). */
typedef int job_work(const void *argument);
/* Runs in the agent when the child has ended. error is EIO when the child was killed. */
typedef void job_done(struct agent *agent, uint64_t token, int error);

struct job {
    pid_t pid; /* 0: free */
    job_done *done;
    uint64_t token;
};

/* 0, or an errno: EAGAIN when JOBS_MAX run already. The token is handed to done. */
int job_start(struct agent *agent, job_work *work, const void *argument, job_done *done, uint64_t token);
/* Whether the child that ended was a job's. */
bool jobs_reap(struct agent *agent, pid_t pid, int status);

#endif
