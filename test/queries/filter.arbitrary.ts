import fc from 'fast-check';
import type { Json, JsonObject } from '../../src/event.js';
import { key, number, scalar, text, times, topics, types, users } from './event.arbitrary.js';

export { recordsArbitrary } from './event.arbitrary.js';

/** In the short form, where a star would make a pattern. */
const escaped = (part: string): string => part.replace(/[*\\]/g, String.raw`\$&`);
const literal = scalar.map((value) => (typeof value === 'string' ? escaped(value) : value));
const pattern = fc.oneof(
  text.map((part) => `${escaped(part)}*`),
  text.map((part) => `*${escaped(part)}`),
);
/** As it is written by someone who knows of no escapes. */
const careless = fc.constantFrom('\\', 'a\\b', '\\a', 'a\\', '\\*', 'a*', '*');
const short = fc.oneof(literal, literal, pattern, careless, fc.constant(null));

const bounds = (bound: fc.Arbitrary<Json>): fc.Arbitrary<JsonObject> =>
  fc
    .tuple(
      fc.subarray(['gt', 'gte', 'lt', 'lte'], { minLength: 1, maxLength: 2 }),
      fc.tuple(bound, bound),
    )
    .map(([names, values]) => Object.fromEntries(names.map((name, i) => [name, values[i]!])));

const some = <T>(member: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
  fc.array(member, { minLength: 1, maxLength: 3 });
const operand = (name: string, json: fc.Arbitrary<Json>): fc.Arbitrary<JsonObject> =>
  json.map((drawn) => ({ [name]: drawn }));

const operator = fc.oneof(
  operand('eq', fc.oneof(scalar, fc.constant(null))),
  operand('ne', fc.oneof(scalar, fc.constant(null))),
  operand('in', some(scalar)),
  operand('prefix', text),
  operand('suffix', text),
  operand('exists', fc.boolean()),
  bounds(number),
  bounds(text),
  // In UTF-16, the first is the lesser.
  bounds(fc.constantFrom('\u{1F600}', '\uFFFD')),
);
/** One operator, or two in one object, both of which must hold. */
const operators = fc.oneof(
  operator,
  operator,
  fc.tuple(operator, operand('ne', scalar)).map(([first, second]) => ({ ...second, ...first })),
);

const onText = (values: readonly string[]): fc.Arbitrary<Json> => {
  const known = fc.constantFrom(...values);
  const start = known.map((whole) => whole.slice(0, 3));
  return fc.oneof(
    known,
    some(known),
    start.map((prefix) => `${prefix}*`),
    bounds(fc.oneof(known, start)),
    operand(
      'suffix',
      known.map((whole) => whole.slice(-2)),
    ),
    operators,
  );
};
const date = fc.constantFrom(...times, '2001-01-15', '2002-01-01');
const onTime = fc.oneof(
  date,
  some(date),
  operand('ne', date),
  operand('in', some(date)),
  bounds(date),
);
const position = fc.nat(100);
const onPosition = fc.oneof(
  fc.oneof(position, position.map(String)),
  some(position),
  operand('ne', position),
  bounds(position),
);

const path = fc
  .array(key, { minLength: 1, maxLength: 3, size: 'xsmall' })
  .map((steps) => `payload.${steps.join('.')}`);

const field = (name: string, condition: fc.Arbitrary<Json>): fc.Arbitrary<JsonObject> =>
  condition.map((drawn) => ({ [name]: drawn }));
const condition: fc.Arbitrary<JsonObject> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc
      .tuple(path, fc.oneof(short, some(short), operators))
      .map(([name, drawn]) => ({ [name]: drawn })),
  },
  field('payload', fc.oneof(short, operators)),
  field('id', onText(['e0', 'e1', 'e12'])),
  field('workspaceId', onText(['w1', 'w', 'w2'])),
  { weight: 2, arbitrary: field('type', onText(types)) },
  field('source.userId', onText(users)),
  field('source.ip', fc.oneof(short, operators)),
  field('target.topic', onText(topics)),
  field('time', onTime),
  field('createdAt', onTime),
  field('position', onPosition),
  field(
    '$text',
    fc.constantFrom('late', 'LATE arr*', 'arrival', 'é', 'a 3*', `${'x'.repeat(80)}*`),
  ),
);

/** A valid filter in its JSON form, of depth 5 at most. */
export const { filter: filterArbitrary } = fc.letrec<{ filter: Json }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    { weight: 6, arbitrary: condition },
    { weight: 2, arbitrary: fc.tuple(condition, condition).map(([a, b]) => ({ ...a, ...b })) },
    { weight: 1, arbitrary: some(tie('filter')) },
    { weight: 1, arbitrary: operand('$and', some(tie('filter'))) },
    { weight: 1, arbitrary: operand('$or', some(tie('filter'))) },
    { weight: 1, arbitrary: operand('$not', tie('filter')) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(condition, operand('$or', some(tie('filter'))))
        .map(([first, second]) => ({ ...first, ...second })),
    },
  ),
}));
