/**
 * Every stable error code, with the exit status of the CLI and the HTTP status of the API.
 *
 * Codes are the contract with scripts: they are added, never renamed. Exit statuses group them by what a script would do
 * next: 64 fix the call, 66 name something that exists, 69 repair the host, 70 report a bug, 73 free space or rights,
 * 74 retry after I/O trouble, 75 try again later, 76 the other side broke a rule, 77 not allowed, 78 fix the configuration
 * (the numbers of BSD's sysexits.h). Exit status 1 is left to `kelpie exec`'s own commands, 130 to Ctrl-C.
 */
export const errorCodes = {
  usage: { exit: 64, http: 400 },
  invalid_argument: { exit: 64, http: 400 },
  invalid_state: { exit: 75, http: 409 },
  name_taken: { exit: 64, http: 409 },
  vm_not_found: { exit: 66, http: 404 },
  vm_busy: { exit: 75, http: 409 },
  vm_departed: { exit: 77, http: 409 },
  vm_owned_elsewhere: { exit: 77, http: 409 },
  vm_crashed: { exit: 74, http: 409 },
  vm_start_failed: { exit: 69, http: 500 },
  vm_backend_failed: { exit: 69, http: 500 },
  vm_boot_timeout: { exit: 69, http: 504 },
  snapshot_not_found: { exit: 66, http: 404 },
  snapshot_failed: { exit: 74, http: 500 },
  snapshot_corrupt: { exit: 74, http: 422 },
  snapshot_in_use: { exit: 75, http: 409 },
  restore_failed: { exit: 74, http: 500 },
  restore_incompatible: { exit: 69, http: 409 },
  /** Not known in a store. */
  host_not_found: { exit: 66, http: 404 },
  /** What was said about another host; nothing was touched. */
  teleport_incompatible: { exit: 69, http: 409 },
  package_not_found: { exit: 66, http: 404 },
  package_corrupt: { exit: 74, http: 422 },
  package_too_new: { exit: 69, http: 422 },
  package_in_use: { exit: 75, http: 409 },
  image_not_found: { exit: 66, http: 404 },
  image_incompatible: { exit: 69, http: 409 },
  image_corrupt: { exit: 74, http: 422 },
  image_in_use: { exit: 75, http: 409 },
  image_build_failed: { exit: 69, http: 500 },
  store_unavailable: { exit: 74, http: 502 },
  store_not_writable: { exit: 73, http: 502 },
  store_conflict: { exit: 75, http: 409 },
  disk_full: { exit: 73, http: 507 },
  io_failed: { exit: 74, http: 500 },
  file_not_found: { exit: 66, http: 404 },
  permission_denied: { exit: 77, http: 403 },
  port_taken: { exit: 64, http: 409 },
  guest_unreachable: { exit: 75, http: 504 },
  guest_protocol_error: { exit: 76, http: 502 },
  guest_failed: { exit: 74, http: 502 },
  guest_repair_failed: { exit: 74, http: 502 },
  checkpoint_invalid: { exit: 64, http: 422 },
  checkpoint_hook_failed: { exit: 74, http: 502 },
  checkpoint_files_changed: { exit: 75, http: 409 },
  session_not_found: { exit: 66, http: 404 },
  command_not_executable: { exit: 126, http: 422 },
  exec_timeout: { exit: 124, http: 504 },
  backend_unavailable: { exit: 69, http: 503 },
  daemon_unavailable: { exit: 69, http: 503 },
  daemon_version_mismatch: { exit: 69, http: 409 },
  limit_exceeded: { exit: 64, http: 413 },
  canceled: { exit: 130, http: 499 },
  timeout: { exit: 75, http: 504 },
  not_found: { exit: 66, http: 404 },
  internal: { exit: 70, http: 500 },
} as const;

export type ErrorCode = keyof typeof errorCodes;

/** True when a string from outside is one of our codes. */
export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(errorCodes, value);
}
