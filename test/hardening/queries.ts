import type { Position } from '../../src/event.js';
import { formatKeyset } from '../../src/queries/keyset.js';
import { request } from '../support/raw.js';
import { EVENTS, JSON_TYPE, LIMITS, reads, refused, TARGET, type Attack } from './attack.js';

const SSE = { Accept: 'text/event-stream' };
const LINES = { Accept: 'application/x-ndjson' };

const asked = (body: string): Buffer =>
  request('POST', `/v2/workspaces/${TARGET}/search`, JSON_TYPE, body);

/** The `next` of a page, as the service would give it. */
const keyset = (epoch: string, position: number): string =>
  formatKeyset({
    sort: 'position',
    order: 'newest',
    back: false,
    epoch,
    last: position,
    key: { time: 0, of: `${TARGET}/${epoch}`, position: position as Position },
  });

const times = (count: number, name: (n: number) => string): string =>
  Array.from({ length: count }, (_, n) => name(n)).join('&');

/** What can be asked for in a query string, and cannot be given. */
export const PARAMETER_ATTACKS: readonly Attack[] = refused(
  [
    ['A limit is nothing.', reads('limit=0'), /limit must be >= 1/],
    ['A limit is negative.', reads('limit=-1'), /limit must be >= 1/],
    ['A limit is all there is.', reads('limit=1e9'), /limit must be at most 100/],
    ['A limit is no number.', reads('limit=abc'), /limit must be integer/],
    ['A limit is empty.', reads('limit='), /limit must be integer/],
    ['A limit is a fraction.', reads('limit=1.5'), /limit must be integer/],
    ['Two limits are given.', reads('limit=1&limit=2'), /limit is repeated; say it once/],
    [
      'A limit is parted by a semicolon, as some readers part parameters.',
      reads('limit=1;after=x'),
      /limit must be integer/,
    ],
    ['A wait is longer than allowed.', reads('wait=6'), /wait must be at most 5/],
    ['A wait is negative.', reads('wait=-1'), /wait must be >= 0/],
    ['A wait is infinite.', reads('wait=Infinity'), /wait must be integer|at most 5/],
    ['A pace stands still.', reads('pace=0', SSE), /pace must be > 0/],
    ['A pace goes back.', reads('pace=-1', SSE), /pace must be > 0/],
    ['A pace is none.', reads('pace=NaN', SSE), /pace must be number/],
    ['A pace is beyond all timers.', reads('pace=1e99', SSE), /pace must be <= 1000000000/],
    ['A begin is no time.', reads('from=yesterday', SSE), /from must be `now`, `start`/],
    ['A begin is on no calendar.', reads('from=2026-02-30T00:00:00Z', SSE), /RFC 3339/],
    ['The last none are asked for.', reads('from=last:0', SSE), /last:<1 to 9999>/],
    ['The last of all are asked for.', reads('from=last:99999', SSE), /last:<1 to 9999>/],
    ['Two begins are given.', reads('from=now&from=start', SSE), /from is repeated/],
    [
      'A begin and a cursor are given.',
      reads('from=start&after=aaaaaaaa-1'),
      /from says where to begin, and so does after: send one/,
    ],
    [
      'A parameter is for another way of reading.',
      reads('limit=5', SSE),
      /limit is not for this: text\/event-stream takes after, from, pace/,
    ],
    ['An export is to be paced.', reads('pace=1', LINES), /pace is not for this/],
    ['A page of a search is to be polled.', reads('next=a-1&after=a-1'), /next is not for this/],
    ['A parameter is misspelt.', reads('limt=5'), /limt is neither a parameter \(limit, .* nor a/],
    ['A parameter is called as the prototype is.', reads('__proto__=1'), /__proto__ is neither/],
    [
      'A parameter reaches for the prototype.',
      reads('__proto__[x]=1'),
      /__proto__\[x\] is neither/,
    ],
    ['A parameter is called as a method is.', reads('constructor=1'), /constructor is neither/],
    ['A parameter has no name.', reads('=1'), /parameter without a name is neither/],
    ['A parameter has a long name.', reads(`${'x'.repeat(9000)}=1`), /^x{100} is neither/],
    ['A filter comes as it does in JSON.', reads('filter={}'), /JSON is for POST …\/search/],
    [
      'A parameter comes where there is none.',
      request('GET', '/sys/healthcheck?verbose=1'),
      /verbose is not known here; known: nothing/,
    ],
    ['An escape is none.', reads('type=%zz'), /escape that is not UTF-8/],
    ['An escape stands for half a character.', reads('type=%ed%a0%80'), /escape that is not UTF-8/],
    ['An escape stands for a byte.', reads('type=%ff'), /escape that is not UTF-8/],
    ['A path has an escape that is none.', request('GET', `${EVENTS}/%zz`), /escape that is not/],
    [
      'An id breaks a line of the log.',
      request('GET', `${EVENTS}/a%0d%0ab`),
      /id must be 1 to 128 characters of visible ASCII/,
    ],
    ...[
      ['climbs out of the workspaces', '..'],
      ['climbs out of the workspaces by an escape', '%2e%2e'],
      ['climbs out of its folder', '..%2f..%2f_system'],
      ['has a slash', 'a%2fb'],
      ['has a NUL', '%00'],
      ['breaks a line', 'a%0d%0aX-Evil:%201'],
      ['is beyond ASCII', '%F0%9F%98%80'],
      ['is reserved', '_x'],
      ['is the prototype', '__proto__'],
      ['is too long', 'x'.repeat(101)],
    ].map(
      ([what, name]) =>
        [
          `A workspace ${what!}.`,
          request('PUT', `/v2/workspaces/${name!}`, JSON_TYPE, '{}'),
          /workspace must be 1 to 100 letters, digits/,
        ] as const,
    ),
  ],
  400,
  'invalid-request',
);

/** Cursors that no server has made, or none for this. */
export const CURSOR_ATTACKS: readonly Attack[] = [
  ...refused(
    [
      ['A cursor is none.', reads('after=x'), /after must be a cursor as the service gave it/],
      ['A cursor is empty.', reads('after='), /after must be a cursor/],
      ['A cursor has a NUL.', reads('after=%00'), /after must be a cursor/],
      ['A cursor is a number of another kind.', reads('after=aaaaaaaa-1e3'), /after must be a cur/],
      ['A cursor is negative.', reads('after=aaaaaaaa--1'), /after must be a cursor/],
      ['A cursor is beyond 2^53.', reads('after=aaaaaaaa-9999999999999999'), /after must be a cur/],
      [
        'A cursor asks the store.',
        reads("next=a-1'%20OR%201=1"),
        /next must be the next or the previous of a page/,
      ],
      ['A cursor to wait for is none.', reads('waitFor=x'), /waitFor must be a cursor/],
      [
        'An event id of another service comes back.',
        reads('', { ...SSE, 'Last-Event-ID': '42' }),
        /Last-Event-ID must be a cursor/,
      ],
      [
        'A page of another workspace is asked for.',
        reads(`next=${keyset('aaaaaaaa', 7)}`),
        /next is of another workspace/,
      ],
      [
        'A position of another workspace is waited for.',
        ({ foreign }) => reads(`waitFor=${foreign}`),
        /waitFor is a cursor of another workspace/,
      ],
    ],
    400,
    'invalid-cursor',
  ),
  {
    attack: 'A cursor is longer than any.',
    bytes: reads(`after=${'a'.repeat(65)}`),
    status: 400,
    code: 'invalid-request',
    says: /after must NOT have more than 64 characters/,
  },
  {
    attack: 'A cursor of another workspace goes on here.',
    bytes: ({ foreign }) => reads(`after=${foreign}`),
    status: 200,
    tells: { recovered: false, reason: 'other-epoch' },
  },
  {
    attack: 'A cursor is beyond the end.',
    bytes: ({ epoch }) => reads(`after=${epoch}-999999999999999`),
    status: 200,
    tells: { recovered: false, reason: 'ahead' },
  },
  {
    attack: 'A page is beyond the end.',
    bytes: ({ epoch }) => reads(`next=${keyset(epoch, 999_999_999_999_999)}&limit=1`),
    status: 200,
  },
];

const FILTERS: readonly (readonly [attack: string, filter: string, says: RegExp])[] = [
  ['A filter is a number.', '3', /filter must be an object of fields/],
  ['A filter is an empty list.', '[]', /filter is an empty list/],
  ['A filter asks for code to be run.', '{"$where":"1"}', /\$where is not known; there are \$and/],
  [
    'A filter asks for a pattern that never ends.',
    '{"type":{"regex":"(a+)+$"}}',
    /not an operator/,
  ],
  ['A filter is on the prototype.', '{"__proto__":1}', /__proto__ is not a field; fields are id/],
  ['A filter is on a method.', '{"constructor":1}', /constructor is not a field/],
  ['An operator is called as the prototype is.', '{"type":{"__proto__":1}}', /not an operator/],
  ['A filter is deep.', `${'{"$not":'.repeat(20)}{}${'}'.repeat(20)}`, /deeper than 8 filters/],
  ['A star stands between.', '{"type":"a*b"}', /one star, at its start or at its end/],
  ['A value is a book.', `{"type":"${'x'.repeat(1025)}"}`, /longer than 1024 characters/],
  ['A position is a text.', '{"position":"x"}', /position must be a position/],
  ['A time is none.', '{"time":"x"}', /time must be an RFC 3339 date-time/],
  [
    'A filter has more conditions than anyone needs.',
    JSON.stringify(Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`payload.k${n}`, 1]))),
    /payload\.k64 is a condition too many; 64 are allowed/,
  ],
  [
    'A list has more values than anyone needs.',
    JSON.stringify({ type: Array(101).fill('a') }),
    /type lists 101 values; 100 are allowed/,
  ],
];

