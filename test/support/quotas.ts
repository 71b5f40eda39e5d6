import { QuotaKeeper } from '../../src/commands/quotas.js';
import type { Workspaces } from '../../src/commands/workspaces.js';
import type { Quota } from '../../src/quota.js';

const NONE: Quota = {
  eventsPerSecond: Infinity,
  bytesPerSecond: Infinity,
  searchesPerSecond: Infinity,
  connections: Infinity,
  subscriptions: Infinity,
};

/** For workspaces that take as much as they like, but for what is said. */
export function quotas(
  workspaces: Pick<Workspaces, 'get'>,
  { workspace, caller }: { workspace?: Partial<Quota>; caller?: Partial<Quota> } = {},
): QuotaKeeper {
  const defaults = { workspace: { ...NONE, ...workspace }, caller: { ...NONE, ...caller } };
  return new QuotaKeeper(workspaces, defaults);
}
