#include <string.h>

#include "../src/bytes.h"
#include "../src/crc32.h"
#include "../src/frame.h"
#include "check.h"

static struct frame_decoder decoder;

static size_t make_hello(uint8_t *target, uint8_t nonce)
{
    memcpy(target + FRAME_HEADER_BYTES, "KELPIE-HELLO\0\0\0\1", 16);
    memset(target + FRAME_HEADER_BYTES + 16, nonce, 16);
    return frame_encode(target, FRAME_HELLO, 32);
}

static size_t make_request(uint8_t *target, size_t length)
{
    memset(target + FRAME_HEADER_BYTES, 'r', length);
    return frame_encode(target, FRAME_REQUEST, length);
}

/* Feeds bytes in pieces; counts the frames, and how often sync was lost. */
struct outcome {
    unsigned frames;
    unsigned hellos;
    unsigned losses;
    uint8_t nonce;
};

static struct outcome feed(const uint8_t *bytes, size_t length, size_t piece)
{
    struct outcome outcome = {0};
    for (size_t at = 0; at < length;) {
        size_t space;
        uint8_t *target = frame_decoder_space(&decoder, &space);
        size_t part = length - at < piece ? length - at : piece;
        if (part > space)
            part = space;
        CHECK(part > 0);
        memcpy(target, bytes + at, part);
        frame_decoder_filled(&decoder, part);
        at += part;
        struct frame frame;
        enum frame_next next;
        while ((next = frame_decoder_next(&decoder, &frame)) != FRAME_NONE) {
            outcome.losses += next == FRAME_LOST;
            outcome.frames += next == FRAME_READY;
            if (next == FRAME_READY && frame.type == FRAME_HELLO) {
                outcome.hellos++;
                outcome.nonce = frame.payload[16];
            }
        }
    }
    return outcome;
}

static void test_vector(void)
{
    uint8_t bytes[64];
    static const uint8_t expected[] = {0x4B, 0x10, 0, 0, 2, 0, 0, 0, '{', '}'};
    memcpy(bytes + FRAME_HEADER_BYTES, "{}", 2);
    CHECK(frame_encode(bytes, FRAME_REQUEST, 2) == 14);
    CHECK(memcmp(bytes, expected, sizeof expected) == 0);
    CHECK(bytes_get_u32(bytes + 10) == crc32_of(expected, sizeof expected));
}

static void test_pieces(void)
{
    static uint8_t bytes[4 * FRAME_PAYLOAD_BYTES_MAX];
    size_t length = 0;
    memset(bytes, 0, 100);
    length += 100;
    length += make_hello(bytes + length, 7);
    length += 3; /* padding */
    length += make_request(bytes + length, 0);
    length += make_request(bytes + length, 1);
    length += make_request(bytes + length, FRAME_PAYLOAD_BYTES_MAX);
    length += make_hello(bytes + length, 8);
    static const size_t pieces[] = {1, 2, 7, 44, 4096, 65536, sizeof bytes};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        frame_decoder_reset(&decoder);
        struct outcome outcome = feed(bytes, length, pieces[i]);
        CHECK(outcome.frames == 5 && outcome.hellos == 2 && outcome.losses == 0 && outcome.nonce == 8);
    }
}

/* Whatever part of whatever frame came before: zeros and a HELLO bring it back. */
static void test_recovery(void)
{
    static uint8_t frames[3][FRAME_PAYLOAD_BYTES_MAX + FRAME_OVERHEAD_BYTES];
    static uint8_t opening[32784 + 44];
    size_t lengths[3] = {make_hello(frames[0], 1), make_request(frames[1], 40),
                         make_request(frames[2], FRAME_PAYLOAD_BYTES_MAX)};
    make_hello(opening + 32784, 9);
    for (int i = 0; i < 3; i++)
        for (size_t cut = 1; cut < lengths[i]; cut += i < 2 ? 1 : 1021) {
            uint8_t hello[44];
            frame_decoder_reset(&decoder);
            CHECK(feed(hello, make_hello(hello, 2), 44).hellos == 1);
            feed(frames[i], cut, cut);
            struct outcome outcome = feed(opening, sizeof opening, sizeof opening);
            CHECK(outcome.hellos == 1 && outcome.losses == 1 && outcome.nonce == 9 && decoder.is_synced);
        }
}

static void test_every_flipped_bit(void)
{
    uint8_t bytes[64];
    size_t length = make_request(bytes, 20);
    for (size_t bit = 0; bit < 8 * length; bit++) {
        uint8_t hello[44];
        make_hello(hello, 2);
        frame_decoder_reset(&decoder);
        feed(hello, sizeof hello, 44);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct outcome outcome = feed(bytes, length, length);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK(outcome.frames == 0);
        /* A length that became larger makes it wait for the rest. */
        CHECK(outcome.losses == 1 || (bit / 8 >= 4 && bit / 8 < 8));
    }
}

static void test_unsynced_ignores_all_but_hello(void)
{
    uint8_t bytes[256];
    frame_decoder_reset(&decoder);
    size_t length = make_request(bytes, 20);
    CHECK(feed(bytes, length, 1).frames == 0);
    /* A HELLO whose beginning is repeated just before it, so that a candidate overlaps the real one. */
    uint8_t hello[44];
    make_hello(hello, 5);
    for (size_t cut = 1; cut < sizeof hello; cut++) {
        frame_decoder_reset(&decoder);
        memcpy(bytes, hello, cut);
        memcpy(bytes + cut, hello, sizeof hello);
        CHECK(feed(bytes, cut + sizeof hello, 1).hellos == 1);
    }
    hello[20] ^= 1;
    frame_decoder_reset(&decoder);
    CHECK(feed(hello, sizeof hello, 44).frames == 0 && !decoder.is_synced);
}

void test_frame(void)
{
    test_vector();
    test_pieces();
    test_recovery();
    test_every_flipped_bit();
    test_unsynced_ignores_all_but_hello();
}
