import type { Json, JsonObject } from '../../src/event.js';

/** A policy, a filter, and payloads that it lets through and that it does not. */
export type Row = [policy: string, filter: Json, matching: JsonObject[], others: JsonObject[]];

const own = (key: string, value: Json): JsonObject => Object.fromEntries([[key, value]]);

export const paths: Row[] = [
  ['steps into objects', { 'payload.a.b': 1 }, [{ a: { b: 1 } }], [{ a: 1 }, { b: 1 }, {}]],
  [
    'steps through arrays',
    { 'payload.a.b': 1 },
    [{ a: [{ b: 2 }, { b: 1 }] }],
    [{ a: [{ c: 1 }] }],
  ],
  [
    'steps through arrays of arrays',
    { 'payload.a.b': 1 },
    [{ a: [[[{ b: [[1]] }]]] }],
    [{ a: [[]] }],
  ],
  ['knows no array indices', { 'payload.a.0': 1 }, [{ a: { 0: 1 } }], [{ a: [1] }]],
  [
    'finds keys that hold dots, however they are split',
    { 'payload.a.b.c': 1 },
    [{ a: { b: { c: 1 } } }, { 'a.b.c': 1 }, { 'a.b': { c: 1 } }, { a: { 'b.c': 1 } }],
    [{ a: { b: 1 } }, { 'a.b': 1 }, { 'b.c': 1 }],
  ],
  [
    'looks at every split, not only at the first that leads somewhere',
    { 'payload.a.b': 1 },
    [
      { a: { b: 2 }, 'a.b': 1 },
      { a: { b: 1 }, 'a.b': 2 },
    ],
    [{ a: { b: 2 }, 'a.b': 2 }],
  ],
  [
    'takes the empty key as a key',
    { 'payload..a': 1 },
    [{ '': { a: 1 } }, { '.a': 1 }],
    [{ a: 1 }],
  ],
  ['takes a final dot as the empty key', { 'payload.a.': 1 }, [{ a: { '': 1 } }], [{ a: 1 }]],
  [
    'takes __proto__ as any key',
    { 'payload.__proto__.a': 1 },
    [own('__proto__', { a: 1 })],
    [{ a: 1 }, {}],
  ],
  [
    'sees no inherited property',
    [{ 'payload.constructor': { exists: true } }, { 'payload.a.length': { exists: true } }],
    [{ constructor: 1 }],
    [{}, { a: 'text' }, { a: [1] }],
  ],
];

export const equality: Row[] = [
  [
    'compares the text of numbers',
    { 'payload.a': '3' },
    [{ a: 3 }, { a: '3' }],
    [{ a: 3.5 }, { a: '3.0' }],
  ],
  [
    'compares the text to a number',
    { 'payload.a': 3 },
    [{ a: '3' }, { a: 3 }],
    [{ a: '03' }, { a: [] }],
  ],
  [
    'compares the text of booleans',
    { 'payload.a': true },
    [{ a: true }, { a: 'true' }],
    [{ a: 1 }],
  ],
  [
    'knows large numbers by their text',
    { 'payload.a': 1e21 },
    [{ a: '1e+21' }, { a: 1e21 }],
    [{ a: 1 }],
  ],
  ['takes minus zero for zero', { 'payload.a': '0' }, [{ a: -0 }, { a: 0 }], [{ a: '-0' }]],
  [
    'knows only the one text that a number has',
    { 'payload.a': ['3.0', '03', '1e3', '', ' 4'] },
    [{ a: '3.0' }, { a: '1e3' }],
    [{ a: 3 }, { a: 1000 }, { a: 0 }, { a: 4 }],
  ],
  ['knows the empty text', { 'payload.a': '' }, [{ a: '' }], [{ a: ' ' }, { a: null }, {}]],
  ['minds case', { 'payload.a': 'Paris' }, [{ a: 'Paris' }], [{ a: 'paris' }]],
  ['does not normalise', { 'payload.a': 'é' }, [{ a: 'é' }], [{ a: 'e\u0301' }]],
  [
    'matches any element',
    { 'payload.a': 'x' },
    [{ a: ['y', 'x'] }],
    [{ a: ['y'] }, { a: [['y']] }],
  ],
  ['takes any of a list', { 'payload.a': ['x', 3] }, [{ a: 'x' }, { a: 3 }], [{ a: 'y' }]],
  ['takes null in a list', { 'payload.a': ['x', null] }, [{ a: 'x' }, {}], [{ a: 'y' }]],
  ['never equals an object', { 'payload.a': '[object Object]' }, [], [{ a: {} }]],
  ['never equals the payload', { payload: 'x' }, [], [{ '': 'x' }, {}]],
  ['takes eq as it stands', { 'payload.a': { eq: 'x*' } }, [{ a: 'x*' }], [{ a: 'xy' }]],
  [
    'takes in as it stands',
    { 'payload.a': { in: ['x*', 3] } },
    [{ a: 'x*' }, { a: '3' }],
    [{ a: 'xy' }],
  ],
  [
    'reads ne as: no element is equal',
    { 'payload.a': { ne: 'x' } },
    [{ a: 'y' }, { a: [] }, {}, { a: { b: 'x' } }],
    [{ a: 'x' }, { a: ['y', 'x'] }],
  ],
];

