import { request } from '../support/raw.js';
import {
  draft,
  DRAFT,
  emits,
  EVENTS,
  JSON_TYPE,
  LIMITS,
  LINES_TYPE,
  nested,
  NOT_UTF8,
  refused,
  TARGET,
  type Attack,
} from './attack.js';

const HALF_A_CHARACTER = String.raw`"\ud800"`;

/** Bodies that are no bodies. */
export const BODY_ATTACKS: readonly Attack[] = [
  ...refused(
    [
      ['There is no type of content.', emits(DRAFT, {}), /no Content-Type; allowed here: appl/],
      [
        'A page of another origin posts a form, for which browsers ask nobody.',
        emits(DRAFT, { 'Content-Type': 'text/plain' }),
        /Content-Type is text\/plain; allowed here/,
      ],
      [
        'The charset is not UTF-8.',
        emits(DRAFT, { 'Content-Type': 'application/json; charset=utf-16' }),
        /charset is utf-16: send UTF-8/,
      ],
      [
        'A small body unpacks to a large one.',
        emits(DRAFT, { ...JSON_TYPE, 'Content-Encoding': 'gzip' }),
        /body is gzip: send it plain/,
      ],
      [
        'A stream is compressed.',
        emits(DRAFT, { ...LINES_TYPE, 'Content-Encoding': 'gzip' }),
        /body is gzip: send it plain/,
      ],
      [
        'A stream is not UTF-8.',
        emits(DRAFT, { 'Content-Type': 'application/x-ndjson; charset="utf-16"' }),
        /charset is utf-16: send UTF-8/,
      ],
    ],
    415,
    'unsupported-media-type',
  ),
  ...refused(
    [
      ['The body is empty.', emits('', { ...JSON_TYPE, 'Content-Length': '0' }), /no JSON/],
      ['There is no body.', emits('', JSON_TYPE), /no JSON/],
      ['The JSON ends too early.', emits('{"type":'), /end of JSON|position/],
      ['The JSON goes on after its end.', emits(DRAFT + DRAFT), /after JSON at position 25/],
      ['The JSON has a comment.', emits(`/**/${DRAFT}`), /Unexpected token '\/'/],
      ['The JSON is JavaScript.', emits("{'type':'a'}"), /property name/],
      ['A number is none.', emits('{"type":"a","payload":{"n":NaN}}'), /Unexpected token 'N'/],
      ['The JSON begins with a byte order mark.', emits(`\ufeff${DRAFT}`), /Unexpected token/],
      ['A character is encoded longer than it is.', emits(NOT_UTF8), /not valid UTF-8/],
      ['Half a character comes as an escape.', emits(draft({ id: '\ud800' })), /surrogate/],
      ['Half a character is a key.', emits(draft({ payload: { '\udc00': 1 } })), /surrogate/],
      [
        'Half a character lies so deep that looking for it overflows the stack.',
        emits(`{"type":"a","payload":{"a":${nested(10_000, HALF_A_CHARACTER)}}}`),
        /deeper than 64 levels/,
      ],
      [
        'The JSON is so deep that walking it overflows the stack.',
        emits(`{"type":"a","payload":{"a":${nested(10_000)}}}`),
        /deeper than 64 levels/,
      ],
      [
        'A number is beyond a double, and would be read as infinite.',
        emits('{"type":"a","payload":{"n":1e400}}'),
        /too large for a double: send a string/,
      ],
      [
        'A number is beyond a double on the other side.',
        emits('{"type":"a","payload":{"n":-1e400}}'),
        /too large for a double: send a string/,
      ],
      [
        'An integer is beyond 2^53, and would be recorded as another one.',
        emits('{"type":"a","payload":{"n":12345678901234567890}}'),
        /12345678901234567890 is beyond 2\^53 and would be rounded: send a string/,
      ],
    ],
    400,
    'invalid-json',
  ),
  ...refused(
    [
      ['The body is null.', emits('null'), /The body must be object/],
      ['The body is a bare list.', emits(`[${DRAFT}]`), /The body must be object/],
      ['The body is a number.', emits('3'), /The body must be object/],
      ['The body is a text.', emits('"x"'), /The body must be object/],
      ['The batch is empty.', emits('{"events":[]}'), /events must NOT have fewer than 1/],
      ['The batch is no list.', emits('{"events":3}'), /events must be array/],
      [
        'Beside the batch stands an event that nobody would see.',
        emits(`{"events":[${DRAFT}],"type":"b"}`),
        /type is not known here; known: events/,
      ],
      ['A stream has no line.', emits('', LINES_TYPE), /no events: send one a line/],
      ['A stream has empty lines only.', emits('\n \r\n\t\n', LINES_TYPE), /no events/],
    ],
    422,
    'invalid-body',
  ),
  ...refused(
    [
      [
        'The body is larger than allowed, and says so.',
        emits(`{"type":"a","payload":{"s":"${'x'.repeat(LIMITS.bodyBytesMax)}"}}`),
        /larger than 65536 bytes. Send less at once, or NDJSON/,
      ],
      [
        'The body is larger than allowed, and does not say so.',
        emits(`1ffff\r\n${'x'.repeat(0x1ffff)}\r\n0\r\n\r\n`, {
          ...JSON_TYPE,
          'Transfer-Encoding': 'chunked',
        }),
        /larger than 65536 bytes. Send less at once, or NDJSON/,
      ],
      [
        'The batch has more events than allowed.',
        emits(
          `{"events":[${Array(LIMITS.batchEventsMax + 1)
            .fill(DRAFT)
            .join()}]}`,
        ),
        /batch has 11 events, the limit is 10/,
      ],
    ],
    413,
    'too-large',
  ),
  {
    attack: 'Numbers stand at the edge of a double.',
    bytes: emits('{"type":"a","payload":{"zero":-0,"small":1e-400,"large":9007199254740991}}'),
    status: 201,
    records: 1,
  },
];

