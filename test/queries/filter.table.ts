import { equality, existence, paths, patterns, type Row } from './filter.table.values.js';

const x70 = 'x'.repeat(70);

const ranges: Row[] = [
  ['gt leaves its bound out', { 'payload.a': { gt: 3 } }, [{ a: 3.1 }], [{ a: 3 }, { a: 2 }]],
  ['gte takes its bound in', { 'payload.a': { gte: 3 } }, [{ a: 3 }], [{ a: 2.9 }]],
  ['lt leaves its bound out', { 'payload.a': { lt: 3 } }, [{ a: -1 }], [{ a: 3 }]],
  ['lte takes its bound in', { 'payload.a': { lte: 3 } }, [{ a: 3 }], [{ a: 3.1 }]],
  [
    'a number is compared to numbers alone',
    { 'payload.a': { gt: 3 } },
    [{ a: 4 }],
    [{ a: '4' }, { a: true }],
  ],
  [
    'a text is compared to texts alone',
    { 'payload.a': { gt: '3' } },
    [{ a: '30' }],
    [{ a: 4 }, { a: {} }],
  ],
  [
    'text is compared as text',
    { 'payload.a': { lt: '9' } },
    [{ a: '10' }, { a: '' }],
    [{ a: '9' }, { a: '90' }],
  ],
  [
    'text is ordered by code point, not by UTF-16 unit',
    { 'payload.a': { gt: '\uFFFD' } },
    [{ a: '\u{1F600}' }, { a: '\uFFFDa' }],
    [{ a: '\uE000' }, { a: 'z' }, { a: '\uFFFD' }],
  ],
  [
    'one element is within all bounds',
    { 'payload.a': { gt: 3, lt: 10 } },
    [{ a: [1, 5, 20] }, { a: [[4]] }],
    [{ a: [1, 20] }, { a: [3, 10] }],
  ],
  [
    'other operators ask on their own',
    { 'payload.a': { gt: 3, eq: 1 } },
    [{ a: [1, 5] }],
    [{ a: [5] }, { a: [1] }],
  ],
  ['no value is in an empty range', { 'payload.a': { gt: 3, lt: 3 } }, [], [{ a: 3 }, {}]],
];

const combinations: Row[] = [
  ['an empty filter lets all through', {}, [{}, { a: 1 }], []],
  [
    'fields are all required',
    { 'payload.a': 1, 'payload.b': 2 },
    [{ a: 1, b: 2 }],
    [{ a: 1 }, { b: 2 }],
  ],
  [
    'a list asks for any',
    [{ 'payload.a': 1 }, { 'payload.b': 2 }],
    [{ a: 1 }, { b: 2 }],
    [{ a: 2 }, {}],
  ],
  [
    '$or asks for any',
    { $or: [{ 'payload.a': 1 }, { 'payload.b': 2 }] },
    [{ a: 1 }, { b: 2 }],
    [{}],
  ],
  [
    '$and asks for all',
    { $and: [{ 'payload.a': 1 }, { 'payload.a': 2 }] },
    [{ a: [1, 2] }],
    [{ a: 1 }],
  ],
  ['$not denies', { $not: { 'payload.a': 1 } }, [{}, { a: 2 }], [{ a: 1 }]],
  [
    '$not of a list denies each',
    { $not: [{ 'payload.a': 1 }, { 'payload.b': 2 }] },
    [{}],
    [{ a: 1 }, { b: 2 }],
  ],
  ['$not of everything lets nothing through', { $not: {} }, [], [{}, { a: 1 }]],
  [
    'fields beside $or are required with it',
    { 'payload.c': 3, $or: [{ 'payload.a': 1 }, { 'payload.b': 2 }] },
    [{ c: 3, a: 1 }],
    [{ a: 1 }, { c: 3 }],
  ],
];

const words: Row[] = [
  [
    'finds a word',
    { $text: 'late' },
    [{ a: 'Too late!' }, { a: ['late'] }],
    [{ a: 'later' }, { a: 'lat' }],
  ],
  ['looks in all of the payload', { $text: 'late' }, [{ a: [{ b: { c: 'late' } }] }], [{}]],
  ['does not look at keys', { $text: 'late' }, [], [{ late: 'early' }, { late: true }]],
  ['looks at texts alone', { $text: '3 true' }, [{ a: '3', b: 'true' }], [{ a: 3, b: true }]],
  [
    'finds every word, anywhere',
    { $text: 'late arrival' },
    [{ a: 'arrival', b: 'late' }],
    [{ a: 'late' }],
  ],
  [
    'finds a start by a star',
    { $text: 'fli*' },
    [{ a: 'flight' }, { a: 'fli' }],
    [{ a: 'fl' }, { a: 'a fl' }],
  ],
  ['minds no case', { $text: 'LATE' }, [{ a: 'Late' }], []],
  ['folds compatible forms', { $text: 'ｌａｔｅ ﬁsh' }, [{ a: 'late fish' }], []],
  ['folds decomposed letters', { $text: 'é' }, [{ a: 'e\u0301' }], [{ a: 'e' }]],
  ['separates words at punctuation', { $text: 'e-mail' }, [{ a: 'mail@e' }], [{ a: 'email' }]],
  [
    'keeps letters of any script',
    { $text: '北京 привет' },
    [{ a: 'Привет, 北京' }],
    [{ a: '北 京' }],
  ],
  [
    'cuts long words on both sides',
    { $text: x70 },
    [{ a: 'x'.repeat(64) }, { a: x70 + 'y' }],
    [{ a: 'x' }],
  ],
  [
    'cuts by code points',
    { $text: '𐐨'.repeat(65) },
    [{ a: '𐐨'.repeat(99) }],
    [{ a: '𐐨'.repeat(63) }],
  ],
];

export const table: Record<string, Row[]> = {
  'A path': paths,
  Equality: equality,
  Existence: existence,
  'A pattern': patterns,
  'A range': ranges,
  'A combination': combinations,
  'A search for words': words,
};
