import type { ErrorCode } from '../../src/errors.js';
import { BINARY, CLOSE, frame, handshake, PING, text, TEXT } from '../support/frame.js';
import { DRAFT, EVENTS, LIMITS, nested } from './attack.js';

/** What is wrong about the frames of one connection, and how it has to be met. */
export interface FrameAttack {
  /** A sentence that names it. */
  readonly attack: string;
  readonly opening?: Buffer;
  readonly frames?: Buffer;
  readonly met: Met;
}

/** By an error frame, by a close code, by a refusal of the handshake, or by an answer. */
export type Met =
  | { readonly error: ErrorCode; readonly says: RegExp; readonly id?: unknown }
  | { readonly closed: number }
  | { readonly refused: number; readonly code: ErrorCode; readonly says: RegExp }
  | { readonly op: string; readonly tells?: Readonly<Record<string, unknown>> };

const handshakes: readonly (readonly [
  attack: string,
  target: string,
  headers: Readonly<Record<string, string | undefined>>,
  refused: readonly [status: number, code: ErrorCode, says: RegExp],
])[] = [
  [
    'A WebSocket is opened where there is none.',
    '/v2/workspaces',
    {},
    [404, 'not-found', /WebSockets are at \/v2\/workspaces\/\{workspace\}\/events/],
  ],
  [
    'A target of two slashes cannot be taken apart.',
    '//',
    {},
    [400, 'invalid-request', /neither a path nor begins with http/],
  ],
  [
    'A URL cannot be taken apart.',
    'http://[::1/v2',
    {},
    [400, 'invalid-request', /neither a path nor begins with http/],
  ],
  [
    'A workspace is reserved.',
    '/v2/workspaces/_x/events',
    {},
    [400, 'invalid-request', /workspace must be 1 to 100 letters/],
  ],
  [
    'A workspace climbs out of its place.',
    '/v2/workspaces/../events',
    {},
    [400, 'invalid-request', /workspace must be 1 to 100 letters/],
  ],
  [
    'A workspace has an escape that is none.',
    '/v2/workspaces/%zz/events',
    {},
    [400, 'invalid-request', /escape that is not UTF-8/],
  ],
  [
    'A page of another origin opens a WebSocket, for which browsers ask nobody.',
    EVENTS,
    { Origin: 'http://evil.example' },
    [403, 'forbidden', /Pages of http:\/\/evil\.example may not connect; see CORS_ORIGINS/],
  ],
  [
    'A page without an origin, in a frame of a sandbox, opens a WebSocket.',
    EVENTS,
    { Origin: 'null' },
    [403, 'forbidden', /Pages of null may not connect/],
  ],
  [
    'A version is made up.',
    EVENTS,
    { 'Sec-WebSocket-Version': '12' },
    [400, 'invalid-request', /Sec-WebSocket-Version is 13/],
  ],
  [
    'There is no version.',
    EVENTS,
    { 'Sec-WebSocket-Version': undefined },
    [400, 'invalid-request', /invalid Sec-WebSocket-Version header/],
  ],
  [
    'A key is too short.',
    EVENTS,
    { 'Sec-WebSocket-Key': 'x' },
    [400, 'invalid-request', /invalid Sec-WebSocket-Key header/],
  ],
  [
    'There is no key.',
    EVENTS,
    { 'Sec-WebSocket-Key': undefined },
    [400, 'invalid-request', /invalid Sec-WebSocket-Key header/],
  ],
  [
    'A list of subprotocols has none.',
    EVENTS,
    { 'Sec-WebSocket-Protocol': ',,' },
    [400, 'invalid-request', /Invalid Sec-WebSocket-Protocol header/],
  ],
  [
    'A user id has a control character.',
    EVENTS,
    { 'X-User-Id': 'a\u0085' },
    [400, 'invalid-request', /The header x-user-id must be/],
  ],
  [
    'A WebSocket names no host.',
    EVENTS,
    { Host: 'a b' },
    [400, 'invalid-request', /host must name a host/],
  ],
];

const ask = (fields: Readonly<Record<string, unknown>>): Buffer => text({ id: 7, ...fields });
const subscribe = (fields: Readonly<Record<string, unknown>>): Buffer =>
  ask({ op: 'subscribe', ...fields });
const raw = (json: string): Buffer => frame(TEXT, json);

