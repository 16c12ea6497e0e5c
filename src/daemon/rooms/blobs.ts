import { blobDepositQuery, blobExportQuery, blobImportQuery, packageExportQuery } from '../api/blobs.ts';
import { BLOB_CONTENT_TYPE } from '../api/blob-frames.ts';
import { routes } from '../api/routes.ts';
import { KelpieError } from '../../base/errors.ts';
import { importBlob } from '../../teleport/blob-import.ts';
import { depositBlob } from '../../teleport/deposit.ts';
import { requireCompatible } from '../../teleport/host-facts.ts';
import { answerBytes } from '../answers.ts';
import { openExport } from '../blob-export.ts';
import { answerEvents } from '../event-stream.ts';
import { packageSubject, snapshotSubject } from '../export-subjects.ts';
import { VMS_MAX } from '../limits.ts';
import { bodyBytes, readQuery } from '../requests.ts';
import { parameter } from '../room.ts';
import { viewSnapshot, viewVm } from '../views.ts';
import type { ImportGuard } from '../../teleport/blob-import.ts';
import type { Deposited } from '../../teleport/deposit.ts';
import type { OperationOptions } from '../../teleport/source.ts';
import type { BlobDeposited, BlobForm } from '../api/blobs.ts';
import type { ExportSubject } from '../export-subjects.ts';
import type { Room } from '../room.ts';

export const blobsRoom: Room<'blobExport' | 'packageExport' | 'blobImport' | 'blobDeposit'> = (
  supervisor,
) => {
  const { host, registry } = supervisor;
  const guardOf = ({ listener }: OperationOptions): ImportGuard => ({
    admit: async (metadata) => {
      if (registry.all.length >= VMS_MAX)
        throw new KelpieError('limit_exceeded', `this host has ${VMS_MAX} VMs: remove some.`);
      await requireCompatible(host, metadata, { name: metadata.config.name, carriesImage: false, listener });
    },
    whileNamed: (name, act) => supervisor.operate(`name:${name}`, `import "${name}"`, act),
  });
  const answerExport = async (request: Request, subject: ExportSubject, form: BlobForm): Promise<Response> =>
    answerBytes(BLOB_CONTENT_TYPE, await openExport(supervisor, subject, form, request.signal));
  return {
    blobExport: async (request, parameters) => {
      const query = readQuery(request, blobExportQuery);
      const vm = registry.require(parameter(parameters, 'vm'));
      return answerExport(request, snapshotSubject(host, vm, query.snapshot ?? null), query);
    },

    packageExport: async (request, parameters) => {
      const query = readQuery(request, packageExportQuery);
      const subject = packageSubject(host, query.storeUrl, parameter(parameters, 'package'));
      return answerExport(request, subject, query);
    },

    blobImport: async (request) => {
      const { name = null, publish = null, withoutDisk } = readQuery(request, blobImportQuery);
      const asked = { name, publish, withoutDisk };
      return answerEvents(supervisor, routes.blobImport, request, (options) =>
        supervisor.operate(`import:${host.env.random.uuid()}`, 'import a package', async () => {
          const bytes = bodyBytes(request);
          const guard = guardOf(options);
          const { vm, snapshot } = await importBlob(host, registry, bytes, asked, { ...options, guard });
          return { vm: viewVm(supervisor, vm), snapshot: viewSnapshot(snapshot) };
        }),
      );
    },

    blobDeposit: async (request) => {
      const query = readQuery(request, blobDepositQuery);
      const { name = null, publish = null, withoutDisk, storeUrl } = query;
      const vmId = host.env.random.uuid();
      const asked = { name, publish, withoutDisk, storeUrl, vmId };
      return answerEvents(supervisor, routes.blobDeposit, request, (options) =>
        supervisor.operate(vmId, 'import a package', async () =>
          viewDeposited(await depositBlob(host, bodyBytes(request), asked, options)),
        ),
      );
    },
  };
};

function viewDeposited({ package: made, storeUrl, recipientCount }: Deposited): BlobDeposited {
  const { metadata, sizes, imageFiles, isEncrypted, signedBy } = made;
  return {
    packageId: made.id,
    vmId: metadata.vmId,
    vmName: metadata.config.name,
    storeUrl,
    sentBytes: sizes.ownBytes,
    carriesImage: imageFiles.length > 0,
    isEncrypted,
    recipientCount,
    signedBy,
  };
}
