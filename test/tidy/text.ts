import ts from 'typescript';
import { isSource, statements, type Rule, type Source } from './source.js';

const LINE_COLUMNS_MAX = 100;

/** What no line may say, where, and what to do instead. */
const BANNED: readonly { what: RegExp; where: RegExp; instead: string }[] = [
  {
    what: /\b(TODO|FIXME)\b/,
    where: /./,
    instead: 'do it, or write a decision why not',
  },
  {
    what: /(?<![\w.])\/(work|root)\//,
    where: /./,
    instead: 'a path within the repository: others have it elsewhere',
  },
  {
    what: /eslint-disable(?!.* -- )|prettier-ignore/,
    where: /\.(ts|js)$/,
    instead: 'the rule off in eslint.config.js, with its reason',
  },
  {
    what: /\bprocess\.exit\(/,
    where: /^src\/(?!main\.ts)/,
    instead: 'throw: only src/main.ts ends the process, after the drain',
  },
  {
    what: /\bprocess\.env\b/,
    where: /^src\/(?!main\.ts)/,
    instead: 'a setting of config.ts, which is checked and documented',
  },
  {
    what: /\bDate\.parse\((?!.*\.createdAt)/,
    where: /^src\/(?!instant\.ts)/,
    instead: 'instant(): Date.parse takes the 30th of February',
  },
  {
    what: /\bsetTimeout\(\s*\w+\s*[,)]|['"](node:)?timers\/promises['"]/,
    where: /^test\/(?!bench\/|until\.ts)/,
    instead: 'wait for the condition: a sleep is too short on a slow machine, too long on yours',
  },
  {
    what: /'(node:)?assert'/,
    where: /^test\//,
    instead: 'node:assert/strict',
  },
];

/** These files speak of what they forbid. */
const isOwn = ({ path }: Source): boolean => path.startsWith('test/tidy');

export const noBannedWords: Rule = (sources) =>
  sources
    .filter((source) => !isOwn(source))
    .flatMap(({ path, text }) => {
      const banned = BANNED.filter(({ where }) => where.test(path));
      return text.split('\n').flatMap((line, index) =>
        banned
          .map(({ what, instead }) => ({ found: what.exec(line)?.[0], instead }))
          .filter(({ found }) => found !== undefined)
          .map(({ found, instead }) => `${at(path, index)} says ${String(found)}: ${instead}`),
      );
    });

export const linesAreShort: Rule = (sources) =>
  sources
    .filter(({ path }) => /\.(ts|js|sh)$|^\.ci\//.test(path))
    .flatMap(({ path, text }) =>
      text
        .split('\n')
        .map((line, index) => ({ line, index }))
        // An address cannot be broken.
        .filter(({ line }) => [...line].length > LINE_COLUMNS_MAX && !line.includes('://'))
        .map(({ index }) => `${at(path, index)} is longer than ${LINE_COLUMNS_MAX} columns`),
    );

export const documentsHaveOneTitle: Rule = (sources) =>
  sources
    .filter(({ path }) => path.endsWith('.md'))
    .map(({ path, text }) => ({ path, prose: text.replace(/^(```|~~~)[^]*?^\1/gm, '') }))
    .map(({ path, prose }) => ({ path, titles: prose.match(/^# /gm)?.length ?? 0 }))
    .filter(({ titles }) => titles !== 1)
    .map(({ path, titles }) => `${path} has ${titles} titles`);

/** What the README tells a newcomer to run is what the gate runs. */
export const readmeTestsAsTheGate: Rule = (sources) => {
  const find = (name: string): string => sources.find(({ path }) => path === name)?.text ?? '';
  const fenced = find('README.md').match(/^```[^]*?^```/gm) ?? [];
  return [
    ...(fenced.some((block) => /^npm ci && npm test$/m.test(block))
      ? []
      : ['README.md has no fenced line `npm ci && npm test`']),
    ...[/\bnpm ci( --ignore-scripts)?$/m, /\bnpm test\b/]
      .filter((command) => !command.test(find('.ci/run')))
      .map((command) => `.ci/run has nothing like ${String(command)}`),
  ];
};

/**
 * A file of types alone compiles to nothing, of which no run covers a line. Any other file that the
 * gate left out would be code that nobody knows to be tested.
 */
export const coverageCountsAllCode: Rule = (sources) => {
  const config = sources.find(({ path }) => path === '.c8rc.json')?.text ?? '{}';
  const { exclude = [] } = JSON.parse(config) as { exclude?: string[] };
  const excluded = new Set(exclude.map((path) => path.replace(/^dist\/(.*)\.js$/, '$1.ts')));
  const types = new Set(
    sources
      .filter(isSource)
      .filter(isEmptyAtRuntime)
      .map(({ path }) => path),
  );
  return [
    ...[...excluded]
      .filter((path) => !types.has(path))
      .map((path) => `.c8rc.json excludes ${path}, which is code`),
    ...[...types]
      .filter((path) => !excluded.has(path))
      .map((path) => `.c8rc.json counts ${path}, which is types`),
  ];
};

function isEmptyAtRuntime(source: Source): boolean {
  return statements(source).every(
    (statement) =>
      ts.isInterfaceDeclaration(statement) ||
      ts.isTypeAliasDeclaration(statement) ||
      (ts.isExportDeclaration(statement) && statement.isTypeOnly) ||
      (ts.isImportDeclaration(statement) &&
        statement.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword),
  );
}

function at(path: string, index: number): string {
  return `${path}:${index + 1}`;
}
