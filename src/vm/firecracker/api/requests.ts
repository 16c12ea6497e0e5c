/**
 * The bodies of Firecracker's API that this client sends, by the names of its published description
 * (`firecracker.yaml`, 1.16.1, Apache-2.0). Fields that a version does not know are left out by whoever makes a body (`version.ts`).
 */
export interface MachineConfiguration {
  readonly vcpu_count: number;
  readonly mem_size_mib: number;
  readonly smt: boolean;
  readonly track_dirty_pages: boolean;
  readonly cpu_template?: CpuTemplate;
}

/** Sets of CPU features that Firecracker knows by name. */
export type CpuTemplate = 'T2' | 'T2A' | 'V1N1';

export interface BootSource {
  readonly kernel_image_path: string;
  readonly initrd_path: string;
  readonly boot_args: string;
}

export interface Drive {
  readonly drive_id: string;
  readonly is_root_device: boolean;
  readonly is_read_only: boolean;
  readonly path_on_host: string;
  /** `Writeback`: what the guest flushes is on the host's disk. */
  readonly cache_type: 'Unsafe' | 'Writeback';
}

export interface NetworkInterface {
  readonly iface_id: string;
  readonly host_dev_name: string;
  readonly guest_mac: string;
}

export interface Vsock {
  readonly guest_cid: number;
  readonly uds_path: string;
}

export interface Balloon {
  readonly amount_mib: number;
  readonly deflate_on_oom: boolean;
}

export interface Logger {
  readonly log_path: string;
  readonly level: 'Error' | 'Warning' | 'Info';
}

export interface SerialDevice {
  readonly rate_limiter: { readonly size: number; readonly refill_time: number };
}

export interface SnapshotCreateParams {
  readonly snapshot_type: 'Full' | 'Diff';
  readonly snapshot_path: string;
  readonly mem_file_path: string;
}

export interface SnapshotLoadParams {
  readonly snapshot_path: string;
  readonly mem_backend: { readonly backend_type: 'File'; readonly backend_path: string };
  readonly resume_vm: boolean;
  readonly track_dirty_pages?: boolean;
  readonly enable_diff_snapshots?: boolean;
  readonly network_overrides?: readonly { readonly iface_id: string; readonly host_dev_name: string }[];
  readonly vsock_override?: { readonly uds_path: string };
}
