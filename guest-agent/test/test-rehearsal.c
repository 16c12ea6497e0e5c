#include <sys/resource.h>
#include <unistd.h>

#include "../src/agent.h"
#include "check.h"

static struct agent agent;

static long children_faults(void)
{
    struct rusage usage;
    CHECK(getrusage(RUSAGE_CHILDREN, &usage) == 0);
    return usage.ru_minflt;
}

static void run_to_the_end(void)
{
    while (agent.rehearsal.state != REHEARSAL_NONE)
        agent_step(&agent);
    CHECK(sessions_count(&agent) == 0);
    CHECK(agent.sessions.last_number == 0);
}

static void test_waits_for_the_answer(void)
{
    long before = children_faults();
    connection_send(&agent, FRAME_RESPONSE, "{}", 2);
    rehearsal_ask(&agent);
    rehearsal_run(&agent);
    CHECK(agent.rehearsal.state == REHEARSAL_DUE);
    out_queue_clear(&agent.connection.out);
    rehearsal_run(&agent);
    CHECK(agent.rehearsal.state == REHEARSAL_RUNNING);
    rehearsal_ask(&agent);
    CHECK(agent.rehearsal.state == REHEARSAL_RUNNING);
    run_to_the_end();
    CHECK(children_faults() > before);
}

static void test_gives_way_to_a_command(void)
{
    rehearsal_cancel(&agent);
    rehearsal_ask(&agent);
    rehearsal_cancel(&agent);
    CHECK(agent.rehearsal.state == REHEARSAL_NONE);
    rehearsal_ask(&agent);
    rehearsal_run(&agent);
    CHECK(agent.rehearsal.state == REHEARSAL_RUNNING);
    rehearsal_cancel(&agent);
    run_to_the_end();
}

static void test_is_held_once_after_a_boot(void)
{
    rehearsal_ask_once(&agent);
    rehearsal_cancel(&agent);
    CHECK(agent.rehearsal.state == REHEARSAL_DUE);
    rehearsal_run(&agent);
    run_to_the_end();
    rehearsal_ask_once(&agent);
    CHECK(agent.rehearsal.state == REHEARSAL_NONE);
}

/* A descriptor that is still open would be one more each time. */
static void test_leaves_nothing_open(void)
{
    int before = dup(STDIN_FILENO);
    close(before);
    rehearsal_ask(&agent);
    rehearsal_run(&agent);
    run_to_the_end();
    int after = dup(STDIN_FILENO);
    close(after);
    CHECK(before >= 0 && after == before);
}

void test_rehearsal(void)
{
    CHECK(agent_init(&agent, false));
    port_init(&agent.port, PORT_UNIX);
    test_waits_for_the_answer();
    test_gives_way_to_a_command();
    test_is_held_once_after_a_boot();
    test_leaves_nothing_open();
}
