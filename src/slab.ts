/**
 * Many records as one block of memory: one allocation, one copy, and one transfer to another
 * thread where an array of them would be copied object by object. `ends[i]` is where record `i`
 * ends in the slab; it begins where the one before it ends.
 */
export interface Slab {
  readonly ends: Uint32Array<ArrayBuffer>;
  readonly slab: Uint8Array<ArrayBuffer>;
}

/** Copies records into a slab of its own buffer, which may thus be transferred. Less than 4 GiB. */
export function pack(records: readonly { readonly bytes: Uint8Array }[]): Slab {
  const ends = new Uint32Array(records.length);
  let end = 0;
  for (const [index, { bytes }] of records.entries()) {
    end += bytes.byteLength;
    ends[index] = end;
  }
  const slab = new Uint8Array(end);
  for (const [index, { bytes }] of records.entries()) {
    slab.set(bytes, ends[index]! - bytes.byteLength);
  }
  return { ends, slab };
}

/**
 * The records of a slab, as views on it: nothing is copied, and any one of them keeps all of it
 * alive.
 */
export function unpack(ends: Uint32Array, slab: Uint8Array): Uint8Array[] {
  let begin = 0;
  return Array.from(ends, (end) => {
    const bytes = slab.subarray(begin, end);
    begin = end;
    return bytes;
  });
}
