import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { utf8 } from '../../base/bytes.ts';
import { isKelpieError } from '../../base/errors.ts';
import { moduleInfo, moduleName, resolveModules } from './kernel-modules.ts';

const modules: Readonly<Record<string, string>> = {
  virtio_ring: 'depends=',
  virtio: 'depends=virtio_ring',
  virtio_pci: 'depends=virtio_ring,virtio-pci-legacy-dev,virtio',
  virtio_pci_legacy_dev: 'depends=',
  erofs: 'depends=libcrc32c',
  libcrc32c: 'depends=\0softdep=pre: crc32c crypto-lz4 post: later',
  crypto_lz4: 'depends=',
  first: 'depends=second',
  second: 'depends=first',
};

async function order(wanted: readonly string[], builtIn: readonly string[] = []): Promise<readonly string[]> {
  const read = async (name: string): Promise<Uint8Array | null> => {
    const text = modules[name];
    return text === undefined ? null : utf8(`ELF\0license=GPL\0${text}\0vermagic=6.1\0`);
  };
  return (await resolveModules(wanted, new Set(builtIn), read)).map((module) => module.name);
}

describe('kernel modules', () => {
  test('are named as the kernel names them', () => {
    assert.equal(moduleName('kernel/drivers/char/hw_random/virtio-rng.ko.xz'), 'virtio_rng');
    assert.equal(moduleName('ext4.ko'), 'ext4');
  });

  test('say what they need', () => {
    assert.deepEqual(moduleInfo(utf8('\0depends=a,b-c\0softdep=pre: d e post: f\0depends\0')), {
      hard: ['a', 'b_c'],
      soft: ['d', 'e'],
    });
    assert.deepEqual(moduleInfo(utf8('nothing')), { hard: [], soft: [] });
  });

  test('load after what they need, once', async () => {
    assert.deepEqual(await order(['virtio_pci', 'virtio']), [
      'virtio_ring',
      'virtio_pci_legacy_dev',
      'virtio',
      'virtio_pci',
    ]);
  });

  test('that are built in, or only wished for, may be missing', async () => {
    assert.deepEqual(await order(['ext4', 'erofs'], ['ext4']), ['crypto_lz4', 'libcrc32c', 'erofs']);
    assert.deepEqual((await order(['first'])).toSorted(), ['first', 'second']);
    await assert.rejects(order(['ext4']), (error) => isKelpieError(error, 'image_build_failed'));
  });
});
