import type { OperationListener } from '../../cli/daemon-client.ts';

/** For operations whose progress nobody looks at. */
export const quiet: OperationListener = {
  onProgress: async () => undefined,
  onNotice: async () => undefined,
};
