import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { GIB, MIB } from '../../base/units.ts';
import { physicalPieces, ramLayout } from './ram-layout.ts';

test('x86 memory is in one piece until the devices need its place', () => {
  assert.deepEqual(ramLayout('x86_64', 512 * MIB), [{ offset: 0, length: 512 * MIB, address: 0 }]);
  assert.deepEqual(ramLayout('x86_64', 2815 * MIB), [{ offset: 0, length: 2815 * MIB, address: 0 }]);
});

test('x86 memory of 2.75 GiB and more goes on above 4 GiB', () => {
  assert.deepEqual(ramLayout('x86_64', 2816 * MIB), [
    { offset: 0, length: 2 * GIB, address: 0 },
    { offset: 2 * GIB, length: 768 * MIB, address: 4 * GIB },
  ]);
  assert.deepEqual(ramLayout('x86_64', 4 * GIB), [
    { offset: 0, length: 2 * GIB, address: 0 },
    { offset: 2 * GIB, length: 2 * GIB, address: 4 * GIB },
  ]);
});

test('arm64 memory begins at 1 GiB', () => {
  assert.deepEqual(ramLayout('arm64', 4 * GIB), [{ offset: 0, length: 4 * GIB, address: GIB }]);
});

test('a stretch is cut where the memory is, and nothing of it is lost', () => {
  const layout = ramLayout('x86_64', 4 * GIB);
  assert.deepEqual(physicalPieces(layout, 2 * GIB - 4096, 8192), [
    { offset: 2 * GIB - 4096, length: 4096, address: 2 * GIB - 4096 },
    { offset: 2 * GIB, length: 4096, address: 4 * GIB },
  ]);
  const range = fc.tuple(fc.nat({ max: 4 * GIB }), fc.nat({ max: 4 * GIB }));
  fc.assert(
    fc.property(range, ([a, b]) => {
      const [start, end] = [Math.min(a, b), Math.max(a, b)];
      const pieces = physicalPieces(layout, start, end - start);
      assert.equal(
        pieces.reduce((sum, piece) => sum + piece.length, 0),
        end - start,
      );
    }),
  );
});
