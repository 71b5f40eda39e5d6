import assert from 'node:assert/strict';
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { openEmbeddedLog, type EmbeddedLog } from '../../src/commands/log.embedded.js';
import type { EmbeddedLogOptions } from '../../src/commands/log.embedded.js';
import { BEFORE_FIRST, type Position } from '../../src/event.js';
import type { Batch } from '../../src/commands/log.js';
import { logContract } from '../contract/log.contract.js';
import {
  followLog,
  numbered,
  numbersOf,
  range,
  readAll,
  sealed,
  sealedBytes,
  trimLog,
} from './sealed.js';

const MIB = 1024 * 1024;

function newFolder(): string {
  return mkdtempSync(join(tmpdir(), 'log-'));
}

logContract('embedded', async () => {
  const folder = newFolder();
  const log = await openEmbeddedLog(folder);
  return {
    log,
    dispose: async () => {
      await log.close();
      rmSync(folder, { recursive: true });
    },
  };
});

describe('the embedded log, beyond what every log promises', () => {
  let folder: string;
  let opened: EmbeddedLog[];

  beforeEach(() => {
    folder = newFolder();
    opened = [];
  });

  afterEach(async () => {
    await Promise.all(opened.map((log) => log.close()));
    rmSync(folder, { recursive: true });
  });

  const open = async (options?: EmbeddedLogOptions): Promise<EmbeddedLog> => {
    const log = await openEmbeddedLog(folder, options);
    opened.push(log);
    return log;
  };

  /** Looks into the file, or changes it. */
  const inFile = <T>(work: (file: Database.Database) => T): T => {
    const file = new Database(join(folder, 'log.sqlite'));
    try {
      return work(file);
    } finally {
      file.close();
    }
  };

  describe('a folder', () => {
    it('keeps everything until it is opened again', async () => {
      const log = await open();
      const { epoch } = await log.create('w', {});
      await log.append('w', numbered(0, 3));
      await log.create('empty', {});
      await log.append('w', numbered(3, 5));
      await trimLog(log, 'w', 1);
      await log.close();

      const again = await open();
      assert.deepEqual(await again.bounds('w'), { epoch, first: 1, next: 5 });
      assert.deepEqual(numbersOf(await readAll(again, 'w')), range(1, 5));
      assert.equal((await again.bounds('empty')).next, 0);
      assert.equal(await again.append('w', [sealed(5)]), 5);
    });

    it('tells what of each log may be forgotten, as it was last told itself', async () => {
      const log = await open();
      const { epoch } = await log.create('w', { maxAgeMs: 5 });
      const told = (): unknown =>
        inFile((file) => file.prepare('SELECT retention FROM logs').pluck().get());
      assert.equal(told(), '{"maxAgeMs":5}');
      await log.retain('w', epoch, { maxBytes: 7 });
      assert.equal(told(), '{"maxBytes":7}');
      await log.close();
      const again = await open();
      await again.retain('w', epoch, { maxBytes: 7 });
      await again.retain('w', epoch, {});
      assert.equal(told(), '{}');
    });

    it('is opened by one at a time, of this process or another', async () => {
      const log = await open();
      const message = new RegExp(`${folder} is in use: stop the process`);
      await assert.rejects(openEmbeddedLog(folder), message);
      const [code] = await once(startAppender(folder), 'exit');
      assert.equal(code, 1);
      await log.close();

      const child = startAppender(folder);
      await once(child.stdout, 'data');
      await assert.rejects(openEmbeddedLog(folder), message);
      await kill(child);
      await open();
    });

    it('that another version has made is refused', async () => {
      await (await open()).close();
      inFile((file) => file.pragma('user_version = 2'));
      await assert.rejects(openEmbeddedLog(folder), /another version/);
    });
  });

  it('loses nothing acknowledged when it is killed, at any moment', async () => {
    const acknowledged: [first: number, count: number][] = [];
    for (const appends of [1, 30, 100, 250]) {
      const child = startAppender(folder);
      for await (const line of createInterface(child.stdout)) {
        acknowledged.push(line.split(' ').map(Number) as [number, number]);
        if (acknowledged.length % appends === 0) {
          child.kill('SIGKILL');
        }
      }
      const log = await open();
      const held = numbersOf(await readAll(log, 'w'));
      assert.deepEqual(held, range(0, held.length), 'no hole, nothing torn');
      for (const [first, count] of acknowledged) {
        assert.ok(first + count <= held.length, `${first} was acknowledged and is lost`);
      }
      await log.close();
    }
    const positions = acknowledged.flatMap(([first, count]) => range(first, first + count));
    assert.equal(new Set(positions).size, positions.length, 'no position was given twice');
  }).timeout(30_000);

  it('refuses appends whole on a full disk, and skips no position', async () => {
    const log = await open({ fileBytesMax: 4 * MIB });
    await log.create('w', {});
    // One append takes three rows.
    const large = range(0, 3).map(() => sealedBytes(Buffer.alloc(300_000)));
    let held = 0;
    const fill = async (): Promise<never> => {
      for (;;) {
        assert.equal(await log.append('w', large), held);
        held += 3;
      }
    };
    const full = { code: 'unavailable', message: 'the disk is full', retryAfterSeconds: 10 };
    await assert.rejects(fill(), full);
    assert.ok(held > 0);
    const next = follow(log, (held - 1) as Position).next();
    await Promise.all(range(0, 3).map(() => assert.rejects(log.append('w', large), full)));
    assert.equal((await log.bounds('w')).next, held);
    assert.equal((await readAll(log, 'w')).length, held);

    await trimLog(log, 'w', held);
    assert.equal(await log.append('w', large), held);
    assert.equal((await next).value.records.length, 3);
  });

  it('tells where so many bytes begin as exactly as its rows are, however many', async () => {
    const log = await open();
    await log.create('other', {});
    await log.create('w', {});
    await log.append('other', numbered(0, 5));
    const size = 10;
    for (const n of range(0, 2500)) {
      void log.append('w', [sealedBytes(Buffer.alloc(size))]);
      if (n % 3 === 0) {
        // On its own, so that there are rows enough for more than one look.
        await log.append('other', [sealed(n)]);
      }
    }
    const { next } = await log.bounds('w');
    const newest = (records: number): Promise<number> => log.newest('w', size * records);
    for (const records of [1, 100, 2400, 2499]) {
      const over = next - (await newest(records)) - records;
      assert.ok(over >= 0 && over < 3, `${over} more than ${records}`);
    }
    await trimLog(log, 'w', 1000);
    assert.equal(await newest(1500), 1000);
    assert.equal(await newest(9999), 1000);
    await trimLog(log, 'w', next);
    assert.equal(await newest(1), next);
  });

  it('does not keep records in memory without bound while the disk is slow', async () => {
    const log = await open();
    await log.create('w', {});
    const record = [sealedBytes(Buffer.alloc(MIB))];
    const outcomes = await Promise.allSettled(range(0, 100).map(() => log.append('w', record)));
    const taken = outcomes.filter(({ status }) => status === 'fulfilled').length;
    assert.equal(taken, 64);
    for (const outcome of outcomes.slice(taken) as PromiseRejectedResult[]) {
      const { code, retryAfterSeconds } = outcome.reason as Record<string, unknown>;
      assert.deepEqual([code, retryAfterSeconds], ['unavailable', 1]);
    }
    await log.append('w', record);
  });

  it('copies the WAL into the file while appends go on', async () => {
    const log = await open();
    await log.create('w', {});
    const fileBytes = (): number => statSync(join(folder, 'log.sqlite')).size;
    let appended = 0;
    while (fileBytes() < 4 * MIB) {
      await log.append('w', [sealedBytes(Buffer.alloc(MIB / 4))]);
      appended += MIB / 4;
      assert.ok(appended < 60 * MIB, 'from 64 MiB on commits would wait for it');
    }
  });

  it('lets the WAL not grow without bound', async () => {
    const log = await open();
    await log.create('w', {});
    const records = range(0, 4).map(() => sealedBytes(Buffer.alloc(MIB / 4)));
    let walBytes = 0;
    for (const round of range(0, 75)) {
      await Promise.all(range(0, 4).map(() => log.append('w', records)));
      walBytes = Math.max(walBytes, statSync(join(folder, 'log.sqlite-wal')).size);
      assert.ok(walBytes < 128 * MIB, `${walBytes} bytes in round ${round}`);
    }
    assert.equal((await log.bounds('w')).next, 1200);
  }).timeout(60_000);

  it('keeps no append waiting for another process that reads the file', async () => {
    const log = await open();
    await log.create('w', {});
    await log.append('w', numbered(0, 1));
    const backup = new Database(join(folder, 'log.sqlite'), { readonly: true });
    try {
      backup.exec('BEGIN');
      backup.prepare('SELECT count(*) FROM runs').get();
      const began = performance.now();
      for (let i = 0; i < 24; i++) {
        await log.append('w', [sealedBytes(Buffer.alloc(MIB))]);
      }
      // SQLite’s usual five seconds for each of the three times that the WAL should begin anew.
      assert.ok(performance.now() - began < 10_000);
    } finally {
      backup.close();
    }
    await log.append('w', numbered(1, 2));
    assert.equal((await log.bounds('w')).next, 26);
  }).timeout(30_000);

  it('shows followers at the head what was appended without reading it', async () => {
    const log = await open();
    await log.create('w', {});
    const next = follow(log, BEFORE_FIRST).next();
    const records = numbered(0, 2);
    await log.append('w', records);
    const [, second] = (await next).value.records;
    assert.equal(second.event, records[1]!.event);
    assert.equal(second.bytes, records[1]!.bytes);
  });

  it('stores large appends in rows of bounded size', async () => {
    const log = await open();
    await log.create('w', {});
    await log.append('w', numbered(0, 2500));
    await log.append(
      'w',
      range(0, 6).map(() => sealedBytes(Buffer.alloc(100_000))),
    );
    await log.close();
    const counts = inFile((file) => file.prepare('SELECT count FROM runs').pluck().all());
    assert.deepEqual(counts.slice(-3), [2, 2, 2]);
    assert.ok(counts.every((count) => (count as number) <= 1000));
  });

  it('deletes what was dropped little by little, also after a crash', async () => {
    const log = await open();
    await log.create('w', {});
    await Promise.all(range(0, 300).map((n) => log.append('w', [sealed(n)])));
    await log.append(
      'w',
      range(0, 300).map(() => sealedBytes(Buffer.alloc(MIB / 4))),
    );
    await log.create('kept', {});
    await log.append('kept', [sealed(0)]);
    await log.close();
    // As a drop leaves it that the process did not outlive.
    inFile((file) => file.exec(`UPDATE logs SET workspace = NULL, first = next WHERE number = 0`));

    const again = await open();
    await assert.rejects(again.bounds('w'), { code: 'workspace-not-found' });
    const left = (): unknown =>
      inFile((file) => [
        file
          .prepare('SELECT count(*) FROM runs WHERE key < ?')
          .pluck()
          .get(2 ** 33),
        file.prepare('SELECT count(*) FROM logs WHERE number = 0').pluck().get(),
      ]);
    while (String(left()) !== '0,0') {
      await again.append('kept', [sealed(1)]);
    }
  });

  it('refuses more records, or more workspaces, than it has keys for', async () => {
    const log = await open();
    const { epoch } = await log.create('w', {});
    await log.close();
    inFile((file) => {
      file.exec(`UPDATE logs SET first = ${2 ** 33 - 2}, next = ${2 ** 33 - 2}`);
      file.exec(`INSERT INTO logs VALUES (${2 ** 20 - 1}, 'last', '${epoch}', 0, 0, '{}')`);
    });

    const again = await open();
    await assert.rejects(again.append('w', numbered(0, 3)), /takes 8589934592 records/);
    await again.append('w', numbered(0, 2));
    await assert.rejects(again.create('one more', {}), /takes 1048576 workspaces/);
    await again.append('last', numbered(2, 4));
    assert.deepEqual(numbersOf(await readAll(again, 'last')), [2, 3]);
    assert.deepEqual(numbersOf(await readAll(again, 'w')), [0, 1]);
  });

  describe('a file that is not as it was written', () => {
    const spoil = async (sql: string): Promise<[EmbeddedLog, Promise<Error>]> => {
      const log = await open();
      await log.create('w', {});
      await log.append('w', numbered(0, 3));
      await log.append('w', numbered(3, 5));
      await log.close();
      let onFatal!: (error: Error) => void;
      const fatal = new Promise<Error>((resolve) => {
        onFatal = resolve;
      });
      const again = await open({ onFatal });
      inFile((file) => file.exec(sql));
      return [again, fatal];
    };

    it('is not written to: the log fails, and says so', async () => {
      const [log, fatal] = await spoil('UPDATE logs SET next = 4');
      await Promise.all([
        assert.rejects(log.append('w', [sealed(5)]), { code: 'unavailable' }),
        assert.rejects(log.append('w', [sealed(6)]), { code: 'unavailable' }),
        assert.rejects(follow(log, 4 as Position).next(), { code: 'unavailable' }),
      ]);
      assert.match((await fatal).message, /log 0 does not continue at 5/);
      await assert.rejects(log.read('w', BEFORE_FIRST, 1), { code: 'unavailable' });
    });

    for (const [fault, sql, message] of [
      ['a run that is missing', 'DELETE FROM runs WHERE key = 0', /gap or an overlap/],
      ['a last run that is missing', 'DELETE FROM runs WHERE key = 3', /ends before its end/],
      ['a run twice', 'UPDATE runs SET key = 2 WHERE key = 3', /gap or an overlap/],
      ['a record too few', 'UPDATE runs SET count = 4 WHERE key = 0', /as many records/],
    ] as const) {
      it(`is not read past ${fault}`, async () => {
        const [log, fatal] = await spoil(sql);
        await assert.rejects(readAll(log, 'w'));
        assert.match((await fatal).message, message);
        await assert.rejects(log.append('w', [sealed(5)]), { code: 'unavailable' });
      });
    }
  });
});

function follow(log: EmbeddedLog, after: Position): AsyncIterator<Batch> {
  return followLog(log, 'w', after, new AbortController().signal);
}

type Appender = ChildProcessByStdio<null, Readable, null>;

function startAppender(folder: string): Appender {
  const script = fileURLToPath(new URL('./log.embedded.appender.js', import.meta.url));
  return spawn(process.execPath, [script, folder], { stdio: ['ignore', 'pipe', 'ignore'] });
}

async function kill(child: Appender): Promise<void> {
  const closed = once(child, 'close');
  child.kill('SIGKILL');
  await closed;
}