export const FILTER_ATTACKS: readonly Attack[] = [
  ...refused(
    [
      ...FILTERS.map(([attack, filter, says]) => {
        return [attack, asked(`{"filter":${filter}}`), says] as const;
      }),
      [
        'A query string has more conditions than anyone needs.',
        reads(times(65, (n) => `payload.k${n}=1`)),
        /payload\.k64 is a condition too many/,
      ],
      [
        'A query string has more values than anyone needs.',
        reads(times(101, () => 'type=a')),
        /type lists 101 values/,
      ],
      [
        'A path has more parts than anyone needs.',
        reads(`payload.${'a.'.repeat(32)}b=1`),
        /more than 32 segments/,
      ],
      ['A bound is beyond a double.', reads('payload.n.gte=1e400'), /beyond the range of a number/],
      ['A text has no word.', reads('text=*'), /text has no word to look for/],
    ],
    422,
    'invalid-filter',
  ),
  ...refused(
    [
      ['A search is null.', asked('null'), /The body must be object/],
      ['A search asks for what there is not.', asked('{"sort":"x"}'), /sort must be one of/],
      ['The limit of a search is a text.', asked('{"limit":"5"}'), /limit must be integer/],
      ['The limit of a search is nothing.', asked('{"limit":0}'), /limit must be >= 1/],
      ['The page of a search is an object.', asked('{"next":{}}'), /next must be string/],
    ],
    422,
    'invalid-body',
  ),
  {
    attack: 'The limit of a search is all there is.',
    bytes: asked(`{"limit":${LIMITS.pageEventsMax + 1}}`),
    status: 400,
    code: 'invalid-request',
    says: /limit must be at most 100/,
  },
  {
    attack: 'A filter is so deep that walking it overflows the stack.',
    bytes: asked(`{"filter":${'{"$not":'.repeat(5000)}{}${'}'.repeat(5000)}}`),
    status: 400,
    code: 'invalid-json',
    says: /deeper than 64 levels/,
  },
  {
    attack: 'A condition is on the prototype of a payload, which has no such key.',
    bytes: reads('payload.__proto__.polluted=true&payload.constructor.name=Object'),
    status: 200,
    tells: { events: [] },
  },
];
