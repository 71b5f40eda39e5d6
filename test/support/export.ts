import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { StringDecoder } from 'node:string_decoder';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { eventsUrl } from './client.js';

/** How an export is asked for. */
export interface Wanted {
  readonly format: 'lines' | 'csv';
  readonly isGzipped: boolean;
  readonly fields?: readonly string[];
  readonly query?: Record<string, string>;
}

const ACCEPT = { lines: 'application/x-ndjson', csv: 'text/csv' } as const;

/**
 * The text of an export, as it comes.
 *
 * @param cutAfterBytes Breaks the connection off when so many bytes of it were read.
 * @throws Error where the server refuses, or breaks it off.
 */
export async function* exportText(
  url: string,
  workspace: string,
  { format, isGzipped, fields = [], query = {} }: Wanted,
  cutAfterBytes = Infinity,
): AsyncGenerator<string> {
  const headers = { Accept: ACCEPT[format], ...(isGzipped && { 'Accept-Encoding': 'gzip' }) };
  const address = new URL(eventsUrl(url, workspace, query));
  for (const field of fields) {
    address.searchParams.append('fields', field);
  }
  const asked = request(address, { headers, agent: false });
  asked.end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  if (answer.statusCode !== 200) {
    throw new Error(`an export was answered with ${String(answer.statusCode)}`);
  }
  const decoder = new StringDecoder('utf8');
  let bytesLeft = cutAfterBytes;
  try {
    for await (const chunk of isGzipped ? unzipped(answer) : answer) {
      const part = (chunk as Buffer).subarray(0, bytesLeft);
      bytesLeft -= part.length;
      yield decoder.write(part);
      if (bytesLeft === 0) {
        return;
      }
    }
  } finally {
    asked.destroy();
  }
}

function unzipped(answer: IncomingMessage): Readable {
  const gunzip = createGunzip();
  // An answer that breaks off fails the stream that is read here.
  pipeline(answer, gunzip, () => undefined);
  return gunzip;
}

/** Takes the whole rows of an export out of its text, each with its end. */
export class Rows {
  readonly #format: Wanted['format'];
  /** Of a row that is not yet whole. */
  #rest = '';

  constructor(format: Wanted['format']) {
    this.#format = format;
  }

  *in(text: string): Generator<string> {
    const all = this.#rest + text;
    const end = this.#format === 'lines' ? '\n' : '\r\n';
    let begin = 0;
    let quotes = 0;
    let counted = 0;
    for (let at = all.indexOf(end); at >= 0; at = all.indexOf(end, at + end.length)) {
      quotes += this.#format === 'csv' ? all.slice(counted, at).split('"').length - 1 : 0;
      counted = at;
      // A line break within quotes is a part of a text.
      if (quotes % 2 === 0) {
        yield all.slice(begin, at + end.length);
        begin = at + end.length;
      }
    }
    this.#rest = all.slice(begin);
  }
}

/** The cursor of a row. */
export function cursorOf(row: string): string {
  return /^\{"position":"([^"]+)"|^([^,]+)/.exec(row)!.slice(1).find(Boolean)!;
}

/**
 * Reads an export as a client does whose connection breaks off time and again: it keeps the whole
 * rows alone, and goes on after the last of them.
 *
 * @param cuts After how many bytes each connection but the last is broken off.
 */
export async function* resumedRows(
  url: string,
  workspace: string,
  wanted: Wanted,
  cuts: readonly number[],
): AsyncGenerator<string> {
  const got: Record<string, string> = {};
  for (const cutAfterBytes of [...cuts, Infinity]) {
    const query = { ...wanted.query, ...got };
    const rows = new Rows(wanted.format);
    for await (const text of exportText(url, workspace, { ...wanted, query }, cutAfterBytes)) {
      for (const row of rows.in(text)) {
        yield row;
        const isHeader = wanted.format === 'csv' && got.header === undefined;
        Object.assign(got, isHeader ? { header: 'false' } : { after: cursorOf(row) });
      }
    }
  }
}

/** The cells of a row of CSV; `undefined` where there is nothing, not even an empty text. */
export function cellsOf(row: string): (string | undefined)[] {
  return [...row.slice(0, -2).matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^",]*))/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? (plain === '' ? undefined : plain),
  );
}
