import { BINARY, CLOSE, frame, PING, TEXT } from '../support/frame.js';

/** What a client says that means well; everything hostile is made of these. */
const SEEDS: readonly string[] = [
  '{"op":"emit","id":1,"events":[{"type":"order.paid","payload":{"total":12,"city":"Paris"}}]}',
  '{"op":"emit","events":[{"id":"e-1","type":"a.b","payload":{},"target":{"userId":"u"}}]}',
  '{"op":"emit","id":"x","events":[{"type":"a","payload":{"a":[1,null,"z"]},"time":"2026-01-01"}]}',
  '{"op":"subscribe","id":2,"filter":{"type":"order.*"},"from":"start"}',
  '{"op":"subscribe","id":3,"filter":{"payload.total":{"gte":10}},"from":{"last":5}}',
  '{"op":"subscribe","filter":[{"$text":"late*"},{"$not":{"source.userId":null}}],"pace":10}',
  '{"op":"subscribe","id":4,"from":{"position":"a1b2c3d4-7"}}',
  '{"op":"subscribe","id":5,"from":{"time":"2026-01-01T00:00:00Z"}}',
  '{"op":"unsubscribe","id":6,"subscription":"s1"}',
];

/** Pieces that parsers, prototypes and terminals have tripped over. */
const PIECES: readonly string[] = [
  '__proto__',
  'constructor',
  '1e400',
  '-0',
  '9007199254740993',
  '\\u0000',
  '\\ud800',
  '\u2028',
  '\r\n',
  '{"$not":',
  '[[[[',
  ']]]]',
  '"*"',
  'null',
  'true',
  ' '.repeat(300),
  'x'.repeat(2_000),
];

const OPCODES: readonly number[] = [0, 0, BINARY, 3, CLOSE, PING, 10, 15];

/** Makes frames as a client without manners sends them; the same for the same numbers. */
export class Mutator {
  readonly #next: () => number;

  constructor(next: () => number) {
    this.#next = next;
  }

  /** Most keep the connection; few are frames that no server may take. */
  frame(): Buffer {
    if (this.#chance(0.02)) {
      return this.#brokenFrame();
    }
    if (this.#chance(0.03)) {
      const [first, ...others] = this.#split(this.#message());
      const last = others.pop() ?? Buffer.alloc(0);
      const middle = others.map((part) => frame(0, part, { fin: false }));
      return Buffer.concat([frame(TEXT, first!, { fin: false }), ...middle, frame(0, last)]);
    }
    return frame(this.#chance(0.02) ? PING : TEXT, this.#message().subarray(0, 16_000));
  }

  #message(): Buffer {
    let text = this.#of(SEEDS);
    for (let times = this.#upTo(4); times > 0; times--) {
      text = this.#mutated(text);
    }
    const bytes = Buffer.from(text);
    // Also what is no UTF-8, which ends the connection.
    if (bytes.length > 0 && this.#chance(0.01)) {
      bytes[this.#upTo(bytes.length)] = 0x80 | this.#upTo(0x80);
    }
    return bytes;
  }

  #mutated(text: string): string {
    const [at, end] = [this.#upTo(text.length + 1), this.#upTo(text.length + 1)];
    const [from, to] = [Math.min(at, end), Math.max(at, end)];
    switch (this.#upTo(6)) {
      case 0:
        return text.slice(0, at) + this.#of(PIECES) + text.slice(at);
      case 1:
        return text.slice(0, from) + text.slice(to);
      case 2:
        return text.slice(0, to) + text.slice(from);
      case 3:
        return text.slice(0, at) + this.#of(SEEDS).slice(end);
      case 4:
        return text.replace(/"[^"]*"|\d+/g, (value) => (this.#chance(0.2) ? this.#value() : value));
      default:
        return text;
    }
  }

  #value(): string {
    const values = ['{}', '[]', '""', 'false', '-1', '1e308', this.#of(PIECES), this.#of(SEEDS)];
    return this.#of(values);
  }

  #brokenFrame(): Buffer {
    const flaws = {
      fin: this.#chance(0.7),
      reserved: this.#chance(0.5) ? this.#upTo(8) : 0,
      masked: this.#chance(0.7),
      ...(this.#chance(0.2) && { length: this.#of([0, 5, 100, 2 ** 31, 2 ** 52]) }),
    };
    return frame(this.#of(OPCODES), this.#message().subarray(0, this.#upTo(300)), flaws);
  }

  #split(bytes: Buffer): Buffer[] {
    const cuts = Array.from({ length: this.#upTo(4) }, () => this.#upTo(bytes.length + 1));
    const edges = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
    return edges.slice(1).map((edge, index) => bytes.subarray(edges[index], edge));
  }

  #of<T>(all: readonly T[]): T {
    return all[this.#upTo(all.length)]!;
  }

  #upTo(end: number): number {
    return Math.floor(this.#next() * end);
  }

  #chance(share: number): boolean {
    return this.#next() < share;
  }
}
