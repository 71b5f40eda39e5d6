import {
  draft,
  DRAFT,
  emits,
  JSON_TYPE,
  LIMITS,
  LINES_TYPE,
  nested,
  NOT_UTF8,
  refused,
  type Attack,
} from './attack.js';

/** Events that are not what they should be; each is the only one of its request. */
export const DRAFT_ATTACKS: readonly Attack[] = [
  ...(
    [
      ['An event is no object.', '{"events":[null]}', /The event must be object/],
      ['An event is a list.', '{"events":[[]]}', /The event must be object/],
      ['An event has no type.', '{"payload":{}}', /type is required/],
      ['An event has no payload.', '{"type":"a"}', /payload is required/],
      ['A type is no text.', draft({ type: 3 }), /type must be string/],
      ['A type is too long.', draft({ type: 'x'.repeat(257) }), /more than 256 characters/],
      ['A type breaks out of its JSON.', draft({ type: 'a","id":"b' }), /type must be letters/],
      ['A type breaks a line.', draft({ type: 'a\r\ndata: b' }), /type must be letters/],
      ['A type ends with a line break.', draft({ type: 'a\n' }), /type must be letters/],
      ['A type has an empty part.', draft({ type: 'a..b' }), /between dots, such as `order.paid`/],
      ['An id is no text.', draft({ id: 3 }), /id must be string/],
      ['An id is empty.', draft({ id: '' }), /id must be 1 to 128 characters of visible ASCII/],
      ['An id is too long.', draft({ id: 'x'.repeat(129) }), /id must be 1 to 128 characters/],
      ['An id breaks a line.', draft({ id: 'a\r\nid: 7' }), /id must be .* visible ASCII/],
      ['An id has a space.', draft({ id: 'a b' }), /id must be .* visible ASCII/],
      ['An id looks like another one.', draft({ id: 'а' }), /id must be .* visible ASCII/],
      ['A payload is null.', draft({ payload: null }), /payload must be object/],
      ['A payload is a list.', draft({ payload: [] }), /payload must be object/],
      ['A payload is a text.', draft({ payload: '{}' }), /payload must be object/],
      ['A target is nobody.', draft({ target: {} }), /target must NOT have fewer than 1/],
      ['A target is not known.', draft({ target: { role: 'all' } }), /target.role is not known/],
      ['A target is no text.', draft({ target: { userId: {} } }), /target.userId must be string/],
      ['A target breaks a line.', draft({ target: { topic: 'a\nb' } }), /without control char/],
      ['A target is too long.', draft({ target: { topic: 'x'.repeat(257) } }), /1 to 256 char/],
      ['An option is no flag.', draft({ options: { persist: 'no' } }), /persist must be boolean/],
      ['An option is not known.', draft({ options: { ttl: 1 } }), /options.ttl is not known here/],
      ['A time is none.', draft({ time: 'yesterday' }), /time must be an RFC 3339 date-time/],
      ['A time is on no calendar.', draft({ time: '2026-02-30T00:00:00Z' }), /RFC 3339/],
      ['A time has no zone.', draft({ time: '2026-02-20T00:00:00' }), /RFC 3339/],
      ['A time breaks a line.', draft({ time: '2026-02-20\n00:00:00Z' }), /RFC 3339/],
      ['A time is a number.', draft({ time: 0 }), /time must be string/],
      ['A time is too long.', draft({ time: `2026-02-20T00:00:00.${'0'.repeat(40)}Z` }), /40 char/],
      ['The source is forged.', draft({ source: { userId: 'root' } }), /source is not known here/],
      ['The acceptance is forged.', draft({ createdAt: '2026-01-01T00:00:00Z' }), /createdAt is/],
      ['The workspace is forged.', draft({ workspaceId: 'other' }), /workspaceId is not known/],
      ['The position is forged.', draft({ position: 1 }), /position is not known here/],
      ['An error is forged.', draft({ error: { code: 'x' } }), /error is not known here/],
      [
        'The prototype is set beside the fields.',
        '{"type":"a","payload":{},"__proto__":{"polluted":true}}',
        /__proto__ is not known here; known: id, type, payload/,
      ],
      [
        'The constructor is set beside the fields.',
        draft({ constructor: { prototype: { polluted: true } } }),
        /constructor is not known here/,
      ],
      [
        'A name is as long as the body, to be sent back as often as it is told.',
        draft({ ['x'.repeat(60_000)]: 1 }),
        /^x{256} is not known here/,
      ],
    ] as const
  ).map(([attack, body, says]) => ({
    attack,
    bytes: emits(body),
    status: 422,
    code: 'invalid-event' as const,
    says,
  })),
  {
    attack: 'An event is larger than allowed.',
    bytes: emits(draft({ payload: { s: 'x'.repeat(LIMITS.eventBytesMax) } })),
    status: 422,
    code: 'too-large',
    says: /has 4\d{3} bytes as recorded, the limit is 4096\. Send less, or name payload fields/,
  },
  {
    attack: 'One event of a batch is larger than allowed, and does not hinder the others.',
    bytes: emits(`{"events":[${DRAFT},${draft({ payload: { s: 'x'.repeat(4096) } })},${DRAFT}]}`),
    status: 207,
    code: 'too-large',
    says: /the limit is 4096/,
    records: 2,
  },
];

const stream = (...lines: readonly (string | Buffer)[]): Buffer =>
  emits(Buffer.concat(lines.flatMap((line) => [Buffer.from(line), Buffer.from('\n')])), LINES_TYPE);

