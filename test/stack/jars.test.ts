import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from '../support/node.js';
import { until } from '../until.js';
import { cached } from './jars.js';

describe('The cache of the real servers', () => {
  let cache: Awaited<ReturnType<typeof temporaryFolder>>;

  beforeEach(async () => {
    cache = await temporaryFolder();
  });

  afterEach(() => cache.remove());

  it('is asked once for what it has', async () => {
    const make = (folder: string): Promise<void> => writeFile(join(folder, 'jar'), 'first');
    const folder = await cached('server-1', make, cache.path);
    const again = await cached('server-1', () => assert.fail('made twice'), cache.path);
    assert.equal(again, folder);
    assert.equal(await readFile(join(again, 'jar'), 'utf8'), 'first');
  });

  it('does not keep what was interrupted', async () => {
    const interrupted = cached(
      'server-1',
      async (folder) => {
        await writeFile(join(folder, 'jar'), 'half');
        throw new Error('interrupted');
      },
      cache.path,
    );
    await assert.rejects(interrupted, { message: 'interrupted' });
    assert.deepEqual(await readdir(cache.path), []);
  });

  it('takes one of two that are made at once', async () => {
    let making = 0;
    const make = async (folder: string): Promise<void> => {
      assert.ok(!existsSync(join(folder, 'jar')));
      await writeFile(join(folder, 'jar'), 'whole');
      making += 1;
      await until('both make it', () => making === 2);
    };
    const folders = await Promise.all([
      cached('server-1', make, cache.path),
      cached('server-1', make, cache.path),
    ]);
    assert.equal(folders[0], folders[1]);
    assert.deepEqual(await readdir(cache.path), ['server-1']);
    assert.deepEqual(await readdir(folders[0]), ['jar']);
  });
});
