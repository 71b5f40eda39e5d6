import assert from 'node:assert/strict';
import { backEndsAreComposed, clientsStayInTheirAdapter, noUpwardImports } from './tidy/imports.js';
import { readSources, type Rule, type Source } from './tidy/source.js';
import {
  coverageCountsAllCode,
  documentsHaveOneTitle,
  linesAreShort,
  noBannedWords,
  readmeTestsAsTheGate,
} from './tidy/text.js';
import { noUnusedExports, noUnusedFiles } from './tidy/unused.js';

/** Files by their path. */
type Tree = Record<string, string>;

interface Policy {
  readonly rule: Rule;
  /** Each has exactly one fault. */
  readonly broken: readonly Tree[];
  readonly kept: Tree;
}

const FENCE = '```';

const POLICIES: Record<string, Policy> = {
  'imports never go upward': {
    rule: noUpwardImports,
    broken: [
      { 'src/event.ts': `import { log } from './commands/log.js';` },
      { 'src/commands/log.ts': `export { emit } from './emit.js';` },
      { 'src/policy.ts': `const { emit } = await import('./commands/emit.js');` },
      { 'src/commands/emit.ts': `import { search } from '../queries/search.js';` },
      { 'src/queries/search.ts': `import type { Emit } from '../commands/emit.js';` },
      { 'src/queries/tail.ts': `import { frame } from '../transport/ws.js';` },
      { 'src/transport/ws.ts': `import { start } from '../main.js';` },
    ],
    kept: {
      'src/main.ts': `import { serve } from './transport/server.js';`,
      'src/service.ts': `import { search } from './queries/search.js';`,
      'src/transport/ws.ts': `import { tail } from '../queries/tail.js';`,
      'src/queries/tail.ts': `import { Log } from '../commands/log.js'; import './ring.js';`,
      'src/projections/project.ts': `import { registry } from '../commands/workspaces.js';`,
      'src/queries/filter.ast.ts': `import { ServiceError } from '../errors.js';`,
    },
  },
  'back ends are known only to who composes them': {
    rule: backEndsAreComposed,
    broken: [
      { 'src/commands/emit.ts': `import { kafka } from './log.kafka.js';` },
      { 'src/commands/log.embedded.ts': `import { fetch } from './log.kafka.fetch.js';` },
      { 'src/queries/search.ts': `new URL('../projections/store.sqlite.js', import.meta.url)` },
    ],
    kept: {
      'src/backends.ts': `import { kafka } from './commands/log.kafka.js';`,
      'src/commands/log.kafka.ts': `import { fetch } from './log.kafka.fetch.js';`,
      'src/projections/store.sqlite.ts': `import { plan } from '../queries/filter.sqlite.js';`,
      'src/commands/emit.ts': `import type { EventLog } from './log.js';`,
    },
  },
  'each external client stays in its adapter': {
    rule: clientsStayInTheirAdapter,
    broken: [
      { 'src/commands/emit.ts': `import { Kafka } from 'kafkajs';` },
      { 'src/queries/search.ts': `import type { Client } from '@elastic/elasticsearch';` },
      {
        'src/commands/log.kafka.ts': `import 'kafkajs'; import '@platformatic/kafka';`,
      },
    ],
    kept: { 'src/commands/log.kafka.ts': `import { Kafka } from 'kafkajs'; import './log.js';` },
  },
  'every source file is reached from the entry': {
    rule: noUnusedFiles,
    broken: [
      { 'src/main.ts': '', 'src/left.ts': '' },
      { 'src/main.ts': `// import './left.js';`, 'src/left.ts': '' },
    ],
    kept: {
      'src/main.ts': `import './used.js';`,
      'src/used.ts': `export type { T } from './types.js';
        new Worker(new URL('./thread.js', import.meta.url));`,
      'src/types.ts': '',
      'src/thread.ts': '',
      'test/any.test.ts': '',
    },
  },
  'what is exported is imported': {
    rule: noUnusedExports,
    broken: [
      { 'src/a.ts': 'export function left() {}' },
      { 'src/a.ts': 'export const left = 1; left;' },
      { 'src/a.ts': 'class Left {} export { Left };' },
      {
        'src/a.ts': 'export const left = 1;',
        'src/b.ts': `import { left } from './other/a.js';`,
      },
      {
        'src/a.ts': 'export const used = 1;',
        'src/index.ts': `export { used as left } from './a.js';`,
      },
    ],
    kept: {
      'src/a.ts': 'export const one = 1; export function two() {} export type Free = 1;',
      'src/b.ts': `import { one as mine } from './a.js'; export class Three {}`,
      'src/c.ts': 'export const four = 4;',
      'test/a.test.ts': `import { two } from '../src/a.js'; import * as b from '../src/b.js';
        const { four } = await import('../src/c.js');`,
    },
  },
  'no line says what is banned': {
    rule: noBannedWords,
    broken: [
      { 'README.md': 'TODO: write it' },
      { 'docs/guide.md': 'cd /work/repository' },
      { 'src/a.ts': '// eslint-disable-next-line no-console' },
      { 'src/a.ts': 'process.exit(1);' },
      { 'src/a.ts': 'const port = process.env.PORT;' },
      { 'src/a.ts': 'Date.parse(given);' },
      { 'test/a.test.ts': 'await new Promise((resolve) => setTimeout(resolve, 100));' },
      { 'test/a.test.ts': `import { setTimeout } from 'node:timers/promises';` },
      { 'test/a.test.ts': `import assert from 'node:assert';` },
    ],
    kept: {
      'src/main.ts': 'readConfig(process.env); process.exit(1);',
      'src/a.ts': '// eslint-disable-next-line no-console -- There is no logger yet.',
      'test/a.test.ts': `import assert from 'node:assert/strict'; clock.setTimeout(() => 1, 5);`,
      'test/until.ts': 'await new Promise((resolve) => setTimeout(resolve, 5));',
      'docs/guide.md': 'GET https://example.org/work/1',
    },
  },
  'lines fit the page': {
    rule: linesAreShort,
    broken: [{ 'src/a.ts': `// ${'x'.repeat(98)}` }],
    kept: {
      'src/a.ts': `// ${'ä'.repeat(97)}\n// https://example.org/${'x'.repeat(98)}`,
      'docs/guide.md': 'x'.repeat(101),
    },
  },
  'a document has one title': {
    rule: documentsHaveOneTitle,
    broken: [{ 'docs/a.md': '## Part' }, { 'docs/a.md': '# One\n\n# Two' }],
    kept: { 'docs/a.md': `# One\n\n${FENCE}sh\n# a comment\n${FENCE}\n\n## Part` },
  },
  'README and gate test with the same command': {
    rule: readmeTestsAsTheGate,
    broken: [
      { 'README.md': 'Run npm ci && npm test', '.ci/run': 'npm ci\nnpm test' },
      { 'README.md': `${FENCE}sh\nnpm ci && npm test\n${FENCE}`, '.ci/run': 'npm ci\nmocha' },
    ],
    kept: {
      'README.md': `${FENCE}sh\nnpm ci && npm test\n${FENCE}`,
      '.ci/run': 'npm ci\nc8 npm test',
    },
  },
  'coverage counts all code, and only code': {
    rule: coverageCountsAllCode,
    broken: [
      { '.c8rc.json': '{"exclude":["dist/src/a.js"]}', 'src/a.ts': 'export const code = 1;' },
      { '.c8rc.json': '{"exclude":["dist/src/gone.js"]}' },
      { '.c8rc.json': '{}', 'src/a.ts': 'export interface Port {}' },
    ],
    kept: {
      '.c8rc.json': '{"exclude":["dist/src/a.js"]}',
      'src/a.ts': 'export interface Port {}',
      'src/b.ts': 'export const code = 1;',
    },
  },
};

describe('the repository', () => {
  let sources: readonly Source[];

  before(() => {
    // From dist/test, where this runs.
    sources = readSources(new URL('../../', import.meta.url));
  });

  for (const [policy, { rule, broken, kept }] of Object.entries(POLICIES)) {
    it(policy, () => {
      const findings = rule(sources);
      assert.equal(findings.length, 0, ['', ...findings].join('\n'));
    });

    it(`${policy}; or else it is found`, () => {
      for (const tree of broken) {
        assert.equal(rule(treeOf(tree)).length, 1, JSON.stringify(tree));
      }
      assert.deepEqual(rule(treeOf(kept)), []);
    });
  }

  it('is read without what is built, fetched or stored in it', () => {
    const paths = sources.map(({ path }) => path);
    assert.ok(paths.includes('src/errors.ts') && paths.includes('.ci/run'));
    assert.deepEqual(
      paths.filter((path) => /^(dist|node_modules|data|coverage|\.git)\//.test(path)),
      [],
    );
  });
});

function treeOf(tree: Tree): Source[] {
  return Object.entries(tree).map(([path, text]) => ({ path, text }));
}
