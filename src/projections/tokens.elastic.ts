/**
 * The index of the Elasticsearch store: what an event is looked up by, as terms of one keyword
 * field. A term begins with what it says, then comes the path; the rest is in the order of what is
 * compared, so that a range of values is a range of terms. Unlike a mapping for each path, that
 * costs the cluster nothing for a path that is new.
 */
import type { Event } from '../event.js';
import { valueLengthMax } from '../queries/filter.field.js';
import { textWords, type Contents } from './document.js';

/** What a token says of a path, as its first letter. */
export const says = {
  exists: 'e',
  /** There is this text. */
  text: 's',
  /** There is a text that begins so and is longer than any that is asked for. */
  start: 'l',
  /** There is a text, too long for a token, that ends so. */
  end: 't',
  /** There is a number or a boolean that is spelled so. */
  scalar: 'n',
  /** There is this number, in the order of numbers. */
  number: 'd',
} as const;

export type Says = (typeof says)[keyof typeof says];

/** With the length of the path before it, no path and value can be mistaken for another. */
export function token(what: Says, path: string, value = ''): string {
  return `${what}${path.length}:${path}:${value}`;
}

/** After all tokens that say something of a path, before any other. */
export function endOf(what: Says, path: string): string {
  return `${what}${path.length}:${path};`;
}

export function wordToken(word: string): string {
  return `w${word}`;
}

/**
 * @param contents Those of the event.
 * @throws Error with a reason for the dead-letter log.
 */
export function tokensOf(event: Event, { leaves, paths }: Contents): string[] {
  const tokens = Array.from(paths, (path) => token(says.exists, path));
  addText('id', event.id, tokens);
  addText('type', event.type, tokens);
  // What others have written to Kafka may not say.
  const { workspaceId = '' } = event as Partial<Event>;
  addText('workspaceId', workspaceId, tokens);
  for (const { path, value } of leaves) {
    if (typeof value === 'string') {
      addText(path, value, tokens);
    } else {
      tokens.push(token(says.scalar, path, String(value)));
    }
    if (typeof value === 'number') {
      tokens.push(token(says.number, path, sortable(value)));
    }
  }
  for (const word of textWords(event)) {
    tokens.push(wordToken(word));
  }
  if (!tokens.every((each) => each.isWellFormed())) {
    // Terms are UTF-8, in which it would become, and be found as, another character.
    throw new Error('has half of a surrogate pair, which is no character');
  }
  return tokens;
}

/** No filter asks for a text longer than `valueLengthMax`, and no term may be much longer. */
function addText(path: string, text: string, tokens: string[]): void {
  if (text.length <= valueLengthMax) {
    tokens.push(token(says.text, path, text));
    return;
  }
  // One unit more than any bound has, so that they compare as the whole text does.
  const end = isHighSurrogate(text, valueLengthMax) ? valueLengthMax + 2 : valueLengthMax + 1;
  tokens.push(token(says.start, path, text.slice(0, end)));
  const begin = text.length - valueLengthMax;
  tokens.push(
    token(says.end, path, text.slice(isHighSurrogate(text, begin - 1) ? begin + 1 : begin)),
  );
}

function isHighSurrogate(text: string, index: number): boolean {
  const unit = text.charCodeAt(index);
  return unit >= 0xd800 && unit < 0xdc00;
}

const view = new DataView(new ArrayBuffer(Float64Array.BYTES_PER_ELEMENT));

/**
 * A double as 16 hexadecimal digits in the order of numbers: its bits, of which the sign is turned,
 * and all the others as well where it is negative.
 */
export function sortable(value: number): string {
  // -0 equals 0, but is not spelled like it.
  view.setFloat64(0, value + 0);
  const [high, low] = [view.getUint32(0), view.getUint32(4)];
  const negative = high >= 0x80000000;
  return hex(negative ? ~high : high ^ 0x80000000) + hex(negative ? ~low : low);
}

function hex(bits: number): string {
  return (bits >>> 0).toString(16).padStart(8, '0');
}
