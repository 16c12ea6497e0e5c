/* Every bound of the agent, with its unit. docs/PROTOCOL.md names those that the host sees. */
#ifndef KELPIE_LIMITS_H
#define KELPIE_LIMITS_H

#define AGENT_VERSION "0.1.0"
/* Who builds an image finds the version in the binary by this text. */
#define AGENT_NAME "kelpie-agent/" AGENT_VERSION
#define PROTOCOL_VERSION 1u

#define FRAME_PAYLOAD_BYTES_MAX 32768u
#define FRAME_OVERHEAD_BYTES 12u /* header 8, CRC 4 */
#define CHANNEL_HEADER_BYTES 16u
#define DATA_BYTES_MAX (FRAME_PAYLOAD_BYTES_MAX - CHANNEL_HEADER_BYTES)

/* The queue to the host. Output of commands and files may fill it to the first mark, a request is taken up only below
 * the second; what lies above is for small control frames, so that those never wait behind a flood. */
#define OUT_QUEUE_BYTES (256u * 1024)
#define OUT_QUEUE_DATA_BYTES_MAX (128u * 1024)
#define OUT_QUEUE_REQUEST_BYTES_MAX (192u * 1024)
/* What a small control frame (an event, a late answer, END, CREDIT) may take at most. */
#define CONTROL_FRAME_BYTES_MAX 1024u

#define JSON_DEPTH_MAX 8u
#define JSON_VALUES_MAX 2048u

#define REQUESTS_IN_FLIGHT_MAX 64u
#define SESSIONS_MAX 64u
#define TRANSFERS_MAX 16u
#define JOBS_MAX 32u
#define CHANNEL_TRANSFER_FIRST 0x80000000u
#define SESSION_NUMBER_MAX (CHANNEL_TRANSFER_FIRST - 1)

#define ARGV_MAX 256u
#define ENV_MAX 256u
#define PATH_BYTES_MAX 4095u
#define NAME_BYTES_MAX 255u
#define USER_BYTES_MAX 32u
#define USER_GROUPS_MAX 64u
#define ARGV_SHOWN_BYTES_MAX 200u /* as JSON: 64 sessions must fit one frame */
#define TTY_CELLS_MAX 10000u
#define SIGNAL_MAX 64u
#define EXEC_TIMEOUT_MS_MAX 0x7fffffffu

#define OUTPUT_RING_BYTES (1024u * 1024)
/* Of a session that is attached, so many bytes that were sent already are kept too: they may have been under way when
 * the connection broke. A host whose credit window is no larger loses nothing. */
#define OUTPUT_SENT_BYTES_KEPT (256u * 1024)
#define OUTPUT_UNSENT_BYTES_MAX (OUTPUT_RING_BYTES - OUTPUT_SENT_BYTES_KEPT)
#define STDIN_WINDOW_BYTES (64u * 1024)
#define FILE_WINDOW_BYTES (256u * 1024)
#define READ_BYTES_MAX (64u * 1024)

#define TIMEOUT_KILL_MS 2000
#define STREAM_LINGER_MS 200
/* After a connection was lost, output is held back this long as if the host were still attached, so that a teleport
 * loses nothing. */
#define REATTACH_GRACE_MS 10000

#define SEED_BYTES_MIN 32u
#define SEED_BYTES_MAX 512u
#define HOSTNAME_BYTES_MAX 64u

#define PORT_RETRY_MS 50
#define POWER_OFF_ANSWER_MS 200
#define POWER_OFF_TERM_MS 3000
#define POWER_OFF_KILL_MS 500
#define REAPED_PER_STEP_MAX 256
#define EVENTS_PER_STEP_MAX 64

#define BOOT_DEVICE_WAIT_MS 10000
#define BOOT_DEVICE_POLL_MS 5
#define MODULES_LIST_BYTES_MAX (64u * 1024)
#define COMMAND_LINE_BYTES_MAX 4096u

#endif