const CONFIG = `/v2/workspaces/${TARGET}`;

const puts = (config: string): Buffer => request('PUT', CONFIG, JSON_TYPE, config);

export const CONFIG_ATTACKS: readonly Attack[] = [
  ...refused(
    [
      ['A configuration is null.', puts('null'), /The body must be object/],
      ['A setting is not known.', puts('{"owner":"me"}'), /owner is not known here; known: desc/],
      [
        'The prototype of a configuration is set.',
        puts('{"__proto__":{"redact":["payload.a"]}}'),
        /__proto__ is not known here/,
      ],
      ['A path is no text.', puts('{"redact":[{}]}'), /redact\[0\] must be string/],
      ['A path leaves the payload.', puts('{"redact":["target.userId"]}'), /`payload.` and a dot/],
      ['A path is the whole payload.', puts('{"fit":["payload"]}'), /`payload.` and a dotted path/],
      [
        'More paths than anyone has are walked for each event.',
        puts(JSON.stringify({ redact: Array(101).fill('payload.a') })),
        /redact must NOT have more than 100 items/,
      ],
      [
        'A description is a book.',
        puts(JSON.stringify({ description: 'x'.repeat(1001) })),
        /description must NOT have more than 1000 characters/,
      ],
    ],
    422,
    'invalid-body',
  ),
  {
    attack: 'The workspace of the service itself is emitted into.',
    bytes: request('POST', '/v2/workspaces/_system/events', JSON_TYPE, DRAFT),
    status: 403,
    code: 'forbidden',
    says: /You may not emit into the workspace _system/,
  },
  {
    attack: 'The workspace of the service itself is configured.',
    bytes: request('PUT', '/v2/workspaces/_system', JSON_TYPE, '{}'),
    status: 403,
    code: 'forbidden',
    says: /You may not change the workspace _system/,
  },
  {
    attack: 'The workspace of the service itself is deleted.',
    bytes: request('DELETE', '/v2/workspaces/_system'),
    status: 403,
    code: 'forbidden',
    says: /You may not change the workspace _system/,
  },
  {
    attack: 'A log level is made up.',
    bytes: request('PUT', '/sys/logging', JSON_TYPE, '{"level":"loud"}'),
    status: 422,
    code: 'invalid-body',
    says: /level must be one of trace,debug,info/,
  },
  {
    attack: 'A workspace is deleted that is not there.',
    bytes: request('DELETE', '/v2/workspaces/nobody'),
    status: 404,
    code: 'workspace-not-found',
    says: /no workspace nobody. Make it with PUT/,
  },
  {
    attack: 'An event is asked for by an id that climbs out of its workspace.',
    bytes: request('GET', `${EVENTS}/..%2f..%2fother%2fevents%2fe1`),
    status: 404,
    code: 'event-not-found',
    says: /no event \.\.\/\.\.\/other\/events\/e1 in the history/,
  },
];
