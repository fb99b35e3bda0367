import { argv, stdout } from 'node:process';
import { withCatalog } from '../mod.ts';
import { pathsIn, series, TestImages, update } from './images.ts';

/**
 * A process of its own that brings the catalog in a folder up to so many images and searches it.
 * Prints one line, what it found and was told; or says `stalled` in the middle of an update, and waits to be killed.
 */
const [folder, count, stall] = argv.slice(2);
const images = new TestImages();
const all = series(images, Number(count));
const notices: string[] = [];

await withCatalog(
  folder,
  { signal: new AbortController().signal, notice: (message) => notices.push(message) },
  async (catalog) => {
    if (stall === 'stall') await stallInUpdate();
    await update(catalog, all, images);
    const found = await pathsIn(catalog, { images: all, fingerprint: '' });
    stdout.write(`${JSON.stringify({ notices, counts: found.map((paths) => paths.length) })}\n`);

    async function stallInUpdate(): Promise<void> {
      const lastRoot = Buffer.from(all.at(-1)!.root.root);
      const source: typeof images.nodes.source = async (kind, id) => {
        if (lastRoot.equals(id)) {
          stdout.write('stalled\n');
          await new Promise((resolve) => setTimeout(resolve, 60_000));
        }
        return images.nodes.source(kind, id);
      };
      await catalog.update(all, source, { signal: new AbortController().signal, unreadable: () => {} });
    }
  },
);
