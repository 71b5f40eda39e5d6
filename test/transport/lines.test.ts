import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { lines, type Line } from '../../src/transport/lines.js';

/** The lines of what comes in parts, with their texts. */
async function read(parts: readonly Buffer[], bytesMax = 100): Promise<[number, string?][]> {
  const found: Line[] = [];
  for await (const arrived of lines(Readable.from(parts), bytesMax)) {
    found.push(...arrived);
  }
  return found.map(({ number, bytes }) => (bytes ? [number, bytes.toString()] : [number]));
}

const readText = (text: string, bytesMax?: number): ReturnType<typeof read> =>
  read([Buffer.from(text)], bytesMax);

describe('The lines of a stream', () => {
  it('are parted by line feeds, and the last one needs none', async () => {
    const two = [
      [1, 'a'],
      [2, 'b'],
    ];
    assert.deepEqual(await readText('a\nb\n'), two);
    assert.deepEqual(await readText('a\nb'), two);
    assert.deepEqual(await readText(''), []);
  });

  it('are counted where they are blank, and passed over', async () => {
    assert.deepEqual(await readText('\n \r\n\ta\n\n\t \r\nb'), [
      [3, '\ta'],
      [6, 'b'],
    ]);
  });

  it('are known by their number alone where they are too long', async () => {
    const long = 'x'.repeat(11);
    assert.deepEqual(await readText(`${long}\na\n${long}`, 10), [[1], [2, 'a'], [3]]);
    assert.deepEqual(await readText('x'.repeat(10), 10), [[1, 'x'.repeat(10)]]);
  });

  it('are the same wherever the stream is cut into parts, even within a character', async () => {
    const text = fc.array(fc.constantFrom('a', '\n', '\r\n', ' ', '😀', 'x'.repeat(8)));
    const cuts = fc.array(fc.nat({ max: 200 }));
    await fc.assert(
      fc.asyncProperty(text, cuts, async (pieces, at) => {
        const whole = Buffer.from(pieces.join(''));
        const sorted = [0, ...at, whole.length].toSorted((a, b) => a - b);
        const parts = sorted.slice(1).map((end, i) => whole.subarray(sorted[i], end));
        assert.deepEqual(await read(parts, 20), await read([whole], 20));
      }),
    );
  });

  it('come as soon as they have ended, not when the stream has', async () => {
    const stream = new Readable({ read: () => undefined });
    const reading = lines(stream, 100)[Symbol.asyncIterator]();
    stream.push('a\nb\nc');
    const { value } = (await reading.next()) as IteratorYieldResult<readonly Line[]>;
    assert.deepEqual(
      value.map(({ bytes }) => bytes?.toString()),
      ['a', 'b'],
    );
    await reading.return?.();
  });
});