/** Streams of which one line is wrong: the others go in. */
export const LINE_ATTACKS: readonly Attack[] = [
  {
    attack: 'A line is longer than an event may be.',
    bytes: stream(DRAFT, draft({ payload: { s: 'x'.repeat(10_000) } }), DRAFT),
    status: 207,
    code: 'too-large',
    says: /longer than 4096 bytes/,
    records: 2,
  },
  {
    attack: 'A line is so deep that walking it overflows the stack.',
    bytes: stream(DRAFT, `{"type":"a","payload":{"a":${nested(1000)}}}`, DRAFT),
    status: 207,
    code: 'invalid-json',
    says: /deeper than 64 levels/,
    records: 2,
  },
  {
    attack: 'A line is not UTF-8.',
    bytes: stream(DRAFT, NOT_UTF8, DRAFT),
    status: 207,
    code: 'invalid-json',
    says: /not valid UTF-8/,
    records: 2,
  },
  {
    attack: 'A line is no JSON.',
    bytes: stream(DRAFT, '{"type":', DRAFT),
    status: 207,
    code: 'invalid-json',
    says: /JSON/,
    records: 2,
  },
  {
    attack: 'A line is no event.',
    bytes: stream(DRAFT, 'null', DRAFT),
    status: 207,
    code: 'invalid-event',
    says: /The event must be object/,
    records: 2,
  },
  {
    attack: 'A line is a batch.',
    bytes: stream(DRAFT, `{"events":[${DRAFT}]}`, DRAFT),
    status: 207,
    code: 'invalid-event',
    says: /type is required|events is not known here/,
    records: 2,
  },
  {
    attack: 'All lines are wrong.',
    bytes: stream('3', '"x"', '[]'),
    status: 422,
    code: 'invalid-event',
    says: /The event must be object/,
  },
  {
    attack: 'The last line has no end.',
    bytes: emits(`${DRAFT}\n${DRAFT}`, LINES_TYPE),
    status: 201,
    records: 2,
  },
  {
    attack: 'Lines end as on Windows, and some are blank.',
    bytes: emits(`${DRAFT}\r\n\r\n \t\r\n${DRAFT}\r\n`, LINES_TYPE),
    status: 201,
    records: 2,
  },
];

const STRUCTURED = { 'Content-Type': 'application/cloudevents+json' };
const BATCH = { 'Content-Type': 'application/cloudevents-batch+json' };
const BINARY = {
  ...JSON_TYPE,
  'ce-specversion': '1.0',
  'ce-id': 'ce-1',
  'ce-source': '/s',
  'ce-type': 'a',
};

function cloudEvent(fields: Readonly<Record<string, unknown>>): string {
  const whole = { specversion: '1.0', id: 'ce-2', source: '/s', type: 'a', data: {} };
  return JSON.stringify({ ...whole, ...fields });
}

export const CLOUDEVENT_ATTACKS: readonly Attack[] = [
  ...refused(
    [
      ['A CloudEvent is null.', emits('null', STRUCTURED), /the body must be object/],
      ['A CloudEvent is a list.', emits('[]', STRUCTURED), /the body must be object/],
      ['A CloudEvent is empty.', emits('{}', STRUCTURED), /specversion is required/],
      [
        'A CloudEvent is of a version to come.',
        emits(cloudEvent({ specversion: '2.0' }), STRUCTURED),
        /specversion must be "1.0"/,
      ],
      [
        'A CloudEvent has no source.',
        emits(cloudEvent({ source: '' }), STRUCTURED),
        /source must NOT have fewer than 1/,
      ],
      [
        'A CloudEvent holds bytes, which no filter could see.',
        emits(cloudEvent({ data_base64: 'AAAA' }), STRUCTURED),
        /data_base64 must be absent/,
      ],
      [
        'The data of a CloudEvent is a text.',
        emits(cloudEvent({ data: 'x' }), STRUCTURED),
        /data must be object/,
      ],
      [
        'The data of a CloudEvent stands where its attributes go.',
        emits(cloudEvent({ data: { cloudevent: 1 } }), STRUCTURED),
        /data.cloudevent must be absent/,
      ],
      ['A batch of CloudEvents is an object.', emits('{}', BATCH), /the body must be array/],
      ['A batch of CloudEvents is empty.', emits('[]', BATCH), /fewer than 1 items/],
      [
        'One CloudEvent of a batch is none.',
        emits(`[${cloudEvent({})},null]`, BATCH),
        /\[1\] must be object/,
      ],
      [
        'A CloudEvent in headers has no type.',
        emits('{}', { ...BINARY, 'ce-type': '' }),
        /type must NOT have fewer than 1/,
      ],
    ],
    422,
    'invalid-body',
  ),
  {
    attack: 'An id in a header breaks a line once it is decoded.',
    bytes: emits('{}', { ...BINARY, 'ce-id': 'a%0d%0ab' }),
    status: 422,
    code: 'invalid-event',
    says: /id must be 1 to 128 characters of visible ASCII/,
  },
  {
    attack: 'A header has an escape that is none.',
    bytes: emits('{}', { ...BINARY, 'ce-subject': '%zz' }),
    status: 400,
    code: 'invalid-request',
    says: /ce-\* header has an escape that is not UTF-8/,
  },
  {
    attack: 'An extension is called as the prototype is.',
    bytes: emits('{}', { ...BINARY, 'ce-__proto__': 'x', 'ce-constructor': 'y' }),
    status: 201,
    records: 1,
  },
];