/** Frames that are no WebSocket frames: the connection is closed with the code of RFC 6455. */
const broken: readonly (readonly [attack: string, frames: Buffer, closed: number])[] = [
  ['A text is not UTF-8.', frame(TEXT, Buffer.from([0xff])), 1007],
  [
    'A frame of a client is not masked, to poison a cache.',
    frame(TEXT, '{}', { masked: false }),
    1002,
  ],
  [
    'A bit is set that means compression, which was not agreed.',
    frame(TEXT, '{}', { reserved: 4 }),
    1002,
  ],
  ['A reserved bit is set.', frame(TEXT, '{}', { reserved: 1 }), 1002],
  ['A ping comes in parts.', frame(PING, 'x', { fin: false }), 1002],
  ['A ping is larger than pings may be.', frame(PING, 'x'.repeat(126)), 1002],
  ['An opcode is reserved.', frame(3, 'x'), 1002],
  ['An opcode of a control frame is reserved.', frame(11, 'x'), 1002],
  ['A part comes that goes on from nothing.', frame(0, 'x'), 1002],
  [
    'A message begins within another one.',
    Buffer.concat([frame(TEXT, '{', { fin: false }), frame(TEXT, '}')]),
    1002,
  ],
  ['A frame is larger than allowed.', frame(TEXT, 'x'.repeat(LIMITS.bodyBytesMax + 1)), 1009],
  ['A frame claims to be larger than memory.', frame(TEXT, 'x', { length: 2 ** 40 }), 1009],
  [
    'A message is larger than allowed, and none of its parts is.',
    Buffer.concat([
      frame(TEXT, 'x'.repeat(LIMITS.bodyBytesMax), { fin: false }),
      frame(0, 'x'.repeat(9)),
    ]),
    1009,
  ],
  ['A close code is one that is never sent.', frame(CLOSE, Buffer.from([0x03, 0xed])), 1002],
  ['A close code is below all codes.', frame(CLOSE, Buffer.from([0x00, 0x01])), 1002],
  ['A close code is beyond all codes.', frame(CLOSE, Buffer.from([0xff, 0xff])), 1002],
  ['A close code is half of one.', frame(CLOSE, 'x'), 1002],
  ['The reason of a close is not UTF-8.', frame(CLOSE, Buffer.from([0x03, 0xe8, 0xff])), 1007],
  ['A close code is the client’s own.', frame(CLOSE, Buffer.from([0x13, 0x87])), 4999],
];

/** Messages that say nothing, or the wrong thing: each is answered, and the connection stays. */
const messages: readonly (readonly [
  attack: string,
  frames: Buffer,
  error: ErrorCode,
  says: RegExp,
  id?: unknown,
])[] = [
  ['A message is binary.', frame(BINARY, '{}'), 'invalid-frame', /JSON text, this one is binary/],
  ['A message is empty.', raw(''), 'invalid-json', /There is no JSON/],
  ['A message is no JSON.', raw('{"op":'), 'invalid-json', /JSON/],
  ['A message is null.', raw('null'), 'invalid-frame', /op must be one of emit, subscribe, unsub/],
  ['A message is a number.', raw('3'), 'invalid-frame', /op must be one of/],
  ['A message is a text.', raw('"subscribe"'), 'invalid-frame', /op must be one of/],
  ['A message is a list.', raw('[{"op":"subscribe"}]'), 'invalid-frame', /op must be one of/],
  ['A message asks for nothing.', ask({}), 'invalid-frame', /op must be one of/, 7],
  ['A message asks for what there is not.', ask({ op: 'drop' }), 'invalid-frame', /one of/, 7],
  ['A message asks in a number.', ask({ op: 1 }), 'invalid-frame', /op must be one of/, 7],
  ['A message asks for the prototype.', ask({ op: '__proto__' }), 'invalid-frame', /one of/, 7],
  [
    'A message asks for a method.',
    ask({ op: 'toString' }),
    'invalid-frame',
    /op must be one of/,
    7,
  ],
  [
    'The prototype of a message is set.',
    raw(`{"op":"emit","id":7,"__proto__":{"polluted":true},"events":[${DRAFT}]}`),
    'invalid-frame',
    /__proto__ is not known here; known: op, id, events/,
    7,
  ],
  [
    'A message is so deep that walking it overflows the stack.',
    raw(`{"op":"emit","id":7,"events":${nested(10_000)}}`),
    'invalid-json',
    /deeper than 64 levels/,
  ],
  [
    'The id of a message is an object.',
    text({ op: 'subscribe', id: { toString: 1 } }),
    'invalid-frame',
    /id must be an integer or a string of at most 128 characters/,
  ],
  [
    'The id of a message is null.',
    text({ op: 'subscribe', id: null }),
    'invalid-frame',
    /id must be an integer/,
  ],
  [
    'The id of a message is too long to be sent back.',
    text({ op: 'subscribe', id: 'x'.repeat(129) }),
    'invalid-frame',
    /id must be an integer/,
  ],
  [
    'The id of a message breaks out of its answer.',
    text({ op: 'unsubscribe', id: '"},\r\n\u2028<!--', subscription: 's9' }),
    'subscription-not-found',
    /no subscription s9 on this connection/,
    '"},\r\n\u2028<!--',
  ],
  ['Nothing is emitted.', ask({ op: 'emit' }), 'invalid-frame', /events is required/, 7],
  ['No event is emitted.', ask({ op: 'emit', events: [] }), 'invalid-frame', /fewer than 1/, 7],
  ['A number is emitted.', ask({ op: 'emit', events: 3 }), 'invalid-frame', /must be array/, 7],
  [
    'An event is emitted beside a list of events.',
    ask({ op: 'emit', events: [], type: 'a' }),
    'invalid-frame',
    /type is not known here|fewer than 1/,
    7,
  ],
  [
    'More events are emitted than allowed.',
    raw(`{"op":"emit","id":7,"events":[${Array(11).fill(DRAFT).join()}]}`),
    'too-large',
    /batch has 11 events, the limit is 10/,
    7,
  ],
  ['A filter is a number.', subscribe({ filter: 3 }), 'invalid-filter', /must be an object/, 7],
  ['A filter is null.', subscribe({ filter: null }), 'invalid-filter', /must be an object/, 7],
  [
    'A filter is on the prototype.',
    raw('{"op":"subscribe","id":7,"filter":{"__proto__":1}}'),
    'invalid-filter',
    /__proto__ is not a field/,
    7,
  ],
  [
    'A filter is deep.',
    raw(`{"op":"subscribe","id":7,"filter":${'{"$not":'.repeat(20)}{}${'}'.repeat(20)}}`),
    'invalid-filter',
    /deeper than 8 filters/,
    7,
  ],
  ...(
    [
      ['is a word of no meaning', 'end'],
      ['is empty', {}],
      ['is two at once', { last: 1, time: '2026-01-01T00:00:00Z' }],
      ['is the last none', { last: 0 }],
      ['is the last of all', { last: 1e9 }],
      ['is the last in words', { last: 'ten' }],
      ['is a time on no calendar', { time: '2026-02-30T00:00:00Z' }],
      ['is a position in a number', { position: 3 }],
    ] as const
  ).map(([what, from]) => {
    const says = /from must be `now`, `start`, `{"position": <cursor>}`/;
    return [`A begin ${what}.`, subscribe({ from }), 'invalid-frame', says, 7] as const;
  }),
  [
    'A cursor is none.',
    subscribe({ from: { position: 'x' } }),
    'invalid-cursor',
    /from\.position must be a cursor as the service gave it/,
    7,
  ],
  ['A pace stands still.', subscribe({ pace: 0 }), 'invalid-frame', /pace must be > 0/, 7],
  ['A pace goes back.', subscribe({ pace: -1 }), 'invalid-frame', /pace must be > 0/, 7],
  [
    'A pace is beyond all timers.',
    subscribe({ pace: 1e99 }),
    'invalid-frame',
    /pace must be <=/,
    7,
  ],
  ['A pace is a text.', subscribe({ pace: '1' }), 'invalid-frame', /pace must be number/, 7],
  [
    'A pace is none.',
    raw('{"op":"subscribe","id":7,"pace":NaN}'),
    'invalid-json',
    /Unexpected token/,
  ],
  [
    'A subscription is ended that there is not.',
    ask({ op: 'unsubscribe', subscription: 's9' }),
    'subscription-not-found',
    /no subscription s9 on this connection/,
    7,
  ],
  [
    'A subscription is ended that is called as the prototype is.',
    ask({ op: 'unsubscribe', subscription: '__proto__' }),
    'subscription-not-found',
    /no subscription __proto__/,
    7,
  ],
  ['Nothing is ended.', ask({ op: 'unsubscribe' }), 'invalid-frame', /subscription is required/, 7],
  [
    'A subscription is ended whose name is a book.',
    ask({ op: 'unsubscribe', subscription: 's'.repeat(1000) }),
    'invalid-frame',
    /more than 32 characters/,
    7,
  ],
  [
    'More subscriptions are opened than allowed.',
    Buffer.concat(Array.from({ length: 4 }, (_, id) => text({ op: 'subscribe', id }))),
    'limit-exceeded',
    /at most 3 subscriptions/,
    3,
  ],
];

