import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { SETTINGS } from '../src/config.js';
import { copied, execForm, ROOT, stages, textOf } from './dockerfile.js';

describe('The Dockerfile', () => {
  const all = stages();
  const last = all.at(-1)!;
  const copies = all.flatMap(({ instructions }) =>
    instructions.filter(({ name }) => name === 'COPY').map(({ text }) => copied(text)),
  );
  const fromContext = copies.filter(({ from }) => from === undefined);

  it('starts the service as `npm start` does, as the process that gets the signals', () => {
    const { scripts } = JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8')) as {
      scripts: { start: string };
    };
    assert.equal(execForm(textOf(last, 'CMD')).join(' '), scripts.start);
  });

  it('runs as a user who is not root', () => {
    const names = last.instructions.map(({ name }) => name);
    assert.equal(textOf(last, 'USER'), 'node');
    assert.ok(names.indexOf('USER') > names.lastIndexOf('RUN'));
  });

  it('shows the port at which the service listens', () => {
    assert.equal(textOf(last, 'EXPOSE'), String(SETTINGS.port.default));
  });

  it('copies what is there, from the context and from stages before', () => {
    for (const path of fromContext.flatMap(({ sources }) => sources)) {
      assert.ok(existsSync(new URL(path, ROOT)), path);
    }
    const names = all.map(({ name }) => name);
    for (const { from } of copies.filter((copy) => copy.from !== undefined)) {
      assert.ok(names.includes(from), from);
    }
  });

  it('is sent what it copies, and nothing else', () => {
    const [everything, ...exceptions] = readFileSync(new URL('.dockerignore', ROOT), 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    assert.equal(everything, '*');
    const wanted = fromContext.flatMap(({ sources }) => sources.map((path) => `!${path}`));
    assert.deepEqual(exceptions.toSorted(), [...new Set(wanted)].toSorted());
  });
});