export const existence: Row[] = [
  [
    'holds of scalars, objects and what is in arrays',
    { 'payload.a': { exists: true } },
    [
      { a: '' },
      { a: 0 },
      { a: false },
      { a: {} },
      { a: [{}] },
      { a: [null, [1]] },
      { a: { b: null } },
    ],
    [{}, { a: null }, { a: [] }, { a: [null] }, { a: [[]] }, { b: 1 }],
  ],
  ['can be denied', { 'payload.a': { exists: false } }, [{}, { a: [null] }], [{ a: {} }, { a: 1 }]],
  ['null says absent', { 'payload.a': null }, [{}, { a: null }, { a: [] }], [{ a: 0 }, { a: {} }]],
  ['eq null says absent', { 'payload.a': { eq: null } }, [{}, { a: null }], [{ a: 0 }]],
  ['ne null says present', { 'payload.a': { ne: null } }, [{ a: 0 }, { a: {} }], [{}, { a: null }]],
  ['is true of the payload', { payload: { exists: true } }, [{}, { a: 1 }], []],
  ['null is never said of the type', { type: null }, [], [{}]],
];

export const patterns: Row[] = [
  [
    'a final star asks for the start',
    { 'payload.a': 'ab*' },
    [{ a: 'ab' }, { a: 'abc' }],
    [{ a: 'a' }],
  ],
  [
    'a first star asks for the end',
    { 'payload.a': '*bc' },
    [{ a: 'abc' }, { a: 'bc' }],
    [{ a: 'bcd' }],
  ],
  [
    'a star alone asks for any scalar',
    { 'payload.a': '*' },
    [{ a: '' }, { a: 0 }, { a: false }, { a: ['x'] }],
    [{}, { a: {} }, { a: null }, { a: [] }],
  ],
  ['numbers have text', { 'payload.a': '1*' }, [{ a: 12 }, { a: 1e21 }], [{ a: 21 }]],
  ['booleans have text', { 'payload.a': '*e' }, [{ a: true }, { a: false }], [{ a: {} }]],
  ['an escaped star is a star', { 'payload.a': '\\*' }, [{ a: '*' }], [{ a: 'x' }, { a: '\\*' }]],
  ['an escaped star can have a star', { 'payload.a': 'a\\**' }, [{ a: 'a*b' }], [{ a: 'ab' }]],
  ['a star can have an escaped star', { 'payload.a': '*\\*' }, [{ a: 'a*' }], [{ a: 'ab' }]],
  [
    'an escaped backslash is one',
    { 'payload.a': '\\\\*' },
    [{ a: '\\x' }],
    [{ a: '*' }, { a: 'x' }],
  ],
  ['any other backslash is itself', { 'payload.a': 'a\\b\\' }, [{ a: 'a\\b\\' }], [{ a: 'ab' }]],
  [
    'patterns can be listed',
    { 'payload.a': ['a*', '*z'] },
    [{ a: 'ax' }, { a: 'xz' }],
    [{ a: 'x' }],
  ],
  [
    'prefix takes its text as it is',
    { 'payload.a': { prefix: 'a*' } },
    [{ a: 'a*b' }],
    [{ a: 'ab' }],
  ],
  [
    'suffix takes its text as it is',
    { 'payload.a': { suffix: '\\*' } },
    [{ a: 'a\\*' }],
    [{ a: 'a*' }],
  ],
  [
    'the empty suffix asks for any scalar',
    { 'payload.a': { suffix: '' } },
    [{ a: 0 }],
    [{ a: {} }],
  ],
];
