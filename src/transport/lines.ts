const NEWLINE = 0x0a;

/** A line of a stream; `bytes` is absent where it was longer than allowed and has been skipped. */
export interface Line {
  /** The first line is 1. */
  readonly number: number;
  readonly bytes?: Buffer;
}

/**
 * Splits a stream at its newlines, and gives the lines that came to their end together. Blank lines
 * are passed over, and of a line that is too long only its number is kept, so memory stays at one
 * chunk and one line whatever is sent.
 */
export async function* lines(
  stream: AsyncIterable<Buffer>,
  bytesMax: number,
): AsyncIterable<readonly Line[]> {
  let number = 1;
  let held: Buffer[] = [];
  let length = 0;

  const hold = (part: Buffer): void => {
    length += part.length;
    if (length > bytesMax) {
      held = [];
    } else {
      held.push(part);
    }
  };
  const line = (): Line | undefined => {
    const whole = Buffer.concat(held);
    const tooLong = length > bytesMax;
    held = [];
    length = 0;
    if (tooLong) {
      return { number: number++ };
    }
    const blank = whole.every((byte) => byte === 0x20 || byte === 0x0d || byte === 0x09);
    const at = number++;
    return blank ? undefined : { number: at, bytes: whole };
  };

  for await (const chunk of stream) {
    const ended: Line[] = [];
    let from = 0;
    for (let to = chunk.indexOf(NEWLINE); to !== -1; to = chunk.indexOf(NEWLINE, from)) {
      hold(chunk.subarray(from, to));
      from = to + 1;
      const complete = line();
      if (complete) {
        ended.push(complete);
      }
    }
    hold(chunk.subarray(from));
    yield ended;
  }
  const last = length > 0 ? line() : undefined;
  if (last) {
    yield [last];
  }
}