export const FRAME_ATTACKS: readonly FrameAttack[] = [
  ...handshakes.map(([attack, target, headers, [refused, code, says]]) => {
    return { attack, opening: handshake(target, headers), met: { refused, code, says } };
  }),
  {
    attack: 'The whole URL names another server.',
    opening: handshake(`http://evil.example${EVENTS}`),
    frames: subscribe({}),
    met: { op: 'subscribed' },
  },
  {
    attack: 'No subprotocol is offered, or another one.',
    opening: handshake(EVENTS, { 'Sec-WebSocket-Protocol': 'graphql-ws' }),
    frames: subscribe({}),
    met: { op: 'subscribed' },
  },
  {
    attack: 'The service’s own workspace is emitted into.',
    opening: handshake('/v2/workspaces/_system/events'),
    frames: raw(`{"op":"emit","id":7,"events":[${DRAFT}]}`),
    met: { error: 'forbidden', says: /You may not emit into the workspace _system/, id: 7 },
  },
  ...broken.map(([attack, frames, closed]) => ({ attack, frames, met: { closed } })),
  ...messages.map(([attack, frames, error, says, id]) => ({
    attack,
    frames,
    met: { error, says, id },
  })),
  {
    attack: 'A message comes in parts, with a ping in between.',
    frames: Buffer.concat([
      frame(TEXT, '{"op":"subscribe",', { fin: false }),
      frame(PING, 'x'),
      frame(0, '"id":7}'),
    ]),
    met: { op: 'subscribed' },
  },
  {
    attack: 'A cursor is of another workspace.',
    frames: subscribe({ from: { position: 'aaaaaaaa-1' } }),
    met: { op: 'subscribed', tells: { recovered: false, reason: 'other-epoch' } },
  },
];

export const OPENING = handshake(EVENTS);
