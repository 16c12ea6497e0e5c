/* See job.h. The result travels as the exit status: every errno of Linux fits into a byte. */
#include "job.h"

#include <errno.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"

int job_start(struct agent *agent, job_work *work, const void *argument, job_done *done, uint64_t token)
{
    for (size_t i = 0; i < JOBS_MAX; i++) {
        struct job *job = &agent->jobs[i];
        if (job->pid != 0)
            continue;
        pid_t pid = fork();
        if (pid < 0)
            return errno;
        if (pid == 0)
            _exit(work(argument));
        *job = (struct job){.pid = pid, .done = done, .token = token};
        return 0;
    }
    return EAGAIN;
}

bool jobs_reap(struct agent *agent, pid_t pid, int status)
{
    for (size_t i = 0; i < JOBS_MAX; i++) {
        struct job job = agent->jobs[i];
        if (job.pid != pid)
            continue;
        agent->jobs[i].pid = 0;
        job.done(agent, job.token, WIFEXITED(status) ? WEXITSTATUS(status) : EIO);
        return true;
    }
    return false;
}
