import assert from 'node:assert/strict';
import { Recorded, type Position } from '../../src/event.js';
import {
  jsonLines,
  jsonPage,
  jsonPositioned,
  sseFraming,
  textFrame,
  wsFraming,
} from '../../src/transport/framing.js';

const EPOCH = 'a1b2c3d4';

/** Records of which the payload is as long as asked for; framing does not look into them. */
function records(...lengths: readonly number[]): Recorded[] {
  return lengths.map((length, position) => {
    const json = JSON.stringify({ id: `e${position}`, payload: { text: 'é'.repeat(length) } });
    return new Recorded(position as Position, Buffer.from(json));
  });
}

/** The messages in frames of a server (RFC 6455, 5.2), each in one frame. */
function messages(wire: Buffer): string[] {
  const found: string[] = [];
  for (let at = 0; at < wire.length;) {
    assert.equal(wire[at], 0x81, 'not a whole text');
    const { size, length } = headerAt(wire, at);
    // RFC 6455 wants the shortest form.
    assert.ok(size === 2 || (size === 4 ? length > 125 : length > 65_535));
    found.push(wire.toString('utf8', at + size, at + size + length));
    at += size + length;
  }
  return found;
}

/** How long the header is, and what it says of the length of the text. */
function headerAt(wire: Buffer, at: number): { size: number; length: number } {
  switch (wire[at + 1]) {
    case 127:
      return { size: 10, length: Number(wire.readBigUInt64BE(at + 2)) };
    case 126:
      return { size: 4, length: wire.readUInt16BE(at + 2) };
    default:
      return { size: 2, length: wire[at + 1]! };
  }
}

describe('What goes over the wire', () => {
  it('is a text frame of the shortest form, whatever its length', () => {
    for (const length of [0, 1, 125, 126, 127, 65_535, 65_536, 100_000]) {
      const text = 'x'.repeat(length);
      assert.deepEqual(messages(textFrame(text)), [text]);
    }
    assert.deepEqual(messages(textFrame('é😀')), ['é😀']);
  });

  it('is a frame for each event of a batch, in one buffer', () => {
    const batch = records(0, 10, 70, 30_000, 40_000);
    const wire = wsFraming(EPOCH, 's1').frame(batch);
    assert.deepEqual(
      messages(wire),
      batch.map(({ position, bytes }) => {
        const head = `{"op":"event","subscription":"s1","position":"${EPOCH}-${position}"`;
        return `${head},"event":${Buffer.from(bytes).toString()}}`;
      }),
    );
  });

  it('is a Server-Sent Event for each, with its cursor as its id', () => {
    const [first, second] = records(1, 2);
    const wire = sseFraming(EPOCH).frame([first!, second!]).toString();
    const text = ({ bytes }: Recorded): string => Buffer.from(bytes).toString();
    assert.equal(
      wire,
      `id: ${EPOCH}-0\ndata: {"position":"${EPOCH}-0","event":${text(first!)}}\n\n` +
        `id: ${EPOCH}-1\ndata: {"position":"${EPOCH}-1","event":${text(second!)}}\n\n`,
    );
  });

  it('is a line for each in an export', () => {
    const wire = jsonLines(EPOCH, records(1, 2)).toString();
    const [first, second, end] = wire.split('\n');
    assert.equal(JSON.parse(first!).position, `${EPOCH}-0`);
    assert.equal(JSON.parse(second!).position, `${EPOCH}-1`);
    assert.equal(end, '');
  });

  it('is a page of JSON, however many events and whatever else there is to say', () => {
    const positioned = records(1, 2).map((record) => ({ epoch: EPOCH, record }));
    const page = (count: number, rest: Record<string, unknown>): unknown =>
      JSON.parse(jsonPage(positioned.slice(0, count), rest).toString());
    const events = records(1, 2).map((record) => {
      return JSON.parse(jsonPositioned(EPOCH, record).toString()) as unknown;
    });
    assert.deepEqual(page(0, {}), { events: [] });
    assert.deepEqual(page(0, { cursor: 'c' }), { events: [], cursor: 'c' });
    assert.deepEqual(page(1, {}), { events: events.slice(0, 1) });
    assert.deepEqual(page(2, { cursor: 'c', next: 'n' }), { events, cursor: 'c', next: 'n' });
  });

  it('is the same for all who hold the same, and for no one else', () => {
    const keys = [sseFraming(EPOCH).key, wsFraming(EPOCH, 's1').key, wsFraming(EPOCH, 's2').key];
    assert.equal(new Set(keys).size, keys.length);
    assert.equal(wsFraming(EPOCH, 's1').key, wsFraming(EPOCH, 's1').key);
  });
});
