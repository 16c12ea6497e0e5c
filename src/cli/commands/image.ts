import { routes } from '../../daemon/api/routes.ts';
import { formatBytes } from '../../base/units.ts';
import { textOption } from '../command.ts';
import { shortId } from '../views.ts';
import { parseArchitecture } from './up.ts';
import type { CommandGroup } from '../command.ts';

export const image: CommandGroup = {
  members: {
    build: {
      summary: 'build a base image from this host’s distribution packages',
      declare: (command) => {
        command
          .argument('[name]', 'base is the only one', 'base')
          .option('--arch <arch>', 'x86_64 or arm64 (default: this host’s)')
          .addHelpText(
            'after',
            '\nPackages are cached; the same packages give the same image, to the byte.\n\nExamples:\n  kelpie image build\n  kelpie image build --arch arm64',
          );
      },
      run: async (cli, [name = 'base'], options) => {
        const arch = textOption(options, 'arch');
        const built = await cli.operate(routes.imageBuild, {
          body: { name, ...(arch === null ? {} : { architecture: parseArchitecture(arch) }) },
        });
        const { version, architecture, digest, sizeBytes } = built.image;
        await cli.output.result(
          built,
          `image ${built.image.name} ${version} for ${architecture}: ${shortId(digest)}, ${formatBytes(sizeBytes)}`,
        );
        return 0;
      },
    },
    ls: {
      summary: 'list the images of this host',
      declare: (command) => {
        command.addHelpText('after', '\nExamples:\n  kelpie image ls');
      },
      run: async (cli) => {
        const list = await cli.call(routes.imageList);
        const rows = list.images.map((one) => [
          one.name,
          one.version,
          one.architecture,
          shortId(one.digest),
          formatBytes(one.sizeBytes),
          one.usedBy.join(' '),
        ]);
        const table = cli.output.table(['NAME', 'VERSION', 'ARCH', 'DIGEST', 'SIZE', 'USED BY'], rows);
        await cli.output.result(
          list,
          list.images.length === 0 ? 'no images yet: kelpie image build makes one' : table,
        );
        return 0;
      },
    },
    rm: {
      summary: 'remove an image that no VM or snapshot needs',
      declare: (command) => {
        command
          .argument('<image>', 'digest or its beginning, NAME or NAME@VERSION')
          .addHelpText('after', '\nExamples:\n  kelpie image rm base@1.0.0');
      },
      run: async (cli, [reference = '']) => {
        await cli.call(routes.imageRemove, { parameters: { image: reference } });
        await cli.output.result({ removed: reference }, `image ${reference} is removed`);
        return 0;
      },
    },
  },
};
