import assert from 'node:assert/strict';
import test from 'node:test';
import { errnoInComplaint } from './file-clone.ts';

const complaints = [
  ["cp: error writing '/a/b': No space left on device", 'ENOSPC'],
  ["cp: error copying '/a: b' to '/c': Input/output error", 'EIO'],
  ["cp: cannot create regular file '/a': Permission denied\ncp: and more: Is a directory", 'EACCES'],
  ["cp: cannot create regular file '/a': Read-only file system", 'EROFS'],
  ["cp: error writing '/a': Disk quota exceeded", 'EDQUOT'],
  ["cp: cannot stat '/a': No such file or directory", 'ENOENT'],
  ["cp: '/a' and '/a' are the same file", 'EIO'],
  ['', 'EIO'],
] as const;

for (const [complaint, errno] of complaints) {
  test(`the copying tool's ${JSON.stringify(complaint)} means ${errno}`, () => {
    assert.equal(errnoInComplaint(complaint), errno);
  });
}
