import { createLocalStoreFixture } from '../../../test/support/local-store-fixture.ts';
import { ownershipSuite } from '../../../test/support/ownership-suite.ts';
import { teleportStorageSuite } from '../../../test/support/teleport-storage-suite.ts';

teleportStorageSuite('local store', createLocalStoreFixture);
ownershipSuite('local store', createLocalStoreFixture);
