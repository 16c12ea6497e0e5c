/* Runs the unit tests. */
#include "check.h"

int main(void)
{
    test_text();
    test_json();
    test_ring();
    test_frame();
    test_out_queue();
    test_rehearsal();
    puts("unit tests passed");
    return 0;
}
