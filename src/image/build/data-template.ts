/**
 * The file system that a VM's writable disk starts as. It is small (256 MiB nominal, about 1 MiB on the disk) and the
 * guest agent grows it to the disk's size at boot, which the kernel does online in 0.3 s for 64 GiB under emulation: so
 * that hashing, copying and publishing an image do not cost gigabytes of zeros.
 */
import { utf8 } from '../../base/bytes.ts';
import { writeWhole } from '../whole-file.ts';
import { MIB } from '../../base/units.ts';
import { runTool } from './tool.ts';
import type { Env } from '../../env/env.ts';

const SIZE_BYTES: number = 256 * MIB;
const BLOCK_BYTES = 4096;
/** How large the disk may grow: room for that many group descriptors is reserved, 1 MiB of it. */
const GROWTH_BYTES_MAX = 2 ** 41;
const JOURNAL_MIB = 32;

/** Everything that mke2fs would draw at random or take from the host's `/etc/mke2fs.conf`. */
const FILE_SYSTEM_UUID = '6b656c70-6965-4d61-8000-000000000001';
const HASH_SEED = '6b656c70-6965-4d61-8000-000000000002';
const features =
  'none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum';
const configuration =
  '[fs_types]\n\text4 = {\n\t\tblocksize = 4096\n\t}\n\tsmall = {\n\t\tblocksize = 4096\n\t}\n';

/** Makes the file at `path`; the same bytes each time. */
export async function writeDataTemplate(
  env: Env,
  path: string,
  scratchDirectory: string,
  signal: AbortSignal,
): Promise<void> {
  const handle = await env.files.open(path, 'wx');
  try {
    await handle.truncate(SIZE_BYTES);
  } finally {
    await handle.close();
  }
  const configurationPath = `${scratchDirectory}/mke2fs.conf`;
  await writeWhole(env.files, configurationPath, utf8(configuration));
  const extended = [
    `hash_seed=${HASH_SEED}`,
    'lazy_journal_init=1',
    'root_owner=0:0',
    `resize=${GROWTH_BYTES_MAX / BLOCK_BYTES}`,
  ];
  const args = [
    '-t',
    'ext4',
    '-q',
    '-F',
    '-b',
    String(BLOCK_BYTES),
    '-I',
    '256',
    '-i',
    '16384',
    '-m',
    '0',
    '-J',
    `size=${JOURNAL_MIB}`,
  ];
  await runTool(env, {
    command: 'mke2fs',
    args: [
      ...args,
      '-O',
      features,
      '-U',
      FILE_SYSTEM_UUID,
      '-E',
      extended.join(','),
      '-L',
      'kelpie-data',
      path,
    ],
    environment: { MKE2FS_CONFIG: configurationPath, E2FSPROGS_FAKE_TIME: '1' },
    signal,
  });
}
