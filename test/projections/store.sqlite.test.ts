import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { BEFORE_FIRST, type Json } from '../../src/event.js';
import type { EventStore } from '../../src/projections/store.js';
import { openSqliteStore, type StoreOptions } from '../../src/projections/store.sqlite.js';
import { EVERYTHING } from '../../src/queries/filter.js';
import { positionsOf, range } from '../commands/sealed.js';
import { storeContract } from '../contract/store.contract.js';
import { newest, type Newest } from './newest.js';
import { incarnation, recorded, recordedRange } from './recorded.js';

const W = incarnation('w');

function newFolder(): string {
  return mkdtempSync(join(tmpdir(), 'store-'));
}

storeContract('embedded', async () => {
  const folder = newFolder();
  let store = await openSqliteStore(folder);
  return {
    store,
    reopen: async () => {
      await store.close();
      store = await openSqliteStore(folder);
      return store;
    },
    dispose: async () => {
      await store.close();
      rmSync(folder, { recursive: true });
    },
  };
});

describe('the embedded store, beyond what every store promises', () => {
  let folder: string;
  let opened: EventStore[];

  beforeEach(() => {
    folder = newFolder();
    opened = [];
  });

  afterEach(async () => {
    await Promise.all(opened.map((store) => store.close()));
    rmSync(folder, { recursive: true });
  });

  const open = async (options?: StoreOptions): Promise<EventStore> => {
    const store = await openSqliteStore(folder, options);
    opened.push(store);
    return store;
  };
  const close = (): Promise<void> => opened.pop()!.close();

  /** Looks into the file, or changes it. */
  const inFile = <T>(work: (file: Database.Database) => T): T => {
    const file = new Database(join(folder, 'store.sqlite'));
    try {
      return work(file);
    } finally {
      file.close();
    }
  };
  const rowsLeft = (): unknown =>
    inFile((file) =>
      file
        .prepare(
          `SELECT (SELECT count(*) FROM events) AS events, (SELECT count(*) FROM tokens) AS tokens,
                  (SELECT count(*) FROM workspaces) AS workspaces`,
        )
        .get(),
    );

  const search = (store: EventStore, filter: Json, limit = 10): Promise<Newest> =>
    newest(store, W, { filter, limit });
  /** No event matches, and the index does not know that. */
  const hopeless: Json = { 'source.workspaceId': { gt: 'a', lt: 'b' }, type: { suffix: 'none' } };

  it('has the later of two events at one position: the log has lost the other one', async () => {
    const store = await open();
    await store.write(W, [recorded(0, { id: 'a', type: 'old' }), recorded(1, { id: 'b' })]);
    const again = ['b', 'c', 'a', 'c'].map((id, n) => recorded(n, { id }));
    const written = await store.write(W, again);
    assert.deepEqual(written, ['stored', 'stored', 'stored', 'exists']);
    const found = async (filter: Json): Promise<string[]> =>
      (await search(store, filter)).records.map(({ event }) => event.id);
    assert.deepEqual(await found({}), ['a', 'c', 'b']);
    assert.deepEqual(await found({ type: 'old' }), []);
    assert.deepEqual(rowsLeft(), { events: 3, tokens: 3, workspaces: 1 });
  });

  it('ends a search that takes too long, and tells what to do about it', async () => {
    const store = await open({ searchMsMax: 1 });
    await store.write(W, recordedRange(0, 10_000));
    await assert.rejects(search(store, hopeless), {
      code: 'unavailable',
      message: /Narrow its filter/,
    });
    assert.equal((await search(store, { id: 'e7' })).records.length, 1);
  });

  it('gives the full page that it has when it takes too long to look for one more', async () => {
    const store = await open({ searchMsMax: 1 });
    await store.write(W, [...recordedRange(0, 10_000), recorded(10_000, { type: 'a.none' })]);
    const { records, next } = await search(store, { type: '*.none' }, 1);
    assert.deepEqual([positionsOf(records), next], [[10_000], 10_000]);
  });

  it('answers a short search while long ones go on, and all of them in the end', async () => {
    const store = await open();
    await store.write(W, recordedRange(0, 10_000));
    const counted = { of: [W], filter: EVERYTHING, last: Infinity, groupBy: [] };
    const count = { ...counted, metrics: [{ of: 'count' } as const] };
    for (const ask of [() => search(store, hopeless), () => store.aggregate(count)]) {
      const ended: string[] = [];
      const long = range(0, 5).map(() => ask().then(() => ended.push('long')));
      const short = search(store, { id: 'e7' }).then(() => ended.push('short'));
      await Promise.all([...long, short]);
      assert.deepEqual(ended, ['short', 'long', 'long', 'long', 'long', 'long']);
    }
  });

  it('refuses one search too many instead of letting all of them fail', async () => {
    const store = await open({ searchMsMax: 1_000 });
    await store.write(W, recordedRange(0, 5_000));
    const all = await Promise.allSettled(range(0, 210).map(() => search(store, hopeless)));
    const codes = all.map(
      (one) => one.status === 'rejected' && (one.reason as { code: string }).code,
    );
    assert.equal(codes.filter((code) => code === 'limit-exceeded').length, 10);
  });

  it('ends a page of large events before they fill the memory', async () => {
    const store = await open();
    const payload = { text: 'x'.repeat(4 * 1_024 * 1_024) };
    for (const record of recordedRange(0, 12, { payload })) {
      await store.write(W, [record]);
    }
    const page = await search(store, {}, 12);
    assert.ok(page.records.length >= 7 && page.records.length < 12);
    assert.equal(page.next, page.records.at(-1)?.position);
  });

  it('finds across windows of the index, in either of them and where one is empty', async () => {
    const store = await open();
    const positions = [3, 2 ** 18 - 1, 2 ** 18, 2 ** 20 + 5, 2 ** 33 - 1];
    await store.write(
      W,
      positions.map((position) => recorded(position, { payload: { a: 1 } })),
    );
    // Two terms have to meet, one is looked for without windows.
    for (const filter of [{ 'payload.a': 1 }, { 'payload.a': 1, type: 'test.recorded' }]) {
      const { records } = await search(store, filter);
      assert.deepEqual(positionsOf(records), positions.toReversed());
    }
    assert.deepEqual(
      positionsOf((await search(store, {}, 2)).records),
      positions.slice(3).reverse(),
    );
  });

  it('leaves nothing of a dropped workspace in the file', async () => {
    const store = await open();
    await store.write(W, recordedRange(0, 1_200));
    await store.drop(W);
    await close();
    assert.deepEqual(rowsLeft(), { events: 0, tokens: 0, workspaces: 0 });
  });

  it('goes on, when it is opened, with a drop that was cut short', async () => {
    await (await open()).write(W, recordedRange(0, 100));
    await close();
    inFile((file) => file.exec('UPDATE workspaces SET name = NULL'));
    const store = await open();
    assert.deepEqual((await search(store, {})).records, []);
    await close();
    assert.deepEqual(rowsLeft(), { events: 0, tokens: 0, workspaces: 0 });
  });

  it('does not open a file of another layout', async () => {
    await open();
    await close();
    inFile((file) => file.pragma('user_version = 99'));
    await assert.rejects(open(), /has layout 99/);
  });

  it('has, after a kill, everything that its checkpoint vouches for', async function () {
    this.timeout(20_000);
    const script = fileURLToPath(new URL('./store.sqlite.writer.js', import.meta.url));
    const child = spawn(process.execPath, [script, folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let advanced: number = BEFORE_FIRST;
    for await (const line of createInterface(child.stdout)) {
      advanced = Number(line);
      if (advanced > 500) {
        child.kill('SIGKILL');
      }
    }
    if (child.exitCode === null && child.signalCode === null) {
      await once(child, 'exit');
    }
    const store = await open();
    const position = await store.checkpoint(W);
    assert.ok(position >= advanced);
    const records = await store.scan(W, BEFORE_FIRST, position, Infinity);
    assert.deepEqual(positionsOf(records), range(0, position + 1));
    const found = await search(store, { type: 'test.recorded' }, position + 100);
    assert.ok(found.records.length > position);
  });
});
