/* The least of a test framework. */
#ifndef KELPIE_CHECK_H
#define KELPIE_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                  \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);       \
            exit(1);                                                                      \
        }                                                                                 \
    } while (0)

void test_frame(void);
void test_json(void);
void test_ring(void);
void test_text(void);
void test_out_queue(void);
void test_rehearsal(void);

#endif
