import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { CATALOGUE, type ErrorCode } from '../src/errors.js';
import { readSources } from './tidy/source.js';

// From dist/test, where this runs.
const ROOT = new URL('../../', import.meta.url);
const codes = Object.keys(CATALOGUE) as ErrorCode[];

/** The sections of the guide, by their headings. */
function sections(): ReadonlyMap<string, string> {
  const guide = readFileSync(new URL('docs/errors.md', ROOT), 'utf8');
  const parts = guide.split(/^## (.*)$/m).slice(1);
  return new Map(
    parts.flatMap((heading, index) => {
      return index % 2 === 0 ? [[heading, parts[index + 1]!.trim()] as const] : [];
    }),
  );
}

describe('The catalogue of errors', () => {
  for (const code of codes) {
    it(`says of ${code} what the guide says`, () => {
      const { status, closeCode, retriable, title } = CATALOGUE[code];
      const facts = `Status ${status}, close code ${closeCode}${retriable ? ', retriable' : ''}`;
      const [first, ...remedy] = sections().get(code)?.split('\n\n') ?? [];
      assert.equal(first, `${facts}: ${title}.`);
      assert.ok(remedy.join(' ').length > 60, 'when it happens and what to do is not told');
    });
  }

  it('has every code that the guide tells of, and in the same order', () => {
    assert.deepEqual([...sections().keys()], codes);
  });

  it('has no code that nothing answers with', () => {
    const code = readSources(ROOT)
      .filter(({ path }) => path.startsWith('src/') && path !== 'src/errors.ts')
      .map(({ text }) => text)
      .join('\n');
    assert.deepEqual(
      codes.filter((name) => !code.includes(`'${name}'`)),
      [],
    );
  });

  it('tells by the close code whether to come back', () => {
    for (const code of codes) {
      const { closeCode, retriable, status } = CATALOGUE[code];
      const comesBack = closeCode >= 4500 || closeCode === 4429;
      assert.equal(comesBack, retriable, code);
      assert.ok(status >= 400 && status < 600, code);
    }
  });
});
