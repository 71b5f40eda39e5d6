import { dependencies, isSource, type Rule } from './source.js';

/** Lowest first. A file is of the first layer that it fits. */
const LAYERS = [
  /^src\/(?!(policy|backends|service|main)\.)[^/]+\.ts$/,
  // The filter language, the document whose tokens it speaks of, what a query may cost, and what a
  // history tells besides events.
  /^src\/(queries\/filter(\.(?!sqlite|elastic)\w+)*|projections\/(document|limits|losses))\.ts$/,
  /^src\/(commands\/(log|registry)|projections\/store|policy(\.\w+)?)\.ts$/,
  /^src\/(commands|projections|queries)\//,
  /^src\/(backends|service)\.ts$/,
  /^src\/transport\//,
  /^src\/main\.ts$/,
];
const ROLES_LAYER = 3;

/**
 * The registry of workspaces, of their keys and of what they may take, and how one's own events
 * get into it: a dead letter, a subscription and a failure are recorded like every event. Otherwise
 * the roles meet at the ports alone.
 */
const SHARED_BY_ROLES = /^src\/commands\/(workspaces?|histories|keyring|quotas|context|own)\.ts$/;

const layerOf = (path: string): number => LAYERS.findIndex((files) => files.test(path));
const folderOf = (path: string): string => path.slice(0, path.lastIndexOf('/'));

/** The back end that a file is a part of: `sqlite` for `filter.sqlite.ts` and `store.sqlite.ts`. */
const backEndOf = (path: string): string | undefined =>
  /\.(embedded|kafka|sqlite|elastic|confluent)\./.exec(path)?.[1];

/** Transport → commands, projections, queries → ports → filter → event; never upward. */
export const noUpwardImports: Rule = (sources) =>
  sources.filter(isSource).flatMap((source) => {
    const layer = layerOf(source.path);
    const isBelow = (path: string): boolean =>
      layer === ROLES_LAYER && layerOf(path) === ROLES_LAYER
        ? folderOf(path) === folderOf(source.path) ||
          SHARED_BY_ROLES.test(path) ||
          // That one stands in no other's way is the next rule.
          backEndOf(path) !== undefined
        : layerOf(path) <= layer;
    return dependencies(source)
      .filter((path) => path.startsWith('src/') && !isBelow(path))
      .map((path) => `${source.path} imports ${path}, which is not below it`);
  });

const COMPOSITION = ['src/backends.ts'];

/** Everything else speaks to the port, so that one back end can take the place of another. */
export const backEndsAreComposed: Rule = (sources) =>
  sources
    .filter((source) => isSource(source) && !COMPOSITION.includes(source.path))
    .flatMap((source) =>
      dependencies(source)
        .filter((path) => ![undefined, backEndOf(source.path)].includes(backEndOf(path)))
        .map((path) => `${source.path} imports the back end ${path} instead of its port`),
    );

/** Who may import a client library: a client that is replaced is replaced in one place. */
const CLIENTS: Record<string, RegExp> = {
  'better-sqlite3': /\/(log\.embedded|store\.sqlite)(\.\w+)*\.ts$/,
  kafkajs: /\/\w+\.kafka(\.\w+)*\.ts$/,
  '@platformatic/kafka': /\/\w+\.kafka(\.\w+)*\.ts$/,
  '@kafkajs/confluent-schema-registry': /\/registry\.confluent\.ts$/,
  '@elastic/elasticsearch': /\/store\.elastic(\.\w+)*\.ts$/,
  ws: /^src\/transport\/(upgrade|firstframe|framesocket|ws)\.ts$/,
  jose: /^src\/transport\/tokens\.ts$/,
  'openapi-backend': /^src\/transport\/openapi\.ts$/,
  'prom-client': /^src\/metrics\.ts$/,
  pino: /^src\/logger\.ts$/,
};

export const clientsStayInTheirAdapter: Rule = (sources) =>
  sources.filter(isSource).flatMap((source) => {
    const clients = dependencies(source).filter((name) => name in CLIENTS);
    const misplaced = clients
      .filter((name) => !CLIENTS[name]?.test(source.path))
      .map((name) => `${source.path} imports ${name}, which is for ${String(CLIENTS[name])}`);
    return clients.length > 1
      ? [...misplaced, `${source.path} imports more than one client: ${clients.join(', ')}`]
      : misplaced;
  });
