/** Every fault that a seed may draw, and how likely it is where it is offered. */

export const faultNames = [
  'storage_write_fail',
  'storage_partial_write',
  'storage_read_fail',
  'storage_fsync_fail',
  'storage_latency',
  'disk_full',
  'storage_record_fail',
  'storage_rot',
  'teleport_upload_fail',
  'teleport_download_fail',
  'storage_corruption',
  'storage_misdirected_write',
  'host_power_loss',
  'storage_unflushed_loss',
  'daemon_crash',
  'operation_cut',
  'crash_before_write',
  'crash_after_write',
  'crash_at_record',
  'vmm_crash',
  'vm_crash',
  'vm_boot_fail',
  'vm_pause_fail',
  'vm_resume_fail',
  'snapshot_create_fail',
  'snapshot_restore_fail',
  'vmm_hang',
  'vm_config_refused',
  'vmm_call_crash',
  'vmm_answer_garbled',
  'jailer_refused',
  'tap_refused',
  'namespace_refused',
  'slirp_refused',
  'slirp_crash',
  'guest_repair_fail',
  'exec_fail',
  'exec_timeout',
  'hook_fail',
  'hook_hang',
  'hook_flood',
  'guest_files_change',
  'guest_files_odd',
  'guest_files_socket',
  'guest_disk_full',
  'guest_noise',
  'guest_silence',
  'http_connection_lost',
  'http_client_gone',
  'socket_refused',
  'teleport_image_mismatch',
  'teleport_arch_mismatch',
  'package_forged',
  'clock_jump',
  'clock_skew',
  'network_partition',
  'network_delay',
  'network_packet_loss',
  'network_corruption',
  'http_server_error',
  'http_timeout',
  'http_rate_limited',
  'http_ack_lost',
] as const;
export type FaultName = (typeof faultNames)[number];

/** [least, most] chance per offer when a seed has the fault; drawn on a logarithmic scale. */
const chanceRanges: Readonly<Record<FaultName, readonly [number, number]>> = {
  // The disk of whoever uses it.
  storage_write_fail: [0.0005, 0.02],
  storage_partial_write: [0.0005, 0.02],
  storage_read_fail: [0.0005, 0.01],
  storage_fsync_fail: [0.0005, 0.03],
  storage_latency: [0.001, 0.05],
  storage_record_fail: [0.005, 0.1],
  disk_full: [0.05, 0.5],
  storage_rot: [0.5, 1],
  // A store that others write to and read from.
  teleport_upload_fail: [0.002, 0.05],
  teleport_download_fail: [0.002, 0.05],
  storage_corruption: [0.005, 0.1],
  storage_misdirected_write: [0.005, 0.05],
  // Ends of programs and machines.
  host_power_loss: [0.05, 0.4],
  storage_unflushed_loss: [1, 1],
  daemon_crash: [0.1, 1],
  operation_cut: [0.05, 0.5],
  crash_before_write: [0.0005, 0.005],
  crash_after_write: [0.0005, 0.005],
  crash_at_record: [0.005, 0.1],
  vmm_crash: [0.05, 0.5],
  vm_crash: [0.05, 0.5],
  // What a VMM refuses.
  vm_boot_fail: [0.02, 0.3],
  vm_pause_fail: [0.02, 0.3],
  vm_resume_fail: [0.02, 0.3],
  snapshot_create_fail: [0.02, 0.3],
  snapshot_restore_fail: [0.05, 0.5],
  vmm_hang: [0.002, 0.03],
  // What a Firecracker does with a call of its interface.
  vm_config_refused: [0.005, 0.1],
  vmm_call_crash: [0.002, 0.05],
  vmm_answer_garbled: [0.002, 0.05],
  // What a host refuses a Firecracker beside.
  jailer_refused: [0.02, 0.3],
  tap_refused: [0.01, 0.2],
  namespace_refused: [0.02, 0.3],
  slirp_refused: [0.02, 0.3],
  slirp_crash: [0.05, 0.5],
  // What a guest's agent does.
  guest_repair_fail: [0.02, 0.3],
  exec_fail: [0.05, 0.5],
  exec_timeout: [0.05, 0.3],
  hook_fail: [0.05, 0.5],
  hook_hang: [0.05, 0.3],
  hook_flood: [0.05, 0.3],
  guest_files_change: [0.05, 0.6],
  guest_files_odd: [0.05, 0.5],
  guest_files_socket: [0.05, 0.5],
  guest_disk_full: [0.4, 1],
  guest_noise: [0.01, 0.2],
  guest_silence: [0.005, 0.05],
  // Between a person and the daemon.
  http_connection_lost: [0.002, 0.05],
  http_client_gone: [0.05, 0.3],
  socket_refused: [0.002, 0.03],
  // What a person does that cannot work everywhere.
  teleport_image_mismatch: [0.2, 1],
  teleport_arch_mismatch: [0.3, 0.9],
  // What somebody does who can write to the store.
  package_forged: [0.1, 0.6],
  // Clocks.
  clock_jump: [0.1, 1],
  clock_skew: [1, 1],
  // Between a host and a store that is elsewhere.
  network_partition: [0.1, 1],
  network_delay: [0.002, 0.05],
  network_packet_loss: [0.002, 0.05],
  network_corruption: [0.005, 0.1],
  // In front of a store that is a service.
  http_server_error: [0.005, 0.1],
  http_timeout: [0.002, 0.03],
  http_rate_limited: [0.005, 0.1],
  http_ack_lost: [0.005, 0.1],
};

/** What VMMs refuse or break by themselves, and the death of whoever drives them. */
export const vmmFaults: ReadonlySet<FaultName> = new Set([
  'daemon_crash',
  'vm_pause_fail',
  'vm_resume_fail',
  'snapshot_create_fail',
  'snapshot_restore_fail',
  'vmm_call_crash',
]);

export function isFaultName(name: string): name is FaultName {
  return Object.hasOwn(chanceRanges, name);
}

export function chanceRange(name: FaultName): readonly [number, number] {
  return chanceRanges[name];
}
